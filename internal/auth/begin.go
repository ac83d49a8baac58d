package auth

import (
	"errors"
	"os"

	"github.com/goddardmq/goddard/internal/mq"
)

// firstName is the super user that is made where there is none.
const firstName = "admin"

// begin makes the users that the options ask for, if they are not there yet, and
// the first one where there would be nobody to begin with.
func (a *Access) begin() error {
	wanted := make([]User, 0, 2)
	for _, of := range []func() (User, bool, error){a.o.InitialUser, a.o.InnerUser} {
		if u, ok, err := of(); err != nil {
			return err
		} else if ok {
			wanted = append(wanted, u)
		}
	}
	a.inner, _, _ = a.o.InnerUser()
	for _, u := range wanted {
		t := a.table.Load()
		if t.members[u.Name] != nil {
			continue
		}
		if err := a.replace(t, newMember(u, nil)); err != nil {
			return err
		}
		a.Did(mq.Caller{}, "create super user of the settings", nil, u.Name)
	}
	if a.o.MigrateV1 {
		if err := a.migrate(os.Getenv("ROCKETMQ_HOME")); err != nil {
			return err
		}
	}
	if !a.o.Authentication || a.anySuper() {
		return nil
	}
	if _, forgets := a.rows.(memory); forgets {
		return errors.New("a name server by itself keeps no users, and would let nobody in: give init-user, or inner-credentials, which brokers register with")
	}
	u := User{Name: firstName, Secret: newSecret(), Type: Super}
	if err := a.replace(a.table.Load(), newMember(u, nil)); err != nil {
		return err
	}
	a.first = &u
	return nil
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
