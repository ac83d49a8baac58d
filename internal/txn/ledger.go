package txn

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// Where transactions lie.
var (
	halfQueue = mq.Queue{Topic: mq.TopicTransHalf}
	opQueue   = mq.Queue{Topic: mq.TopicTransOp}
)

// followInterval is how often the queues are looked at. A half message that is
// ended sooner leaves no trace but in the log.
const followInterval = time.Second

// What is read, and what is asked of producers, at a time.
const (
	readMessages  = 1024
	checksPerTick = 1000
	checkedBytes  = 4 << 20
)

// Settings may change while the ledger runs.
type Settings struct {
	Timeout   time.Duration // how old a half message is at its first check
	Interval  time.Duration // between rounds of checks
	MaxChecks int           // then it is given up
	Retention time.Duration // of the log; an older half message is given up
}

// Options says where a Ledger finds what it needs. All but Ended and Log are
// required.
type Options struct {
	// Store holds the half and op topics and the ledger's rows.
	Store *store.Store

	// Append stores messages: those committed, and what the ledger notes.
	Append func(*mq.SendBatch)

	// Ended is told how the end of a half message went, before whoever asked for
	// it is. It must not block, and keeps nothing. Nil is told nothing.
	Ended func(Ended)

	// Ask asks a producer of a group, if one is connected. It must not block.
	Ask func(group string, c mq.TransactionCheck) bool

	// Settings are those in force.
	Settings func() Settings

	// Log receives what an operator should read. Nil discards it.
	Log *slog.Logger
}

// An Ended says how the end of a half message went.
type Ended struct {
	Half    *mq.Record
	Topic   string // that the half message is meant for
	Outcome mq.Outcome
	Began   time.Time
	Err     error // why it is not ended
}

// A Ledger knows the half messages and how they end.
type Ledger struct {
	opts  Options
	count atomic.Int64 // of pending half messages
	ends  sync.Pool    // of *ends

	// following lets one goroutine at a time read the queues. mu is taken while
	// it is held.
	following sync.Mutex
	// saved is what the row of progress says; following guards it.
	saved struct{ next, op mq.QueueOffset }

	// mu guards the core. Nothing blocks while it is held but a write to the
	// key store.
	mu struct {
		sync.Mutex
		core *core
	}

	// looking are the goroutines that read half messages from the disk; its lock
	// guards whether more may be started may still be started.
	looking struct {
		sync.Mutex
		sync.WaitGroup
		closed bool
	}
}

// New reads rows and log, so that it knows everything that is pending. Nobody
// is asked before Run.
func New(o Options) (*Ledger, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Ended == nil {
		o.Ended = func(Ended) {}
	}
	l := &Ledger{opts: o}
	l.ends.New = func() any { return newEnds(l) }
	l.mu.core = newCore(time.Now().UnixMilli())
	if err := l.load(); err != nil {
		return nil, err
	}
	if err := l.follow(); err != nil {
		return nil, fmt.Errorf("txn: %w", err)
	}
	return l, nil
}

// Close waits for what is reading the store. Nothing can be ended any more whose
// half message is not in memory.
func (l *Ledger) Close() {
	l.looking.Lock()
	l.looking.closed = true
	l.looking.Unlock()
	l.looking.Wait()
}

// look runs f on a goroutine of the ledger's; false if it is closed.
func (l *Ledger) look(f func()) bool {
	l.looking.Lock()
	defer l.looking.Unlock()
	if l.looking.closed {
		return false
	}
	l.looking.Go(f)
	return true
}

// Pending is about how many half messages are not ended.
func (l *Ledger) Pending() int64 { return l.count.Load() }

// Run asks about pending messages and keeps the rows until ctx ends.
func (l *Ledger) Run(ctx context.Context) error {
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return l.follow()
		case <-tick.C:
		}
		if err := l.follow(); err != nil {
			l.opts.Log.Error("cannot read transactions; trying again", "error", err)
			continue
		}
		l.check(ctx)
	}
}

// follow takes over what the two queues have got. Every end has its half
// message before it, so the half messages are read up to where they are after the
// place was known up to which the ends are read. What this process ended itself it remembers, and
// reads neither the op message nor, if that was soon, the half message again.
func (l *Ledger) follow() error {
	l.following.Lock()
	defer l.following.Unlock()
	_, ops, err := l.opts.Store.Bounds(opQueue)
	if err != nil {
		return err
	}
	for l.recallOps() {
	}
	_, halves, err := l.opts.Store.Bounds(halfQueue)
	if err != nil {
		return err
	}
	for more := true; more; {
		if more, err = l.readHalves(halves); err != nil {
			return err
		}
		if _, err = l.readOps(ops); err != nil {
			return err
		}
	}
	for more := true; more; {
		if more, err = l.readOps(ops); err != nil {
			return err
		}
	}
	start, _, err := l.opts.Store.Bounds(halfQueue)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := l.mu.core.forget(start); n > 0 {
		l.opts.Log.Warn("half messages have expired before they were ended", "count", n)
	}
	l.saveLocked()
	l.count.Store(int64(len(l.mu.core.halves)))
	return nil
}

