//go:build linux

package main

import (
	"fmt"
	"time"

	"github.com/goddardmq/goddard/internal/load"
	"github.com/goddardmq/goddard/internal/test/ratios/sheet"
)

// laterGroup is what a broker does with a message some time after it has it.
func laterGroup() group {
	delayed := func(key, title string, warm []string, args func(o *options) []string) row {
		return row{key: key, warm: delays(key, warm...), writes: 1, cost: func(o *options) time.Duration { return 3*o.span + 5*time.Second }, lines: []sheet.Line{
			{Value: "rate", Title: "delayed messages " + title + ": in, msg/s", Reach: "4 ×"},
			{Value: "out", Title: "… out, msg/s", Reach: "4 ×"},
			{Value: "late", Title: "… late, p99 ms"},
			{Value: "cpu", Title: "… CPU-seconds of the server per million, in and out", Decimals: 2},
		}, measure: func(b *bench) (map[string]float64, error) {
			r, cpu, err := b.measured("delay", append([]string{"--topic", key}, args(b.o)...)...)
			values, err := throughput(r, cpu, err)
			if err != nil {
				return nil, err
			}
			return deliveredOf(values, r)
		}}
	}
	return group{key: "later", servers: both(), rows: []row{
		// The levels of RocketMQ begin with 1, 5, 10 and 30 seconds; what is sent
		// waits for longer than the sending takes where that is possible.
		delayed("delay-level", "by level", []string{"--level", "2", "--after", "5s"}, func(o *options) []string {
			if o.span < 5*time.Second {
				return []string{"--level", "2", "--after", "5s"}
			}
			return []string{"--level", "3", "--after", "10s"}
		}),
		delayed("delay-time", "at a time", []string{"--after", "5s"}, func(o *options) []string {
			return []string{"--after", max(o.span+time.Second, 5*time.Second).String()}
		}),
		{key: "transact", warm: rated("transact", "transact").writing(0.3), writes: 0.3, cost: loads(1.1), lines: []sheet.Line{
			{Value: "rate", Title: "transactions (4 × 32 in flight), a second", Reach: "4 ×"},
			{Value: "cpu", Title: "… CPU-seconds of the server per million", Decimals: 2},
			{Value: "p99", Title: "… p99, µs"},
		}, measure: func(b *bench) (map[string]float64, error) {
			return throughput(b.measured("transact", "--topic", "transact", "--warmup", "1s"))
		}},
	}}
}

// delays is the path of delayed messages, in and out.
func delays(key string, args ...string) *path {
	return &path{key: key, writes: 0.3, extra: 6 * time.Second, load: func(b *bench, span time.Duration) (pace, error) {
		r, cpu, err := b.load("delay", append([]string{"--topic", "warm-" + key, "--time", span.String()}, args...)...)
		if err != nil {
			return pace{}, err
		}
		v, err := deliveredOf(map[string]float64{}, r)
		if err != nil {
			return pace{}, err
		}
		return pace{1 / (1/r.Rate + 1/v["out"]), thrift(r, cpu)}, nil
	}}
}

// deliveredOf adds what came of delayed messages. All must have come.
func deliveredOf(values map[string]float64, r *load.Report) (map[string]float64, error) {
	d := r.Delivered
	if d == nil || d.Messages == 0 || d.Latency == nil {
		return nil, fmt.Errorf("none of %d delayed messages came", r.Messages)
	}
	if d.Errors > 0 {
		return nil, fmt.Errorf("%d of %d delayed messages were in time to be counted: %s", d.Messages, r.Messages, d.LastError)
	}
	values["out"], values["late"] = d.Rate, float64(d.Latency.P99)/1000
	return values, nil
}
