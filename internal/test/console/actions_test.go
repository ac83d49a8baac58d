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
	b.scheme("light") // and without motion
	b.window(1400, 900)
	b.open("")
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
			b.t, s.t = t, t
			eval[chromedp.Void](b, `document.querySelectorAll('dialog[open]').forEach((d) => d.close())`)
			b.window(1400, 900)
			act.do(b)
			b.quiet(act.name)
		})
	}
}

func searching(b *tab) {
	b.open("topics")
	b.shortcut("/", chromedp.ModifierNone)
	b.holds("the search has the focus", `document.activeElement.matches('[data-search]')`)
	b.press("service-01")
	b.holds("the address has the search", `location.hash.includes('q=service-01')`)
	b.holds("ten topics are left", `document.querySelectorAll('main tbody tr').length === 10`)
	b.press(kb.ArrowDown)
	b.press("j")
	b.press(kb.ArrowDown)
	b.holds("the third row has the focus", `document.activeElement.innerText === 'service-012'`)
	b.press(kb.Enter)
	b.holds("the topic is open", `document.querySelector('h1').innerText === 'service-012'`)
	b.open("topics?q=service-1")
	b.holds("the field has what the address says", `document.querySelector('[data-search]').value === 'service-1'`)
	b.open("topics")
	b.sees("1–50 of 124")
	b.click("Next page")
	b.sees("51–100 of 124")
	b.holds("the address has the page", `location.hash.includes('page=2')`)
	eval[chromedp.Void](b, "history.back()")
	b.sees("1–50 of 124")
	b.click("Topic")
	b.holds("the order is in the address", `location.hash.includes('sort=')`)
	b.open("topics?type=FIFO")
	b.sees("shipping")
	b.lacks("orders")
}

func topicLife(b *tab) {
	b.open("topics")
	b.click("New topic")
	b.holds("the first field has the focus", `document.activeElement.name === 'name'`)
	b.fill("Name", "made-here")
	b.fill("Type", "FIFO")
	b.fill("Write queues", "3")
	b.fill("Read queues", "3")
	b.press(kb.Enter)
	b.holds("the new topic is open", `location.hash === '#/topics/made-here'`)
	b.settled()
	if topic := b.site.get("/topics/made-here"); topic["type"] != "FIFO" || topic["queues"] != 3.0 {
		b.t.Errorf("made %v", topic)
	}
	b.click("Change")
	b.fill("Write queues", "6")
	b.fill("Read queues", "6")
	b.fill("Permission", "R")
	b.click("Save")
	b.sees("made-here changed")
	until(b.t, "the topic is changed", func() bool {
		placed := b.site.get("/topics/made-here")["placed"].([]any)[0].(object)
		return placed["read_queues"] == 6.0 && placed["perm"] == "R"
	})
	b.click("Delete")
	b.confirm("made-here")
	b.holds("the list is back", `location.hash === '#/topics'`)
	until(b.t, "the topic is gone", func() bool {
		status, _ := b.site.try(http.MethodGet, "/topics/made-here", nil)
		return status == http.StatusNotFound
	})
}

func refusals(b *tab) {
	b.open("topics")
	b.click("New topic")
	b.fill("Name", "orders")
	b.expect([]string{"409"}, func() {
		b.click("Create")
		b.holds("the dialog says why not, and what to do", `document.querySelector('dialog[open] .fault .fix')?.innerText`)
	})
	b.press(kb.Escape)
	b.holds("Esc closes the dialog", `!document.querySelector('dialog[open]')`)
	b.holds("the focus is back where it was", `document.activeElement.innerText?.trim() === 'New topic'`)
	b.expect([]string{"404"}, func() {
		b.open("topics/no-such-topic")
		b.holds("the page says what failed, and what to do", `document.querySelector('main .empty .strong')?.innerText.includes('no-such-topic')`)
		b.holds("nothing is offered that cannot be", `!document.querySelector('main button, main .tabs')`)
	})
}

