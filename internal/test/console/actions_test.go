//go:build console

package console

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// An operator's day: everything that can be done, done by mouse and keys, and
// asked of the cluster afterwards.
func TestOperatorsDoEverythingByMouseAndKeys(t *testing.T) {
	s := start(t, nil)
	b := browse(t, s)
	b.Scheme("light") // and without motion
	b.Window(1400, 900)
	b.Open("")
	for _, act := range []struct {
		name string
		do   func(*tab)
	}{
		{"find a topic by its name and go through the list by keys", searching},
		{"create, change and delete a topic", topicLife},
		{"are told what is wrong and what to do", refusals},
		{"send a message and see it in the live tail", sending},
		{"create, change and delete a group", groupLife},
		{"set a retry policy and attributes", policies},
		{"forbid a group a topic and allow it again", forbidding},
		{"reset offsets after a look at what would change", resetting},
		{"skip what was not consumed", skipping},
		{"find messages and read them", reading},
		{"edit and send a dead letter", editing},
		{"send dead letters again after counting them", redriving},
		{"purge dead letters", purging},
		{"cancel a delayed message", cancelling},
		{"settle half messages", settling},
		{"change a setting and take it back", changingSettings},
		{"stop writes to a broker, allow them and clean its log", tendingBroker},
		{"make a user, allow it something and ask why", controllingAccess},
		{"go everywhere by keys", goingByKeys},
		{"keep their colours and language", preferring},
		{"choose a cluster, which is in the address", choosingSite},
		{"use the menu of a phone", phoning},
		{"look away, and the page asks nothing", lookingAway},
	} {
		t.Run(act.name, func(t *testing.T) {
			b.T, s.t = t, t
			eval[chromedp.Void](b, `document.querySelectorAll('dialog[open]').forEach((d) => d.close())`)
			b.Window(1400, 900)
			act.do(b)
			b.Quiet(act.name)
		})
	}
}

func searching(b *tab) {
	b.Open("topics")
	b.Shortcut("/", chromedp.ModifierNone)
	b.Holds("the search has the focus", `document.activeElement.matches('[data-search]')`)
	b.Press("service-01")
	b.Holds("the address has the search", `location.hash.includes('q=service-01')`)
	b.Holds("ten topics are left", `document.querySelectorAll('main tbody tr').length === 10`)
	b.Press(kb.ArrowDown)
	b.Press("j")
	b.Press(kb.ArrowDown)
	b.Holds("the third row has the focus", `document.activeElement.innerText === 'service-012'`)
	b.Press(kb.Enter)
	b.Holds("the topic is open", `document.querySelector('h1').innerText === 'service-012'`)
	b.Open("topics?q=service-1")
	b.Holds("the field has what the address says", `document.querySelector('[data-search]').value === 'service-1'`)
	b.Open("topics")
	b.Sees("1–50 of 124")
	b.Click("Next page")
	b.Sees("51–100 of 124")
	b.Holds("the address has the page", `location.hash.includes('page=2')`)
	eval[chromedp.Void](b, "history.back()")
	b.Sees("1–50 of 124")
	b.Click("Topic")
	b.Holds("the order is in the address", `location.hash.includes('sort=')`)
	b.Open("topics?type=FIFO")
	b.Sees("shipping")
	b.Lacks("orders")
}

