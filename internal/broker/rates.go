package broker

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/limit"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rate"
)

// Attributes of groups and topics that limit consumption, per second. A topic's
// are for all groups together, a group's for all topics.
const (
	attrRateMessages = "consume.rate.messages"
	attrRateBytes    = "consume.rate.bytes"
)

// errSlow says that a pull has to wait for its share.
var errSlow = errors.New("consumption is limited")

// rates are the limits of groups and topics.
type rates struct {
	active atomic.Int64 // how many limits there are; without any a pull costs one load
	// mu guards the limits, which are used for a few hundred nanoseconds.
	mu struct {
		sync.Mutex
		groups, topics map[string]*rate.Limit
	}
}

func newRates() *rates {
	r := &rates{}
	r.mu.groups, r.mu.topics = map[string]*rate.Limit{}, map[string]*rate.Limit{}
	return r
}

// limitsOf is what the attributes of a group or topic say; 0 is no limit.
func limitsOf(what, name string, attributes map[string]string) (messages, bytes int64, err error) {
	return perSecond(what, name, attributes, attrRateMessages, attrRateBytes)
}

// perSecond reads two attributes that limit a rate; 0 is no limit.
func perSecond(what, name string, attributes map[string]string, keyMessages, keyBytes string) (messages, bytes int64, err error) {
	parse := func(key string) (n int64) {
		text, ok := attributes[key]
		if !ok {
			return 0
		}
		n, perr := strconv.ParseInt(text, 10, 64)
		if perr != nil || n < 1 || n > rate.Max {
			err = errors.Join(err, fmt.Errorf("%w: attribute %s of %s %s is %.40q: want a whole number per second from 1 to %d; take the attribute away to lift the limit",
				mq.ErrInvalid, key, what, name, text, int64(rate.Max)))
		}
		return n
	}
	messages, bytes = parse(keyMessages), parse(keyBytes)
	return messages, bytes, err
}

// limitGroup and limitTopic put in force what the attributes say, which were
// checked.
func (b *Broker) limitGroup(name string, attributes map[string]string) {
	messages, bytes, _ := limitsOf("group", name, attributes)
	b.rates.set(b.rates.mu.groups, name, messages, bytes)
	notify(b.throttle.sooner)
}

func (b *Broker) limitTopic(name string, attributes map[string]string) {
	messages, bytes, _ := limitsOf("topic", name, attributes)
	b.rates.set(b.rates.mu.topics, name, messages, bytes)
	b.limitSending(name, attributes)
	notify(b.throttle.sooner)
}

func (r *rates) set(all map[string]*rate.Limit, name string, messages, bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := all[name]
	if messages == 0 && bytes == 0 {
		if l != nil {
			delete(all, name)
			r.active.Add(-1)
		}
		return
	}
	if l == nil {
		l = &rate.Limit{}
		all[name] = l
		r.active.Add(1)
	}
	now := time.Now()
	l.Messages.Set(messages, now)
	l.Bytes.Set(bytes, now)
}

// A ration is what a request may take.
type ration struct {
	rate.Grant // of the group's and the topic's limits
	rates      *rates
	client     limit.Share
}

// most is what a request may read that may read that much; 0 bytes are no limit.
func (s *ration) most(messages, bytes int) (m, b int) {
	for _, limit := range [...]int{s.Bytes, s.client.Bytes} {
		if limit > 0 && (bytes == 0 || limit < bytes) {
			bytes = limit
		}
	}
	return min(messages, s.Messages), bytes
}

// take sets aside the share of a request for up to so many messages. If there
// is none yet it says how long it is until there is, and whether it is its
// client that has none. counted is as in limit.Visit.Take.
func (r *rates) take(u use, by *limit.Visit, want int, counted bool) (s ration, wait time.Duration, client bool) {
	s.rates = r
	if s.client, wait = by.Take(want, counted); wait > 0 {
		return ration{}, wait, true
	}
	now := time.Now()
	r.mu.Lock()
	s.Grant, wait = rate.Take(r.ofLocked(u), s.client.Messages, now)
	r.mu.Unlock()
	if wait > 0 {
		s.client.Settle(0, 0)
		return ration{}, wait, false
	}
	return s, 0, false
}

func (r *rates) ofLocked(u use) [2]*rate.Limit {
	return [2]*rate.Limit{r.mu.groups[u.group], r.mu.topics[u.topic]}
}

// settle says how much of a share was used.
func (s *ration) settle(messages, bytes int) {
	s.client.Settle(messages, bytes)
	s.rates.mu.Lock()
	defer s.rates.mu.Unlock()
	s.Settle(messages, bytes)
}

// owe charges what was taken without a share.
func (r *rates) owe(u use, by *limit.Visit, messages, bytes int) {
	by.Owe(messages, bytes)
	r.mu.Lock()
	defer r.mu.Unlock()
	rate.Owe(r.ofLocked(u), messages, bytes)
}

// limited says whether a request of a group for a topic may be limited at all.
func (r *rates) limited(u use, by *limit.Visit) bool {
	return r.limits(u) || by.Slowed()
}

// limits says whether the group or the topic has a limit.
func (r *rates) limits(u use) bool {
	if r.active.Load() == 0 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ofLocked(u) != [2]*rate.Limit{}
}
