//go:build console || compat

// Package browser has tests use pages in a real Chromium: by mouse, by keys, and
// with an ear for everything that the browser complains about.
package browser

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

// A Tab is one page in Chromium, and what it complained about.
type Tab struct {
	T   *testing.T // that fails
	Ctx context.Context
	url string // where the pages are

	mu       sync.Mutex // guards what follows, which the browser's events change
	problems []string
	requests map[network.RequestID]string
	expected []string // parts of complaints that are meant to be
}

// chromium is where the browser is; empty if there is none.
func chromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			return found
		}
	}
	return ""
}

// Installed reports whether there is a browser to open.
func Installed() bool { return chromium() != "" }

// New opens Chromium for pages at a URL; without one the test is skipped.
func New(t *testing.T, url string) *Tab {
	t.Helper()
	path := chromium()
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
	b := &Tab{T: t, Ctx: ctx, url: url, requests: map[network.RequestID]string{}}
	b.Must(chromedp.Do(ctx))
	b.Must(chromedp.Listen(ctx, b.hear))
	for _, enable := range []cdp.Command[cdp.Empty, cdp.Empty]{log.Enable} {
		_, err := chromedp.Call(ctx, enable, cdp.Empty{})
		b.Must(err)
	}
	_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: noteQuestions})
	b.Must(err)
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

// Must fails the test for an error.
func (b *Tab) Must(err error) {
	b.T.Helper()
	if err != nil {
		b.T.Fatal(err)
	}
}

// hear keeps what the browser complains about.
func (b *Tab) hear(event any) {
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
		b.requests[e.RequestID] = e.Request.Method + " " + strings.TrimPrefix(e.Request.URL, b.url)
		b.mu.Unlock()
		if !strings.HasPrefix(e.Request.URL, b.url) && !strings.HasPrefix(e.Request.URL, "data:") && !strings.HasPrefix(e.Request.URL, "about:") {
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

func (b *Tab) complain(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.expected {
		if strings.Contains(text, e) {
			return
		}
	}
	b.problems = append(b.problems, text)
}

// Expect lets complaints with a text in them be, while do runs.
func (b *Tab) Expect(texts []string, do func()) {
	b.mu.Lock()
	b.expected = texts
	b.mu.Unlock()
	do()
	b.mu.Lock()
	b.expected = nil
	b.mu.Unlock()
}

// Asked is how many requests the page has made so far.
func (b *Tab) Asked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.requests)
}

// Quiet fails the test if anything was complained about since.
func (b *Tab) Quiet(where string) {
	b.T.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		b.T.Errorf("%s: %s", where, p)
	}
	b.problems = nil
}

// Eval is the value of an expression on the page; $1 and so on stand for args.
func Eval[T any](b *Tab, js string, args ...any) T {
	b.T.Helper()
	for i, a := range args {
		text, err := json.Marshal(a)
		b.Must(err)
		js = strings.ReplaceAll(js, fmt.Sprintf("$%d", i+1), string(text))
	}
	v, err := chromedp.Run(b.Ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		b.T.Fatalf("%v in %.200s", err, js)
	}
	return v
}

// Holds waits until a condition is true on the page.
func (b *Tab) Holds(what, js string, args ...any) {
	b.T.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for !Eval[bool](b, "(() => { try { return Boolean("+js+"); } catch { return false; } })()", args...) {
		if time.Now().After(deadline) {
			b.T.Fatalf("waited in vain until %s; the page says:\n%s", what, Eval[string](b, `(document.querySelector('dialog[open]') ?? document.body).innerText.slice(0, 2000)`))
		}
		time.Sleep(30 * time.Millisecond)
	}
}

// Open goes to a page and waits until it has what it shows.
func (b *Tab) Open(hash string) {
	b.T.Helper()
	if !strings.HasPrefix(Eval[string](b, "location.href"), b.url) {
		b.Must(chromedp.Do(b.Ctx, chromedp.Navigate(b.url+"/#/"+hash)))
	} else {
		Eval[chromedp.Void](b, "location.hash = $1", "#/"+hash)
	}
	b.Settled()
}

// Settled waits until the page is drawn and has asked nothing for a while: what
// is answered may make it ask for more.
func (b *Tab) Settled() {
	b.T.Helper()
	calm := 0
	for deadline := time.Now().Add(15 * time.Second); calm < 4; time.Sleep(50 * time.Millisecond) {
		if calm++; !Eval[bool](b, `Boolean(asked.size === 0 && document.querySelector('main h1') && !document.querySelector('.wait'))`) {
			calm = 0
		}
		if time.Now().After(deadline) {
			b.T.Fatalf("waited in vain until the page is drawn and all it asked is answered; it asked\n%s\nand says\n%s",
				Eval[string](b, `[...asked.values()].join('\n')`), Eval[string](b, `document.body.innerText.slice(0, 2000)`))
		}
	}
}