// recallOps takes over op messages that are remembered; false if the next is
// not.
func (l *Ledger) recallOps() (more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for halves := 0; halves < readMessages; {
		n, found := l.mu.core.recall()
		if !found {
			return false
		}
		halves += n
	}
	return true
}

// readHalves reads the half queue on, up to end or a little further; false when
// it is there.
func (l *Ledger) readHalves(end mq.QueueOffset) (more bool, err error) {
	l.mu.Lock()
	passed, count := l.mu.core.pass(end, readMessages)
	from := l.mu.core.next
	l.mu.Unlock()
	if count == 0 {
		return passed, nil
	}
	b, err := l.opts.Store.Read(halfQueue, from, store.ReadOptions{MaxMessages: count})
	if err != nil {
		return false, err
	}
	defer b.Release()
	if b.Status != mq.PullFound {
		return l.skip(b, from, (*core).skip), nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for r := range records(b) {
		l.mu.core.add(r.QueueOffset, halfOf(r))
	}
	if l.mu.core.next != b.Next {
		return false, fmt.Errorf("%w: half messages from %d on; run `goddard store verify`", mq.ErrRecordCorrupt, l.mu.core.next)
	}
	return true, nil
}

// readOps reads the op queue on, up to end or a little further.
func (l *Ledger) readOps(end mq.QueueOffset) (more bool, err error) {
	l.mu.Lock()
	from := l.mu.core.op
	l.mu.Unlock()
	if from >= end {
		return false, nil
	}
	limit := int(min(readMessages, end-from))
	b, err := l.opts.Store.Read(opQueue, from, store.ReadOptions{MaxMessages: limit})
	if err != nil {
		return false, err
	}
	defer b.Release()
	if b.Status != mq.PullFound {
		return l.skip(b, from, func(c *core, to mq.QueueOffset) { c.op = to }), nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for r := range records(b) {
		how := earlyEnd
		if givesUp(r) {
			how = earlyGivenUp
		}
		for at := range offsetsOf(r.Body) {
			l.mu.core.ended(at, how)
		}
		l.mu.core.read(r.QueueOffset)
	}
	if l.mu.core.op != b.Next {
		return false, fmt.Errorf("%w: ends of transactions from %d on; run `goddard store verify`", mq.ErrRecordCorrupt, l.mu.core.op)
	}
	return true, nil
}

// skip goes on behind messages that have been deleted; false if nothing was
// there to be read.
func (l *Ledger) skip(b mq.Batch, from mq.QueueOffset, set func(*core, mq.QueueOffset)) bool {
	if b.Status == mq.PullNoNew || b.Status == mq.PullNoQueue || b.Next == from {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	set(l.mu.core, b.Next)
	return true
}

func (l *Ledger) rules() rules {
	s := l.opts.Settings()
	return rules{
		timeout: s.Timeout.Milliseconds(), interval: s.Interval.Milliseconds(),
		maxChecks: int32(s.MaxChecks), retention: s.Retention.Milliseconds(),
	}
}

// check does what is due.
func (l *Ledger) check(ctx context.Context) {
	rules, bytes := l.rules(), 0
	now := time.Now().UnixMilli()
	l.mu.Lock()
	l.mu.core.tick(now, rules)
	l.mu.Unlock()
	for range checksPerTick {
		l.mu.Lock()
		a, ok := l.mu.core.take(now, rules)
		l.mu.Unlock()
		if !ok || ctx.Err() != nil || bytes > checkedBytes {
			return
		}
		r, err := l.read(a.offset)
		if err != nil {
			l.opts.Log.Error("cannot read a half message", "offset", a.offset, "error", err)
			continue
		}
		bytes += int(r.Size)
		if a.op == opGiveUp {
			l.giveUp(ctx, r, a.checks)
		} else {
			l.ask(r, a.checks)
		}
	}
}

// read returns a copy of a half message.
func (l *Ledger) read(at mq.QueueOffset) (r mq.Record, err error) {
	b, err := l.opts.Store.Read(halfQueue, at, store.ReadOptions{MaxMessages: 1})
	if err != nil {
		return r, err
	}
	defer b.Release()
	for found := range records(b) {
		if found.QueueOffset == at {
			return clone(found), nil
		}
	}
	return r, fmt.Errorf("half message %d: %w", at, mq.ErrNotFound)
}

// ask asks a producer about a half message.
func (l *Ledger) ask(r mq.Record, checks int32) {
	group, c, err := checkOf(r, checks)
	if err != nil {
		l.opts.Log.Warn("a half message says not where to go", "offset", r.QueueOffset, "error", err)
		return
	}
	if !l.opts.Ask(group, c) {
		l.opts.Log.Warn("no producer is connected to say what became of a transaction",
			"group", group, "topic", c.Topic, "message", c.OffsetID, "checks", checks)
	}
}

// An entry is a pending half message and where it is.
type entry struct {
	at mq.QueueOffset
	half
}

// behind are the first limit pending half messages behind an offset.
func (l *Ledger) behind(after mq.QueueOffset, limit int) []entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []entry
	for at := range l.mu.core.halves {
		if h, ok := l.mu.core.pending(at); ok && at > after {
			all = append(all, entry{at, h})
		}
	}
	slices.SortFunc(all, func(x, y entry) int { return cmp.Compare(x.at, y.at) })
	return all[:min(len(all), limit)]
}
