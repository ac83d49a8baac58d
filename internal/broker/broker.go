package broker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/dedup"
	"github.com/goddardmq/goddard/internal/limit"
	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/pop"
	"github.com/goddardmq/goddard/internal/store"
	"github.com/goddardmq/goddard/internal/timer"
	"github.com/goddardmq/goddard/internal/txn"
)

// How often what has expired is looked for.
const sweepInterval = 10 * time.Second

// helpAtMost is how many pulls a sender's goroutine answers that its messages
// have woken, before it goes on. Each takes some microseconds.
const helpAtMost = 4

// A Broker is mq.Broker and mq.Admin on this machine.
type Broker struct {
	live     atomic.Pointer[live]
	store    *store.Store
	timer    *timer.Timer
	agenda   *timer.Agenda
	txn      *txn.Ledger
	holds    *pop.Holds
	dedup    *dedup.Register
	lites    *lites
	passed   passed
	modes    modes
	routes   routes
	topics   topics
	groups   groups
	offsets  *offsets
	clients  *clients
	locks    *locks
	parking  *parking
	rates    *rates
	throttle *throttle
	limits   *limit.Table
	stats    *stats
	figures  figures
	ids      *uniqueKeys
	turn     atomic.Uint32 // which producer is asked next about a transaction
	started  time.Time

	sendings sync.Pool // of *sending
	// changing lets one change of the settings happen at a time, and guards kept.
	changing sync.Mutex
	kept     kept
	// limiting lets one change of a limit and its row happen at a time.
	limiting sync.Mutex
	closing  atomic.Bool // no sends and pulls any more
	unkept   atomic.Bool // rows wait for space on the disk
	// ready is set once everything that appended speaks to is there.
	ready atomic.Bool
}

// Keys is where the broker keeps its rows, for others who keep some beside them.
func (b *Broker) Keys() *store.Keys { return b.store.Keys() }

var (
	_ mq.Broker = (*Broker)(nil)
	_ mq.Admin  = (*Broker)(nil)
)

// New checks the options and opens the store. The broker answers at once;
// delayed messages, expiry and waiting pulls need Run. Close must be called.
func New(o Options) (*Broker, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.WithDefaults()
	b := &Broker{
		clients: newClients(), locks: newLocks(), stats: new(stats), ids: newUniqueKeys(),
		parking: newParking(2 * runtime.GOMAXPROCS(0)), rates: newRates(), limits: limit.New(limit.Broker), throttle: newThrottle(), lites: newLites(), started: time.Now(),
	}
	b.figures.init()
	b.live.Store(newLive(o))
	b.sendings.New = func() any {
		s := &sending{b: b}
		s.finish = s.finished
		return s
	}
	o.Store.Appended, o.Store.MayRemove, o.Store.LightsGone = b.appended, b.mayRemove, b.lightsGone
	o.Store.Published = b.published
	o.Store.LightMade = b.lightMade
	if o.Store.Log == nil {
		o.Store.Log = o.Log
	}
	var err error
	if b.store, err = store.Open(o.Store); err != nil {
		return nil, err
	}
	o.Store = b.store.Options()
	b.live.Store(newLive(o))
	if err := b.load(o); err != nil {
		return nil, errors.Join(err, b.store.Close())
	}
	b.ready.Store(true)
	return b, nil
}

// load reads the rows of the key store.
func (b *Broker) load(o Options) error {
	levels, err := timer.ParseLevels(o.DelayLevels)
	if err != nil {
		return err
	}
	b.timer, err = timer.New(timer.Options{Store: b.store, Append: b.deliverDue, Levels: levels, Log: o.Log})
	if err != nil {
		return err
	}
	b.agenda, err = timer.NewAgenda(timer.AgendaOptions{
		Store: b.store, Append: b.deliverTimed, Sync: o.Store.Flush == store.FlushSync, Log: o.Log,
	})
	if err != nil {
		return err
	}
	b.txn, err = txn.New(txn.Options{
		Store: b.store, Append: b.release, Ended: b.ended, Ask: b.askProducer, Settings: b.txnSettings, Log: o.Log,
	})
	if err != nil {
		return err
	}
	b.holds, err = pop.New(pop.Options{Store: b.store, Revive: b.revive, Revived: b.revived, Append: b.deliver, Log: o.Log})
	if err != nil {
		return err
	}
	b.dedup = dedup.New(dedup.Options{
		Store: b.store, Broker: o.Name, MaxKeys: func() int64 { return int64(b.opts().MaxDedupKeys) }, Log: o.Log,
	})
	b.offsets = newOffsets(b.store, b.stats, &b.figures, b.keepLater)
	if err := errors.Join(b.loadKept(), b.loadTopics(), b.loadGroups(), b.loadForbidden(), b.loadModes(), b.loadLimits(), b.offsets.load()); err != nil {
		return err
	}
	return errors.Join(b.loadLites(), b.dedup.Load())
}

