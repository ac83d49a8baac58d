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
	quickWarmLoad, quickWarmLimit = 2 * time.Second, 6 * time.Second
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

// warmUp has a path warm, once as long as the server lives. Only a server that
// has ended is an error.
func (b *bench) warmUp(p *path) error {
	if p == nil || b.warmed[p.key] {
		return nil
	}
	if p.prepare != nil {
		if err := p.prepare(b); err != nil {
			return err
		}
	}
	commands, notes := b.commands, b.notes
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
	b.warmed[p.key] = true
	fmt.Fprintf(os.Stderr, "   %s: warmed up %q for %.0f s\n", b.s.name, p.key, w.spent.Seconds())
	if !w.warm() && w.gain > warmGain {
		b.notes = append(b.notes, fmt.Sprintf("after %.0f s of warm-up it still got better, by %.0f %% in the last load", w.spent.Seconds(), 100*(w.gain-1)))
	}
	return nil
}

// warmCost is how long warming up what rows need is expected to take.
func warmCost(o *options, server string, rows ...row) (sum time.Duration) {
	one, most := o.warmTimes()
	seen := map[string]bool{}
	for _, r := range rows {
		if r.warm == nil || seen[r.warm.key] {
			continue
		}
		seen[r.warm.key] = true
		d := (warmStill + 1) * (one + r.warm.extra + time.Second/2)
		if server == "java" || server == "kafka" {
			d = most
		}
		sum += min(d, most+one+r.warm.extra)
	}
	return sum
}

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
