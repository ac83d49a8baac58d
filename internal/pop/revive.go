package pop

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// Bounds of what is given back at a time, and times in milliseconds.
const (
	batchMessages = 1024
	batchBytes    = 4 << 20

	// lookAhead is how far ahead the next row is looked for. What is
	// acknowledged leaves marks in the key store until it cleans up, which a
	// search must pass over; no search passes over the same ones twice.
	lookAhead = 1000

	// maxSleep is how late what is due may be noticed after the clock was set
	// forward, or the machine slept.
	maxSleep     = 10_000
	firstBackoff = 100
	maxBackoff   = 10_000

	// patience is how late messages may be before the next ones rest as long as
	// these took, at most maxRest: a burst is over by then, what is left is a
	// backlog, which must not starve those who send.
	patience = 500
	maxRest  = 50
	// claimedRest is the rest when all that is due is in somebody else's care.
	claimedRest = 50

	// maxUnread is how often a damaged message is read before it is let go, in
	// growing intervals of up to maxUnreadRest, some four hours in all.
	maxUnread     = 16
	firstUnread   = 5_000
	maxUnreadRest = 30 * 60_000
)

// errEnough ends a scan early.
var errEnough = errors.New("enough")

// back is how giving back goes on.
type back struct {
	paused  int64     // nothing is given back before
	backoff int64     // of the last failure; 0 after a success
	done    []landing // stored again, but the rows could not be changed
}

// Run gives back what is due until ctx ends.
func (h *Holds) Run(ctx context.Context) error {
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for ctx.Err() == nil {
		alarm.Reset(h.step(time.Now().UnixMilli()))
		select {
		case <-ctx.Done():
		case <-h.wake:
		case <-alarm.C:
		}
	}
	return nil
}

// step gives back some of what is due and returns how long there is nothing
// to do.
func (h *Holds) step(now int64) time.Duration {
	if rest := h.back.paused - now; rest > 0 && rest <= h.back.backoff { // or the clock was set back
		return time.Duration(rest) * time.Millisecond
	}
	if !h.settled(now) {
		return time.Duration(h.back.backoff) * time.Millisecond
	}
	due, next, err := h.findDue(now)
	if err != nil {
		h.opts.Log.Error("cannot look up which popped messages are due; trying again", "error", err)
		return h.pause(now)
	}
	if len(due) == 0 {
		return time.Duration(max(0, min(next-now, maxSleep))) * time.Millisecond
	}
	return h.giveBack(due, now)
}

// pause waits a little longer after every failure.
func (h *Holds) pause(now int64) time.Duration {
	h.back.backoff = min(max(2*h.back.backoff, firstBackoff), maxBackoff)
	h.back.paused = now + h.back.backoff
	return time.Duration(h.back.backoff) * time.Millisecond
}

// settled changes the rows of what was stored again. Nothing more is given back
// before that.
func (h *Holds) settled(now int64) bool {
	if len(h.back.done) == 0 {
		return true
	}
	if err := h.settle(h.back.done); err != nil {
		h.opts.Log.Error("cannot note which popped messages were given back; no more are until that works", "error", err)
		h.pause(now)
		return false
	}
	for i := range h.back.done {
		h.land(h.back.done[i].Place)
	}
	h.back.done = nil
	return true
}

// land ends a claim.
func (h *Holds) land(p Place) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.mu.flying, string(p.key()))
}