func topicLife(b *tab) {
	b.Open("topics")
	b.Click("New topic")
	b.Holds("the first field has the focus", `document.activeElement.name === 'name'`)
	b.Fill("Name", "made-here")
	b.Fill("Type", "FIFO")
	b.Fill("Write queues", "3")
	b.Fill("Read queues", "3")
	b.Press(kb.Enter)
	b.Holds("the new topic is open", `location.hash === '#/topics/made-here'`)
	b.Settled()
	if topic := b.site.get("/topics/made-here"); topic["type"] != "FIFO" || topic["queues"] != 3.0 {
		b.T.Errorf("made %v", topic)
	}
	b.Click("Change")
	b.Fill("Write queues", "6")
	b.Fill("Read queues", "6")
	b.Fill("Permission", "R")
	b.Click("Save")
	b.Sees("made-here changed")
	until(b.T, "the topic is changed", func() bool {
		placed := b.site.get("/topics/made-here")["placed"].([]any)[0].(object)
		return placed["read_queues"] == 6.0 && placed["perm"] == "R"
	})
	b.Click("Delete")
	b.confirm("made-here")
	b.Holds("the list is back", `location.hash === '#/topics'`)
	until(b.T, "the topic is gone", func() bool {
		status, _ := b.site.try(http.MethodGet, "/topics/made-here", nil)
		return status == http.StatusNotFound
	})
}

func refusals(b *tab) {
	b.Open("topics")
	b.Click("New topic")
	b.Fill("Name", "orders")
	b.Expect([]string{"409"}, func() {
		b.Click("Create")
		b.Holds("the dialog says why not, and what to do", `document.querySelector('dialog[open] .fault .fix')?.innerText`)
	})
	b.Press(kb.Escape)
	b.Holds("Esc closes the dialog", `!document.querySelector('dialog[open]')`)
	b.Holds("the focus is back where it was", `document.activeElement.innerText?.trim() === 'New topic'`)
	b.Expect([]string{"404"}, func() {
		b.Open("topics/no-such-topic")
		b.Holds("the page says what failed, and what to do", `document.querySelector('main .empty .strong')?.innerText.includes('no-such-topic')`)
		b.Holds("nothing is offered that cannot be", `!document.querySelector('main button, main .tabs')`)
	})
}

func sending(b *tab) {
	b.Open("topics/orders?tab=tail")
	b.Holds("the tail is live", `document.querySelector('main .health.ok')`)
	b.Click("Send a message")
	b.Fill("Body", `{"sent": "from here"}`)
	b.Fill("Tag", "test")
	b.Fill("Key", "sent-key")
	b.Fill("Properties", "color=green\nsize=10")
	b.Click("Send")
	b.Holds("the message is in the tail", `[...document.querySelectorAll('.tail li')].some((l) => l.innerText.includes('from here'))`)
	until(b.T, "the message is found by its key", func() bool { return len(items(b.site.get("/topics/orders/messages?key=sent-key"))) == 1 })
	b.Click("Pause")
	b.Sees("paused")
	b.site.post("/topics/orders/messages", object{"body": "unseen"})
	b.Click("Resume")
	b.Holds("the tail is live", `document.querySelector('main .health.ok')`)
	b.site.post("/topics/orders/messages", object{"body": "seen again"})
	b.Sees("seen again")
	b.Lacks("unseen")
}

func groupLife(b *tab) {
	b.Open("groups")
	b.Click("New group")
	b.Fill("Name", "made-here")
	b.Fill("Most retries", "5")
	b.Click("Create")
	b.Holds("the new group is open", `location.hash === '#/groups/made-here'`)
	b.Settled()
	config := func() object {
		return b.site.get("/groups/made-here")["placed"].([]any)[0].(object)["config"].(object)
	}
	if c := config(); c["retry_max"] != 5.0 || c["enabled"] != true {
		b.T.Errorf("made %v", c)
	}
	b.Click("Change")
	b.Click("May consume")
	b.Click("Save")
	until(b.T, "the group is stopped", func() bool { return config()["enabled"] == false })
	b.Click("Delete")
	b.confirm("made-here")
	b.Holds("the list is back", `location.hash === '#/groups'`)
	until(b.T, "the group is gone", func() bool {
		status, _ := b.site.try(http.MethodGet, "/groups/made-here", nil)
		return status == http.StatusNotFound
	})
}

