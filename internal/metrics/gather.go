package metrics

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// Where the log is, in the words of RocketMQ's store.
const (
	storageType   = "local"
	storageMedium = "disk"
)

// server is what every role shows.
func (g *gathering) server() {
	g.add(buildInfo, 1, g.m.o.Version, g.m.o.RocketMQVersion)
	if g.m.parts.Connections != nil {
		for listener, n := range g.m.parts.Connections() {
			g.add(connections, int64(n), listener)
		}
	}
}

// whole is what is known of the broker as a whole.
func (g *gathering) whole() {
	f := g.m.parts.Broker.Figures()
	g.add(permission, int64(f.Permission))
	g.add(topicNumber, int64(f.Topics))
	g.add(groupNumber, int64(f.Groups))
	g.add(lmqNumber, int64(f.LightQueues))
	for reason, n := range f.Rejected {
		g.add(rejected, n, reason)
	}
	g.add(waiting, f.WaitingPulls, "pull")
	g.add(waiting, f.WaitingPops, "pop")
	g.add(waiting, f.ThrottledPulls, "throttled_pull")
	g.add(waiting, f.ThrottledPops, "throttled_pop")
	g.add(inHand, f.InHand)
	g.add(expired, f.Expired)
	g.add(halves, f.Halves, other)
	for c, h := range f.TopicPuts {
		g.distribute(topicCreate, h.Read(), status(c.OK), strconv.FormatBool(c.System))
	}
	for c, h := range f.GroupPuts {
		g.distribute(groupCreate, h.Read(), status(c.OK))
	}
	g.disk(&f)
	g.add(timerLag, f.TimerLag, storageType, storageMedium)
	g.add(timerLate, f.TimerBehind.Milliseconds(), storageType, storageMedium)
	g.add(timerOverdue, f.TimerOverdue.Milliseconds(), storageType, storageMedium)
	g.add(dedupKeys, f.DedupKeys)
	g.add(dedupHits, f.DedupDuplicates)
	g.add(spansDropped, f.Dropped)
}

func status(ok bool) string {
	if ok {
		return "success"
	}
	return "failure"
}

// disk is what is known of the log and the disk below it.
func (g *gathering) disk(f *meter.Figures) {
	if f.DiskTotal > 0 {
		g.add(storageSize, f.DiskTotal-f.DiskFree, storageType, storageMedium)
		g.add(diskFree, f.DiskFree)
		g.add(diskSize, f.DiskTotal)
	}
	g.add(flushBehind, max(0, f.LogEnd-f.LogSynced), storageType, storageMedium)
	if !f.Earliest.IsZero() {
		g.add(reserveTime, max(0, g.now.Sub(f.Earliest).Milliseconds()), storageType, storageMedium)
	}
	g.add(logEnd, f.LogEnd)
	g.add(logSize, f.LogEnd-f.LogStart)
	g.add(checkpointLag, max(0, f.LogEnd-f.Indexed))
	g.distribute(fsync, f.Syncs.Read())
}

// The places of a topic's counters in the values that a shelf sums.
const (
	sizeWidth   = 8 // buckets of meter.SizeBounds, and the sum
	latterWidth = 8 // of meter.FinishBounds and meter.DelayBounds
	plainAt     = int(meter.Kinds) * sizeWidth
	finishAt    = plainAt + 4 // behind commits, rollbacks, timers in and out
	delayAt     = finishAt + latterWidth
	topicWidth  = delayAt + latterWidth
)

// topics is what came into topics. Those of retries and dead letters are not
// shown, as with RocketMQ: their messages came in before.
func (g *gathering) topics() {
	m := g.m
	m.topics.begin(g.now)
	m.sizes.begin(g.now)
	values := make([]int64, topicWidth)
	m.parts.Broker.EachTopic(func(t *meter.Topic) {
		if strings.HasPrefix(t.Name, mq.RetryPrefix) || strings.HasPrefix(t.Name, mq.DLQPrefix) {
			return
		}
		flatten(values, t)
		if t.Name == "" || t.Name == other {
			m.topics.gone(values)
			m.sizes.gone(values)
			return
		}
		if shown, ok := m.topics.add(t.Name, values, t.Rate); ok {
			g.topic(t.Name, t.System, shown, false)
		}
		if shown, ok := m.sizes.add(t.Name, values, t.Rate); ok {
			g.topic(t.Name, t.System, shown, true)
		}
	})
	g.rest("topics", m.topics.rest)
	if rest := m.topics.end(); rest != nil {
		g.topic(other, false, rest, false)
	}
	if rest := m.sizes.end(); rest != nil {
		g.topic(other, false, rest, true)
	}
}

