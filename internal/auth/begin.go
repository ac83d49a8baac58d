package auth

import (
	"errors"
	"os"

	"github.com/goddardmq/goddard/internal/mq"
)

// firstName is the super user that is made where there is none.
const firstName = "admin"

// begin makes the users that the options ask for, if they are not there yet.
func (a *Access) begin() error {
	wanted := make([]User, 0, 3)
	for _, of := range []func() (User, bool, error){a.o.InitialUser, a.o.InnerUser, a.o.Scraper} {
		if u, ok, err := of(); err != nil {
			return err
		} else if ok {
			wanted = append(wanted, u)
		}
	}
	a.inner, _, _ = a.o.InnerUser()
	for _, u := range wanted {
		t := a.table.Load()
		if m := t.members[u.Name]; m != nil {
			if m.Secret != u.Secret {
				a.logger().Warn("the settings (init-user, metrics-user, inner-credentials) have another secret for this user than the one that is stored, which holds; change it with `goddard admin user update`, or the setting", "user", u.Name)
			}
			continue
		}
		what, acl := "create super user of the settings", (*ACL)(nil)
		if u.Type == Normal {
			what, acl = "create user for metrics of the settings", scraping()
		}
		if err := a.replace(t, newMember(u, acl)); err != nil {
			return err
		}
		a.Did(mq.Caller{}, what, nil, u.Name)
	}
	if a.o.MigrateV1 {
		if err := a.migrate(os.Getenv("ROCKETMQ_HOME")); err != nil {
			return err
		}
	}
	if _, forgets := a.rows.(memory); forgets && a.o.Authentication && !a.anySuper() {
		return errors.New("a name server by itself keeps no users, and would let nobody in: give init-user, or inner-credentials, which brokers register with")
	}
	return nil
}

// scraping is what who reads metrics may do.
func scraping() *ACL {
	return &ACL{Custom: []Entry{{Resource: Resource{Type: Cluster, Pattern: AnyName}, Actions: Get, Decision: Allow}}}
}

// MakeFirst makes a super user where there is none that could begin, and tells
// its secret, which is told once: it is for a start that can not fail any more.
// made is false if there was no need.
func (a *Access) MakeFirst() (name, secret string, made bool, err error) {
	a.changing.Lock()
	defer a.changing.Unlock()
	if !a.o.Authentication || a.anySuper() {
		return "", "", false, nil
	}
	u := User{Name: firstName, Secret: newSecret(), Type: Super}
	if err := a.replace(a.table.Load(), newMember(u, nil)); err != nil {
		return "", "", false, err
	}
	return u.Name, string(u.Secret), true, nil
}

// anySuper reports whether anybody can change users.
func (a *Access) anySuper() bool {
	for _, m := range a.table.Load().members {
		if m.Type == Super && !m.Disabled {
			return true
		}
	}
	return false
}