// Sees waits until a text is on the page.
func (b *Tab) Sees(text string) {
	b.T.Helper()
	b.Holds("the page shows "+text, `document.body.innerText.includes($1)`, text)
}

// Lacks waits until a text is nowhere in its content.
func (b *Tab) Lacks(text string) {
	b.T.Helper()
	b.Holds("the page lacks "+text, `!document.querySelector('main').innerText.includes($1)`, text)
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

// Click presses what has a name, where it is on the screen.
func (b *Tab) Click(name string) { b.T.Helper(); b.ClickIn(name, "") }

// ClickIn presses within the row that shows a text.
func (b *Tab) ClickIn(name, row string) {
	b.T.Helper()
	var at []float64
	for len(at) == 0 { // what was there may be drawn anew
		b.Holds(fmt.Sprintf("there is %q to press", name), find+`($1, $2)`, name, row)
		at = Eval[[]float64](b, `(() => { const e = `+find+`($1, $2); if (!e) return [];
      e.scrollIntoView({block: 'center', inline: 'center'}); const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()`, name, row)
	}
	if !Eval[bool](b, `(() => { const e = `+find+`($1, $2); const top = document.elementFromPoint($3, $4); return e === top || e?.contains(top) === true || top?.contains(e) === true; })()`, name, row, at[0], at[1]) {
		b.T.Errorf("%q is covered by something else", name)
	}
	b.Must(chromedp.Do(b.Ctx, chromedp.MouseClickXY(at[0], at[1])))
}

// Fill types into the field with a label, or chooses from it.
func (b *Tab) Fill(label, value string) {
	b.T.Helper()
	const field = `((label) => {
    const root = [...document.querySelectorAll('dialog[open]')].at(-1) ?? document;
    const found = [...root.querySelectorAll('label')].find((l) => l.checkVisibility() && (l.querySelector('span')?.innerText ?? l.innerText).trim() === label);
    return found?.querySelector('input, select, textarea');
  })`
	b.Holds(fmt.Sprintf("there is a field %q", label), field+`($1)`, label)
	plain := Eval[bool](b, `(() => { const f = `+field+`($1); f.focus(); if (f.select && f.type !== 'datetime-local') { f.select(); return true; }
    f.value = $2; f.dispatchEvent(new Event(f.localName === 'select' ? 'change' : 'input', { bubbles: true })); return false; })()`, label, value)
	if !plain {
		return
	}
	if value == "" {
		b.Press(kb.Delete)
		return
	}
	_, err := chromedp.Call(b.Ctx, input.InsertText, input.InsertTextParams{Text: value})
	b.Must(err)
}

// Press types keys.
func (b *Tab) Press(keys string, options ...chromedp.KeyOption) {
	b.T.Helper()
	b.Must(chromedp.Do(b.Ctx, chromedp.KeyEvent(keys, options...)))
}

// Shortcut presses a key that writes nothing.
func (b *Tab) Shortcut(key string, modifiers chromedp.Modifier) {
	b.T.Helper()
	for _, typ := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeKeyUp} {
		_, err := chromedp.Call(b.Ctx, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: typ, Key: key, Modifiers: int64(modifiers)})
		b.Must(err)
	}
}

// Window is the size of the screen; a narrow one is a phone's.
func (b *Tab) Window(width, height int64) {
	b.T.Helper()
	if width < 600 {
		b.Must(chromedp.Do(b.Ctx, chromedp.EmulateViewport(width, height, chromedp.EmulateMobile)))
		return
	}
	b.Must(chromedp.Do(b.Ctx, chromedp.EmulateViewport(width, height)))
}

// Scheme is light or dark.
func (b *Tab) Scheme(name string) {
	b.T.Helper()
	_, err := chromedp.Call(b.Ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	b.Must(err)
}

// Speak changes the language.
func (b *Tab) Speak(language string) {
	b.T.Helper()
	Eval[chromedp.Void](b, "localStorage.setItem('goddard.language', $1)", language)
	b.Reload()
}

// Reload draws the page anew.
func (b *Tab) Reload() {
	b.T.Helper()
	b.Must(chromedp.Do(b.Ctx, chromedp.Reload()))
	b.Settled()
}
