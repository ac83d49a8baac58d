package timer

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// wheel is where messages with a time of their own lie.
var wheel = mq.Queue{Topic: mq.TopicTimer, ID: 0}

// Bounds of a delivery, and when it makes way for others.
const (
	batchMessages = 1024
	// batchBytes, with what delivery adds, is less than the store keeps memory
	// for from one batch to the next.
	batchBytes = 768 << 10
	// unknownSize stands for that of a message whose row, made by an earlier
	// version, does not say it.
	unknownSize = 64 << 10

	// patience is how late, in milliseconds, a delivery may be before the next
	// one rests as long as it took: a burst is over by then, what is left is a
	// backlog, which must not starve those who send.
	patience = 500
	maxRest  = 50 * time.Millisecond
)

// AgendaOptions says where an Agenda finds its messages.
type AgendaOptions struct {
	// Store holds the messages and the agenda's rows.
	Store *store.Store

	// Append delivers messages: like Store.Append, which is the default.
	Append func(*mq.SendBatch)

	// Sync makes rows survive the machine, as the messages do under SYNC_FLUSH.
	Sync bool

	// Log receives what an operator should read. Nil discards it.
	Log *slog.Logger
}

// An Agenda delivers messages that have a time of their own.
type Agenda struct {
	opts    AgendaOptions
	wake    chan struct{}
	arrived atomic.Bool // messages since the queue was last read

	arrivals arrivals

	// What follows belongs to Run.
	indexed mq.QueueOffset // the queue is read up to here
	end     mq.LogPos      // where what was read ends
	replay  replay
	near    near
	low     place   // no row waits before it
	next    int64   // when that of a row may be due; nowhere: never
	rows    []entry // scratch memory, as the next three are
	scratch []entry
	soon    []entry
	value   []byte
	paused  int64   // nothing is delivered or moved before
	retry   int64   // the queue is not read before
	backoff int64   // of the last failure; 0 after a success
	flight  *flight // on its way, at most one
	landing *flight // has arrived, but its rows could not be changed
	spare   *flight // has arrived, for its memory
	done    []doneRow
	pruneAt int // how many rows of done are worth a look
	stuck   stuck
	move    move
	landed  chan *flight

	clearTo, cleared atomic.Int64 // log positions; see Clear
	known, due       atomic.Int64 // indexed and next, for Behind

	recalls struct {
		sync.Mutex // guards waiting
		// waiting are those who wait for a recall to take effect, by value of
		// TIMER_DEL_UNIQKEY, in the order of their records.
		waiting map[string][]chan bool
	}
}

// stuck is the message that cannot be read, and how often that was tried.
type stuck struct {
	pos   mq.LogPos
	tries int
}

// NewAgenda opens the rows and brings them in line with the log. Nothing is
// delivered before Run.
func NewAgenda(o AgendaOptions) (*Agenda, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Append == nil {
		o.Append = o.Store.Append
	}
	a := &Agenda{opts: o, wake: make(chan struct{}, 1), landed: make(chan *flight, 1)}
	a.arrived.Store(true)
	a.recalls.waiting = map[string][]chan bool{}
	return a, a.recover()
}

// Appended tells the agenda that its queue has a message more. It does not
// block, and is not called twice at a time.
func (a *Agenda) Appended(m *store.Appended) {
	a.arrivals.add(m)
	if !a.arrived.Swap(true) {
		a.signal()
	}
}

func (a *Agenda) signal() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// Run delivers until ctx ends, and waits for what is in flight.
func (a *Agenda) Run(ctx context.Context) error {
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for ctx.Err() == nil {
		now := time.Now().UnixMilli()
		more := a.read(now)
		a.known.Store(int64(a.indexed))
		a.due.Store(a.soonest())
		if a.flight == nil && a.paused <= now && a.settled() {
			a.start(now)
		}
		if more {
			select {
			case f := <-a.landed:
				a.land(f)
			default:
			}
			continue
		}
		alarm.Reset(a.sleep())
		select {
		case <-ctx.Done():
		case <-a.wake:
		case f := <-a.landed:
			a.land(f)
		case <-alarm.C:
		}
	}
	if a.flight != nil {
		a.land(<-a.landed)
	}
	return nil
}

// Behind is how many messages of the queue are not indexed and since when the
// first of them lies there, and for how long something is overdue.
func (a *Agenda) Behind(now time.Time) (messages int64, unread, overdue time.Duration) {
	from := mq.QueueOffset(a.known.Load())
	if _, hi, err := a.opts.Store.Bounds(wheel); err == nil && hi > from {
		messages = int64(hi - from)
		if at, err := a.opts.Store.TimeAt(wheel, from); err == nil {
			unread = max(0, now.Sub(at))
		}
	}
	if due := a.due.Load(); due > 0 && due < nowhere {
		overdue = max(0, now.Sub(time.UnixMilli(due)))
	}
	return messages, unread, overdue
}

// read indexes some of the queue, unless there is nothing new or it failed a
// moment ago. It reports whether there may be more.
func (a *Agenda) read(now int64) bool {
	if a.retry > now || a.retry == 0 && !a.arrived.Load() {
		return false
	}
	a.arrived.Store(false)
	a.retry = 0
	more, err := a.index()
	if err != nil {
		a.opts.Log.Error("cannot index messages with a time of their own; trying again", "offset", a.indexed, "error", err)
		a.retry = now + firstBackoff
		a.replay.holds = false
		return false
	}
	if more {
		a.arrived.Store(true)
	}
	return more
}

// start sets a batch on its way, if there is something to do.
func (a *Agenda) start(now int64) {
	if a.replay.holds {
		return
	}
	if a.soonest() <= now {
		a.deliver(now)
	}
	if a.flight == nil && a.clearTo.Load() > a.cleared.Load() {
		a.evacuate(now)
	}
}

// sleep is how long Run has nothing to do unless it is woken.
func (a *Agenda) sleep() time.Duration {
	at := int64(math.MaxInt64)
	if a.flight == nil {
		at = max(a.soonest(), a.paused)
		if a.landing != nil || a.paused > 0 && a.clearTo.Load() > a.cleared.Load() {
			at = a.paused
		}
	}
	if a.retry > 0 {
		at = min(at, a.retry)
	}
	if at == math.MaxInt64 {
		return time.Hour
	}
	return max(0, min(time.Until(time.UnixMilli(at)), time.Hour))
}

// pause waits a little longer after every failure.
func (a *Agenda) pause(now int64) {
	a.backoff = min(max(2*a.backoff, firstBackoff), maxBackoff)
	a.paused = now + a.backoff
}

// soonest is when something may be due; nowhere: never.
func (a *Agenda) soonest() int64 { return min(a.next, a.near.soonest()) }

// waits notes that a row waits at p.
func (a *Agenda) waits(p place) {
	if p.before(a.low) {
		a.low = p
	}
	a.next = min(a.next, p.due)
}
