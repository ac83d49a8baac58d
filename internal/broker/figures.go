package broker

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/pop"
)

// figures are what the broker counts beside stats, for those who draw it.
type figures struct {
	rejected [len(reasons)]atomic.Int64
	expired  atomic.Int64 // popped messages that were stored again
	dead     sync.Map     // of *atomic.Int64, by use

	// going is held while a topic or the use of one goes and becomes part of gone,
	// so that whoever looks sees it once. No lock is taken while it is held but
	// those of tables.
	going sync.RWMutex
	gone  struct {
		topics          topicCounters
		messages, bytes atomic.Int64 // handed out
	}

	// How long changes of topics and of groups took, in milliseconds; those
	// that failed and those that did not.
	topicPuts, groupPuts [len(changes)]*meter.Histogram
}

func (f *figures) init() {
	for i := range changes {
		f.topicPuts[i], f.groupPuts[i] = meter.NewHistogram(meter.CreateBounds), meter.NewHistogram(meter.CreateBounds)
	}
}

// reasons for which a message is not stored, each with the condition that tells
// it; the first that fits counts, and the last one fits all.
var reasons = [...]struct {
	name string
	err  error
}{
	{"too_large", mq.ErrMessageTooLarge},
	{"illegal", mq.ErrMessageIllegal},
	{"no_permission", mq.ErrDenied},
	{"no_topic", mq.ErrTopicNotFound},
	{"queue_out_of_range", mq.ErrQueueOutOfRange},
	{"disk_full", mq.ErrDiskFull},
	{"too_many_light_queues", mq.ErrLightQuota},
	{"busy", mq.ErrBusy},
	{"unavailable", mq.ErrUnavailable},
	{"closing", mq.ErrClosed},
	{"other", nil},
}

func reasonOf(err error) int {
	for i, r := range reasons {
		if r.err == nil || errors.Is(err, r.err) {
			return i
		}
	}
	return len(reasons) - 1
}

// special counts what few topics have.
type special struct {
	commits, rollbacks, timerIn, timerOut atomic.Int64
	finish, delay                         *meter.Histogram // seconds
}

func (c *topicCounters) specials() *special {
	if s := c.special.Load(); s != nil {
		return s
	}
	c.special.CompareAndSwap(nil, &special{
		finish: meter.NewHistogram(meter.FinishBounds), delay: meter.NewHistogram(meter.DelayBounds),
	})
	return c.special.Load()
}

// countTimed counts messages that begin to wait for times of their own, which are
// so many seconds away.
func (c *topicCounters) countTimed(seconds, n int64) {
	s := c.specials()
	s.timerIn.Add(n)
	s.delay.ObserveMany(seconds, n)
}

// deliverTimed is deliverDue of messages whose own time has come.
func (b *Broker) deliverTimed(batch *mq.SendBatch) {
	done := batch.Done
	batch.Done = func(batch *mq.SendBatch) {
		var t *topic
		n := int64(0)
		for i := range batch.Sends {
			one := &batch.Sends[i]
			if one.Err != nil {
				continue
			}
			if t == nil || t.Name != one.Topic {
				if n > 0 {
					t.specials().timerOut.Add(n)
				}
				t, n = b.findTopic(one.Topic), 0
			}
			if t != nil {
				n++
			}
		}
		if n > 0 {
			t.specials().timerOut.Add(n)
		}
		done(batch)
	}
	b.deliverDue(batch)
}

// countDead counts a message of a topic that went to a group's dead letters.
func (b *Broker) countDead(group, topic string) {
	b.stats.counter(statDeadNums, mq.DLQTopic(group)).add(1)
	u := use{group, topic}
	if u.light() {
		u = use{mq.LitePrefix, mq.LitePrefix}
	}
	n, ok := b.figures.dead.Load(u)
	if !ok {
		n, _ = b.figures.dead.LoadOrStore(u, new(atomic.Int64))
	}
	n.(*atomic.Int64).Add(1)
}

