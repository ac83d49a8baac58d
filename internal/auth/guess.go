package auth

import (
	"context"
	"fmt"
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

const (
	// guessBurst is how many wrong passwords for one name are looked at as they
	// come, guessEvery how often one more is.
	guessBurst, guessEvery = 20, 500 * time.Millisecond
	// maxTurn is how long one who asks waits for a turn at most.
	maxTurn = 10 * time.Second
	// guessNames is by how many sums of names guesses are told apart.
	guessNames = 4096
	// maxTrusted is from how many addresses a user is known to come.
	maxTrusted = 16
)

// guesses slow down who tries passwords of one user from many addresses. Who has
// once given the right password from an address does not wait there, and who
// waits gets a turn, one of each address at a time: so nobody keeps a user out by
// guessing. Names are told apart by a sum alone, so that made-up names fill no
// memory and tell nobody which there are.
type guesses struct {
	seed maphash.Seed

	// mu guards what follows; nothing is called while it is held.
	mu struct {
		sync.Mutex
		free    [guessNames]time.Time   // when all guesses are forgotten
		waiting map[asked]bool          // who waits for a turn
		trusted map[string][]netip.Addr // where users came from last, newest last
	}
}

// asked is a name and from where it is asked for.
type asked struct {
	name int
	from netip.Addr
}

func newGuesses() *guesses {
	g := &guesses{seed: maphash.MakeSeed()}
	g.mu.waiting, g.mu.trusted = map[asked]bool{}, map[string][]netip.Addr{}
	return g
}

// turn waits until one more password of a user may be looked at, asked from an
// address; the error wraps mq.ErrBusy if too many wait. right tells then whether
// it was the right one.
func (g *guesses) turn(ctx context.Context, user string, from netip.Addr) (right func(bool), err error) {
	who := asked{int(maphash.String(g.seed, user) % guessNames), from}
	wait, known, err := g.enter(who, user)
	if err != nil || known {
		return func(bool) {}, err
	}
	if wait > 0 {
		defer g.leave(who)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return func(right bool) { g.settle(who, user, right) }, nil
}

// enter takes a turn and says how long it is off. Whom the user is known by
// needs none.
func (g *guesses) enter(who asked, user string) (wait time.Duration, known bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if slices.Contains(g.mu.trusted[user], who.from) {
		return 0, true, nil
	}
	now := time.Now()
	free := g.mu.free[who.name]
	if free.Before(now) {
		free = now
	}
	wait = free.Sub(now) - (guessBurst-1)*guessEvery
	if wait > 0 && (wait > maxTurn || g.mu.waiting[who]) {
		return 0, false, fmt.Errorf("%w: too many wrong passwords of this user are tried at the moment; try again in some seconds", mq.ErrBusy)
	}
	if wait > 0 {
		g.mu.waiting[who] = true
	}
	g.mu.free[who.name] = free.Add(guessEvery)
	return wait, false, nil
}

func (g *guesses) leave(who asked) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.mu.waiting, who)
}

// settle gives the turn back of who was right, and remembers where that was.
func (g *guesses) settle(who asked, user string, right bool) {
	if !right {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.free[who.name] = g.mu.free[who.name].Add(-guessEvery)
	g.mu.trusted[user] = append(g.mu.trusted[user], who.from)
	if n := len(g.mu.trusted[user]); n > maxTrusted {
		g.mu.trusted[user] = slices.Clone(g.mu.trusted[user][n-maxTrusted:])
	}
}

// forget drops where users came from who are no more, or have another password.
func (g *guesses) forget(user string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.mu.trusted, user)
}
