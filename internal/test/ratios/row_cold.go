//go:build linux

package main

import (
	"fmt"
	"syscall"
	"time"

	"github.com/goddardmq/goddard/internal/load"
	"github.com/goddardmq/goddard/internal/test/ratios/sheet"
)

const (
	coldTopic = "cold"
	coldSize  = 1024
	// coldPull is how many messages a pull asks for, so that the disk is what there is
	// to wait for; each broker gives as many as it does.
	coldPull = "160"
	// besideRate is sent while a consumer reads what is cold, messages a second.
	besideRate = "10000"
	// besideWarm is what a broker has to get used to them: 300,000 messages.
	besideWarm = 30 * time.Second
)

// coldGroup is a large log, which is filled once: reading it from the disk, sending
// meanwhile, and starting on it. What is not read within a time of its own is not
// waited for.
func coldGroup() group {
	return group{
		key: "cold", servers: both(), long: true,
		room: func(o *options) float64 { return o.cold*1.2 + 2 + 0.7*float64(o.rounds) },
		rows: []row{
			{key: "cold", measure: cold, cost: func(o *options) time.Duration {
				return fillCost(o)/time.Duration(o.rounds) + coldSpan(o)/2 + coldWarmCost(o)
			}, lines: []sheet.Line{
				{Value: "mib", Title: "consume 1 KiB after dropping the page cache, MiB/s of bodies", Reach: "90 % of the floor", Floor: [2]string{"disk-read", "mib"}},
				{Value: "rate", Title: "… msg/s"},
				{Value: "cpu", Title: "… CPU-seconds of the server per million", Decimals: 2},
			}},
			{key: "cold-beside", measure: coldBeside, cost: func(o *options) time.Duration { return 2*o.span + besideWarm + 10*time.Second }, lines: []sheet.Line{
				{Value: "alone", Title: "send at 10,000/s undisturbed, p99.9 µs"},
				{Value: "p999", Title: "… while a cold consumer reads, p99.9 µs", Reach: "2 × the undisturbed one at most"},
				{Value: "times", Title: "… how many times the undisturbed one", Decimals: 1, Reach: "2"},
				{Value: "read", Title: "… the consumer meanwhile, MiB/s"},
			}},
			{key: "cold-restart", measure: coldRestart, cost: func(*options) time.Duration { return 10 * time.Second }, lines: []sheet.Line{
				{Value: "restart", Title: "kill -9 with this log and start to first message, ms", Reach: "3,000 at most"},
			}},
		},
	}
}

func coldCount(o *options) int64 { return int64(o.cold * (1 << 30) / coldSize) }

// fillCost takes 100 MiB/s for granted.
func fillCost(o *options) time.Duration { return time.Duration(o.cold * 10 * float64(time.Second)) }

// coldWarmCost is the mean of the servers'.
func coldWarmCost(o *options) time.Duration {
	return (pulls().cost(o, "java") + pulls().cost(o, "goddard")) / 2
}

// coldSpan is how long one consumer may read.
func coldSpan(o *options) time.Duration { return 6 * o.span }

// chill has the log filled and out of the page cache. The broker is stopped
// meanwhile, for what it has mapped stays.
func (b *bench) chill() error {
	if err := b.fill(coldTopic, coldSize, coldCount(b.o)); err != nil {
		return err
	}
	b.s.stopLast(syscall.SIGTERM)
	err := forget(b.s.dir)
	if _, again := b.again(); again != nil {
		return fmt.Errorf("after the page cache was dropped: %w", again)
	}
	return err
}

func cold(b *bench) (map[string]float64, error) {
	if err := b.chill(); err != nil {
		return nil, err
	}
	// It has just started: it knows how to pull before it has to go to the disk.
	if err := b.warmUp(pulls()); err != nil {
		return nil, err
	}
	return throughput(b.measured("consume", "--topic", coldTopic, "--once", "--max", coldPull, "--time", coldSpan(b.o).String()))
}

// coldBeside warms the sends up first: the broker has just started.
func coldBeside(b *bench) (map[string]float64, error) {
	if err := b.chill(); err != nil {
		return nil, err
	}
	send := []string{"--topic", "beside", "--size", "1024", "--rate", besideRate}
	alone, _, err := b.load("produce", append(send, "--warmup", besideWarm.String())...)
	if err != nil {
		return nil, err
	}
	type outcome struct {
		r   *load.Report
		err error
	}
	syscall.Sync() // so nothing is left to be when the consumer has begun
	consumer := *b
	consumer.commands, consumer.notes = nil, nil
	done := make(chan outcome)
	go func() {
		r, _, err := consumer.load("consume", "--topic", coldTopic, "--once", "--time", (b.o.span + time.Second).String())
		done <- outcome{r, err}
	}()
	r, _, err := b.measured("produce", append(send, "--warmup", "1s")...)
	read := <-done
	b.commands, b.notes = append(b.commands, consumer.commands...), append(b.notes, consumer.notes...)
	if err != nil {
		return nil, err
	}
	if read.err != nil {
		return nil, read.err
	}
	return map[string]float64{
		"alone": float64(alone.Latency.P999), "p999": float64(r.Latency.P999),
		"times": float64(r.Latency.P999) / float64(alone.Latency.P999), "read": read.r.MiBRate,
	}, nil
}

func coldRestart(b *bench) (map[string]float64, error) {
	if err := b.fill(coldTopic, coldSize, coldCount(b.o)); err != nil {
		return nil, err
	}
	b.s.stopLast(syscall.SIGKILL)
	took, err := b.again()
	return map[string]float64{"restart": float64(took.Milliseconds())}, err
}
