package timer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// Bounds of what is read, and so delivered, at a time.
const (
	readMessages = 1024
	readBytes    = 768 << 10

	// shortRest is how long, in milliseconds, messages are kept that were read
	// and are not due yet.
	shortRest = 50
)

// Options says where a Timer finds its messages.
type Options struct {
	// Store holds the schedule topic and the timer's rows.
	Store *store.Store

	// Append delivers messages: like Store.Append, which is the default.
	Append func(*mq.SendBatch)

	// Levels are the rests of the delay levels, as ParseLevels returns them.
	Levels []time.Duration

	// Log receives what an operator should read. Nil discards it.
	Log *slog.Logger
}

// A Timer delivers the messages of the schedule topic.
type Timer struct {
	opts Options
	core *core

	// arrived and waiting are sets of levels, level i as bit i: those that got
	// a message since they were last read, and those that wait for one. An
	// appender sets its bit before it looks at waiting, the loop sets waiting
	// before it looks at arrived, so that one of them sees the other.
	arrived, waiting atomic.Uint64
	wake             chan struct{}
	results          chan result
	held             []held         // by level
	sending          sync.WaitGroup // deliveries that are appended beside the loop
	times            []int64
	progress         []atomic.Int64

	// behind are, by level, the offsets of messages that are done with and lie
	// behind one that is not.
	behind []map[mq.QueueOffset]bool
}

// held is what was last read of a level, as long as it is of use.
type held struct {
	stretch
	used     int     // how many records are done with
	ahead    stretch // what follows, if it was read
	delivery delivery
}

// A stretch is messages of a level that lie one behind the other.
type stretch struct {
	batch   mq.Batch
	records []mq.Record // whole if they are as many as batch counts
}

// A result is the end of a delivery.
type result struct {
	level, count int
	err          error            // why the message behind count was not delivered
	behind       []mq.QueueOffset // of that one, and done with
	lost         []lost
}

// A lost message can never be stored in the topic that it is meant for.
type lost struct {
	at    mq.QueueOffset
	topic string
	err   error
}

// New reads how far each level is. Nothing is delivered before Run.
func New(o Options) (*Timer, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Append == nil {
		o.Append = o.Store.Append
	}
	n := len(o.Levels)
	if n == 0 || n > maxLevels {
		return nil, fmt.Errorf("timer: %d delay levels: want 1 to %d", n, maxLevels)
	}
	t := &Timer{
		opts: o, wake: make(chan struct{}, 1), results: make(chan result, n),
		held: make([]held, n), progress: make([]atomic.Int64, n), behind: make([]map[mq.QueueOffset]bool, n),
	}
	delays, progress := make([]int64, n), make([]mq.QueueOffset, n)
	for i, d := range o.Levels {
		delays[i] = d.Milliseconds()
		at, err := t.load(i)
		if err != nil {
			return nil, err
		}
		progress[i] = at
		t.progress[i].Store(int64(at))
	}
	t.core = newCore(delays, progress)
	return t, nil
}