// Run serves until ctx ends. Then nothing is accepted any more, the pulls that
// wait are answered, and what is in flight is stored.
func (b *Broker) Run(ctx context.Context) error {
	var loops, storing sync.WaitGroup
	ctx, end := context.WithCancel(ctx)
	defer end()
	failures := make(chan error, 5) // one for each part that may fail
	run := func(part func(context.Context) error, ctx context.Context) {
		if err := part(ctx); err != nil {
			failures <- err
			end()
		}
	}
	// The store goes on until nobody else does.
	storeCtx, stopStore := context.WithCancel(context.WithoutCancel(ctx))
	defer stopStore()
	storing.Go(func() { run(b.store.Run, storeCtx) })

	loops.Go(func() { run(b.timer.Run, ctx) })
	loops.Go(func() { run(b.agenda.Run, ctx) })
	loops.Go(func() { run(b.txn.Run, ctx) })
	loops.Go(func() { run(b.holds.Run, ctx) })
	loops.Go(func() { run(b.dedup.Run, ctx) })
	loops.Go(func() { b.parking.watch(ctx, b.expire) })
	loops.Go(func() { b.serveLites(ctx) })
	loops.Go(func() { b.throttle.serve(ctx, b.share, b.parking.hand, b.expire) })
	for range cap(b.parking.work) {
		loops.Go(func() { b.parking.serve(ctx, b.resume) })
	}
	b.sweep(ctx)

	b.closing.Store(true)
	loops.Wait()
	for _, w := range append(b.parking.empty(), b.throttle.empty()...) {
		b.expire(w)
	}
	b.keepRest()
	stopStore()
	storing.Wait()
	close(failures)
	return <-failures
}

// Close closes the store. Run must have ended, if it was called.
func (b *Broker) Close() error {
	b.closing.Store(true)
	b.txn.Close()
	return b.store.Close()
}

// sweep samples counters and removes what has expired, until ctx ends.
func (b *Broker) sweep(ctx context.Context) {
	b.stats.sample(time.Now())
	tick := time.NewTicker(min(sweepInterval, sampleMinute))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			b.stats.sample(now)
			b.expireClients(now)
			b.locks.expire(now)
			b.keepRest()
		}
	}
}

// appended is called by the store, in the order of the log.
func (b *Broker) appended(messages []store.Appended) {
	if !b.ready.Load() {
		return
	}
	for i := range messages {
		switch q := &messages[i].Queue; q.Topic {
		case mq.TopicSchedule:
			b.timer.Appended(q.ID)
		case mq.TopicTimer:
			b.agenda.Appended(&messages[i])
		}
	}
	b.dedup.Appended(messages)
	b.parking.appended(messages)
	b.liteAppended(messages)
}

// published answers pulls that wait for what has just been stored. The store
// calls it on the goroutine of a sender, as a rule: waking another for a pull
// takes longer than answering it.
func (b *Broker) published(hurry bool) {
	for n := 0; n < helpAtMost && !hurry; n++ {
		w := b.parking.nextNear()
		if w == nil {
			return
		}
		w.request.NoDisk = true
		b.resume(w)
	}
	b.parking.passOn()
}

// mayRemove is asked by the store before a segment goes.
func (b *Broker) mayRemove(below mq.LogPos) bool { return b.ready.Load() && b.agenda.Clear(below) }

// deliver stores messages that come back and counts them for their topics.
func (b *Broker) deliver(batch *mq.SendBatch) { b.deliverAs(batch, meter.KindNormal) }

// deliverAs is deliver of messages of a kind.
func (b *Broker) deliverAs(batch *mq.SendBatch, kind meter.Kind) {
	done := batch.Done
	batch.Accepted = true
	batch.Done = func(batch *mq.SendBatch) {
		count := puts{b: b}
		var t *topic
		for i := range batch.Sends {
			if one := &batch.Sends[i]; one.Err == nil {
				if t == nil || t.Name != one.Topic {
					t = b.findTopic(one.Topic)
				}
				count.add(t, one, kind)
			}
		}
		count.end()
		done(batch)
	}
	b.store.Append(batch)
}

// Bounds are the queue's first offset and the one after its last.
func (b *Broker) Bounds(_ context.Context, q mq.Queue) (lo, hi mq.QueueOffset, err error) {
	return b.store.Bounds(q)
}

// Locate finds the offset of the first message stored at or after at, or, with
// upper set, the last one stored at or before it.
func (b *Broker) Locate(_ context.Context, q mq.Queue, at time.Time, upper bool) (mq.QueueOffset, error) {
	return b.store.Locate(q, at, upper)
}

// EarliestTime is when the queue's first message was stored; zero if empty.
func (b *Broker) EarliestTime(_ context.Context, q mq.Queue) (time.Time, error) {
	lo, hi, err := b.store.Bounds(q)
	if err != nil || lo == hi {
		return time.Time{}, err
	}
	return b.store.TimeAt(q, lo)
}

// Lookup finds stored records by key; none is no error.
func (b *Broker) Lookup(_ context.Context, r mq.LookupRequest) (mq.LookupResult, error) {
	return b.store.Lookup(r)
}

// Find returns the stored record at a log position.
func (b *Broker) Find(_ context.Context, at mq.LogPos) ([]byte, error) {
	data, err := b.store.ReadAt(at)
	if err != nil {
		return nil, fmt.Errorf("can not find message by the offset, %d: %w", at, err)
	}
	return data, nil
}
