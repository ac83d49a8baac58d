//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/goddardmq/goddard/internal/test/against"
	"github.com/goddardmq/goddard/internal/test/ratios/sheet"
)

// A group is rows that share a server, which starts with an empty directory. It
// lives through all rounds, so that what takes long to get warm does so once.
type group struct {
	key string
	// servers are what is measured, in turn.
	servers []string
	// conf are lines of broker.conf: of both servers, of Java's, of ours.
	conf, javaConf, ourConf string
	proxy                   bool // Java with its proxy
	// long groups are not in the quick form.
	long bool
	// anew has each server start with an empty directory in each round, with no
	// other beside it.
	anew bool
	// room is how many GiB of disk a server takes beside what its loads flat out
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
	// once rows are measured in the first round only.
	once bool
	// measure returns the values that the lines name. An error says why there are none.
	measure func(b *bench) (map[string]float64, error)
}

// groups are the table, in the order in which it is measured.
func groups(o *options) []group {
	if o.peers {
		return []group{peerGroup()}
	}
	all := []group{floorGroup(), bareGroup(), startGroup(), sendGroup(), batchGroup(), curveGroup(), readGroup(), endToEndGroup(), syncGroup(),
		grpcGroupOfRows(), laterGroup(), topicsGroup(), queuesGroup(), coldGroup(), longGroup(o)}
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
	// benches are those that have a server now, all of one group, by the server.
	benches map[string]*bench
}

// A visit is what is measured of one server before it is another's turn.
type visit struct {
	server string
	round  int
	rows   []row
}

func (o *options) wants(g *group, r *row) bool {
	return len(o.only) == 0 || slices.Contains(o.only, g.key) || slices.Contains(o.only, r.key)
}

// open are the rows of a group that lack a figure of a server in a round.
func (p *plan) open(g *group, server string, round int) []row {
	if len(p.o.servers) > 0 && !slices.Contains(p.o.servers, server) {
		return nil
	}
	var rows []row
	for _, r := range g.rows {
		if _, done := p.raw.Of(r.key, server, round); !done && p.o.wants(g, &r) && (!r.once || round == 1) {
			rows = append(rows, r)
		}
	}
	return rows
}

// visits are what is open of a group, in the order in which it is measured: in
// each round the servers take turns, so that both see the machine in the same state.
func (p *plan) visits(g *group) (all []visit) {
	for round := 1; round <= p.o.rounds; round++ {
		for _, server := range g.servers {
			if rows := p.open(g, server, round); len(rows) > 0 {
				all = append(all, visit{server, round, rows})
			}
		}
	}
	return all
}

// turnCost is what it takes to write out what is dirty and to fill what memory
// is free, before a turn.
const turnCost = 3 * time.Second

// startCost is what starting and stopping is expected to take.
func startCost(server string) time.Duration {
	if slow(server) {
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

// expected is how long everything that is open should take.
func (p *plan) expected() (left time.Duration, figures int) {
	for _, g := range groups(p.o) {
		warmed := map[string]map[string]int{} // those of the servers that are there
		for server, b := range p.benches {
			if b.g.key == g.key {
				warmed[server] = maps.Clone(b.warmed)
			}
		}
		for _, v := range p.visits(&g) {
			left += turnCost
			if warmed[v.server] == nil {
				warmed[v.server] = map[string]int{}
				left += startCost(v.server)
			}
			for _, r := range v.rows {
				left += p.cost(v.server, &r) + warmCost(p.o, v.server, &r, v.round, warmed[v.server])
			}
			figures += len(v.rows)
			if g.anew {
				clear(warmed)
			}
		}
	}
	return left, figures
}

// run measures one group after the other.
func (p *plan) run(ctx context.Context) error {
	for _, g := range groups(p.o) {
		if err := p.through(ctx, &g); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// through measures all rounds of a group.
func (p *plan) through(ctx context.Context, g *group) error {
	defer p.end()
	for _, v := range p.visits(g) {
		if err := p.visit(ctx, g, &v); err != nil {
			return err
		}
		if g.anew {
			p.end()
		}
	}
	return nil
}

// end ends all servers and deletes what they have stored.
func (p *plan) end() {
	for _, b := range p.benches {
		b.s.remove()
	}
	p.benches = nil
}

// benchOf is the bench of a server, which has none before its first visit. If
// the disk has no room for what is to be measured, all servers begin anew.
func (p *plan) benchOf(ctx context.Context, g *group, v *visit) (*bench, error) {
	err := p.roomFor(g, v)
	if err != nil && len(p.benches) > 0 {
		fmt.Fprintf(os.Stderr, "== %s: the servers start anew: %v\n", g.key, err)
		p.end()
		err = p.roomFor(g, v)
	}
	if b := p.benches[v.server]; b != nil || err != nil {
		return b, err
	}
	s, err := makeServer(p.kit, filepath.Join(p.o.dir, v.server), v.server, g)
	if err != nil {
		return nil, err
	}
	if p.o.profile != "" && v.server == profiledServer {
		s.env = []string{profileEnv}
	}
	if p.benches == nil {
		p.benches = map[string]*bench{}
	}
	b := &bench{ctx: ctx, s: s, g: g, kit: p.kit, o: p.o, figures: p.raw, profiles: p.profiles}
	p.benches[v.server] = b
	return b, nil
}

// visit measures rows of one server. Only what breaks off the whole run is an
// error; a row that fails becomes a figure that says why.
func (p *plan) visit(ctx context.Context, g *group, v *visit) error {
	b, err := p.benchOf(ctx, g, v)
	if err != nil {
		for _, r := range v.rows {
			if err := p.raw.Add(sheet.Figure{Row: r.key, Server: v.server, Round: v.round, Missing: err.Error()}); err != nil {
				return err
			}
		}
		fmt.Fprintf(os.Stderr, "== %s, %s: not measured: %v\n", g.key, v.server, err)
		return nil
	}
	began := time.Now()
	if err := b.begin(v.round); err != nil {
		return err
	}
	defer b.end()
	p.clock.Did(turnCost, time.Since(began))
	for _, r := range v.rows {
		left, figures := p.expected()
		fmt.Fprintf(os.Stderr, "== round %d of %d: %s, %s; %d figures to go, about %s\n", v.round, p.o.rounds, r.key, b.s.name, figures, sheet.Text(p.clock.Left(left)))
		began = time.Now()
		cost := p.cost(v.server, &r)
		if !b.s.alive() {
			cost += startCost(v.server)
			b.unready = b.ready()
		}
		cost += warmCost(p.o, v.server, &r, v.round, maps.Clone(b.warmed))
		f := sheet.Figure{Row: r.key, Server: v.server, Round: v.round}
		if f.Values, err = b.measure(&r); ctx.Err() != nil {
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
