package timer

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// maxKeptFlight is the most bytes of messages that a flight keeps memory for.
const maxKeptFlight = 2 * batchBytes

// propsPiece is how much memory is asked for at a time to write properties to.
const propsPiece = 128 << 10

// taken is a message that is on its way; page is nil if it has a row.
type taken struct {
	entry
	page *page
}

// A flight is a batch on its way into the log.
type flight struct {
	batch   mq.SendBatch
	entries []taken // of each Send; empty if messages are moved, not delivered
	drop    []taken // can never be delivered
	back    []taken // go on waiting
	next    mq.QueueOffset
	began   time.Time
	moves   bool

	due     []taken // what was taken to be delivered
	records []mq.Record
	errs    []error // why a record could not be read
	places  []store.Place
	order   []int // of due in the log
	buf     []byte
	done    []doneEntry
	props   []byte
	names   []mq.Names // of the batch
	topic   string     // of the last message
}

// newFlight is a flight with nothing on it.
func (a *Agenda) newFlight() *flight {
	f := a.spare
	a.spare = nil
	if f == nil {
		f = &flight{}
	}
	f.began = time.Now()
	return f
}

// recycle keeps a flight's memory for the next one.
func (a *Agenda) recycle(f *flight) {
	if cap(f.buf) > maxKeptFlight {
		f.buf = nil
	}
	clear(f.batch.Sends)
	clear(f.names)
	clear(f.records)
	clear(f.errs)
	for _, list := range [][]taken{f.entries, f.drop, f.back, f.due} {
		clear(list)
	}
	a.spare = &flight{
		batch: mq.SendBatch{Sends: f.batch.Sends[:0]}, entries: f.entries[:0], drop: f.drop[:0], back: f.back[:0], due: f.due[:0],
		records: f.records[:0], errs: f.errs[:0], places: f.places[:0], order: f.order[:0], done: f.done[:0], buf: f.buf, props: f.props[:0], names: f.names[:0], topic: f.topic,
	}
}

// read reads what is due, in the order of the log.
func (f *flight) read(s *store.Store) {
	n := len(f.due)
	f.order = f.order[:0]
	for i := range n {
		f.order = append(f.order, i)
	}
	slices.SortFunc(f.order, func(a, b int) int { return cmp.Compare(f.due[a].pos, f.due[b].pos) })
	for _, i := range f.order {
		f.places = append(f.places, store.Place{Pos: f.due[i].pos, Size: f.due[i].size})
	}
	f.records, f.errs = slices.Grow(f.records[:0], n)[:n], slices.Grow(f.errs[:0], n)[:n]
	f.buf = s.ReadEach(f.places, f.buf, func(i int, r *mq.Record, err error) {
		at := f.order[i]
		if f.errs[at] = err; err == nil {
			f.records[at] = *r
		}
	})
}

// onTime is a message as it goes to the topic it is meant for: as it lies, with
// what RocketMQ adds when it delivers it.
func (f *flight) onTime(r *mq.Record, now int64) (mq.Send, error) {
	says := wantedOf(r.Properties)
	s, err := says.bound(r, &f.topic)
	if err == nil {
		s.Properties = f.timedProps(r, !says.marked, now)
		f.names = append(f.names, says.Names)
		s.Names = &f.names[len(f.names)-1]
	}
	return s, err
}

// timedProps are the properties of a message with when it came to the agenda
// and when it left; plain says that they hold nothing of earlier journeys.
func (f *flight) timedProps(r *mq.Record, plain bool, now int64) []byte {
	const more = 64 // for the two that are added
	if need := len(r.Properties) + more; cap(f.props)-len(f.props) < need {
		f.props = make([]byte, 0, max(need, propsPiece))
	}
	props := f.props[len(f.props):]
	if plain {
		props = append(props, r.Properties...)
	} else {
		for k, v := range mq.Properties(r.Properties) {
			switch string(k) {
			case mq.PropTimerMovedFrom, mq.PropTimerEnqueueMs, mq.PropTimerDequeueMs:
			default:
				props = mq.AppendProperty(props, string(k), v)
			}
		}
	}
	var n [20]byte
	bare := len(props)
	props = mq.AppendProperty(props, mq.PropTimerEnqueueMs, strconv.AppendInt(n[:0], r.StoreTime, 10))
	props = mq.AppendProperty(props, mq.PropTimerDequeueMs, strconv.AppendInt(n[:0], now, 10))
	if len(props) > mq.MaxPropertiesSize {
		props = props[:bare]
	}
	f.props = f.props[:len(f.props)+len(props)]
	return slices.Clip(props)
}

// launch sends a flight on its way.
func (a *Agenda) launch(f *flight) {
	a.flight = f
	if len(f.batch.Sends) == 0 {
		a.landed <- f
		return
	}
	f.batch.Done = func(*mq.SendBatch) { a.landed <- f }
	if f.moves {
		a.opts.Store.Append(&f.batch)
		return
	}
	a.opts.Append(&f.batch)
}