// Appended tells the timer that a queue of the schedule topic has a message
// more. It does not block.
func (t *Timer) Appended(queue int32) {
	if queue < 0 || int(queue) >= len(t.opts.Levels) {
		return
	}
	bit := uint64(1) << queue
	t.arrived.Or(bit)
	if t.waiting.Load()&bit != 0 {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

// Progress is the offset of the first message of a level, counted from 0, that
// is not delivered.
func (t *Timer) Progress(level int) mq.QueueOffset {
	return mq.QueueOffset(t.progress[level].Load())
}

// Levels is how many delay levels there are.
func (t *Timer) Levels() int { return len(t.opts.Levels) }

// Run delivers until ctx ends, and waits for what is in flight.
func (t *Timer) Run(ctx context.Context) error {
	t.core.start()
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for {
		t.perform()
		if at := t.core.sleep(); at != 0 {
			alarm.Reset(pause(at, time.Now().UnixMilli()))
		} else {
			alarm.Stop()
		}
		select {
		case <-ctx.Done():
			t.finish()
			return nil
		case <-t.wake:
		case r := <-t.results:
			t.settle(r)
		case <-alarm.C:
			t.core.tick(time.Now().UnixMilli())
		}
	}
}

// perform does what the core asks for until it has nothing more to ask.
func (t *Timer) perform() {
	for {
		actions := t.core.take()
		for _, a := range actions {
			switch a.op {
			case opRead:
				t.read(a)
			case opDeliver:
				t.deliver(a)
			case opSave:
				t.save(a)
			}
		}
		if len(actions) > 0 {
			continue
		}
		empty := t.core.empty()
		t.waiting.Store(empty)
		got := t.arrived.Load() & empty
		if got == 0 {
			return
		}
		for i := range t.opts.Levels {
			if got&(1<<i) != 0 {
				t.core.appended(i)
			}
		}
	}
}

// read fetches the next messages of a level.
func (t *Timer) read(a action) {
	t.arrived.And(^(uint64(1) << a.level))
	h := &t.held[a.level]
	from := a.at
	if h.used == len(h.records) || h.records[h.used].QueueOffset != a.at {
		var ok bool
		if from, ok = t.fetch(a); !ok {
			return
		}
	}
	now := time.Now().UnixMilli()
	t.times = t.times[:0]
	for i := range h.records[h.used:] {
		t.times = append(t.times, h.records[h.used+i].StoreTime)
	}
	t.core.read(a.level, now, from, t.times)
	if l := &t.core.levels[a.level]; l.state != stateDelivering && (l.state != stateResting || l.wake-now > shortRest) {
		t.drop(a.level)
		h.ahead.drop()
		*h = held{}
	}
}

// fetch reads the next messages of a level from the log and returns the offset
// of the first, or of where to go on if there are none. It tells the core of a
// failure.
func (t *Timer) fetch(a action) (from mq.QueueOffset, ok bool) {
	t.drop(a.level)
	h := &t.held[a.level]
	if a.at == h.ahead.first() {
		h.stretch, h.ahead = h.ahead, h.stretch
		return a.at, true
	}
	h.ahead.drop()
	if err := t.readStretch(&h.stretch, a.level, a.at); err != nil {
		t.opts.Log.Error("cannot read delayed messages", "level", a.level+1, "offset", a.at, "error", err)
		t.core.unread(a.level, time.Now().UnixMilli())
		return 0, false
	}
	switch b := &h.batch; {
	case b.Status == mq.PullNoNew || b.Status == mq.PullNoQueue:
		return a.at, true
	case b.Status != mq.PullFound:
		return b.Next, true
	case len(h.records) != b.Count:
		t.opts.Log.Error("delayed messages are damaged; run `goddard store verify`",
			"level", a.level+1, "offset", a.at, "readable", len(h.records), "of", b.Count)
		t.drop(a.level)
		t.core.unread(a.level, time.Now().UnixMilli())
		return 0, false
	}
	return h.first(), true
}

// readStretch reads the messages of a level from an offset on.
func (t *Timer) readStretch(s *stretch, level int, from mq.QueueOffset) (err error) {
	q := mq.Queue{Topic: mq.TopicSchedule, ID: int32(level)}
	s.batch, err = t.opts.Store.Read(q, from, store.ReadOptions{MaxMessages: readMessages, MaxBytes: readBytes, Inner: true})
	if err != nil || s.batch.Status != mq.PullFound {
		return err
	}
	for r := range records(s.batch) {
		s.records = append(s.records, r)
	}
	return nil
}

// first is the offset of the first message, -1 if there are none or they are not whole.
func (s *stretch) first() mq.QueueOffset {
	if len(s.records) == 0 || len(s.records) != s.batch.Count {
		return -1
	}
	return s.batch.Next - mq.QueueOffset(s.batch.Count)
}

// drop gives the messages up and keeps the memory for others.
func (s *stretch) drop() {
	release(s.batch)
	clear(s.records)
	s.batch, s.records = mq.Batch{}, s.records[:0]
}

// deliver sends the first messages of what was last read.
func (t *Timer) deliver(a action) {
	h := &t.held[a.level]
	d := &h.delivery
	clear(d.sends)
	clear(d.names)
	*d = delivery{level: a.level, count: a.count, topic: d.topic, sends: d.sends[:0], names: d.names[:0], index: d.index[:0], at: d.at[:0]}
	d.sends = slices.Grow(d.sends, a.count)
	for i := range h.records[h.used : h.used+a.count] {
		r := &h.records[h.used+i]
		if t.behind[a.level][r.QueueOffset] {
			continue
		}
		says := wantedOf(r.Properties)
		s, err := says.bound(r, &d.topic)
		if err != nil {
			t.opts.Log.Warn("a delayed message says not where to go and is passed over",
				"level", a.level+1, "offset", r.QueueOffset, "error", err)
			continue
		}
		d.names = append(d.names, says.Names)
		s.Names = &d.names[len(d.names)-1]
		d.sends = append(d.sends, s)
		d.index, d.at = append(d.index, i), append(d.at, r.QueueOffset)
	}
	if len(d.sends) == 0 {
		t.results <- result{level: a.level, count: d.count}
		return
	}
	t.send(a, &mq.SendBatch{Sends: d.sends, Done: func(b *mq.SendBatch) { t.results <- d.result(b) }})
}

// send appends a delivery. While that writes, what follows is read, if it is the last
// of what was read and there is more: with many due at once that is as much work.
func (t *Timer) send(a action, b *mq.SendBatch) {
	h := &t.held[a.level]
	if h.used+a.count < len(h.records) || h.batch.Next >= h.batch.Max {
		t.opts.Append(b)
		return
	}
	t.sending.Go(func() { t.opts.Append(b) })
	h.ahead.drop()
	if t.readStretch(&h.ahead, a.level, h.batch.Next) != nil {
		h.ahead.drop() // whoever needs it reads it again, and says what is wrong
	}
}

// A delivery is one batch on its way to the topics it is meant for.
type delivery struct {
	level, count int
	sends        []mq.Send
	names        []mq.Names // of sends
	index        []int      // of each send among the count messages
	at           []mq.QueueOffset
	topic        string // of the last message
}

// result counts what was delivered up to the first message that is worth
// another try. Those that can never be stored are passed over.
func (d *delivery) result(b *mq.SendBatch) result {
	r := result{level: d.level, count: d.count}
	for i := range b.Sends {
		err := b.Sends[i].Err
		switch {
		case errors.Is(err, mq.ErrMessageIllegal), errors.Is(err, mq.ErrMessageTooLarge):
			r.lost = append(r.lost, lost{d.at[i], b.Sends[i].Topic, err})
		case err != nil:
			if r.err == nil {
				r.count, r.err = d.index[i], err
			}
			continue
		}
		if r.err != nil {
			r.behind = append(r.behind, d.at[i])
		}
	}
	return r
}

// A wanted is what a message that waits says about where it goes, and what the
// store wants to know of it then.
type wanted struct {
	mq.Names
	topic, queue []byte
	marked       bool // has properties of earlier journeys
}

// wantedOf looks at all properties once.
func wantedOf(props []byte) (w wanted) {
	for k, v := range mq.Properties(props) {
		switch string(k) {
		case mq.PropRealTopic:
			w.topic = v
		case mq.PropRealQueueID:
			w.queue = v
		case mq.PropUniqueKey:
			w.UniqueKey = v
		case mq.PropKeys:
			w.Keys = v
		case mq.PropTags:
			w.Tag = v
		case mq.PropMultiDispatch:
			w.LightQueues = v
		case mq.PropTimerMovedFrom, mq.PropTimerEnqueueMs, mq.PropTimerDequeueMs:
			w.marked = true
		}
	}
	return w
}

// bound is the message of a record as it goes to the topic it is meant for: as it
// lies, with its delay among its properties, as RocketMQ delivers it. last is the
// topic of the message before, which mostly has the same.
func (w *wanted) bound(r *mq.Record, last *string) (mq.Send, error) {
	queue, err := destination(w.topic, w.queue)
	if err != nil {
		return mq.Send{}, err
	}
	if string(w.topic) != *last {
		*last = string(w.topic)
	}
	return mq.Send{Message: mq.Message{
		Topic: *last, QueueID: queue, Flag: r.Flag, SysFlag: r.SysFlag, BornTime: r.BornTime, BornHost: r.BornHost,
		ReconsumeTimes: r.ReconsumeTimes, PreparedPos: r.PreparedPos, Properties: r.Properties, Body: r.Body,
	}}, nil
}

// destination is the number of the queue that a delayed message is meant for.
func destination(topic, id []byte) (int32, error) {
	queue, err := strconv.ParseInt(string(id), 10, 32)
	if len(topic) == 0 || err != nil || queue < 0 {
		return 0, fmt.Errorf("%s is %q and %s is %q", mq.PropRealTopic, topic, mq.PropRealQueueID, id)
	}
	return int32(queue), nil
}

// settle hands the end of a delivery to the core.
func (t *Timer) settle(r result) {
	if h := &t.held[r.level]; r.err == nil && h.used+r.count < len(h.records) {
		h.used += r.count
	} else {
		t.drop(r.level)
	}
	for _, l := range r.lost {
		t.opts.Log.Error("a delayed message cannot be stored in its topic and is passed over",
			"level", r.level+1, "offset", l.at, "topic", l.topic, "error", l.err)
	}
	t.settleBehind(r)
	if r.err != nil {
		t.opts.Log.Warn("cannot deliver a delayed message; trying again", "level", r.level+1, "error", r.err)
	}
	t.core.delivered(r.level, time.Now().UnixMilli(), r.count, r.err != nil)
}

// settleBehind notes what is done with behind a failure, and forgets what the
// level's progress passes.
func (t *Timer) settleBehind(r result) {
	done := t.behind[r.level]
	next := t.core.levels[r.level].first + mq.QueueOffset(r.count)
	maps.DeleteFunc(done, func(at mq.QueueOffset, _ bool) bool { return at < next })
	if done == nil && r.behind != nil {
		done = map[mq.QueueOffset]bool{}
		t.behind[r.level] = done
	}
	for _, at := range r.behind {
		done[at] = true
	}
}

// finish waits for the deliveries in flight and keeps their progress.
func (t *Timer) finish() {
	for i := range t.core.levels {
		for t.core.levels[i].state == stateDelivering {
			t.settle(<-t.results)
		}
		t.drop(i)
		t.held[i].ahead.drop()
	}
	t.sending.Wait()
	for _, a := range t.core.take() {
		if a.op == opSave {
			t.save(a)
		}
	}
}

func (t *Timer) save(a action) {
	err := t.opts.Store.Keys().Set(row(a.level), binary.BigEndian.AppendUint64(nil, uint64(a.at)), false)
	if err != nil {
		t.opts.Log.Error("cannot keep how far delayed messages are; some may be delivered twice after a restart",
			"level", a.level+1, "error", err)
	}
	t.progress[a.level].Store(int64(a.at))
}

func (t *Timer) load(level int) (mq.QueueOffset, error) {
	v, err := t.opts.Store.Keys().Get(row(level))
	switch {
	case errors.Is(err, mq.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("timer: %w", err)
	case len(v) != 8:
		return 0, fmt.Errorf("timer: row %q has %d bytes, want 8", row(level), len(v))
	}
	return mq.QueueOffset(binary.BigEndian.Uint64(v)), nil
}

func row(level int) []byte { return fmt.Appendf(nil, "timer/level/%02d", level+1) }

// drop gives up what is left of what was last read of a level.
func (t *Timer) drop(level int) {
	h := &t.held[level]
	h.drop()
	h.used = 0
}

func release(b mq.Batch) {
	if b.Release != nil {
		b.Release()
	}
}

// records goes through the messages of a batch up to the first that cannot be
// decoded.
func records(b mq.Batch) func(yield func(mq.Record) bool) {
	return func(yield func(mq.Record) bool) {
		for _, data := range b.Data {
			for len(data) > 0 {
				r, rest, err := mq.DecodeRecord(data)
				if err != nil || !yield(r) {
					return
				}
				data = rest
			}
		}
	}
}
