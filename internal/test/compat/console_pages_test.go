//go:build compat

package compat

import (
	"flag"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/goddardmq/goddard/internal/test/browser"
)

var shots = flag.String("shots", "", "keep a picture of each page of the console in this directory")

// look opens the main pages in a browser and does some things by mouse, with
// whatever cluster is behind them. meant are parts of answers that pages are to
// explain: what the cluster cannot do.
func (u *consoleUser) look(t *testing.T, base, broker string, meant ...string) {
	if !browser.Installed() {
		skip(t, "no Chromium on the PATH (package chromium)")
	}
	u.t = t
	u.ask("POST", "/topics", `{"name":"console_shop","write_queues":4}`, 201)
	u.ask("POST", "/groups", `{"group":"console_sellers"}`, 201)
	u.until("/topics/console_shop/route", `"write_queues":4`)
	sent := u.ask("POST", "/topics/console_shop/messages", `{"body":"{\"n\": 1}","tag":"a","keys":["k"],"queue":0,"count":5}`, 200)["items"].([]any)[0].(map[string]any)
	u.until("/topics/console_shop/queues", `"max":5`)
	u.ask("POST", "/groups/console_sellers/reset", `{"topic":"console_shop","to":"earliest"}`, 200)
	u.until("/groups?q=console_sellers", `"lag":5`)
	u.until("/topics/console_shop/messages?key=k", `"by":"index"`)

	b := browser.New(t, base)
	b.Window(1400, 900)
	b.Open("")
	b.Expect(meant, func() {
		for name, page := range map[string]string{
			"overview": "", "broker": "brokers/" + url.PathEscape(broker), "topics": "topics", "topic": "topics/console_shop", "topic-queues": "topics/console_shop?tab=queues",
			"topic-groups": "topics/console_shop?tab=groups", "topic-route": "topics/console_shop?tab=route", "topic-config": "topics/console_shop?tab=config",
			"topic-producers": "topics/console_shop?tab=producers",
			"groups":          "groups", "group": "groups/console_sellers", "group-clients": "groups/console_sellers?tab=clients", "group-config": "groups/console_sellers?tab=config",
			"group-message-groups": "groups/console_sellers?tab=messagegroups&topic=console_shop",
			"messages":             "messages?topic=console_shop", "messages-key": "messages?by=key&topic=console_shop&key=k", "message": "messages/" + sent["id"].(string) + "?topic=console_shop",
			"dead-letters": "deadletters", "delayed": "delayed", "half-messages": "transactions", "connections": "connections", "access": "access",
			"settings": "settings", "settings-namesrv": "settings?broker=namesrv",
		} {
			b.Open(page)
			text := browser.Eval[string](b, `document.querySelector('main').innerText`)
			for _, odd := range []string{"undefined", "NaN", "Invalid", "[object", "null"} {
				if strings.Contains(text, odd) && (name != "broker" || odd != "null") { // its table is shown as it is
					t.Errorf("the page %s says %q:\n%s", name, odd, text)
				}
			}
			if *shots != "" {
				picture(t, b, name)
			}
			b.Quiet(name)
		}
	})
	byMouse(b, u)
}

// byMouse makes a topic, sends to it, forbids a group to read it, and deletes it.
func byMouse(b *browser.Tab, u *consoleUser) {
	b.T.Helper()
	b.Open("topics")
	b.Click("New topic")
	b.Fill("Name", "console_made")
	b.Click("Create")
	b.Holds("the new topic is open", `location.hash === '#/topics/console_made'`)
	b.Settled()
	u.until("/topics/console_made/route", `"write_queues"`) // which brokers tell name servers by and by
	b.Click("Send a message")
	b.Fill("Body", "by mouse")
	b.Click("Send")
	b.Sees("Sent ")
	b.Open("groups/console_sellers?tab=config")
	b.Click("Forbid a topic")
	b.Fill("Topic", "console_made")
	b.Click("Forbid")
	b.Sees("console_sellers may not read console_made")
	b.Holds("the topic is listed", `[...document.querySelectorAll('main tbody tr')].some((r) => r.innerText.includes('console_made'))`)
	b.Open("topics/console_made")
	b.Click("Delete")
	b.Holds("the dialog asks for a name", `document.activeElement.name === 'typed'`)
	b.Press("console_made")
	b.Click("Delete")
	b.Holds("the list is back", `location.hash === '#/topics'`)
	b.Quiet("by mouse")
}

func picture(t *testing.T, b *browser.Tab, name string) {
	t.Helper()
	shot, err := chromedp.Run(b.Ctx, chromedp.CaptureScreenshot())
	b.Must(err)
	b.Must(os.MkdirAll(*shots, 0o755))
	b.Must(os.WriteFile(filepath.Join(*shots, name+".png"), shot, 0o644))
}
