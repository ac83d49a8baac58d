package dedup

import (
	"hash/fnv"

	"github.com/goddardmq/goddard/internal/mq"
)

// generations is into how many parts the window of a topic is divided. What is
// too old is forgotten part by part, so that a key is kept for up to a fourth
// of the window longer than it counts.
const generations = 4

// none is no place in the log.
const none mq.LogPos = -1

// A verdict says what to do with a message.
type verdict uint8

const (
	verdictStore verdict = iota // it is the first: store it and settle
	verdictKnown                // a message that may have its key lies in the log
	verdictWait                 // one with its key is being stored
	verdictFull                 // there is no room for another key
)

// A table holds the keys of one topic: those in the log by hash, in the order
// in which they were stored, and those that are on their way to it.
type table struct {
	window  int64 // in milliseconds
	parts   []part
	count   int // of keys in parts
	flights map[string]*flight
}

// A part is the keys that were stored in a fourth of the window.
type part struct {
	first, last int64 // store times, in Unix milliseconds
	keys        map[uint64]mq.LogPos
}

// A flight is a key whose message is being stored.
type flight struct {
	waiters []func(mq.SendResult, error)
}

// hash is how tables and rows know a key. Two keys with the same one are told
// apart in the log.
func hash(key []byte) uint64 {
	h := fnv.New64a()
	h.Write(key)
	return h.Sum64()
}

// claim decides about a message with a key. void is a place where a message
// with another key, or none that counts, was found: it is forgotten. room says
// whether another key may be remembered. waiter is kept if the verdict is to
// wait.
func (t *table) claim(key []byte, void mq.LogPos, room bool, waiter func(mq.SendResult, error)) (verdict, mq.LogPos) {
	if f := t.flights[string(key)]; f != nil {
		f.waiters = append(f.waiters, waiter)
		return verdictWait, none
	}
	h := hash(key)
	if at, ok := t.find(h); ok {
		if at != void {
			return verdictKnown, at
		}
		t.forget(h)
	}
	if !room {
		return verdictFull, none
	}
	if t.flights == nil {
		t.flights = map[string]*flight{}
	}
	t.flights[string(key)] = &flight{}
	return verdictStore, none
}

// settle ends the flight of a key and returns who waits for that.
func (t *table) settle(key string) []func(mq.SendResult, error) {
	f := t.flights[key]
	if f == nil {
		return nil
	}
	delete(t.flights, key)
	return f.waiters
}

// find is where the message with a hash lies; of several, the newest.
func (t *table) find(h uint64) (mq.LogPos, bool) {
	for i := len(t.parts) - 1; i >= 0; i-- {
		if at, ok := t.parts[i].keys[h]; ok {
			return at, true
		}
	}
	return none, false
}

// enter notes a message that was stored and reports whether that is new. One
// that is stored again on its way, as behind a delay, stays where it was first.
func (t *table) enter(h uint64, at mq.LogPos, stored int64) bool {
	if _, ok := t.find(h); ok {
		return false
	}
	t.put(h, at, stored)
	return true
}

// put notes a message in the newest part, where it wins over older ones.
func (t *table) put(h uint64, at mq.LogPos, stored int64) {
	n := len(t.parts)
	if n == 0 || stored-t.parts[n-1].first >= max(1, t.window/generations) {
		t.parts = append(t.parts, part{first: stored, keys: map[uint64]mq.LogPos{}})
		n++
	}
	p := &t.parts[n-1]
	p.last = max(p.last, stored)
	if _, had := p.keys[h]; !had {
		t.count++
	}
	p.keys[h] = at
}

// forget drops what is known of a hash.
func (t *table) forget(h uint64) {
	for i := range t.parts {
		if _, had := t.parts[i].keys[h]; had {
			delete(t.parts[i].keys, h)
			t.count--
		}
	}
}

// expire forgets the parts in which nothing counts any more and reports
// whether there were any.
func (t *table) expire(now int64) (some bool) {
	for len(t.parts) > 0 && now-t.parts[0].last >= t.window {
		t.count -= len(t.parts[0].keys)
		t.parts[0] = part{}
		t.parts = t.parts[1:]
		some = true
	}
	return some
}