func sending(b *tab) {
	b.open("topics/orders?tab=tail")
	b.holds("the tail is live", `document.querySelector('main .health.ok')`)
	b.click("Send a message")
	b.fill("Body", `{"sent": "from here"}`)
	b.fill("Tag", "test")
	b.fill("Key", "sent-key")
	b.fill("Properties", "color=green\nsize=10")
	b.click("Send")
	b.holds("the message is in the tail", `[...document.querySelectorAll('.tail li')].some((l) => l.innerText.includes('from here'))`)
	until(b.t, "the message is found by its key", func() bool { return len(items(b.site.get("/topics/orders/messages?key=sent-key"))) == 1 })
	b.click("Pause")
	b.sees("paused")
	b.site.post("/topics/orders/messages", object{"body": "unseen"})
	b.click("Resume")
	b.holds("the tail is live", `document.querySelector('main .health.ok')`)
	b.site.post("/topics/orders/messages", object{"body": "seen again"})
	b.sees("seen again")
	b.lacks("unseen")
}

func groupLife(b *tab) {
	b.open("groups")
	b.click("New group")
	b.fill("Name", "made-here")
	b.fill("Most retries", "5")
	b.click("Create")
	b.holds("the new group is open", `location.hash === '#/groups/made-here'`)
	b.settled()
	config := func() object {
		return b.site.get("/groups/made-here")["placed"].([]any)[0].(object)["config"].(object)
	}
	if c := config(); c["retry_max"] != 5.0 || c["enabled"] != true {
		b.t.Errorf("made %v", c)
	}
	b.click("Change")
	b.click("May consume")
	b.click("Save")
	until(b.t, "the group is stopped", func() bool { return config()["enabled"] == false })
	b.click("Delete")
	b.confirm("made-here")
	b.holds("the list is back", `location.hash === '#/groups'`)
	until(b.t, "the group is gone", func() bool {
		status, _ := b.site.try(http.MethodGet, "/groups/made-here", nil)
		return status == http.StatusNotFound
	})
}

func policies(b *tab) {
	config := func(what string) object {
		return b.site.get("/groups/" + what)["placed"].([]any)[0].(object)["config"].(object)
	}
	b.open("groups/behind?tab=config")
	b.clickIn("Change", "Most retries")
	b.fill("Retry policy", "CUSTOMIZED")
	b.fill("Rests in seconds", "1 2.5 60")
	b.fill("Attributes", "priority.factor=40")
	b.click("Save")
	b.sees("after 1s, 2.5s, 1m")
	b.sees("priority.factor")
	if c := config("behind"); fmt.Sprint(c["retry_policy"].(object)["customizedRetryPolicy"].(object)["next"]) != "[1000 2500 60000]" || c["attributes"].(object)["priority.factor"] != "40" {
		b.t.Errorf("the group is %v", c)
	}
	b.clickIn("Change", "Most retries")
	b.fill("Retry policy", "EXPONENTIAL")
	b.fill("First rest in seconds", "3")
	b.fill("Attributes", "")
	b.click("Save")
	until(b.t, "the rests grow", func() bool {
		e, _ := config("behind")["retry_policy"].(object)["exponentialRetryPolicy"].(object)
		return e["initial"] == 3000.0
	})
	b.lacks("priority.factor")
	b.open("topics/service-000?tab=config")
	b.clickIn("Change", "Write queues")
	b.fill("Attributes", "dedup.window.seconds=60")
	b.click("Save")
	b.sees("dedup.window.seconds")
	b.clickIn("Change", "Write queues")
	b.fill("Attributes", "")
	b.click("Save")
	b.lacks("dedup.window.seconds")
}

func forbidding(b *tab) {
	forbidden := func() int { return len(b.site.get("/groups/behind")["forbidden"].([]any)) }
	b.open("groups/behind?tab=config")
	b.sees("It may read every topic.")
	b.click("Forbid a topic")
	b.fill("Topic", "no-such-topic")
	b.expect([]string{"404"}, func() {
		b.click("Forbid")
		b.holds("the dialog says why not", `document.querySelector('dialog[open] .fault')`)
	})
	b.fill("Topic", "payments")
	b.click("Forbid")
	b.sees("behind may not read payments")
	b.holds("the topic is listed", `[...document.querySelectorAll('main tbody tr')].some((r) => r.innerText.includes('payments'))`)
	until(b.t, "the topic is forbidden", func() bool { return forbidden() == 1 })
	b.clickIn("Allow again", "payments")
	b.clickDialog("Allow again")
	b.sees("It may read every topic.")
	until(b.t, "the topic is allowed", func() bool { return forbidden() == 0 })
}