func policies(b *tab) {
	config := func(what string) object {
		return b.site.get("/groups/" + what)["placed"].([]any)[0].(object)["config"].(object)
	}
	b.Open("groups/behind?tab=config")
	b.ClickIn("Change", "Most retries")
	b.Fill("Retry policy", "CUSTOMIZED")
	b.Fill("Rests in seconds", "1 2.5 60")
	b.Fill("Attributes", "priority.factor=40")
	b.Click("Save")
	b.Sees("after 1s, 2.5s, 1m")
	b.Sees("priority.factor")
	if c := config("behind"); fmt.Sprint(c["retry_policy"].(object)["customizedRetryPolicy"].(object)["next"]) != "[1000 2500 60000]" || c["attributes"].(object)["priority.factor"] != "40" {
		b.T.Errorf("the group is %v", c)
	}
	b.ClickIn("Change", "Most retries")
	b.Fill("Retry policy", "EXPONENTIAL")
	b.Fill("First rest in seconds", "3")
	b.Fill("Attributes", "")
	b.Click("Save")
	until(b.T, "the rests grow", func() bool {
		e, _ := config("behind")["retry_policy"].(object)["exponentialRetryPolicy"].(object)
		return e["initial"] == 3000.0
	})
	b.Lacks("priority.factor")
	b.Open("topics/service-000?tab=config")
	b.ClickIn("Change", "Write queues")
	b.Fill("Attributes", "dedup.window.seconds=60")
	b.Click("Save")
	b.Sees("dedup.window.seconds")
	b.ClickIn("Change", "Write queues")
	b.Fill("Attributes", "")
	b.Click("Save")
	b.Lacks("dedup.window.seconds")
}

func forbidding(b *tab) {
	forbidden := func() int { return len(b.site.get("/groups/behind")["forbidden"].([]any)) }
	b.Open("groups/behind?tab=config")
	b.Sees("It may read every topic.")
	b.Click("Forbid a topic")
	b.Fill("Topic", "no-such-topic")
	b.Expect([]string{"404"}, func() {
		b.Click("Forbid")
		b.Holds("the dialog says why not", `document.querySelector('dialog[open] .fault')`)
	})
	b.Fill("Topic", "payments")
	b.Click("Forbid")
	b.Sees("behind may not read payments")
	b.Holds("the topic is listed", `[...document.querySelectorAll('main tbody tr')].some((r) => r.innerText.includes('payments'))`)
	until(b.T, "the topic is forbidden", func() bool { return forbidden() == 1 })
	b.ClickIn("Allow again", "payments")
	b.clickDialog("Allow again")
	b.Sees("It may read every topic.")
	until(b.T, "the topic is allowed", func() bool { return forbidden() == 0 })
}

// clickDialog presses in the dialog what is also on the page behind it.
func (b *tab) clickDialog(name string) {
	b.T.Helper()
	b.Holds("a dialog is open", `document.querySelector('dialog[open]')`)
	b.Click(name)
}

// confirm types a name into the dialog that asks for it, and agrees.
func (b *tab) confirm(name string) {
	b.T.Helper()
	b.Holds("the dialog asks for a name", `document.querySelector('dialog[open] footer button:last-child').disabled && document.activeElement.name === 'typed'`)
	b.Press(name)
	b.Holds("it may be done", `!document.querySelector('dialog[open] footer button:last-child').disabled`)
	b.Press(kb.Enter)
}

func (b *tab) lag(group string) float64 {
	n, _ := b.site.get("/groups/" + group + "/progress")["lag"].(float64)
	return n
}

func resetting(b *tab) {
	before := b.lag("behind")
	b.Open("groups/behind")
	b.ClickIn("Reset offsets", "orders")
	b.Fill("Move to", "earliest")
	b.Click("Preview")
	b.Sees("What would change")
	if now := b.lag("behind"); now != before {
		b.T.Errorf("a preview changed the lag from %v to %v", before, now)
	}
	b.Holds("it may be done", `document.querySelector('dialog[open] footer .danger')`)
	b.Click("Reset")
	b.Sees("Offsets of behind were reset")
	until(b.T, "the group has everything before it", func() bool { return b.lag("behind") > before })
}