// findDue returns the first holds that are due, or when there may be some.
func (h *Holds) findDue(now int64) (due []Hold, next int64, err error) {
	h.mu.Lock()
	if h.mu.next > now {
		// What was popped during the last search has called for another one.
		defer h.mu.Unlock()
		return nil, h.mu.next, nil
	}
	from := h.mu.low
	h.mu.low, h.mu.next = nil, never
	h.mu.Unlock()
	if from == nil {
		return nil, never, nil
	}
	var first []byte
	err = h.opts.Store.Keys().ScanRange(from, dueKey(now+lookAhead+1), func(key, value []byte) error {
		if first == nil {
			first = bytes.Clone(key)
		}
		if dueOf(key) > now || len(due) >= batchMessages {
			return errEnough
		}
		r, err := decodeRow(key, value)
		for i := range r.left {
			due = append(due, r.hold(i))
		}
		return err
	})
	switch {
	case errors.Is(err, errEnough):
		err = nil
	case err != nil:
		first = from
	}
	if first == nil && h.total.Load() > 0 {
		first = dueKey(now + lookAhead + 1)
	}
	if first != nil {
		h.note(first)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return due, h.mu.next, err
}

// A flight is what is on its way back.
type flight struct {
	batch  mq.SendBatch
	holds  []Hold    // of each Send
	others []landing // without a Send
	failed error     // why there is not more
	began  time.Time
}

// giveBack stores messages again whose time is up and returns how long to rest.
func (h *Holds) giveBack(due []Hold, now int64) time.Duration {
	f := h.prepare(due, now)
	if len(f.batch.Sends) > 0 {
		stored := make(chan struct{})
		f.batch.Done = func(*mq.SendBatch) { close(stored) }
		h.opts.Append(&f.batch)
		<-stored
	}
	for i := range f.batch.Sends {
		h.returned(f, i)
	}
	all := len(f.others)
	h.back.done = f.others
	if !h.settled(now) {
		return time.Duration(h.back.backoff) * time.Millisecond
	}
	switch {
	case f.failed != nil:
		h.opts.Log.Warn("cannot store popped messages again; trying again", "error", f.failed)
		return h.pause(now)
	case all == 0:
		return claimedRest * time.Millisecond
	}
	h.back.backoff = 0
	if now-due[len(due)-1].Due <= patience {
		return 0
	}
	return min(time.Since(f.began), maxRest*time.Millisecond)
}

// prepare claims what is due, as much as fits a batch, and reads it.
func (h *Holds) prepare(due []Hold, now int64) *flight {
	f := &flight{began: time.Now()}
	size := 0
	for i := range due {
		hold, err := h.Claim(due[i].Place)
		if errors.Is(err, mq.ErrNotFound) {
			continue // acknowledged meanwhile, or being moved to the dead letters
		}
		if err == nil {
			size += h.load(f, hold, now)
		}
		if f.failed == nil && err != nil {
			f.failed = err
		}
		if f.failed != nil || size > batchBytes {
			break
		}
	}
	return f
}

// load reads a message that is to be given back and returns its size.
func (h *Holds) load(f *flight, hold Hold, now int64) int {
	data, err := h.opts.Store.ReadAt(hold.Pos)
	if err != nil {
		h.unread(f, hold, err, now)
		return 0
	}
	r, _, err := mq.DecodeRecord(data)
	if err != nil {
		h.unread(f, hold, err, now)
		return 0
	}
	send, err := h.opts.Revive(&hold, &r)
	switch {
	case errors.Is(err, ErrGone):
		h.drop(f, hold, "its group or topic was deleted")
	case err != nil:
		f.failed = err
		h.land(hold.Place)
	default:
		f.batch.Sends = append(f.batch.Sends, send)
		f.holds = append(f.holds, hold)
	}
	return len(data)
}

// unread decides about a message that cannot be read. It is let go if it never
// will be: then its group is done with it.
func (h *Holds) unread(f *flight, hold Hold, err error, now int64) {
	var corrupt *store.CorruptError
	damaged := errors.As(err, &corrupt) || errors.Is(err, mq.ErrRecordCorrupt)
	lo, hi := h.opts.Store.LogBounds()
	switch {
	case hold.Pos < lo || hold.Pos >= hi:
		h.drop(f, hold, "the log no longer holds it; see fileReservedTime (retention)")
		return
	case damaged && hold.tries+1 >= maxUnread:
		h.drop(f, hold, "it is damaged; run `goddard store verify`")
		return
	}
	rest := min(int64(firstUnread)<<min(hold.tries, 16), maxUnreadRest)
	h.opts.Log.Error("a popped message cannot be read and is tried again later", "group", hold.Group, "topic", hold.Topic,
		"queue", hold.Queue, "offset", hold.Offset, "rest_ms", rest, "error", err)
	if hold.tries < maxUnread {
		hold.tries++
	}
	f.others = append(f.others, landing{Hold: hold, later: now + rest})
}

// drop lets a hold go whose message cannot be given back.
func (h *Holds) drop(f *flight, hold Hold, why string) {
	h.dropped.Add(1)
	h.opts.Log.Warn("a popped message was not acknowledged and cannot be given back: "+why,
		"group", hold.Group, "topic", hold.Topic, "queue", hold.Queue, "offset", hold.Offset)
	f.others = append(f.others, landing{Hold: hold})
}

// returned notes what came of a Send.
func (h *Holds) returned(f *flight, i int) {
	s, hold := &f.batch.Sends[i], f.holds[i]
	if h.opts.Revived != nil {
		h.opts.Revived(&hold, s, f.began)
	}
	switch {
	case s.Err == nil:
		f.others = append(f.others, landing{Hold: hold, stored: true, copied: s.Result.Pos})
	case errors.Is(s.Err, mq.ErrMessageIllegal), errors.Is(s.Err, mq.ErrMessageTooLarge):
		h.drop(f, hold, s.Err.Error())
	default:
		f.failed = s.Err
		h.land(hold.Place)
	}
}