// rest says how many are summed.
func (g *gathering) rest(what string, n int) { g.add(summedTogether, int64(n), what) }

// flatten writes a topic's counters into values.
func flatten(values []int64, t *meter.Topic) {
	clear(values)
	for k := range meter.Kinds {
		flattenOne(values[int(k)*sizeWidth:], t.In.Sizes(k))
	}
	copy(values[plainAt:], []int64{t.Commits, t.Rollbacks, t.TimerIn, t.TimerOut})
	flattenOne(values[finishAt:], t.Finish)
	flattenOne(values[delayAt:], t.Delay)
}

func flattenOne(values []int64, h *meter.Histogram) {
	if h == nil {
		return
	}
	d := h.Read()
	values[copy(values, d.Counts)] = d.Sum
}

// unflatten is the reverse of flattenOne.
func unflatten(values []int64, bounds []int64) meter.Distribution {
	n := len(bounds) + 1
	return meter.Distribution{Bounds: bounds, Counts: append([]int64(nil), values[:n]...), Sum: values[n]}
}

// topic adds what values say, either histograms or the rest.
func (g *gathering) topic(name string, system bool, values []int64, histograms bool) {
	for k := range meter.Kinds {
		d := unflatten(values[int(k)*sizeWidth:], meter.SizeBounds)
		n := d.Count()
		switch labels := []string{name, k.String(), strconv.FormatBool(system)}; {
		case n == 0:
		case histograms:
			g.distribute(messageSize, d, labels...)
		default:
			g.add(messagesIn, n, labels...)
			g.add(throughputIn, d.Sum, labels...)
		}
	}
	if histograms {
		g.distribute(finish, unflatten(values[finishAt:], meter.FinishBounds), name)
		g.distribute(delays, unflatten(values[delayAt:], meter.DelayBounds), name, storageType, storageMedium)
		return
	}
	plain := values[plainAt:]
	if plain[0]+plain[1] > 0 {
		g.add(commits, plain[0], name)
		g.add(rollbacks, plain[1], name)
	}
	if plain[2]+plain[3] > 0 {
		g.add(timerIn, plain[2], name, storageType, storageMedium)
		g.add(timerOut, plain[3], name, storageType, storageMedium)
	}
}

// uses is what was handed to consumers.
func (g *gathering) uses() {
	type handed struct {
		meter.Use
		values [2]int64
		rate   float64
	}
	all := map[useKey]*handed{} // retry topics of both names are one
	s := g.m.uses
	s.begin(g.now)
	g.m.parts.Broker.EachUse(func(u *meter.Use) {
		if u.Group == "" || u.Group == other && u.Topic == other && !u.Retry {
			s.gone([]int64{u.Messages, u.Bytes})
			return
		}
		key := useKey{u.Group, u.Topic, u.Retry}
		if !u.Retry {
			if shown, ok := s.add(key, []int64{u.Messages, u.Bytes}, u.Rate); ok {
				g.use(u, shown)
			}
			return
		}
		h := all[key]
		if h == nil {
			h = &handed{Use: *u}
			all[key] = h
		}
		h.values[0] += u.Messages
		h.values[1] += u.Bytes
		h.rate += u.Rate
	})
	for key, h := range all {
		if shown, ok := s.add(key, h.values[:], h.rate); ok {
			g.use(&h.Use, shown)
		}
	}
	g.rest("uses", s.rest)
	if rest := s.end(); len(rest) == 2 && rest[0] > 0 {
		g.use(&meter.Use{Group: other, Topic: other}, rest)
	}
}

func (g *gathering) use(u *meter.Use, values []int64) {
	labels := []string{u.Topic, u.Group, strconv.FormatBool(u.System), strconv.FormatBool(u.Retry)}
	g.add(messagesOut, values[0], labels...)
	g.add(throughputOut, values[1], labels...)
}

// dead is what groups gave up.
func (g *gathering) dead() {
	s := g.m.deaths
	s.begin(g.now)
	g.m.parts.Broker.EachDead(func(d *meter.Dead) {
		if d.Group == other && d.Topic == other {
			s.gone([]int64{d.Messages})
			return
		}
		if shown, ok := s.add(useKey{d.Group, d.Topic, false}, []int64{d.Messages}, float64(d.Messages)); ok {
			g.add(dead, shown[0], d.Group, d.Topic, strconv.FormatBool(d.System))
		}
	})
	g.rest("dead", s.rest)
	if rest := s.end(); len(rest) == 1 && rest[0] > 0 {
		g.add(dead, rest[0], other, other, "false")
	}
}

// A clientKind is what connections have in common beside their group.
type clientKind struct{ language, version, mode, protocol string }