func skipping(b *tab) {
	b.Open("groups/behind")
	b.ClickIn("Skip", "orders")
	b.confirm("behind")
	b.Sees("skipped")
	until(b.T, "the group is caught up", func() bool { return b.lag("behind") == 0 })
}

func reading(b *tab) {
	b.Open("messages?by=key")
	b.Fill("Topic", "orders")
	b.Fill("Key", "order-3")
	b.Click("Find")
	b.Holds("one message is found", `document.querySelectorAll('main tbody tr').length === 1`)
	eval[chromedp.Void](b, `document.querySelector('main tbody a').focus()`)
	b.Press(kb.Enter)
	b.Sees("9007199254740993")
	b.Click("Bytes")
	b.Sees("000000  7b 22 6f 72")
	b.Click("Text")
	b.Sees(`{"order": 3,`)
	b.Sees("Stored")
	b.Open("messages?topic=orders")
	b.Fill("Property", "color=blue")
	b.Fill("Tag", "paid")
	b.Click("Find")
	b.Sees("15 messages")
	b.Fill("Tag", "")
	b.Fill("Property", "")
	b.Fill("SQL expression", "color = 'red'")
	b.Click("Find")
	b.Sees("15 messages")
	b.Fill("SQL expression", "color = ")
	b.Expect([]string{"400"}, func() {
		b.Click("Find")
		b.Holds("a bad expression is explained", `document.querySelector('main .fault')`)
	})
	b.Open("messages?by=key&topic=orders&key=bytes")
	b.Holds("one message is found", `document.querySelectorAll('main tbody tr').length === 1`)
	b.Press(kb.Tab)
	id := items(b.site.get("/topics/orders/messages?key=bytes"))[0]["unique_id"].(string)
	b.Open("messages?by=id")
	b.Fill("Message id", id)
	b.Fill("Topic", "orders")
	b.Press(kb.Enter)
	b.Sees("00 01 02 03 ff")
}

func letters(s *site, state string) int {
	n := 0
	for _, l := range items(s.get("/dead-letters/unlucky?handled=1")) {
		if l["state"] == state {
			n++
		}
	}
	return n
}

func editing(b *tab) {
	b.Open("deadletters")
	b.Click("unlucky")
	b.Settled()
	eval[chromedp.Void](b, `document.querySelector('main tbody a').focus()`)
	b.Press(kb.Enter)
	b.Sees("Would go to")
	b.Click("Edit and send")
	b.Fill("Body", `{"order": "mended"}`)
	b.Fill("Properties", "reason=good")
	b.Fill("Send to", "origin")
	b.Click("Send")
	b.Sees("It is being sent")
	until(b.T, "one letter was sent", func() bool { return letters(b.site, "sent") == 1 })
	found := items(b.site.get("/topics/orders/messages?text=mended"))
	if len(found) != 1 {
		b.T.Errorf("found %v", found)
	}
}

func redriving(b *tab) {
	b.Open("deadletters/unlucky")
	b.Click("Send again")
	b.Fill("At most", "2")
	b.Click("Count first")
	b.Click("Send 2")
	b.Sees("2 sent")
	b.Click("Close")
	until(b.T, "two more letters were sent", func() bool { return letters(b.site, "sent") == 3 })
	b.Sees("done")
}

func purging(b *tab) {
	b.Open("deadletters/unlucky")
	b.Click("Purge")
	b.Sees("1 found")
	b.confirm("unlucky")
	b.Sees("1 purged")
	until(b.T, "no letter waits", func() bool { return letters(b.site, "waiting") == 0 && letters(b.site, "purged") == 1 })
	b.Click("Close")
	b.Sees("No dead letters wait")
}

func cancelling(b *tab) {
	b.Open("delayed")
	b.ClickIn("Cancel", "first")
	b.Click("Cancel the message")
	b.Sees("The message was cancelled")
	until(b.T, "one message waits", func() bool { return len(items(b.site.get("/delayed"))) == 1 })
	b.Lacks("first")
}

