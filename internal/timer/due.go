package timer

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// maxTries is how often a message that cannot be read is tried.
const maxTries = 5

// deliver sends what is due, the first due first, or notes when that is.
func (a *Agenda) deliver(now int64) {
	due, err := a.findDue(now)
	if err != nil {
		a.opts.Log.Error("cannot look up what is due; trying again", "error", err)
		a.pause(now)
		return
	}
	if len(due) == 0 {
		return
	}
	f := &flight{began: time.Now()}
	size := 0
	for _, e := range due {
		data, err := a.opts.Store.ReadAt(e.pos)
		if err != nil {
			if !a.unreadable(e, err) {
				break
			}
			f.drop = append(f.drop, e.place)
			continue
		}
		send, err := onTime(data, now)
		if err != nil {
			a.opts.Log.Warn("a delayed message says not where to go and is passed over", "pos", e.pos, "error", err)
			f.drop = append(f.drop, e.place)
			continue
		}
		f.batch.Sends = append(f.batch.Sends, send)
		f.entries = append(f.entries, e)
		if size += len(data); size > batchBytes {
			break
		}
	}
	if len(f.entries)+len(f.drop) == 0 {
		a.pause(now)
		return
	}
	a.launch(f)
}

// findDue are the first entries that are due. It moves low and next.
func (a *Agenda) findDue(now int64) (due []entry, err error) {
	first := place{nowhere, 0}
	err = scan(a.opts.Store.Keys(), a.low, func(e entry) bool {
		if len(due) == 0 {
			first = e.place
		}
		if e.due > now || len(due) == batchMessages {
			return false
		}
		due = append(due, e)
		return true
	})
	if err == nil {
		a.low, a.next = first, first.due
	}
	return due, err
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

// launch sends a flight on its way.
func (a *Agenda) launch(f *flight) {
	a.flight = f
	if len(f.batch.Sends) == 0 {
		a.landed <- f
		return
	}
	f.batch.Done = func(*mq.SendBatch) { a.landed <- f }
	if f.entries == nil {
		a.opts.Store.Append(&f.batch)
		return
	}
	a.opts.Append(&f.batch)
}

// land notes what came of a flight.
func (a *Agenda) land(f *flight) {
	a.flight = nil
	now := time.Now()
	var failed error
	for i := range f.batch.Sends {
		err := f.batch.Sends[i].Err
		switch {
		case err == nil:
		case errors.Is(err, mq.ErrMessageIllegal), errors.Is(err, mq.ErrMessageTooLarge):
			a.opts.Log.Error("a delayed message cannot be stored in its topic and is passed over",
				"topic", f.batch.Sends[i].Topic, "error", err)
		default:
			failed = err
		}
	}
	if f.entries == nil && len(f.drop) == 0 {
		a.moved(f, failed)
	} else {
		a.done = f
		a.settled()
	}
	if failed != nil {
		a.opts.Log.Warn("cannot store delayed messages; trying again", "error", failed)
		a.pause(now.UnixMilli())
		return
	}
	a.backoff = 0
	if len(f.entries) > 0 && now.UnixMilli()-f.entries[len(f.entries)-1].due > patience {
		a.paused = now.Add(min(now.Sub(f.began), maxRest)).UnixMilli()
	}
}

// leaving reports whether a message is being delivered, or was and its row
// remains: too late to call it back.
func (a *Agenda) leaving(pos mq.LogPos) bool {
	for _, f := range []*flight{a.flight, a.done} {
		if f != nil && slices.ContainsFunc(f.entries, func(e entry) bool { return e.pos == pos }) {
			return true
		}
	}
	return false
}

// settled removes the rows of what was delivered. It reports whether nothing
// is left to be removed; nothing more is delivered before that.
func (a *Agenda) settled() bool {
	f := a.done
	if f == nil {
		return true
	}
	keys := a.opts.Store.Keys()
	b := keys.Batch()
	sent := make([]entry, 0, len(f.entries))
	var end mq.LogPos
	for i, e := range f.entries {
		switch s := &f.batch.Sends[i]; {
		case s.Err == nil:
			e.copy = s.Result.Pos
			end = max(end, e.copy)
			sent = append(sent, e)
		case !errors.Is(s.Err, mq.ErrMessageIllegal) && !errors.Is(s.Err, mq.ErrMessageTooLarge):
			continue
		}
		b.Delete(atKey(e.place))
	}
	for _, p := range f.drop {
		b.Delete(atKey(p))
	}
	synced := a.opts.Store.Synced()
	left := a.unsafe[:0]
	for _, at := range a.unsafe {
		if at < synced {
			b.Delete(sentKey(at))
		} else {
			left = append(left, at)
		}
	}
	// A power cut may take the copies and leave the rows.
	if len(sent) > 0 && end >= synced {
		b.Set(sentKey(end), sentValue(sent))
		left = append(left, end)
	}
	if err := keys.Apply(b, a.opts.Sync); err != nil {
		a.opts.Log.Error("cannot note what was delivered; nothing more is delivered until that works", "error", err)
		a.pause(time.Now().UnixMilli())
		return false
	}
	a.unsafe, a.done, a.next = left, nil, 0
	return true
}

// onTime is the message as it goes to the topic it is meant for: as it lies,
// with what RocketMQ adds when it delivers it.
func onTime(data []byte, now int64) (mq.Send, error) {
	r, _, err := mq.DecodeRecord(data)
	if err != nil {
		return mq.Send{}, err
	}
	s, err := due(r)
	if err != nil {
		return mq.Send{}, err
	}
	props := make([]byte, 0, len(r.Properties)+64)
	for k, v := range mq.Properties(r.Properties) {
		switch string(k) {
		case mq.PropTimerMovedFrom, mq.PropTimerEnqueueMs, mq.PropTimerDequeueMs:
		default:
			props = append(append(append(append(props, k...), 1), v...), 2)
		}
	}
	var n [20]byte
	plain := len(props)
	props = mq.AppendProperty(props, mq.PropTimerEnqueueMs, strconv.AppendInt(n[:0], r.StoreTime, 10))
	props = mq.AppendProperty(props, mq.PropTimerDequeueMs, strconv.AppendInt(n[:0], now, 10))
	if len(props) > mq.MaxPropertiesSize {
		props = props[:plain]
	}
	s.Properties = props
	return s, nil
}

// Waiting lists messages that wait.
func Waiting(s *store.Store, broker string, q mq.DelayedQuery) ([]mq.DelayedMessage, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	limit = min(limit, maxListed)
	var found []mq.DelayedMessage
	examined := 0
	err := scan(s.Keys(), place{due: max(0, q.From)}, func(e entry) bool {
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
	})
	if err == nil && examined == maxExamined && len(found) < limit {
		err = fmt.Errorf("%w: more than %d messages wait in this time, of which %d match; ask for a shorter time", mq.ErrInvalid, maxExamined, len(found))
	}
	return found, err
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
	s, err := due(r)
	if err != nil {
		return m, false
	}
	text := func(key string) string { v, _ := mq.Property(r.Properties, key); return string(v) }
	m = mq.DelayedMessage{
		Topic: s.Topic, QueueID: s.QueueID, Due: e.due, Stored: r.StoreTime, Size: r.Size, Pos: e.pos,
		Key: text(mq.PropUniqueKey), Keys: text(mq.PropKeys), Tags: text(mq.PropTags),
	}
	m.Handle = mq.RecallHandle{Topic: m.Topic, Broker: broker, Due: m.Due, Key: m.Key}.String()
	return m, true
}