// changes are the kinds of changes, in the order of figures.topicPuts.
var changes = [...]meter.Change{{}, {OK: true}, {System: true}, {OK: true, System: true}}

// timed counts how long a change took that began at began and failed with err.
func timed(h *[len(changes)]*meter.Histogram, system bool, began time.Time, err error) {
	i := 0
	if err == nil {
		i = 1
	}
	if system {
		i += 2
	}
	h[i].Observe(time.Since(began).Milliseconds())
}

func byChange(h *[len(changes)]*meter.Histogram) map[meter.Change]*meter.Histogram {
	all := map[meter.Change]*meter.Histogram{}
	for i, c := range changes {
		all[c] = h[i]
	}
	return all
}

// Figures are those of the broker as a whole.
func (b *Broker) Figures() meter.Figures {
	o := b.opts()
	st, disk := b.store.Stats(), b.store.DiskUsage()
	f := meter.Figures{
		Permission: *o.Permission, LightQueues: st.LightQueues,
		Rejected: map[string]int64{}, WaitingPulls: b.parking.count.Load(), WaitingPops: b.parking.pops.Load(),
		ThrottledPops: b.throttle.pops.Load(), InHand: b.holds.Total(), Halves: b.txn.Pending(),
		LogStart: st.LogStart, LogEnd: st.LogEnd, LogSynced: st.LogSynced, Indexed: st.Checkpoint, LogFiles: st.LogFiles,
		DiskTotal: disk.Total, DiskFree: disk.Free, Syncs: b.store.Syncs(), Puts: b.store.Puts(), Expired: b.figures.expired.Load(),
		TopicPuts: byChange(&b.figures.topicPuts), GroupPuts: byChange(&b.figures.groupPuts),
	}
	f.ThrottledPulls = b.throttle.count.Load() - f.ThrottledPops
	f.DedupKeys, f.DedupDuplicates = b.dedup.Size()
	for i, r := range reasons {
		f.Rejected[r.name] = b.figures.rejected[i].Load()
	}
	f.Topics, f.Groups = b.topics.table.size(), b.groups.table.size()
	if at := b.earliest(); at >= 0 {
		f.Earliest = time.UnixMilli(at)
	}
	f.TimerLag, f.TimerBehind, f.TimerOverdue = b.agenda.Behind(time.Now())
	if o.Tracer != nil {
		f.Dropped = o.Tracer.Dropped()
	}
	return f
}

// EachTopic calls f for every topic that has counted something. All light
// queues are one, called mq.LitePrefix. The Topic is valid until f returns.
func (b *Broker) EachTopic(f func(*meter.Topic)) {
	var t meter.Topic
	show := func(name string, c *topicCounters) {
		s := c.special.Load()
		if c.putNums != nil && s == nil && c.putNums.calls.Load() == 0 {
			return
		}
		t = meter.Topic{Name: name, System: b.systemTopic(name), In: &c.in}
		if c.putNums != nil {
			t.Rate = b.stats.rate(c.putNums, 6)
		}
		if s != nil {
			t.Special = meter.Special{
				Commits: s.commits.Load(), Rollbacks: s.rollbacks.Load(), Finish: s.finish,
				TimerIn: s.timerIn.Load(), TimerOut: s.timerOut.Load(), Delay: s.delay,
			}
		}
		f(&t)
	}
	b.figures.going.RLock()
	defer b.figures.going.RUnlock()
	for name, v := range b.topics.table.all() {
		show(name, v.topicCounters)
	}
	show(mq.LitePrefix, b.topics.light)
	show("", &b.figures.gone.topics)
}

// EachEnd calls f for every topic but light queues, with a function that sums
// up where its queues end.
func (b *Broker) EachEnd(f func(topic string, end func() int64)) {
	for name, t := range b.topics.table.all() {
		f(name, func() int64 {
			var sum int64
			for id := range max(t.ReadQueues, t.WriteQueues) {
				if _, hi, err := b.store.Bounds(mq.Queue{Topic: name, ID: id}); err == nil {
					sum += int64(hi)
				}
			}
			return sum
		})
	}
}