func settling(b *tab) {
	all := items(b.site.get("/transactions"))
	for i, what := range []struct{ action, said string }{{"Check again", "The producer is being asked"}, {"Commit", "Committed"}, {"Roll back", "Rolled back"}} {
		b.Open("transactions")
		b.ClickIn(what.action, all[i]["unique_id"].(string))
		if what.action == "Check again" {
			b.clickDialog(what.action)
		} else {
			b.confirm("payments")
		}
		b.Sees(what.said)
	}
	until(b.T, "one half message is left", func() bool { return len(items(b.site.get("/transactions"))) == 1 })
	until(b.T, "the committed one is delivered", func() bool { return b.site.get("/topics/payments")["messages"] == 1.0 })
}

func changingSettings(b *tab) {
	value := func() (string, bool) {
		for _, s := range b.site.get("/brokers/" + escape(b.site.broker) + "/settings?q=fileReservedTime")["settings"].([]any) {
			if s := s.(object); s["key"] == "fileReservedTime" {
				return s["value"].(string), s["changed"] == true
			}
		}
		return "", false
	}
	b.Open("settings?q=fileReservedTime")
	b.Click("Change fileReservedTime")
	b.Fill("Value", "48")
	b.Press(kb.Enter)
	b.Holds("old and new are shown", `document.querySelector('dialog[open] del')?.innerText === '72' && document.querySelector('dialog[open] ins')?.innerText === '48'`)
	b.Click("Change it")
	b.Sees("72 → 48")
	if now, changed := value(); now != "48" || !changed {
		b.T.Errorf("the value is %s, changed %v", now, changed)
	}
	b.Click("Only changed")
	b.ClickIn("Reset", "fileReservedTime")
	b.Holds("old and new are shown", `document.querySelector('dialog[open] del')`)
	b.Click("Reset")
	until(b.T, "the value is back", func() bool { now, changed := value(); return now == "72" && !changed })
}

func tendingBroker(b *tab) {
	b.Open("brokers/" + escape(b.site.broker))
	name := b.site.get("/overview")["brokers"].([]any)[0].(object)["name"].(string)
	b.Click("Stop writes")
	b.confirm(name)
	b.Sees("Changed for")
	until(b.T, "no topic takes messages", func() bool {
		return b.site.get("/topics/orders/route")["queues"].([]any)[0].(object)["perm"] == "R"
	})
	b.Click("Allow writes")
	b.clickDialog("Allow writes")
	until(b.T, "topics take messages again", func() bool {
		return b.site.get("/topics/orders/route")["queues"].([]any)[0].(object)["perm"] == "RW"
	})
	b.Click("Clean the log")
	b.clickDialog("Clean the log")
	b.Sees("The log was cleaned")
}

func controllingAccess(b *tab) {
	b.Open("access")
	b.Click("New user")
	b.Fill("User", "robot")
	b.Fill("Password", "long-enough-1")
	b.Click("Create")
	b.Sees("robot created")
	b.Open("access?tab=policies")
	b.Click("New policy")
	b.Fill("Subject", "User:robot")
	b.Fill("Resource", "Topic:orders")
	b.Fill("Actions", "Pub")
	b.Click("Create")
	b.Sees("The policy was saved")
	b.Sees("Topic:orders")
	b.Open("access?tab=explain")
	b.Fill("User", "robot")
	b.Fill("Resource", "Topic:orders")
	b.Click("Ask")
	b.Holds("it is allowed", `document.querySelector('main tbody .badge.ok')`)
	b.Fill("Resource", "Topic:payments")
	b.Click("Ask")
	b.Holds("another is denied", `document.querySelector('main tbody .badge.bad')`)
	b.Open("access?tab=policies")
	b.ClickIn("Delete", "robot")
	b.confirm("User:robot")
	b.Sees("deleted")
	b.Open("access")
	b.ClickIn("Delete", "robot")
	b.confirm("robot")
	until(b.T, "the user is gone", func() bool { return len(items(b.site.get("/users"))) == 0 })
}

