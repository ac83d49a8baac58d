//go:build console

package console

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// A tab is one page in Chromium, and what it complained about.
type tab struct {
	t    *testing.T
	ctx  context.Context
	site *site

	mu       sync.Mutex // guards what follows, which the browser's events change
	problems []string
	requests map[network.RequestID]string
	expected []string // parts of complaints that are meant to be
}

// browse opens Chromium; without one the test is skipped.
func browse(t *testing.T, s *site) *tab {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium on the PATH (package chromium)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-sync", true), chromedp.Flag("lang", "en-US"))
	ctx, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	ctx, end = chromedp.NewContext(ctx)
	t.Cleanup(end)
	b := &tab{t: t, ctx: ctx, site: s, requests: map[network.RequestID]string{}}
	b.must(chromedp.Do(ctx))
	b.must(chromedp.Listen(ctx, b.hear))
	for _, enable := range []cdp.Command[cdp.Empty, cdp.Empty]{log.Enable} {
		_, err := chromedp.Call(ctx, enable, cdp.Empty{})
		b.must(err)
	}
	_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: noteQuestions})
	b.must(err)
	return b
}

// noteQuestions has a page note in asked what it asked the API for and has no
// answer to yet. The browser's own events leave some requests open for ever
// whose page went away or gave them up.
const noteQuestions = `
  window.asked = new Map();
  const ask = window.fetch;
  window.fetch = async (address, options) => {
    const one = Symbol();
    asked.set(one, (options?.method ?? 'GET') + ' ' + address);
    try {
      const answer = await ask(address, options);
      await answer.clone().arrayBuffer();
      return answer;
    } finally {
      asked.delete(one);
    }
  };`

func (b *tab) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// hear keeps what the browser complains about.
func (b *tab) hear(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		b.complain("exception: " + text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			for _, a := range e.Args {
				b.complain("console: " + string(a.Value) + a.Description)
			}
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			b.complain("browser: " + e.Entry.Text)
		}
	case *network.EventRequestWillBeSent:
		b.mu.Lock()
		b.requests[e.RequestID] = e.Request.Method + " " + strings.TrimPrefix(e.Request.URL, b.site.url)
		b.mu.Unlock()
		if !strings.HasPrefix(e.Request.URL, b.site.url) && !strings.HasPrefix(e.Request.URL, "data:") && !strings.HasPrefix(e.Request.URL, "about:") {
			b.complain("asks elsewhere: " + e.Request.URL)
		}
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 {
			b.mu.Lock()
			what := b.requests[e.RequestID]
			b.mu.Unlock()
			b.complain(fmt.Sprintf("answer %d: %s", e.Response.Status, what))
		}
	}
}

func (b *tab) complain(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.expected {
		if strings.Contains(text, e) {
			return
		}
	}
	b.problems = append(b.problems, text)
}

// expect lets complaints with a text in them be, while do runs.
func (b *tab) expect(texts []string, do func()) {
	b.mu.Lock()
	b.expected = texts
	b.mu.Unlock()
	do()
	b.mu.Lock()
	b.expected = nil
	b.mu.Unlock()
}

// quiet fails the test if anything was complained about since.
func (b *tab) quiet(where string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		b.t.Errorf("%s: %s", where, p)
	}
	b.problems = nil
}

func eval[T any](b *tab, js string, args ...any) T {
	b.t.Helper()
	for i, a := range args {
		text, err := json.Marshal(a)
		b.must(err)
		js = strings.ReplaceAll(js, fmt.Sprintf("$%d", i+1), string(text))
	}
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%v in %.200s", err, js)
	}
	return v
}

// holds waits until a condition is true on the page.
func (b *tab) holds(what, js string, args ...any) {
	b.t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for !eval[bool](b, "(() => { try { return Boolean("+js+"); } catch { return false; } })()", args...) {
		if time.Now().After(deadline) {
			b.t.Fatalf("waited in vain until %s; the page says:\n%s", what, eval[string](b, `(document.querySelector('dialog[open]') ?? document.body).innerText.slice(0, 2000)`))
		}
		time.Sleep(30 * time.Millisecond)
	}
}

// open goes to a page and waits until it has what it shows.
func (b *tab) open(hash string) {
	b.t.Helper()
	if !strings.HasPrefix(eval[string](b, "location.href"), b.site.url) {
		b.must(chromedp.Do(b.ctx, chromedp.Navigate(b.site.url+"/#/"+hash)))
	} else {
		eval[chromedp.Void](b, "location.hash = $1", "#/"+hash)
	}
	b.settled()
}