// retire removes a topic from the table and keeps what it counted.
func (b *Broker) retire(t *topic) {
	b.figures.going.Lock()
	defer b.figures.going.Unlock()
	b.topics.table.put(t.Name, nil)
	gone := &b.figures.gone.topics
	gone.in.Merge(&t.in)
	s := t.special.Load()
	if s == nil {
		return
	}
	into := gone.specials()
	into.commits.Add(s.commits.Load())
	into.rollbacks.Add(s.rollbacks.Load())
	into.timerIn.Add(s.timerIn.Load())
	into.timerOut.Add(s.timerOut.Load())
	into.finish.Merge(s.finish)
	into.delay.Merge(s.delay)
}

// EachUse calls f for every group's use of a topic in which it was handed
// something; light ones are one together. The Use is valid until f returns.
func (b *Broker) EachUse(f func(*meter.Use)) {
	var u meter.Use
	light := false
	b.figures.going.RLock()
	defer b.figures.going.RUnlock()
	f(&meter.Use{Messages: b.figures.gone.messages.Load(), Bytes: b.figures.gone.bytes.Load()})
	for _, p := range b.offsets.all(func(use) bool { return true }) {
		if p.light() {
			if light {
				continue
			}
			light = true
			u = meter.Use{Group: mq.LitePrefix, Topic: mq.LitePrefix}
		} else {
			u = meter.Use{Group: p.group, Topic: p.topic, System: b.systemTopic(p.topic) || systemGroup(p.group)}
			u.Topic, u.Retry = shownTopic(p.use)
		}
		u.Messages, u.Bytes = p.getNums.sum.Load(), p.getSize.sum.Load()
		if p.getNums.calls.Load() > 0 {
			u.Rate = b.stats.rate(p.getNums, 6)
			f(&u)
		}
	}
}

// shownTopic is the topic that a use counts for, and whether it is about what
// came back to the group.
func shownTopic(u use) (string, bool) {
	if !strings.HasPrefix(u.topic, mq.RetryPrefix) {
		return u.topic, strings.HasPrefix(u.topic, mq.DLQPrefix)
	}
	return firstTopic(pop.Use{Group: u.group, Topic: u.topic}), true
}

// systemGroup reports whether a group is of RocketMQ's own, in the sense of its
// metrics.
func systemGroup(name string) bool {
	const prefix = "cid_rmq_sys_"
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}

// EachDead calls f for every group and topic with dead letters since the start.
func (b *Broker) EachDead(f func(*meter.Dead)) {
	for k, n := range b.figures.dead.Range {
		u := k.(use)
		f(&meter.Dead{Group: u.group, Topic: u.topic, System: b.systemTopic(u.topic) || systemGroup(u.group), Messages: n.(*atomic.Int64).Load()})
	}
}

// EachClients calls f for connections that are alike, with their number; those of
// a group one after the other. The Clients are valid until f returns.
func (b *Broker) EachClients(f func(*meter.Clients)) {
	all := b.clients.alike()
	for i := range all {
		f(&all[i])
	}
}

// alike counts connections by what they have in common.
func (c *clients) alike() (all []meter.Clients) {
	alike := map[meter.Clients]int64{}
	take := func() {
		for kind, n := range alike {
			kind.Number = n
			all = append(all, kind)
		}
		clear(alike)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, peers := range c.mu.producers {
		for _, conn := range peers {
			alike[meter.Clients{Language: conn.Language, Version: conn.Version, Protocol: conn.Protocol}]++
		}
	}
	take()
	for group, g := range c.mu.consumers {
		for _, m := range g.members {
			alike[meter.Clients{Group: group, Type: g.Type, Model: g.Model, Language: m.Language, Version: m.Version, Protocol: m.Protocol}]++
		}
		take()
	}
	return all
}