// clients is who is connected.
func (g *gathering) clients() {
	s := g.m.consumers
	s.begin(g.now)
	rest := map[clientKind]int64{}
	group, shown := "", false
	g.m.parts.Broker.EachClients(func(c *meter.Clients) {
		k := clientKind{strings.ToLower(c.Language), strings.ToLower(wire.VersionName(c.Version)), consumeMode(c.Type), c.Protocol}
		if c.Group == "" {
			g.add(producerConns, c.Number, k.language, k.version, k.protocol)
			return
		}
		if c.Group != group {
			if group, shown = c.Group, false; group != other {
				_, shown = s.add(group, nil, float64(c.Number))
			}
		}
		if !shown {
			rest[k] += c.Number
			return
		}
		g.add(consumerConns, c.Number, group, k.language, k.version, k.mode, k.protocol, strconv.FormatBool(systemGroup(group)))
	})
	g.rest("consumers", s.rest)
	s.end()
	for k, n := range rest {
		g.add(consumerConns, n, other, k.language, k.version, k.mode, k.protocol, "false")
	}
}

// systemGroup reports whether RocketMQ's metrics count a group as its own.
func systemGroup(name string) bool { return strings.HasPrefix(strings.ToLower(name), "cid_rmq_sys_") }

// consumeMode is the type of a consumer as RocketMQ's metrics name it.
func consumeMode(typ string) string {
	switch typ {
	case "CONSUME_ACTIVELY":
		return "pull"
	case "CONSUME_POP":
		return "pop"
	}
	return "push"
}

// backlog is what groups have yet to consume.
func (g *gathering) backlog(ctx context.Context) {
	all, age, took := g.m.backlogs.get(ctx, g.now)
	g.add(backlogAge, int64(age/time.Second))
	f := g.family(backlogTime)
	f.points = append(f.points, point{value: took.Seconds()})
	s := g.m.lags
	s.begin(g.now)
	var rest meter.Backlog
	same := false // one has the names of the rest
	for i := range all {
		b := &all[i]
		if b.Group == other && b.Topic == other && !b.Retry {
			same = true
			merge(&rest, b)
		} else if _, ok := s.add(useKey{b.Group, b.Topic, b.Retry}, nil, float64(b.Lag)); ok {
			g.lag(b)
		} else {
			merge(&rest, b)
		}
	}
	g.rest("backlogs", s.rest)
	if s.rest > 0 || same {
		rest.Group, rest.Topic = other, other
		g.lag(&rest)
	}
	s.end()
}

// merge adds b to what is known of several together: numbers are summed, and
// the earliest times count.
func merge(sum, b *meter.Backlog) {
	sum.Lag, sum.InFlight, sum.Ready = sum.Lag+b.Lag, sum.InFlight+b.InFlight, sum.Ready+b.Ready
	sum.End, sum.Committed = sum.End+b.End, sum.Committed+b.Committed
	sum.Oldest, sum.Unread = earlier(sum.Oldest, b.Oldest), earlier(sum.Unread, b.Unread)
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func (g *gathering) lag(b *meter.Backlog) {
	labels := []string{b.Group, b.Topic, strconv.FormatBool(b.Retry), strconv.FormatBool(b.System)}
	g.add(lagMessages, b.Lag, labels...)
	g.add(lagLatency, g.age(b.Oldest), labels...)
	g.add(inflight, b.InFlight, labels...)
	g.add(queueingLatency, g.age(b.Unread), labels...)
	g.add(ready, b.Ready, labels...)
}

// age is how long ago something was, in milliseconds; 0 if it never was.
func (g *gathering) age(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return max(0, g.now.Sub(at).Milliseconds())
}

// calls is how long answers took.
func (g *gathering) calls() {
	if g.m.parts.Calls != nil {
		for c, h := range g.m.parts.Calls.All() {
			g.distribute(rpcLatency, h.Read(), "remoting", codeName(wire.Code(c.Request).String()),
				codeName(wire.Code(c.Response).ResponseString()), strconv.FormatBool(c.Waited), c.Result.String())
		}
	}
	if g.m.parts.GRPC == nil {
		return
	}
	g.add(proxyUp, 1, "local")
	g.m.parts.GRPC(func(call string, began, refused int64, took *meter.Histogram) {
		if began == 0 {
			return
		}
		g.add(grpcCalls, began, call)
		g.add(grpcRefused, refused, call)
		g.distribute(grpcLatency, took.Read(), call)
	})
}

// codeName is a code's name as RocketMQ's metrics write it; "SEND_MESSAGE(10)"
// becomes "send_message".
func codeName(text string) string {
	name, _, _ := strings.Cut(text, "(")
	return strings.ToLower(name)
}
