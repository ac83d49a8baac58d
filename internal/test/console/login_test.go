//go:build console

package console

import (
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// admit makes a user who may do something.
func (s *site) admit(user string, entries ...object) {
	s.t.Helper()
	s.post("/users", object{"user": user, "password": user + "-secret", "type": "Normal"})
	for i := range entries {
		entries[i]["decision"] = "Allow"
	}
	s.post("/acls", object{"subject": "User:" + user, "entries": entries})
}

// login fills in the form.
func (b *tab) login(user, password string) {
	b.T.Helper()
	b.Holds("the form has the focus", `document.activeElement.name === 'user'`)
	b.Fill("User", user)
	b.Fill("Password", password)
	b.Press(kb.Enter)
}

func (b *tab) logout() {
	b.T.Helper()
	b.Click("Log out")
	b.Holds("the form is back", `document.querySelector('form.login')`)
}

// Three users of the server's own: one with rights on a topic, one who operates
// without touching access, and one who may do everything.
func TestUsersLogInAndAreToldWhatTheyMayNot(t *testing.T) {
	s := start(t, secured)
	s.admit("alice", object{"resource": "Topic:service-001", "actions": []string{"Get", "Pub", "Sub"}})
	s.admit("oscar", object{"resource": "Topic:*", "actions": []string{"All"}}, object{"resource": "Group:*", "actions": []string{"All"}}, object{"resource": "Cluster:*", "actions": []string{"Get", "List"}})
	b := browse(t, s)
	b.Window(1400, 900)
	b.Must(chromedp.Do(b.Ctx, chromedp.Navigate(s.url+"/#/topics/service-001")))
	for _, act := range []struct {
		name string
		do   func(*tab)
	}{
		{"alice uses her topic and nothing else", ofOneTopic},
		{"oscar operates", operating},
		{"root changes a password, which ends the session", reigning},
	} {
		t.Run(act.name, func(t *testing.T) {
			b.T, s.t = t, t
			act.do(b)
			b.Quiet(act.name)
		})
	}
}

func ofOneTopic(b *tab) {
	b.Expect([]string{"401"}, func() {
		b.login("alice", "wrong")
		b.Holds("the form says why not", `document.querySelector('.login .fault')`)
	})
	b.Fill("Password", "alice-secret")
	b.Press(kb.Enter)
	b.Sees("service-001")
	b.Settled()
	b.Sees("alice")
	b.Expect([]string{"403"}, func() {
		b.Click("Send a message")
		b.Fill("Body", "from alice")
		b.Click("Send")
		b.Sees("Sent ")
		b.Click("Delete")
		b.confirm("service-001")
		b.Holds("the dialog says why not", `document.querySelector('dialog[open] .fault')?.innerText.includes('User:alice has no permission to access Topic:service-001 with DELETE')`)
		b.Press(kb.Escape)
		for _, page := range []string{"topics/orders", "topics", "groups", "access", "settings", ""} {
			b.Open(page)
			b.Holds("the page "+page+" says why not", `document.querySelector('main .fault')?.innerText.includes('no permission')`)
		}
	})
	if found := items(b.site.get("/topics/service-001/messages?text=alice")); len(found) != 1 {
		b.T.Errorf("alice's message is not there: %v", found)
	}
	b.logout()
}

func operating(b *tab) {
	b.login("oscar", "oscar-secret")
	b.Sees("oscar")
	b.Settled()
	b.Open("topics")
	b.Click("New topic")
	b.Fill("Name", "oscars")
	b.Press(kb.Enter)
	b.Holds("the new topic is open", `location.hash === '#/topics/oscars'`)
	b.Settled()
	b.Open("groups/behind")
	b.ClickIn("Skip", "orders")
	b.confirm("behind")
	b.Sees("skipped")
	b.Open("access")
	b.Sees("alice")
	b.Expect([]string{"403"}, func() {
		b.Click("New user")
		b.Fill("User", "eve")
		b.Fill("Password", "eve-secret")
		b.Click("Create")
		b.Holds("the dialog says why not", `document.querySelector('dialog[open] .fault')?.innerText.includes('no permission')`)
		b.Press(kb.Escape)
	})
	if status, _ := b.site.try(http.MethodGet, "/topics/oscars", nil); status != http.StatusOK {
		b.T.Errorf("oscar's topic: %d", status)
	}
	b.logout()
}

func reigning(b *tab) {
	b.login(root, rootSecret)
	b.Sees("root")
	b.Settled()
	b.Open("access")
	b.Click("New user")
	b.Fill("User", "second")
	b.Fill("Password", "second-secret")
	b.Fill("Type", "Super")
	b.Click("Create")
	b.Sees("second created")
	b.logout()
	b.login("second", "second-secret")
	b.Sees("second")
	b.Settled()
	b.Open("topics")
	b.Expect([]string{"401"}, func() {
		b.site.ask(http.MethodPatch, "/users/second", object{"password": "another-secret"})
		b.Holds("the form is there by itself", `document.querySelector('form.login')`)
	})
	b.Expect([]string{"401"}, func() {
		b.login("second", "second-secret")
		b.Holds("the old password is none any more", `document.querySelector('.login .fault')`)
	})
	b.Fill("Password", "another-secret")
	b.Press(kb.Enter)
	b.Sees("second")
	b.Settled()
	b.site.ask(http.MethodDelete, "/users/second", nil)
	b.Expect([]string{"401"}, func() {
		b.Holds("the form is there by itself", `document.querySelector('form.login')`)
	})
}
