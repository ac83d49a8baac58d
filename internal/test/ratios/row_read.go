//go:build linux

package main

import (
	"fmt"
	"time"

	"github.com/goddardmq/goddard/internal/test/ratios/sheet"
)

// hotCount is how many messages are there to read over and over.
func hotCount(o *options) int64 {
	if o.quick {
		return 100_000
	}
	return 500_000
}

func readGroup() group {
	hot := func(key string, size int, reach, cpu string) row {
		return row{key: key, warm: pulls(), cost: loads(1.2), lines: []sheet.Line{
			{Value: "rate", Title: fmt.Sprintf("consume %d B hot, pulls of 32, msg/s", size), Reach: reach, Floor: [2]string{"bare-" + key, "rate"}},
			{Value: "mib", Title: "… MiB/s of bodies", Reach: "or 80 % of the floor", Floor: [2]string{"stream", "mib"}},
			{Value: "cpu", Title: "… CPU-seconds of the server per million", Decimals: 2, Reach: cpu, Floor: [2]string{"bare-" + key, "cpu"}},
		}, measure: func(b *bench) (map[string]float64, error) {
			if err := b.fill(key, size, hotCount(b.o)); err != nil {
				return nil, err
			}
			return throughput(b.measured("consume", "--topic", key, "--last", "100000", "--warmup", "1s"))
		}}
	}
	return group{key: "read", servers: both(), rows: []row{
		hot("consume-1k", 1024, "2 ×", "1/2"),
		hot("consume-128", 128, "3 ×", "1/2"),
		{key: "pop", warm: pops(), cost: loads(1.2), lines: []sheet.Line{
			{Value: "rate", Title: "pops of 32, each message acknowledged, msg/s", Reach: "4 ×"},
			{Value: "cpu", Title: "… CPU-seconds of the server per million", Decimals: 2},
		}, measure: func(b *bench) (map[string]float64, error) {
			if err := fillPops(b); err != nil {
				return nil, err
			}
			return throughput(b.measured("pop", "--topic", "pop"))
		}},
	}}
}

func fillPops(b *bench) error { return b.fill("pop", 1024, hotCount(b.o)) }

func pops() *path {
	return &path{key: "pop", prepare: fillPops, load: func(b *bench, span time.Duration) (pace, error) {
		return throughputOf(b.load("pop", "--topic", "pop", "--time", span.String()))
	}}
}

// ways is the path from end to end. At a fixed rate a server that is faster
// answers sooner.
func ways() *path {
	return &path{key: "e2e", load: func(b *bench, span time.Duration) (pace, error) {
		return quickness(b.load("e2e", "--topic", "warm-e2e", "--rate", "10000", "--time", span.String(), "--warmup", "500ms"))
	}}
}

func endToEndGroup() group {
	way := func(key, title string, rate int) row {
		return row{key: key, warm: ways(), cost: func(o *options) time.Duration { return o.span + 4*time.Second }, lines: []sheet.Line{
			{Value: "p50", Title: "end to end at " + title + ", p50 µs", Reach: "120 µs at most", Floor: [2]string{fmt.Sprintf("way-%d", rate), "p50"}},
			{Value: "p99", Title: "… p99, µs"},
			{Value: "p999", Title: "… p99.9, µs", Reach: "1/5", Floor: [2]string{fmt.Sprintf("way-%d", rate), "p999"}},
		}, measure: func(b *bench) (map[string]float64, error) {
			return throughput(b.measured("e2e", "--topic", key, "--rate", fmt.Sprint(rate), "--warmup", "3s"))
		}}
	}
	return group{key: "e2e", servers: both(), rows: []row{way("e2e-1000", "1,000/s", 1000), way("e2e-10000", "10,000/s", 10_000)}}
}