// settled waits until the page is drawn and has asked nothing for a while: what
// is answered may make it ask for more.
func (b *tab) settled() {
	b.t.Helper()
	calm := 0
	for deadline := time.Now().Add(15 * time.Second); calm < 4; time.Sleep(50 * time.Millisecond) {
		if calm++; !eval[bool](b, `Boolean(asked.size === 0 && document.querySelector('main h1') && !document.querySelector('.wait'))`) {
			calm = 0
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("waited in vain until the page is drawn and all it asked is answered; it asked\n%s\nand says\n%s",
				eval[string](b, `[...asked.values()].join('\n')`), eval[string](b, `document.body.innerText.slice(0, 2000)`))
		}
	}
}

func (b *tab) sees(text string) {
	b.t.Helper()
	b.holds("the page shows "+text, `document.body.innerText.includes($1)`, text)
}

func (b *tab) lacks(text string) {
	b.t.Helper()
	b.holds("the page lacks "+text, `!document.querySelector('main').innerText.includes($1)`, text)
}

// find is the first visible thing to press with a name, in the open dialog if
// there is one, or within the row that shows a text.
const find = `((name, row) => {
  const dialog = [...document.querySelectorAll('dialog[open]')].at(-1);
  const root = row ? [...document.querySelectorAll('main tbody tr, main .panel')].filter((r) => r.innerText.includes(row)).at(-1) : dialog ?? document;
  const named = (e) => (e.getAttribute('aria-label') ?? e.innerText).trim();
  const all = [...(root?.querySelectorAll('button, a, summary, input[type=checkbox]') ?? [])].filter((e) => e.checkVisibility() && !e.disabled);
  return all.find((e) => named(e) === name || e.closest('label')?.innerText.startsWith(name)) ?? null;
})`

// click presses what has a name, where it is on the screen.
func (b *tab) click(name string) { b.t.Helper(); b.clickIn(name, "") }

func (b *tab) clickIn(name, row string) {
	b.t.Helper()
	var at []float64
	for len(at) == 0 { // what was there may be drawn anew
		b.holds(fmt.Sprintf("there is %q to press", name), find+`($1, $2)`, name, row)
		at = eval[[]float64](b, `(() => { const e = `+find+`($1, $2); if (!e) return [];
      e.scrollIntoView({block: 'center', inline: 'center'}); const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()`, name, row)
	}
	if !eval[bool](b, `(() => { const e = `+find+`($1, $2); const top = document.elementFromPoint($3, $4); return e === top || e?.contains(top) === true || top?.contains(e) === true; })()`, name, row, at[0], at[1]) {
		b.t.Errorf("%q is covered by something else", name)
	}
	b.must(chromedp.Do(b.ctx, chromedp.MouseClickXY(at[0], at[1])))
}

// fill types into the field with a label, or chooses from it.
func (b *tab) fill(label, value string) {
	b.t.Helper()
	const field = `((label) => {
    const root = [...document.querySelectorAll('dialog[open]')].at(-1) ?? document;
    const found = [...root.querySelectorAll('label')].find((l) => l.checkVisibility() && (l.querySelector('span')?.innerText ?? l.innerText).trim() === label);
    return found?.querySelector('input, select, textarea');
  })`
	b.holds(fmt.Sprintf("there is a field %q", label), field+`($1)`, label)
	plain := eval[bool](b, `(() => { const f = `+field+`($1); f.focus(); if (f.select && f.type !== 'datetime-local') { f.select(); return true; }
    f.value = $2; f.dispatchEvent(new Event(f.localName === 'select' ? 'change' : 'input', { bubbles: true })); return false; })()`, label, value)
	if !plain {
		return
	}
	if value == "" {
		b.press(kb.Delete)
		return
	}
	_, err := chromedp.Call(b.ctx, input.InsertText, input.InsertTextParams{Text: value})
	b.must(err)
}

func (b *tab) press(keys string, options ...chromedp.KeyOption) {
	b.t.Helper()
	b.must(chromedp.Do(b.ctx, chromedp.KeyEvent(keys, options...)))
}

// shortcut presses a key that writes nothing.
func (b *tab) shortcut(key string, modifiers chromedp.Modifier) {
	b.t.Helper()
	for _, typ := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeKeyUp} {
		_, err := chromedp.Call(b.ctx, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: typ, Key: key, Modifiers: int64(modifiers)})
		b.must(err)
	}
}

// window is the size of the screen; a narrow one is a phone's.
func (b *tab) window(width, height int64) {
	b.t.Helper()
	if width < 600 {
		b.must(chromedp.Do(b.ctx, chromedp.EmulateViewport(width, height, chromedp.EmulateMobile)))
		return
	}
	b.must(chromedp.Do(b.ctx, chromedp.EmulateViewport(width, height)))
}

func (b *tab) scheme(name string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	b.must(err)
}

func (b *tab) speak(language string) {
	b.t.Helper()
	eval[chromedp.Void](b, "localStorage.setItem('goddard.language', $1)", language)
	b.reload()
}

// reload draws the page anew.
func (b *tab) reload() {
	b.t.Helper()
	b.must(chromedp.Do(b.ctx, chromedp.Reload()))
	b.settled()
}
