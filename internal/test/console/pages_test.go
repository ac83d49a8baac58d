//go:build console

package console

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

var shots = flag.String("shots", "", "keep a picture of each page in this directory")

// pages are all pages with something on them; m is a message's id, l a dead
// letter's.
func pages(s *site) map[string]string {
	m := items(s.get("/topics/orders/messages?key=order-1"))[0]["id"].(string)
	l := items(s.get("/dead-letters/unlucky"))[0]["id"].(string)
	name := s.get("/overview")["brokers"].([]any)[0].(object)["name"].(string)
	return map[string]string{
		"overview": "", "broker": "brokers/" + escape(s.broker), "broker-named": "brokers/" + escape(name), "topics": "topics", "topics-none": "topics?q=nothing-like-it", "topic": "topics/orders",
		"topic-queues": "topics/orders?tab=queues", "topic-groups": "topics/orders?tab=groups", "topic-producers": "topics/orders?tab=producers",
		"topic-route": "topics/orders?tab=route", "topic-config": "topics/orders?tab=config", "topic-tail": "topics/orders?tab=tail",
		"groups": "groups", "group": "groups/behind", "group-clients": "groups/online?tab=clients", "group-charts": "groups/online?tab=charts",
		"group-config": "groups/online?tab=config", "group-message-groups": "groups/online?tab=messagegroups",
		"messages": "messages", "messages-found": "messages?topic=orders", "messages-key": "messages?by=key&topic=orders&key=order-1", "messages-id": "messages?by=id",
		"message": "messages/" + m + "?topic=orders", "dead-letters": "deadletters", "dead-letters-group": "deadletters/unlucky", "dead-letter": "deadletters/unlucky/" + escape(l),
		"delayed": "delayed", "half-messages": "transactions", "connections": "connections", "connections-consumers": "connections?tab=consumers",
		"access": "access", "access-policies": "access?tab=policies", "access-explain": "access?tab=explain", "settings": "settings", "settings-namesrv": "settings?broker=namesrv", "lost": "nowhere",
	}
}

// telling are the pages that are looked at in every look; the others are only in
// two, a light and a dark one, a wide and a narrow one.
var telling = []string{"overview", "broker", "topics", "topic", "group", "messages", "message", "dead-letter", "settings"}

// meant are answers that pages are to explain and not to hide: there is no
// access control here.
var meant = []string{"answer 501", "status of 501"}

func TestEveryPageIsWholeInEveryLanguageSchemeAndSize(t *testing.T) {
	s := start(t, nil)
	b := browse(t, s)
	b.Window(1400, 900)
	b.Open("")
	all := pages(s)
	axe := axeCore(t)
	for _, look := range []struct {
		name, language, scheme string
		width, height          int64
		all                    bool
	}{
		{"en-light", "en", "light", 1400, 900, true}, {"en-dark", "en", "dark", 1280, 800, false}, {"zh-light", "zh", "light", 1400, 900, false}, {"zh-dark", "zh", "dark", 1280, 800, false},
		{"en-phone", "en", "light", 360, 740, false}, {"zh-phone-dark", "zh", "dark", 360, 740, true}, {"en-small-phone", "en", "dark", 320, 640, false},
	} {
		b.T = t
		b.Window(look.width, look.height)
		b.Scheme(look.scheme)
		b.Speak(look.language)
		for name, hash := range all {
			if !look.all && !slices.Contains(telling, name) {
				continue
			}
			t.Run(look.name+"/"+name, func(t *testing.T) {
				b.T = t
				b.Expect(meant, func() {
					b.Open(hash)
					b.picture(look.name + "-" + name)
					if wide := eval[float64](b, "document.documentElement.scrollWidth - innerWidth"); wide > 0 {
						t.Errorf("the page is %v pixels wider than the screen: %s", wide, eval[string](b,
							`[...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 4).map((e) => e.outerHTML.slice(0, 120)).join('\n')`))
					}
					if title := eval[string](b, "document.title"); !strings.HasSuffix(title, " · Goddard") {
						t.Errorf("title %q", title)
					}
					if fault := eval[string](b, "[...document.querySelectorAll('main .fault')].map((e) => e.innerText).join('; ')"); fault != "" && !strings.HasPrefix(name, "access") && name != "group-message-groups" {
						t.Errorf("the page shows a fault: %s", fault)
					}
					if axe != "" {
						b.audit(axe)
					}
				})
				b.Quiet(name)
			})
		}
	}
}

func (b *tab) picture(name string) {
	b.T.Helper()
	if *shots == "" {
		return
	}
	picture, err := chromedp.Run(b.Ctx, chromedp.CaptureScreenshot())
	b.Must(err)
	b.Must(os.MkdirAll(*shots, 0o755))
	b.Must(os.WriteFile(filepath.Join(*shots, name+".png"), picture, 0o644))
}

// axeVersion of axe-core checks names, roles and contrast. Its licence
// (MPL-2.0) is none that we commit code under, so it is fetched.
const axeVersion = "axe-core@4.14.1"

func axeCore(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, cmd := range [][]string{{"npm", "pack", axeVersion, "--silent"}, {"sh", "-c", "tar xzf *.tgz package/axe.min.js"}} {
		c := exec.CommandContext(t.Context(), cmd[0], cmd[1:]...)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Logf("without axe-core: %v %s", err, out)
			return ""
		}
	}
	code, err := os.ReadFile(filepath.Join(dir, "package", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(code)
}

func (b *tab) audit(axe string) {
	b.T.Helper()
	if !eval[bool](b, "'axe' in window") {
		b.Must(chromedp.Do(b.Ctx, chromedp.Evaluate[chromedp.Void](axe)))
	}
	found := eval[[]string](b, `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
    .then((r) => r.violations.flatMap((v) => v.nodes.slice(0, 3).map((n) => v.id + ': ' + v.help + ' in ' + n.html.slice(0, 160) + ' ' + (n.any[0]?.message ?? ''))))`)
	for _, f := range found {
		b.T.Error(f)
	}
}