// clickDialog presses in the dialog what is also on the page behind it.
func (b *tab) clickDialog(name string) {
	b.t.Helper()
	b.holds("a dialog is open", `document.querySelector('dialog[open]')`)
	b.click(name)
}

// confirm types a name into the dialog that asks for it, and agrees.
func (b *tab) confirm(name string) {
	b.t.Helper()
	b.holds("the dialog asks for a name", `document.querySelector('dialog[open] footer button:last-child').disabled && document.activeElement.name === 'typed'`)
	b.press(name)
	b.holds("it may be done", `!document.querySelector('dialog[open] footer button:last-child').disabled`)
	b.press(kb.Enter)
}

func (b *tab) lag(group string) float64 {
	n, _ := b.site.get("/groups/" + group + "/progress")["lag"].(float64)
	return n
}

func resetting(b *tab) {
	before := b.lag("behind")
	b.open("groups/behind")
	b.clickIn("Reset offsets", "orders")
	b.fill("Move to", "earliest")
	b.click("Preview")
	b.sees("What would change")
	if now := b.lag("behind"); now != before {
		b.t.Errorf("a preview changed the lag from %v to %v", before, now)
	}
	b.holds("it may be done", `document.querySelector('dialog[open] footer .danger')`)
	b.click("Reset")
	b.sees("Offsets of behind were reset")
	until(b.t, "the group has everything before it", func() bool { return b.lag("behind") > before })
}

func skipping(b *tab) {
	b.open("groups/behind")
	b.clickIn("Skip", "orders")
	b.confirm("behind")
	b.sees("skipped")
	until(b.t, "the group is caught up", func() bool { return b.lag("behind") == 0 })
}

func reading(b *tab) {
	b.open("messages?by=key")
	b.fill("Topic", "orders")
	b.fill("Key", "order-3")
	b.click("Find")
	b.holds("one message is found", `document.querySelectorAll('main tbody tr').length === 1`)
	eval[chromedp.Void](b, `document.querySelector('main tbody a').focus()`)
	b.press(kb.Enter)
	b.sees("9007199254740993")
	b.click("Bytes")
	b.sees("000000  7b 22 6f 72")
	b.click("Text")
	b.sees(`{"order": 3,`)
	b.sees("Stored")
	b.open("messages?topic=orders")
	b.fill("Property", "color=blue")
	b.fill("Tag", "paid")
	b.click("Find")
	b.sees("15 messages")
	b.fill("Tag", "")
	b.fill("Property", "")
	b.fill("SQL expression", "color = 'red'")
	b.click("Find")
	b.sees("15 messages")
	b.fill("SQL expression", "color = ")
	b.expect([]string{"400"}, func() {
		b.click("Find")
		b.holds("a bad expression is explained", `document.querySelector('main .fault')`)
	})
	b.open("messages?by=key&topic=orders&key=bytes")
	b.holds("one message is found", `document.querySelectorAll('main tbody tr').length === 1`)
	b.press(kb.Tab)
	id := items(b.site.get("/topics/orders/messages?key=bytes"))[0]["unique_id"].(string)
	b.open("messages?by=id")
	b.fill("Message id", id)
	b.fill("Topic", "orders")
	b.press(kb.Enter)
	b.sees("00 01 02 03 ff")
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
	b.open("deadletters")
	b.click("unlucky")
	b.settled()
	eval[chromedp.Void](b, `document.querySelector('main tbody a').focus()`)
	b.press(kb.Enter)
	b.sees("Would go to")
	b.click("Edit and send")
	b.fill("Body", `{"order": "mended"}`)
	b.fill("Properties", "reason=good")
	b.fill("Send to", "origin")
	b.click("Send")
	b.sees("It is being sent")
	until(b.t, "one letter was sent", func() bool { return letters(b.site, "sent") == 1 })
	found := items(b.site.get("/topics/orders/messages?text=mended"))
	if len(found) != 1 {
		b.t.Errorf("found %v", found)
	}
}

