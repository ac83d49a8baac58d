package auth

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// maxLogins is how many passwords from one address are looked at at a time, and
// wrongPause how long the answer to a wrong one takes, so that they cannot be tried
// fast.
const maxLogins, wrongPause = 8, time.Second

// logins are those that are being looked at.
type logins struct {
	// mu guards the counts by address; nothing is called while it is held.
	mu struct {
		sync.Mutex
		from map[netip.Addr]int
	}
}

// enter reports whether one more from an address may be looked at; then leave
// ends it.
func (l *logins) enter(from netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.from[from] >= maxLogins {
		return false
	}
	if l.mu.from == nil {
		l.mu.from = map[netip.Addr]int{}
	}
	l.mu.from[from]++
	return true
}

func (l *logins) leave(from netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.from[from]--; l.mu.from[from] == 0 {
		delete(l.mu.from, from)
	}
}

// Is reports whether a user is enabled and has this password; it takes no time, so
// it is not for passwords that a stranger says.
func (a *Access) Is(user, password string) bool {
	m := a.table.Load().members[user]
	return m != nil && !m.Disabled && m.secretIs(password)
}

// Login is who a user with this password is, asked from an address; an error if
// that is nobody, which takes its time, and mq.ErrBusy while too many from there
// wait for one, or too many passwords of this user are tried from anywhere.
func (a *Access) Login(ctx context.Context, from netip.AddrPort, user, password string) (mq.Caller, error) {
	addr := from.Addr().Unmap()
	if !a.logins.enter(addr) {
		return mq.Caller{}, fmt.Errorf("%w: too many log in from %v at the moment; try again in some seconds", mq.ErrBusy, addr)
	}
	defer a.logins.leave(addr)
	by := mq.Caller{User: user, Addr: from}
	settle, err := a.guesses.turn(ctx, user, addr)
	if err != nil {
		return mq.Caller{}, err
	}
	right := a.Is(user, password)
	settle(right)
	if right {
		return by, nil
	}
	// One text for all cases: who guesses shall not learn which names exist.
	err = refuse(ErrUnauthenticated, "there is no enabled user of this name with this password")
	a.audit.denied(by, "login", err)
	select {
	case <-time.After(wrongPause):
	case <-ctx.Done():
	}
	return mq.Caller{}, err
}
