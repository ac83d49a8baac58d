//go:build linux

package main

import (
	"fmt"
	"os"
	"time"

	"github.com/goddardmq/goddard/internal/load"
)

// A server is warm when so many loads in a row were at most so much faster than
// the best before them, and took at most so much less of the processors. A Java server that has just started needs a minute or
// so on two processors, of which its compiler has what the load leaves; ours is
// through after three loads.
const (
	warmStill = 2
	warmGain  = 1.05

	warmLoad, warmLimit           = 3 * time.Second, time.Minute
	quickWarmLoad, quickWarmLimit = time.Second, 3 * time.Second

	wakeLoad = time.Second

	// slowWarm is what a server in Java needs for most paths.
	slowWarm = 40 * time.Second
)

// warmTimes are how long one load of a warm-up is, and all of them at most.
func (o *options) warmTimes() (one, most time.Duration) {
	if o.quick {
		return quickWarmLoad, quickWarmLimit
	}
	return warmLoad, warmLimit
}

// A path is a way through a server, which has to be warm before a row that goes
// it is measured. Rows with the same key share it.
type path struct {
	key string
	// prepare, if not nil, makes what the loads read. It is not counted.
	prepare func(b *bench) error
	// load is one load.
	load func(b *bench, span time.Duration) (pace, error)
	// extra is what a load takes beyond its time.
	extra time.Duration
	// writes is what its loads write, as a share of sends flat out.
	writes float64
}

// A pace is how a server was in a load; more of either is better.
type pace struct {
	speed float64 // in any unit
	// thrift is messages by processor time. A server on a machine that has other
	// things to do gets no faster when its compiler is through, but it takes less.
	thrift float64
}

// A warming decides when a server is warm.
type warming struct {
	limit time.Duration
	spent time.Duration
	begun bool
	best  pace    // of each the best
	gain  float64 // of the last load over the best before
	still int     // loads in a row that gained nothing
}

// loaded tells it what the server's pace was in a load and how long that took.
// It reports whether the warm-up is over.
func (w *warming) loaded(p pace, took time.Duration) bool {
	w.spent += took
	if w.begun {
		w.gain = max(p.speed/w.best.speed, p.thrift/w.best.thrift)
		if w.still++; w.gain > warmGain {
			w.still = 0
		}
	}
	w.begun = true
	w.best = pace{max(w.best.speed, p.speed), max(w.best.thrift, p.thrift)}
	return w.warm() || w.spent >= w.limit
}

func (w *warming) warm() bool { return w.still >= warmStill }

// failed tells it of a load that had no result: a server that has just started
// refuses what it will take in a moment.
func (w *warming) failed(took time.Duration) bool {
	w.spent += took
	return w.spent >= w.limit
}

// warmUp has a path warm, once as long as the server lives. In a later round what
// is read may have left memory, and has one load to come back. Only a server that
// has ended is an error.
func (b *bench) warmUp(p *path) error {
	if p == nil || b.warmed[p.key] == b.round {
		return nil
	}
	commands, notes := b.commands, b.notes
	if b.warmed[p.key] > 0 {
		b.warmed[p.key] = b.round
		if p.prepare == nil {
			return nil
		}
		_, err := p.load(b, wakeLoad)
		b.commands, b.notes = commands, notes
		if b.ctx.Err() != nil || b.s.alive() {
			return b.ctx.Err()
		}
		return err
	}
	if p.prepare != nil {
		if err := p.prepare(b); err != nil {
			return err
		}
	}
	one, most := b.o.warmTimes()
	w := warming{limit: most}
	for over := false; !over; {
		began := time.Now()
		now, err := p.load(b, one)
		if b.ctx.Err() != nil {
			return b.ctx.Err()
		}
		took := max(time.Since(began), one)
		if err != nil {
			if !b.s.alive() {
				return err
			}
			over = w.failed(took)
			continue
		}
		over = w.loaded(now, took)
	}
	b.commands, b.notes = commands, notes
	b.warmed[p.key] = b.round
	fmt.Fprintf(os.Stderr, "   %s: warmed up %q for %.0f s\n", b.s.name, p.key, w.spent.Seconds())
	if !w.warm() && w.gain > warmGain {
		b.notes = append(b.notes, fmt.Sprintf("after %.0f s of warm-up it still got better, by %.0f %% in the last load", w.spent.Seconds(), 100*(w.gain-1)))
	}
	return nil
}

// warmCost is how long warming up what a row needs is expected to take in a round,
// with what is warm; it adds the row's path to that.
func warmCost(o *options, server string, r *row, round int, warmed map[string]int) time.Duration {
	if r.warm == nil || warmed[r.warm.key] == round {
		return 0
	}
	again := warmed[r.warm.key] > 0
	warmed[r.warm.key] = round
	switch {
	case !again:
		return r.warm.cost(o, server)
	case r.warm.prepare == nil:
		return 0
	default:
		return wakeLoad + r.warm.extra + time.Second/2
	}
}

// cost is how long warming it up is expected to take.
func (p *path) cost(o *options, server string) time.Duration {
	one, most := o.warmTimes()
	if slow(server) {
		return min(most, slowWarm)
	}
	return min((warmStill+1)*(one+p.extra+time.Second/2), most+one+p.extra)
}

// slow reports whether a server is in Java, and so takes long to start and to get warm.
func slow(server string) bool { return server == "java" || server == "kafka" }

// rated is a path of one kind of load, whose speed is its throughput.
func rated(key, kind string, args ...string) *path {
	return &path{key: key, load: func(b *bench, span time.Duration) (pace, error) {
		return throughputOf(b.load(kind, append([]string{"--topic", "warm-" + key, "--time", span.String()}, args...)...))
	}}
}

func throughputOf(r *load.Report, cpu time.Duration, err error) (pace, error) {
	if err != nil {
		return pace{}, err
	}
	return pace{r.Rate, thrift(r, cpu)}, nil
}

// thrift is that of a load. Processor time is known to the hundredth of a second.
func thrift(r *load.Report, cpu time.Duration) float64 {
	return float64(r.Messages+r.WarmupMessages) / max(cpu, 10*time.Millisecond).Seconds()
}

// quickness is the speed of a load at a fixed rate.
func quickness(r *load.Report, cpu time.Duration, err error) (pace, error) {
	if err != nil {
		return pace{}, err
	}
	return pace{1e6 / float64(max(r.Latency.P50, 1)), thrift(r, cpu)}, nil
}

// writing says how much the loads of a path write.
func (p *path) writing(share float64) *path {
	p.writes = share
	return p
}

// reading says what the loads of a path need.
func (p *path) reading(prepare func(b *bench) error) *path {
	p.prepare = prepare
	return p
}

// sends is the path of most rows.
func sends() *path { return rated("send", "produce", pipelined1K...).writing(1) }

// pulls is that of consumers, on messages of its own.
func pulls() *path {
	return rated("pull", "consume", "--last", "100000").reading(func(b *bench) error { return b.fill("warm-pull", 1024, 100_000) })
}