func redriving(b *tab) {
	b.open("deadletters/unlucky")
	b.click("Send again")
	b.fill("At most", "2")
	b.click("Count first")
	b.click("Send 2")
	b.sees("2 sent")
	b.click("Close")
	until(b.t, "two more letters were sent", func() bool { return letters(b.site, "sent") == 3 })
	b.sees("done")
}

func purging(b *tab) {
	b.open("deadletters/unlucky")
	b.click("Purge")
	b.sees("1 found")
	b.confirm("unlucky")
	b.sees("1 purged")
	until(b.t, "no letter waits", func() bool { return letters(b.site, "waiting") == 0 && letters(b.site, "purged") == 1 })
	b.click("Close")
	b.sees("No dead letters wait")
}

func cancelling(b *tab) {
	b.open("delayed")
	b.clickIn("Cancel", "first")
	b.click("Cancel the message")
	b.sees("The message was cancelled")
	until(b.t, "one message waits", func() bool { return len(items(b.site.get("/delayed"))) == 1 })
	b.lacks("first")
}

func settling(b *tab) {
	all := items(b.site.get("/transactions"))
	for i, what := range []struct{ action, said string }{{"Check again", "The producer is being asked"}, {"Commit", "Committed"}, {"Roll back", "Rolled back"}} {
		b.open("transactions")
		b.clickIn(what.action, all[i]["unique_id"].(string))
		if what.action == "Check again" {
			b.clickDialog(what.action)
		} else {
			b.confirm("payments")
		}
		b.sees(what.said)
	}
	until(b.t, "one half message is left", func() bool { return len(items(b.site.get("/transactions"))) == 1 })
	until(b.t, "the committed one is delivered", func() bool { return b.site.get("/topics/payments")["messages"] == 1.0 })
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
	b.open("settings?q=fileReservedTime")
	b.click("Change fileReservedTime")
	b.fill("Value", "48")
	b.press(kb.Enter)
	b.holds("old and new are shown", `document.querySelector('dialog[open] del')?.innerText === '72' && document.querySelector('dialog[open] ins')?.innerText === '48'`)
	b.click("Change it")
	b.sees("72 → 48")
	if now, changed := value(); now != "48" || !changed {
		b.t.Errorf("the value is %s, changed %v", now, changed)
	}
	b.click("Only changed")
	b.clickIn("Reset", "fileReservedTime")
	b.holds("old and new are shown", `document.querySelector('dialog[open] del')`)
	b.click("Reset")
	until(b.t, "the value is back", func() bool { now, changed := value(); return now == "72" && !changed })
}

func tendingBroker(b *tab) {
	b.open("brokers/" + escape(b.site.broker))
	name := b.site.get("/overview")["brokers"].([]any)[0].(object)["name"].(string)
	b.click("Stop writes")
	b.confirm(name)
	b.sees("Changed for")
	until(b.t, "no topic takes messages", func() bool {
		return b.site.get("/topics/orders/route")["queues"].([]any)[0].(object)["perm"] == "R"
	})
	b.click("Allow writes")
	b.clickDialog("Allow writes")
	until(b.t, "topics take messages again", func() bool {
		return b.site.get("/topics/orders/route")["queues"].([]any)[0].(object)["perm"] == "RW"
	})
	b.click("Clean the log")
	b.clickDialog("Clean the log")
	b.sees("The log was cleaned")
}

func controllingAccess(b *tab) {
	b.open("access")
	b.click("New user")
	b.fill("User", "robot")
	b.fill("Password", "long-enough-1")
	b.click("Create")
	b.sees("robot created")
	b.open("access?tab=policies")
	b.click("New policy")
	b.fill("Subject", "User:robot")
	b.fill("Resource", "Topic:orders")
	b.fill("Actions", "Pub")
	b.click("Create")
	b.sees("The policy was saved")
	b.sees("Topic:orders")
	b.open("access?tab=explain")
	b.fill("User", "robot")
	b.fill("Resource", "Topic:orders")
	b.click("Ask")
	b.holds("it is allowed", `document.querySelector('main tbody .badge.ok')`)
	b.fill("Resource", "Topic:payments")
	b.click("Ask")
	b.holds("another is denied", `document.querySelector('main tbody .badge.bad')`)
	b.open("access?tab=policies")
	b.clickIn("Delete", "robot")
	b.confirm("User:robot")
	b.sees("deleted")
	b.open("access")
	b.clickIn("Delete", "robot")
	b.confirm("robot")
	until(b.t, "the user is gone", func() bool { return len(items(b.site.get("/users"))) == 0 })
}

