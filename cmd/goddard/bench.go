package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"time"

	"github.com/spf13/cobra"

	"github.com/goddardmq/goddard/internal/load"
	"github.com/goddardmq/goddard/internal/remote"
)

// benchOptions is what all loads share.
type benchOptions struct {
	door  door
	json  bool
	quiet bool
	// profile is the file that a CPU profile of the load itself goes to.
	profile string
	common  load.Common
}

func newBench() *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure a broker: sending, reading, popping, delays, transactions, topics, or the way from end to end",
		Long: `Puts load on a RocketMQ cluster, ours or Java's, and reports throughput and
latency percentiles. With a fixed rate, latency counts from when a message was
due, so that a stalling broker cannot hide behind a waiting client.`,
		Example: `  goddard bench produce --size 1024 --in-flight 128 --connections 4
  goddard bench produce --rate 20000 --time 30s --json
  goddard bench e2e --rate 1000`,
	}
	f := cmd.PersistentFlags()
	o.door.register(f, "n")
	f.StringVar(&o.common.Topic, "topic", "goddard-bench", "topic to write or read")
	f.DurationVar(&o.common.Duration, "time", 10*time.Second, "how long to measure")
	f.DurationVar(&o.common.Warmup, "warmup", 2*time.Second, "how long to run before that")
	f.BoolVar(&o.json, "json", false, "print the result as JSON")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "no progress lines")
	f.StringVar(&o.profile, "cpuprofile", "", "write to this file where the load itself spent CPU time, for go tool pprof")
	cmd.AddCommand(newBenchProduce(&o), newBenchConsume(&o), newBenchPop(&o), newBenchE2E(&o),
		newBenchDelay(&o), newBenchTransact(&o), newBenchTopics(&o))
	return cmd
}

// A runner is one kind of load.
type runner interface {
	Run(ctx context.Context, o remote.Options) (*load.Report, error)
}

func (o *benchOptions) run(cmd *cobra.Command, r runner) error {
	if o.common.Duration <= 0 || o.common.Warmup < 0 {
		return fmt.Errorf("--time %v, --warmup %v: want a time above 0 to measure, and a warmup of 0 or more", o.common.Duration, o.common.Warmup)
	}
	to, err := o.door.options(cmd)
	if err != nil {
		return err
	}
	report, err := o.profiled(func() (*load.Report, error) { return r.Run(cmd.Context(), to) })
	if err != nil {
		return err
	}
	return o.print(cmd.OutOrStdout(), report)
}

// profiled runs a load, with a CPU profile of it if one is wanted.
func (o *benchOptions) profiled(run func() (*load.Report, error)) (r *load.Report, err error) {
	if o.profile == "" {
		return run()
	}
	f, err := os.Create(o.profile)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	defer pprof.StopCPUProfile()
	return run()
}

func (o *benchOptions) print(out io.Writer, r *load.Report) error {
	if !o.json {
		_, err := fmt.Fprintln(out, r)
		return err
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// settled is the common part with progress going where it should.
func (o *benchOptions) settled(cmd *cobra.Command) load.Common {
	c := o.common
	if !o.quiet {
		c.Progress = cmd.ErrOrStderr()
	}
	return c
}

func newBenchProduce(o *benchOptions) *cobra.Command {
	var p load.Produce
	cmd := &cobra.Command{
		Use:     "produce",
		Short:   "Send as fast as possible, or at a fixed rate",
		Example: "  goddard bench produce --size 1024 --connections 4 --in-flight 128",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p.Common = o.settled(cmd)
			return o.run(cmd, p)
		},
	}
	f := cmd.Flags()
	f.IntVar(&p.Size, "size", 1024, "bytes of a message body")
	f.IntVar(&p.Connections, "connections", 4, "connections to each broker")
	f.IntVar(&p.InFlight, "in-flight", 128, "requests under way on each connection")
	f.IntVar(&p.Batch, "batch", 1, "messages in a request")
	f.Float64Var(&p.Rate, "rate", 0, "messages a second in all; 0 is as many as possible")
	f.DurationVar(&p.Timeout, "timeout", 5*time.Second, "how long an answer may take")
	f.Int64Var(&p.Count, "count", 0, "end after so many messages, if --time is not over before; 0 is no end")
	f.Int64Var(&p.Light, "light", 0, "put the messages in turn into so many light queues (%LMQ%TOPIC-0 and on) as well")
	return cmd
}

func newBenchConsume(o *benchOptions) *cobra.Command {
	var c load.Consume
	cmd := &cobra.Command{
		Use:     "consume",
		Short:   "Read a topic over and over, or once",
		Example: "  goddard bench consume --topic goddard-bench\n  goddard bench consume --last 100000",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.Common = o.settled(cmd)
			return o.run(cmd, c)
		},
	}
	f := cmd.Flags()
	f.IntVar(&c.Max, "max", 32, "messages asked for in a pull")
	f.IntVar(&c.Connections, "connections", 2, "connections that share the queues")
	f.Int64Var(&c.Last, "last", 0, "read only the newest messages, so many of the topic; 0 is all")
	f.BoolVar(&c.Once, "once", false, "end when all is read, if --time is not over before")
	return cmd
}

func newBenchPop(o *benchOptions) *cobra.Command {
	var p load.Pop
	cmd := &cobra.Command{
		Use:   "pop",
		Short: "Pop a topic over and over, and acknowledge each message",
		Long: `Pop a topic over and over, and acknowledge each message by itself. The topic must
hold messages: goddard bench produce fills it. A new consumer group begins
whenever one has had the whole topic; the groups goddard-bench-pop-… are deleted
in the end.`,
		Example: `  goddard bench pop
  goddard bench pop --topic orders --max 1 --in-flight 16`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p.Common = o.settled(cmd)
			return o.run(cmd, p)
		},
	}
	f := cmd.Flags()
	f.IntVar(&p.Max, "max", 32, "messages asked for in a pop, at most 32")
	f.IntVar(&p.Connections, "connections", 2, "connections to each broker")
	f.IntVar(&p.InFlight, "in-flight", 4, "pops under way on each connection")
	return cmd
}

func newBenchE2E(o *benchOptions) *cobra.Command {
	var e load.E2E
	cmd := &cobra.Command{
		Use:     "e2e",
		Short:   "Measure the way from producer to waiting consumer",
		Example: "  goddard bench e2e --rate 1000",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			e.Common = o.settled(cmd)
			return o.run(cmd, e)
		},
	}
	f := cmd.Flags()
	f.IntVar(&e.Size, "size", 1024, "bytes of a message body, at least 8")
	f.Float64Var(&e.Rate, "rate", 1000, "messages a second")
	return cmd
}
