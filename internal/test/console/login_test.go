//go:build console

package console

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/goddardmq/goddard/internal/front/console"
	"github.com/goddardmq/goddard/internal/mq"
)

// one lets one user in, who may look but not delete.
type one struct{}

func (one) Login(_ context.Context, _ netip.AddrPort, user, password string) (mq.Caller, error) {
	if user != "alice" || password != "secret" {
		return mq.Caller{}, errors.New("no such user, or another password")
	}
	return mq.Caller{User: user}, nil
}

func (one) Allowed(_ context.Context, c mq.Caller, action, _ string) error {
	if action == "DELETE" {
		return errors.New("alice may not delete")
	}
	return nil
}

func TestUsersLogInAndAreToldWhatTheyMayNot(t *testing.T) {
	s := start(t, nil)
	c, err := console.New(console.Options{Access: one{}, Version: "test", Local: []console.Site{{Name: "local", Namesrvs: []string{s.nameServer}}}})
	if err != nil {
		t.Fatal(err)
	}
	run(t, c.Run)
	front := httptest.NewServer(c)
	t.Cleanup(front.Close)
	s.url = front.URL
	b := browse(t, s)
	b.window(1400, 900)
	b.must(chromedp.Do(b.ctx, chromedp.Navigate(s.url+"/#/topics/service-001")))
	b.holds("the first field has the focus", `document.activeElement.name === 'user'`)
	b.fill("User", "alice")
	b.fill("Password", "wrong")
	b.expect([]string{"401"}, func() {
		b.press(kb.Enter)
		b.holds("the form says why not", `document.querySelector('.login .fault')`)
	})
	b.fill("Password", "secret")
	b.press(kb.Enter)
	b.sees("service-001")
	b.settled()
	b.sees("alice")
	b.expect([]string{"403"}, func() {
		b.click("Delete")
		b.confirm("service-001")
		b.holds("the dialog says why not", `document.querySelector('dialog[open] .fault')?.innerText.includes('may not delete')`)
	})
	b.press(kb.Escape)
	b.click("Log out")
	b.holds("the form is back", `document.querySelector('form.login')`)
	b.quiet("log in")
}