func goingByKeys(b *tab) {
	b.open("")
	b.reload() // nothing has the focus
	b.press(kb.Tab)
	b.holds("the first stop skips to the content", `document.activeElement.matches('.skip')`)
	b.press(kb.Enter)
	b.holds("the content has the focus", `document.activeElement.matches('main')`)
	b.expect(meant, func() {
		for _, place := range []string{"t topics", "g groups", "m messages", "d deadletters", "e delayed", "h transactions", "c connections", "a access", "s settings", "o "} {
			key, hash, _ := strings.Cut(place, " ")
			b.press("g")
			b.press(key)
			b.holds("g "+key+" goes there", `location.hash === $1`, "#/"+hash)
			b.settled()
			b.holds("the heading has the focus", `document.activeElement.matches('h1')`)
		}
	})
	b.press("?")
	b.holds("the keys are listed", `document.querySelectorAll('dialog[open] kbd').length > 20`)
	b.press(kb.Escape)
	b.holds("the list is closed", `!document.querySelector('dialog[open]')`)
	b.shortcut("k", chromedp.ModifierCtrl)
	b.holds("the jump is open", `document.querySelector('dialog[open] .jump')`)
	b.press("shipp")
	b.holds("the topic is found", `document.querySelector('dialog[open] li')?.innerText.includes('shipping')`)
	b.press(kb.Enter)
	b.holds("the topic is open", `location.hash === '#/topics/shipping'`)
}

func preferring(b *tab) {
	b.open("topics")
	b.click("Colours: as the system")
	b.click("Colours: light")
	b.holds("it is dark", `getComputedStyle(document.body).color !== 'rgb(28, 29, 31)' && document.documentElement.dataset.theme === 'dark'`)
	b.click("切换到中文")
	b.sees("主题")
	b.reload()
	b.holds("both are remembered", `document.documentElement.dataset.theme === 'dark' && document.documentElement.lang === 'zh-CN'`)
	b.click("Switch to English")
	b.sees("Topics")
	b.click("Colours: dark")
}

func choosingSite(b *tab) {
	b.open("topics")
	b.fill("Cluster", "same")
	b.holds("the address has the cluster", `location.hash.includes('site=same')`)
	b.settled()
	b.sees("orders")
	b.fill("Cluster", "local")
	b.settled()
}

func phoning(b *tab) {
	b.window(360, 740)
	b.open("")
	b.holds("the navigation is away", `!document.querySelector('#navigation a').checkVisibility({ visibilityProperty: true })`)
	b.click("Menu")
	b.holds("the navigation is there", `document.querySelector('#navigation a').checkVisibility({ visibilityProperty: true })`)
	b.click("Groups")
	b.holds("the groups are open", `location.hash === '#/groups'`)
	b.holds("the navigation is away", `!document.querySelector('#navigation a').checkVisibility({ visibilityProperty: true })`)
	b.click("New group")
	b.holds("the dialog fits", `document.querySelector('dialog[open]').getBoundingClientRect().right <= innerWidth`)
	b.press(kb.Escape)
}

func lookingAway(b *tab) {
	b.open("groups")
	eval[chromedp.Void](b, `Object.defineProperty(document, 'hidden', { value: true, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))`)
	b.holds("all is answered", `asked.size === 0`)
	count := func() int { b.mu.Lock(); defer b.mu.Unlock(); return len(b.requests) }
	before := count()
	time.Sleep(6 * time.Second) // longer than the five between two questions
	if now := count(); now != before {
		b.t.Errorf("the page asked %d times while nobody looked", now-before)
	}
	eval[chromedp.Void](b, `delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))`)
	until(b.t, "the page asks again", func() bool { return count() > before })
}