// unfit reports whether a message can never be stored in its topic.
func unfit(err error) bool {
	return errors.Is(err, mq.ErrMessageIllegal) || errors.Is(err, mq.ErrMessageTooLarge)
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
		case unfit(err):
			a.opts.Log.Error("a delayed message cannot be stored in its topic and is passed over",
				"topic", f.batch.Sends[i].Topic, "error", err)
		default:
			failed = err
		}
	}
	late := int64(0)
	if n := len(f.entries); n > 0 {
		late = now.UnixMilli() - f.entries[n-1].due
	}
	stopped := len(f.back) > 0
	if f.moves {
		a.moved(f, failed)
	} else {
		a.landing = f
		a.settled()
	}
	if failed != nil {
		a.opts.Log.Warn("cannot store delayed messages; trying again", "error", failed)
	}
	if failed != nil || stopped {
		a.pause(now.UnixMilli())
		return
	}
	a.backoff = 0
	if late > patience {
		a.paused = now.Add(min(now.Sub(f.began), maxRest)).UnixMilli()
	}
}

// leaving reports whether a message is being delivered, or was and its row
// remains: too late to call it back.
func (a *Agenda) leaving(pos mq.LogPos) bool {
	for _, f := range []*flight{a.flight, a.landing} {
		if f != nil && slices.ContainsFunc(f.entries, func(t taken) bool { return t.pos == pos }) {
			return true
		}
	}
	return false
}

// settled notes in the key store what was delivered. It reports whether nothing
// is left to be noted; nothing more is delivered before that.
func (a *Agenda) settled() bool {
	f := a.landing
	if f == nil {
		return true
	}
	b := a.opts.Store.Keys().Batch()
	done := f.done[:0]
	var waits []place
	end := func(t taken) {
		if t.page == nil {
			b.Delete(atKey(t.place))
		}
	}
	wait := func(t taken) {
		if t.page != nil {
			b.Set(atKey(t.place), atValue(t.entry))
		}
		waits = append(waits, t.place)
	}
	for i, t := range f.entries {
		switch s := &f.batch.Sends[i]; {
		case s.Err == nil:
			done = append(done, doneEntry{t.place, s.Result.Pos})
			end(t)
		case unfit(s.Err):
			end(t)
		default:
			wait(t)
		}
	}
	f.done = done
	for _, t := range f.drop {
		end(t)
	}
	for _, t := range f.back {
		wait(t)
	}
	leave(f.due, 1)
	if err := a.keep(b, done); err != nil {
		leave(f.due, -1)
		a.opts.Log.Error("cannot note what was delivered; nothing more is delivered until that works", "error", err)
		a.pause(time.Now().UnixMilli())
		return false
	}
	a.near.trim()
	for _, p := range waits {
		a.waits(p)
	}
	for _, e := range done {
		a.replay.finished(e.pos)
	}
	a.landing = nil
	a.recycle(f)
	return true
}

// leave notes that the key store is about to know what became of messages that
// were in memory.
func leave(all []taken, n int) {
	for _, t := range all {
		if t.page != nil {
			t.page.left -= n
		}
	}
}

// keep applies a batch, with what is done with as far as that has to be known after a
// crash: as long as a power cut may take the copies, and as long as the queue
// is read again from before these messages.
func (a *Agenda) keep(b *store.KeyBatch, done []doneEntry) error {
	offset, front := a.front()
	left := a.prune(b, front)
	if row := rowOf(done); len(done) > 0 && (row.key >= a.opts.Store.Synced() || row.last >= front) {
		a.value = appendDone(a.value[:0], done)
		b.Set(doneKey(row.key), a.value)
		left = append(left, row)
	}
	b.Set([]byte(rowIndexed), indexedValue(offset, a.end))
	if err := a.opts.Store.Keys().Apply(b, a.opts.Sync); err != nil {
		return err
	}
	a.done = left
	return nil
}

// front is from where on the queue has to be read again after a restart: the
// first message that neither has a row nor is done with.
func (a *Agenda) front() (mq.QueueOffset, mq.LogPos) {
	if offset, pos, ok := a.near.front(); ok {
		return offset, pos
	}
	return a.indexed, a.end
}

// spill gives rows to what pages have left to take.
func (a *Agenda) spill(pages []*page) error {
	b := a.opts.Store.Keys().Batch()
	var all []taken
	for _, p := range pages {
		for _, e := range p.entries[p.next:] {
			b.Set(atKey(e.place), atValue(e))
			all = append(all, taken{e, p})
		}
	}
	leave(all, 1)
	if err := a.keep(b, nil); err != nil {
		leave(all, -1)
		return err
	}
	a.near.drop(pages)
	a.near.trim()
	for _, t := range all {
		a.waits(t.place)
	}
	return nil
}
