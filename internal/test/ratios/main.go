//go:build linux

// Command ratios measures Java RocketMQ and Goddard in turn, on this machine,
// with the same loads, and prints the ratios; with -peers NATS and Kafka stand
// beside Goddard, each with its own client. It asserts nothing: figures belong
// into bench/results, with the machine they came from. docs/performance.md says
// what each row is.
//
//	go run ./internal/test/ratios [-quick | -full] [-peers] [-rounds 5] [-time 10s] [-only send,sync] [-results DIR] [-resume FILE] [-profile DIR]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/test/against"
	"github.com/goddardmq/goddard/internal/test/ratios/sheet"
)

// options are how much is measured.
type options struct {
	rounds  int
	span    time.Duration // of a load
	quick   bool
	full    bool
	peers   bool
	only    []string // keys of groups or rows; empty for all
	servers []string // keys; empty for all
	topics  int64
	queues  int64 // light queues
	cold    float64
	long    time.Duration
	// longRate is that of the long run in messages a second; 0 for half of what
	// the server reaches.
	longRate float64
	dir      string // where servers keep their data
	results  string
	resume   string
	awake    bool   // keep the processors from halting
	profile  string // directory for profiles; empty takes none
}

func main() {
	o := new(options)
	var only, servers string
	flag.IntVar(&o.rounds, "rounds", 5, "how often to measure each server; the median counts")
	flag.DurationVar(&o.span, "time", 10*time.Second, "how long each load is measured")
	flag.BoolVar(&o.quick, "quick", false, "one round of short loads, without the rows that take long")
	flag.BoolVar(&o.full, "full", false, "with -cold 20 and -long 1h, as far as they are not given")
	flag.BoolVar(&o.peers, "peers", false, "measure NATS JetStream and Kafka instead of RocketMQ")
	flag.StringVar(&only, "only", "", "only these groups or rows, by their names, with commas between them; 'list' lists them")
	flag.StringVar(&servers, "servers", "", "only these servers: java, goddard, floor, bare, nats, kafka")
	flag.Int64Var(&o.topics, "topics", 10_000, "topics to create")
	flag.Int64Var(&o.queues, "queues", 1_000_000, "light queues to fill with one message each")
	flag.Float64Var(&o.cold, "cold", 4, "GiB of the log that is read cold")
	flag.DurationVar(&o.long, "long", 5*time.Minute, "how long the long run is")
	flag.Float64Var(&o.longRate, "long-rate", 0, "messages a second of the long run, for both servers (default half of what each reaches flat out, or of what the disk writes)")
	flag.StringVar(&o.dir, "dir", "", "where the servers keep their data (default a temporary directory)")
	flag.StringVar(&o.results, "results", "", "write the page and the plot of today into this directory")
	flag.StringVar(&o.resume, "resume", "", "go on with the raw file of a run that broke off")
	flag.BoolVar(&o.awake, "awake", false, "keep the processors from halting, with work that gives way to all other")
	flag.StringVar(&o.profile, "profile", "", "write profiles of our server under each load into this directory, and what it spent its time on into profiles.md there")
	flag.Parse()
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	o.form(given)
	if only != "" {
		o.only = strings.Split(only, ",")
	}
	if servers != "" {
		o.servers = strings.Split(servers, ",")
	}
	if only == "list" {
		list(os.Stdout, o)
		return
	}
	if o.profile != "" && len(o.servers) == 0 {
		o.servers = []string{profiledServer}
	}
	if err := o.check(); err != nil {
		fmt.Fprintln(os.Stderr, "ratios:", err)
		os.Exit(2)
	}
	os.Exit(enclosed(o))
}

// enclosed measures in a network namespace, where there can be one, and returns
// the exit code. Whoever presses Ctrl-C tells this process and the one in the
// namespace; the outer one waits until the inner one has put away what it made.
func enclosed(o *options) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	kit, code, done := against.Enclosed(func() *against.Kit { return against.PrepareBench(o.peers) })
	if done {
		return code
	}
	if err := measureAll(ctx, kit, o); err != nil {
		fmt.Fprintln(os.Stderr, "ratios:", err)
		return 1
	}
	return 0
}