func goingByKeys(b *tab) {
	b.Open("")
	b.Reload() // nothing has the focus
	b.Press(kb.Tab)
	b.Holds("the first stop skips to the content", `document.activeElement.matches('.skip')`)
	b.Press(kb.Enter)
	b.Holds("the content has the focus", `document.activeElement.matches('main')`)
	b.Expect(meant, func() {
		for _, place := range []string{"t topics", "g groups", "m messages", "d deadletters", "e delayed", "h transactions", "c connections", "a access", "s settings", "o "} {
			key, hash, _ := strings.Cut(place, " ")
			b.Press("g")
			b.Press(key)
			b.Holds("g "+key+" goes there", `location.hash === $1`, "#/"+hash)
			b.Settled()
			b.Holds("the heading has the focus", `document.activeElement.matches('h1')`)
		}
	})
	b.Press("?")
	b.Holds("the keys are listed", `document.querySelectorAll('dialog[open] kbd').length > 20`)
	b.Press(kb.Escape)
	b.Holds("the list is closed", `!document.querySelector('dialog[open]')`)
	b.Shortcut("k", chromedp.ModifierCtrl)
	b.Holds("the jump is open", `document.querySelector('dialog[open] .jump')`)
	b.Press("shipp")
	b.Holds("the topic is found", `document.querySelector('dialog[open] li')?.innerText.includes('shipping')`)
	b.Press(kb.Enter)
	b.Holds("the topic is open", `location.hash === '#/topics/shipping'`)
}

func preferring(b *tab) {
	b.Open("topics")
	b.Click("Colours: as the system")
	b.Click("Colours: light")
	b.Holds("it is dark", `getComputedStyle(document.body).color !== 'rgb(28, 29, 31)' && document.documentElement.dataset.theme === 'dark'`)
	b.Click("切换到中文")
	b.Sees("主题")
	b.Reload()
	b.Holds("both are remembered", `document.documentElement.dataset.theme === 'dark' && document.documentElement.lang === 'zh-CN'`)
	b.Click("Switch to English")
	b.Sees("Topics")
	b.Click("Colours: dark")
}

func choosingSite(b *tab) {
	b.Open("topics")
	b.Fill("Cluster", "same")
	b.Holds("the address has the cluster", `location.hash.includes('site=same')`)
	b.Settled()
	b.Sees("orders")
	b.Fill("Cluster", "local")
	b.Settled()
}

func phoning(b *tab) {
	b.Window(360, 740)
	b.Open("")
	b.Holds("the navigation is away", `!document.querySelector('#navigation a').checkVisibility({ visibilityProperty: true })`)
	b.Click("Menu")
	b.Holds("the navigation is there", `document.querySelector('#navigation a').checkVisibility({ visibilityProperty: true })`)
	b.Click("Groups")
	b.Holds("the groups are open", `location.hash === '#/groups'`)
	b.Holds("the navigation is away", `!document.querySelector('#navigation a').checkVisibility({ visibilityProperty: true })`)
	b.Click("New group")
	b.Holds("the dialog fits", `document.querySelector('dialog[open]').getBoundingClientRect().right <= innerWidth`)
	b.Press(kb.Escape)
}

func lookingAway(b *tab) {
	b.Open("groups")
	eval[chromedp.Void](b, `Object.defineProperty(document, 'hidden', { value: true, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))`)
	b.Holds("all is answered", `asked.size === 0`)
	before := b.Asked()
	time.Sleep(6 * time.Second) // longer than the five between two questions
	if now := b.Asked(); now != before {
		b.T.Errorf("the page asked %d times while nobody looked", now-before)
	}
	eval[chromedp.Void](b, `delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))`)
	until(b.T, "the page asks again", func() bool { return b.Asked() > before })
}
