package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/goddardmq/goddard/internal/test/against"
	"github.com/goddardmq/goddard/internal/test/ratios/sheet"
)

// A group is rows that share a server, which starts with an empty directory.
type group struct {
	key string
	// servers are what is measured, in turn.
	servers []string
	// conf are lines of broker.conf: of both servers, of Java's, of ours.
	conf, javaConf, ourConf string
	proxy                   bool // Java with its proxy
	// long groups are not in the quick form.
	long bool
	// once groups are measured in the first round only.
	once bool
	// room is how many GiB of disk it takes beside what its loads flat out
	// write; nil for little.
	room func(o *options) float64
	rows []row
}

// A row is what is measured at one time.
type row struct {
	key   string
	lines []sheet.Line // without Row
	// warm is what has to be warm before, nil for nothing.
	warm *path
	// cost is how long it is expected to take, without that.
	cost func(o *options) time.Duration
	// writes is for how many loads' time it sends flat out, at most.
	writes float64
	// measure returns the values that the lines name. An error says why there are none.
	measure func(b *bench) (map[string]float64, error)
}

// groups are the table, in the order in which it is measured.
func groups(o *options) []group {
	if o.peers {
		return []group{peerGroup()}
	}
	all := []group{floorGroup(), bareGroup(), startGroup(), sendGroup(), batchGroup(), curveGroup(), readGroup(), endToEndGroup(), syncGroup(),
		grpcGroupOfRows(), laterGroup(), topicsGroup(), queuesGroup(), coldGroup(), longGroup()}
	if o.quick {
		all = slices.DeleteFunc(all, func(g group) bool { return g.long })
	}
	return all
}

func known(o *options, key string) bool {
	return slices.ContainsFunc(groups(o), func(g group) bool {
		return g.key == key || slices.ContainsFunc(g.rows, func(r row) bool { return r.key == key })
	})
}

func list(w io.Writer, o *options) {
	for _, g := range groups(o) {
		fmt.Fprintf(w, "%s\n", g.key)
		for _, r := range g.rows {
			fmt.Fprintf(w, "    %s\n", r.key)
		}
	}
}

// A plan measures what is not measured yet.
type plan struct {
	kit   *against.Kit
	o     *options
	raw   *sheet.Raw
	clock sheet.Clock
	// profiles is nil unless they are asked for.
	profiles *profiles
}

func (o *options) wants(g *group, r *row) bool {
	return len(o.only) == 0 || slices.Contains(o.only, g.key) || slices.Contains(o.only, r.key)
}

// open are the rows of a group that lack a figure of a server in a round.
func (p *plan) open(g *group, server string, round int) []row {
	if len(p.o.servers) > 0 && !slices.Contains(p.o.servers, server) || g.once && round > 1 {
		return nil
	}
	var rows []row
	for _, r := range g.rows {
		if _, done := p.raw.Of(r.key, server, round); !done && p.o.wants(g, &r) {
			rows = append(rows, r)
		}
	}
	return rows
}

// startCost is what starting and stopping is expected to take.
func startCost(server string) time.Duration {
	if server == "java" || server == "kafka" {
		return 12 * time.Second
	}
	return 2 * time.Second
}

// cost is what a row is expected to take, with a second load if its profiles are taken.
func (p *plan) cost(server string, r *row) time.Duration {
	d := r.cost(p.o)
	if p.profiles != nil && server == profiledServer {
		d += min(p.o.span, tracedTime) + 2*time.Second
	}
	return d
}

// expected is how long everything that is open should take, from a round on.
func (p *plan) expected(from int) (left time.Duration, figures int) {
	for round := from; round <= p.o.rounds; round++ {
		for _, g := range groups(p.o) {
			for _, s := range g.servers {
				rows := p.open(&g, s, round)
				for _, r := range rows {
					left += p.cost(s, &r)
				}
				if figures += len(rows); len(rows) > 0 {
					left += startCost(s) + warmCost(p.o, s, rows...)
				}
			}
		}
	}
	return left, figures
}

// run goes through the rounds; in each a group's servers take turns, so that
// both see the machine in the same state.
func (p *plan) run(ctx context.Context) error {
	for round := 1; round <= p.o.rounds; round++ {
		for _, g := range groups(p.o) {
			for _, name := range g.servers {
				rows := p.open(&g, name, round)
				if len(rows) == 0 {
					continue
				}
				if err := p.visit(ctx, &g, name, round, rows); err != nil {
					return err
				}
			}
		}
	}
	return ctx.Err()
}

// visit measures rows of one server. Only what breaks off the whole run is an
// error; a row that fails becomes a figure that says why.
func (p *plan) visit(ctx context.Context, g *group, name string, round int, rows []row) error {
	s, err := makeServer(p.kit, filepath.Join(p.o.dir, name), name, g)
	if err == nil {
		err = p.roomFor(g, rows)
	}
	if err != nil {
		for _, r := range rows {
			if err := p.raw.Add(sheet.Figure{Row: r.key, Server: name, Round: round, Missing: err.Error()}); err != nil {
				return err
			}
		}
		fmt.Fprintf(os.Stderr, "== %s, %s: not measured: %v\n", g.key, name, err)
		return nil
	}
	defer s.remove()
	defer s.stop()
	if p.o.profile != "" && name == profiledServer {
		s.env = []string{profileEnv}
	}
	b := &bench{ctx: ctx, s: s, g: g, kit: p.kit, o: p.o, round: round, figures: p.raw, profiles: p.profiles}
	var ready error
	for i, r := range rows {
		left, figures := p.expected(round)
		fmt.Fprintf(os.Stderr, "== round %d of %d: %s, %s; %d figures to go, about %s\n", round, p.o.rounds, r.key, s.name, figures, sheet.Text(p.clock.Left(left)))
		began := time.Now()
		cost := p.cost(name, &r)
		if i == 0 || !s.alive() {
			cost += startCost(name)
			ready = b.ready()
		}
		if r.warm != nil && !b.warmed[r.warm.key] {
			cost += warmCost(p.o, name, r)
		}
		f := sheet.Figure{Row: r.key, Server: name, Round: round}
		if ready == nil {
			b.begin(r.key)
			if err = b.warmUp(r.warm); err == nil {
				f.Values, err = r.measure(b)
			}
		} else {
			err = fmt.Errorf("the server does not start: %w", ready)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx) // what was interrupted is not a figure
		}
		if err != nil {
			f.Values, f.Missing = nil, err.Error()
			fmt.Fprintf(os.Stderr, "   not measured: %v\n", err)
		}
		took := time.Since(began)
		f.Seconds, f.Commands, f.Notes = took.Seconds(), b.commands, b.notes
		p.clock.Did(cost, took)
		if err := p.raw.Add(f); err != nil {
			return err
		}
	}
	return nil
}

var errNeeds = errors.New("it goes by a row that has no value")
