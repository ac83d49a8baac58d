//go:build linux

package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/goddardmq/goddard/internal/test/ratios/sheet"
)

// both are the servers of the table.
func both() []string { return []string{"java", "goddard"} }

// loads is the cost of so many loads.
func loads(n float64) func(*options) time.Duration {
	return func(o *options) time.Duration { return time.Duration(n * float64(o.span+time.Second)) }
}

// flatOut is a row of one load of sends.
func flatOut(key string, warm *path, writes float64, lines []sheet.Line, args ...string) row {
	return row{key: key, lines: lines, warm: warm, writes: writes, cost: loads(1), measure: func(b *bench) (map[string]float64, error) {
		return throughput(b.measured("produce", append([]string{"--topic", key}, args...)...))
	}}
}

var pipelined1K = []string{"--size", "1024", "--connections", "4", "--in-flight", "128"}

func sendGroup() group {
	cpu := sheet.Line{Value: "cpu", Title: "… CPU-seconds of the server per million", Decimals: 2}
	return group{key: "send", servers: both(), rows: []row{
		flatOut("send-1k", sends(), 1, []sheet.Line{
			{Value: "rate", Title: "send 1 KiB pipelined (4 × 128 in flight), msg/s", Reach: "6 ×", Floor: [2]string{"bare-1k", "rate"}},
			with(cpu, "1/8", "bare-1k"),
		}, pipelined1K...),
		flatOut("send-128", sends(), 0.7, []sheet.Line{
			{Value: "rate", Title: "send 128 B pipelined (4 × 128 in flight), msg/s", Reach: "8 ×", Floor: [2]string{"bare-128", "rate"}},
			with(cpu, "", "bare-128"),
		}, "--size", "128", "--connections", "4", "--in-flight", "128"),
		flatOut("send-64", sends(), 0.6, []sheet.Line{
			{Value: "rate", Title: "send 1 KiB, 64 connections with one in flight, msg/s", Reach: "3 ×", Floor: [2]string{"bare-64", "rate"}},
			{Value: "p50", Title: "… p50, µs"},
			{Value: "p99", Title: "… p99, µs", Reach: "1/2", Floor: [2]string{"bare-64", "p99"}},
		}, append(slices.Clone(inStep64), "--warmup", "1s")...),
		flatOut("send-one", sends(), 0.1, []sheet.Line{
			{Value: "p50", Title: "send 1 KiB, one connection with one in flight, p50 µs", Reach: "1/2, and 3 × the floor at most", Floor: [2]string{"echo", "p50"}},
			{Value: "p99", Title: "… p99, µs", Floor: [2]string{"echo", "p99"}},
			{Value: "p999", Title: "… p99.9, µs", Reach: "1/5", Floor: [2]string{"echo", "p999"}},
		}, "--size", "1024", "--connections", "1", "--in-flight", "1", "--warmup", "1s"),
		{key: "half", warm: sends(), writes: 0.5, cost: loads(1.2), measure: halfRate, lines: []sheet.Line{
			{Value: "rate", Title: "send 1 KiB at half of RocketMQ's top rate, msg/s"},
			{Value: "p50", Title: "… p50, µs"}, {Value: "p99", Title: "… p99, µs"}, {Value: "p999", Title: "… p99.9, µs"}, {Value: "max", Title: "… max, µs"},
		}},
		// Java maps its log, and those of later rounds would count.
		{key: "loaded", once: true, warm: sends(), writes: 1, cost: loads(1), measure: loaded, lines: []sheet.Line{
			{Value: "resident", Title: "resident memory after a load, MiB", Reach: "1/20"},
			{Value: "anon", Title: "… of it not pages of files, MiB"},
		}},
	}}
}

// with is a line with another goal, and the same value of another row as its floor.
func with(l sheet.Line, reach, floor string) sheet.Line {
	l.Reach, l.Floor = reach, [2]string{floor, l.Value}
	return l
}

// halfRate has the rate of the first server of the round, so that both have the same.
func halfRate(b *bench) (map[string]float64, error) {
	top, err := b.firstValue("send-1k", "rate", "java", "goddard")
	if err != nil {
		return nil, err
	}
	return throughput(b.measured("produce", "--topic", "half", "--size", "1024", "--rate", fmt.Sprintf("%.0f", top/2), "--warmup", "1s"))
}

func loaded(b *bench) (map[string]float64, error) {
	if _, _, err := b.measured("produce", append([]string{"--topic", "loaded"}, pipelined1K...)...); err != nil {
		return nil, err
	}
	return memory(b.s), nil
}

func memory(s *server) map[string]float64 {
	return map[string]float64{"resident": s.resident(residentAll), "anon": s.resident(residentAnon)}
}

var (
	batched1K  = []string{"--size", "1024", "--connections", "2", "--in-flight", "8", "--batch", "32"}
	batched128 = []string{"--size", "128", "--connections", "2", "--in-flight", "8", "--batch", "32"}
	inStep64   = []string{"--size", "1024", "--connections", "64", "--in-flight", "1"}
)

func batches() *path { return rated("batch", "produce", batched1K...).writing(2) }

func batchGroup() group {
	return group{key: "batch", servers: both(), rows: []row{
		flatOut("batch-1k", batches(), 2, []sheet.Line{
			{Value: "rate", Title: "batches of 32 × 1 KiB (2 × 8 in flight), msg/s", Floor: [2]string{"bare-batch-1k", "rate"}},
			{Value: "mib", Title: "… MiB/s of bodies", Reach: "80 % of the floor", Floor: [2]string{"disk-write", "mib"}},
		}, append(slices.Clone(batched1K), "--warmup", "1s")...),
		flatOut("batch-128", batches(), 1.5, []sheet.Line{
			{Value: "rate", Title: "batches of 32 × 128 B (2 × 8 in flight), msg/s", Reach: "3 ×", Floor: [2]string{"bare-batch-128", "rate"}},
			{Value: "cpu", Title: "… CPU-seconds of the server per million", Decimals: 2, Floor: [2]string{"bare-batch-128", "cpu"}},
		}, append(slices.Clone(batched128), "--warmup", "1s")...),
	}}
}

func syncGroup() group {
	return group{key: "sync", servers: both(), conf: "flushDiskType=SYNC_FLUSH\n", rows: []row{
		flatOut("sync-64", rated("sync", "produce", inStep64...).writing(0.6), 0.6, []sheet.Line{
			{Value: "rate", Title: "synchronous flush, 64 connections with one in flight, msg/s", Reach: "3 ×", Floor: [2]string{"bare-sync", "rate"}},
			{Value: "p50", Title: "… p50, µs", Floor: [2]string{"disk-sync", "p50"}},
			{Value: "p99", Title: "… p99, µs", Reach: "2 × the floor at most", Floor: [2]string{"disk-sync", "p99"}},
		}, append(slices.Clone(inStep64), "--warmup", "1s")...),
	}}
}