// form fills in what the quick and the full form say, unless it was given.
func (o *options) form(given map[string]bool) {
	if o.quick {
		if !given["rounds"] {
			o.rounds = 1
		}
		if !given["time"] {
			o.span = 1500 * time.Millisecond
		}
		if !given["topics"] {
			o.topics = 250
		}
	}
	if o.full {
		if !given["cold"] {
			o.cold = 20
		}
		if !given["long"] {
			o.long = time.Hour
		}
	}
}

func (o *options) check() error {
	switch {
	case o.rounds < 1 || o.span < 100*time.Millisecond || o.topics < 1 || o.queues < 1 || o.cold <= 0 || o.long < 10*time.Second || o.longRate < 0:
		return errors.New("-rounds, -topics and -queues must be 1 or more, -time 100ms, -cold above 0, -long 10s, -long-rate 0 or more")
	case o.profile != "" && !slices.Contains(o.servers, profiledServer):
		return errors.New("-profile is of our server alone; give -servers goddard, with others beside it or without")
	case o.quick && o.full:
		return errors.New("-quick and -full are two forms; take one")
	}
	for _, key := range o.only {
		if !known(o, key) {
			return fmt.Errorf("-only %s: no such group or row; -only list lists them", key)
		}
	}
	for _, key := range o.servers {
		if names()[key] == "" {
			return fmt.Errorf("-servers %s: no such server", key)
		}
	}
	return nil
}

// setup says what a raw file is of, so that only the same run goes on with it.
func (o *options) setup() string {
	setup := fmt.Sprintf("servers stay, peers=%v quick=%v time=%v topics=%d queues=%d cold=%v long=%v", o.peers, o.quick, o.span, o.topics, o.queues, o.cold, o.long)
	if o.longRate > 0 {
		setup += fmt.Sprintf(" long-rate=%v", o.longRate)
	}
	if o.awake {
		setup += " awake"
	}
	if inMemory(o.dir) {
		setup += " in memory"
	}
	if o.profile != "" {
		setup += " profiled" // which costs something
	}
	return setup
}

func measureAll(ctx context.Context, kit *against.Kit, o *options) error {
	if err := missing(kit, o); err != nil {
		return err
	}
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "goddard-ratios-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.dir = dir
	}
	defer os.Remove(filepath.Join(o.dir, holes))
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return err
	}
	path := o.resume
	if path == "" {
		path = filepath.Join("bench", "out", "ratios-"+time.Now().UTC().Format("2006-01-02-150405")+".jsonl")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	raw, err := sheet.Open(path, o.setup())
	if err != nil {
		return err
	}
	defer raw.Close()
	p := &plan{kit: kit, o: o, raw: raw}
	if o.profile != "" {
		if p.profiles, err = newProfiles(o); err != nil {
			return err
		}
	}
	if o.awake {
		stop, err := keepAwake(kit)
		if err != nil {
			return err
		}
		defer stop()
	}
	// The first time is by far the longest, and no row's.
	if err := fillCache(o.dir); err != nil {
		return err
	}
	left, figures := p.expected()
	fmt.Fprintf(os.Stderr, "%d figures, about %s if the machine is quiet; they go to %s, and a run that breaks off goes on with -resume %s\n", figures, sheet.Text(left), path, path)
	err = p.run(ctx)
	return errors.Join(err, writeResults(p))
}

// missing is why nothing at all can be measured. What only some rows need is
// said in their place.
func missing(kit *against.Kit, o *options) error {
	if kit.GoddardMissing != "" {
		return errors.New("goddard: " + kit.GoddardMissing)
	}
	if kit.FloorMissing != "" {
		return errors.New("the floor: " + kit.FloorMissing)
	}
	if !o.peers && kit.OriginalMissing != "" {
		return errors.New("RocketMQ: " + kit.OriginalMissing)
	}
	return nil
}
