package limit

import (
	"time"

	"github.com/goddardmq/goddard/internal/rate"
)

// A Share is what the limits on a client let one of its pulls or pops have.
// Whoever takes it settles it once.
type Share struct {
	Messages int
	Bytes    int // 0: no limit
	grants   []grant
}

// A grant is what one meter gave to a share.
type grant struct {
	rate.Grant
	from *meter
}

// Slowed reports whether there is a limit on what v consumes. Of nil, which is
// the process itself, there is none.
func (v *Visit) Slowed() bool { return len(v.slowing()) > 0 }

// slowing are the meters on what v consumes.
func (v *Visit) slowing() []*meter {
	if v == nil {
		return nil
	}
	if a := v.current(); a != nil {
		return a.consume
	}
	return nil
}

// Take sets aside the share of a request for up to so many messages, or says how
// long it is at least until there is one. counted says that the request was told
// so before, and is counted among those that wait.
func (v *Visit) Take(want int, counted bool) (s Share, wait time.Duration) {
	s.Messages = want
	meters := v.slowing()
	if len(meters) == 0 {
		return s, 0
	}
	now := time.Now()
	for _, m := range meters {
		m.mu.Lock()
		g, wait := rate.Take([2]*rate.Limit{&m.mu.consume}, s.Messages, now)
		short := consumeMessages
		if wait > 0 && m.mu.consume.Messages.Wait(int64(s.Messages), now) < wait {
			short = consumeBytes
		}
		m.mu.Unlock()
		if wait > 0 {
			if !counted {
				m.rule.refused[short].Add(1)
			}
			s.Settle(0, 0)
			return Share{}, wait
		}
		if s.grants == nil {
			s.grants = make([]grant, 0, len(meters))
		}
		s.grants = append(s.grants, grant{g, m})
		s.Messages = g.Messages
		if g.Bytes > 0 && (s.Bytes == 0 || g.Bytes < s.Bytes) {
			s.Bytes = g.Bytes
		}
	}
	return s, 0
}

// Settle says how much of a share was used: the rest is given back, and what is
// beyond it owed.
func (s *Share) Settle(messages, bytes int) {
	now := time.Now()
	for i := range s.grants {
		g := &s.grants[i]
		g.from.mu.Lock()
		g.Settle(messages, bytes)
		g.from.mu.consumed(messages, bytes, now)
		g.from.mu.Unlock()
	}
}

// Owe charges what was taken without a share.
func (v *Visit) Owe(messages, bytes int) {
	now := time.Now()
	for _, m := range v.slowing() {
		m.mu.Lock()
		rate.Owe([2]*rate.Limit{&m.mu.consume}, messages, bytes)
		m.mu.consumed(messages, bytes, now)
		m.mu.Unlock()
	}
}

// consumed counts what was consumed.
func (a *account) consumed(messages, bytes int, at time.Time) {
	a.roll(at.Unix())
	a.now[consumeMessages] += int64(messages)
	a.now[consumeBytes] += int64(bytes)
}
