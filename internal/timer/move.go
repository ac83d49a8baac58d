package timer

import (
	"strconv"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// moveMessages bounds the messages that are moved at a time.
const moveMessages = 256

// move is how far messages are out of the part of the log that is to go.
type move struct {
	next mq.QueueOffset // the first message of the queue that was not looked at
	last mq.QueueOffset // of the newest copy
	some bool           // there are copies
}

// Clear reports whether no message waits in the log below a position. If one
// does, or that is not known, it has those messages copied to the end of the
// log. It does not block: ask again.
func (a *Agenda) Clear(below mq.LogPos) bool {
	if a.cleared.Load() >= int64(below) {
		return true
	}
	a.clearTo.Store(int64(below))
	a.signal()
	return false
}

// evacuate copies the next messages that wait below clearTo. When there are no
// more and the copies are in the rows, cleared follows.
func (a *Agenda) evacuate(now int64) {
	below := mq.LogPos(a.clearTo.Load())
	// Only of what has a row it is known below whether it waits.
	if pages := a.near.oldest(spillPages, below); len(pages) > 0 {
		if err := a.spill(pages); err != nil {
			a.opts.Log.Error("cannot note which delayed messages are to be kept; trying again", "error", err)
			a.pause(now)
		}
		return
	}
	f := &flight{began: time.Now(), moves: true, batch: mq.SendBatch{Spare: true}}
	end, err := a.copies(f, below)
	switch {
	case err != nil:
		a.opts.Log.Error("cannot read delayed messages that are to be kept; trying again", "error", err)
		a.pause(now)
	case len(f.batch.Sends) > 0:
		a.launch(f)
	case !end:
		a.move.next = f.next
		a.paused = now + 1 // others first
	case a.move.some && a.indexed <= a.move.last:
		a.paused = now + 1
	default:
		a.cleared.Store(int64(below))
		a.move.some = false
	}
}

// copies fills a flight with copies of what waits below a position. end says
// that there is nothing behind it.
func (a *Agenda) copies(f *flight, below mq.LogPos) (end bool, err error) {
	b, err := a.opts.Store.Read(wheel, a.move.next, store.ReadOptions{MaxMessages: moveMessages, MaxBytes: readBytes})
	defer release(b)
	f.next = b.Next
	switch {
	case err != nil:
		return false, err
	case b.Status == mq.PullNoNew || b.Status == mq.PullNoQueue:
		return true, nil
	case b.Status != mq.PullFound:
		return b.Next == a.move.next, nil
	}
	f.next -= mq.QueueOffset(b.Count)
	front, _ := a.front()
	for r := range records(b) {
		if r.Pos >= below || r.QueueOffset >= front {
			return r.Pos >= below, nil
		}
		f.next = r.QueueOffset + 1
		if err := a.copyOf(f, &r); err != nil {
			return false, err
		}
	}
	return false, nil
}

// copyOf adds the copy of a message to a flight if it waits.
func (a *Agenda) copyOf(f *flight, r *mq.Record) error {
	at, ok := number(r.Properties, mq.PropTimerOutMs)
	if !ok {
		return nil
	}
	waiting, err := a.isWaiting(place{at, r.Pos})
	if err != nil || !waiting {
		return err
	}
	m := r.Message()
	m.Body = append([]byte(nil), m.Body...)
	times, _ := number(m.Properties, mq.PropTimerRollTimes)
	m.Properties = mq.AppendSettingProperty(nil, m.Properties, mq.PropTimerRollTimes, strconv.FormatInt(times+1, 10))
	m.Properties = mq.AppendSettingProperty(nil, m.Properties, mq.PropTimerMovedFrom, strconv.FormatInt(int64(r.Pos), 10))
	f.batch.Sends = append(f.batch.Sends, mq.Send{Message: m})
	return nil
}

// moved notes what came of a flight of copies. If one failed, all are made
// again; of two copies of a message only the first finds a row to replace.
func (a *Agenda) moved(f *flight, failed error) {
	if failed != nil {
		return
	}
	a.move.next = f.next
	for i := range f.batch.Sends {
		a.move.last, a.move.some = max(a.move.last, f.batch.Sends[i].Result.Offset), true
	}
}
