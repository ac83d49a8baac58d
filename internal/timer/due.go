package timer

import (
	"cmp"
	"fmt"

	"github.com/goddardmq/goddard/internal/mq"
)

// maxTries is how often a message that cannot be read is tried.
const maxTries = 5

// deliver sends what is due, the first due first, or notes when that is.
func (a *Agenda) deliver(now int64) {
	f := a.newFlight()
	if err := a.takeDue(f, now); err != nil {
		a.opts.Log.Error("cannot look up what is due; trying again", "error", err)
		a.spare = f
		a.pause(now)
		return
	}
	if len(f.due) == 0 {
		a.spare = f
		return
	}
	f.read(a.opts.Store)
	for i, t := range f.due {
		if err := f.errs[i]; err != nil {
			if !a.unreadable(t.entry, err) {
				f.back = append(f.back, f.due[i:]...)
				break
			}
			f.drop = append(f.drop, t)
			continue
		}
		send, err := f.onTime(&f.records[i], now)
		if err != nil {
			a.opts.Log.Warn("a delayed message says not where to go and is passed over", "pos", t.pos, "error", err)
			f.drop = append(f.drop, t)
			continue
		}
		f.batch.Sends = append(f.batch.Sends, send)
		f.entries = append(f.entries, t)
	}
	a.launch(f)
}

// takeDue takes the first messages that are due, from the rows and from memory,
// for a flight. It moves low and next.
func (a *Agenda) takeDue(f *flight, now int64) error {
	a.rows = a.rows[:0]
	low := a.low
	if a.next <= now {
		low = place{nowhere, 0}
		err := scan(a.opts.Store.Keys(), a.low, func(e entry) bool {
			if low = e.place; e.due > now || len(a.rows) == batchMessages {
				return false
			}
			a.rows = append(a.rows, e)
			low = place{nowhere, 0}
			return true
		})
		if err != nil {
			return err
		}
	}
	if rest := a.merge(f, now); len(rest) > 0 {
		low = rest[0].place
	}
	a.low, a.next = low, low.due
	return nil
}

// merge takes what is due, as much as a flight may have, and returns the rows
// that it has left.
func (a *Agenda) merge(f *flight, now int64) (rows []entry) {
	rows = a.rows
	a.near.Lock()
	defer a.near.Unlock()
	for size := 0; len(f.due) < batchMessages && size < batchBytes; {
		soon := a.near.soonest() <= now
		var t taken
		switch {
		case len(rows) > 0 && (!soon || rows[0].before(a.near.due[0].head().place)):
			t, rows = taken{entry: rows[0]}, rows[1:]
		case soon:
			t = a.near.takeLocked()
		default:
			return rows
		}
		f.due = append(f.due, t)
		size += int(cmp.Or(t.size, unknownSize))
	}
	return rows
}

// unreadable notes that a message cannot be read, and reports whether it is
// given up.
func (a *Agenda) unreadable(e entry, err error) bool {
	lo, _ := a.opts.Store.LogBounds()
	if a.stuck.pos != e.pos {
		a.stuck = stuck{pos: e.pos}
	}
	a.stuck.tries++
	lost := e.pos < lo || a.stuck.tries >= maxTries
	a.opts.Log.Error("a delayed message cannot be read; run `goddard store verify`",
		"pos", e.pos, "due", e.due, "given_up", lost, "error", err)
	return lost
}

// Waiting lists messages that wait.
func (a *Agenda) Waiting(broker string, q mq.DelayedQuery) ([]mq.DelayedMessage, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	limit = min(limit, maxListed)
	var found []mq.DelayedMessage
	examined := 0
	s := a.opts.Store
	look := func(e entry) bool {
		if q.Until > 0 && e.due >= q.Until || len(found) == limit || examined == maxExamined {
			return false
		}
		examined++
		data, err := s.ReadAt(e.pos)
		if err != nil {
			return true // delivered meanwhile and removed, or damaged
		}
		if m, ok := describe(data, e, broker); ok && (q.Topic == "" || m.Topic == q.Topic) {
			found = append(found, m)
		}
		return true
	}
	err := a.each(max(0, q.From), q.Until, look)
	if err == nil && examined == maxExamined && len(found) < limit {
		err = fmt.Errorf("%w: more than %d messages wait in this time, of which %d match; ask for a shorter time", mq.ErrInvalid, maxExamined, len(found))
	}
	return found, err
}

// each goes through the first messages that wait, in the order of their places,
// from a due time on until f returns false. Memory comes first, for messages
// go from there to the rows.
func (a *Agenda) each(from, until int64, f func(entry) bool) error {
	soon := a.near.list(from, until, maxExamined)
	more := true
	err := scan(a.opts.Store.Keys(), place{due: from}, func(e entry) bool {
		for more && len(soon) > 0 && !e.before(soon[0].place) {
			first := soon[0]
			if soon = soon[1:]; first.place != e.place {
				more = f(first)
			}
		}
		more = more && f(e)
		return more
	})
	for ; err == nil && more && len(soon) > 0; soon = soon[1:] {
		more = f(soon[0])
	}
	return err
}

// Bounds of Waiting, in messages.
const (
	maxListed   = 1000
	maxExamined = 200_000
)

// describe is a message that waits as an operator sees it.
func describe(data []byte, e entry, broker string) (m mq.DelayedMessage, ok bool) {
	r, _, err := mq.DecodeRecord(data)
	if err != nil {
		return m, false
	}
	says := wantedOf(r.Properties)
	s, err := says.bound(&r, new(string))
	if err != nil {
		return m, false
	}
	m = mq.DelayedMessage{
		Topic: s.Topic, QueueID: s.QueueID, Due: e.due, Stored: r.StoreTime, Size: r.Size, Pos: e.pos,
		Key: string(says.UniqueKey), Keys: string(says.Keys), Tags: string(says.Tag),
	}
	m.Handle = mq.RecallHandle{Topic: m.Topic, Broker: broker, Due: m.Due, Key: m.Key}.String()
	return m, true
}
