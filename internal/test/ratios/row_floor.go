//go:build linux

package main

import (
	"fmt"
	"slices"

	"github.com/goddardmq/goddard/internal/test/ratios/sheet"
)

// floorGroup is what no server on this machine can be better than.
func floorGroup() group {
	machine := func(key, kind string, cost float64, lines []sheet.Line, args func(b *bench) []string) row {
		return row{key: key, cost: loads(cost), lines: lines, measure: func(b *bench) (map[string]float64, error) {
			return throughput(b.load(kind, args(b)...))
		}}
	}
	// A virtual machine's disk is work for its host too, which may count for the same allowance.
	busy := func(r row, title string) row {
		quiet := r.measure
		r.key += "-busy"
		r.lines = []sheet.Line{{Value: "mib", Title: title}}
		r.measure = func(b *bench) (map[string]float64, error) {
			stop, err := keepAwake(b.kit)
			if err != nil {
				return nil, err
			}
			defer stop()
			return quiet(b)
		}
		return r
	}
	none := func(*bench) []string { return nil }
	dir := func(b *bench) []string { return []string{"-dir", b.s.dir} }
	file := func(b *bench) []string {
		size := int64(2 << 30)
		if b.o.quick {
			size = 512 << 20
		}
		return []string{"-dir", b.s.dir, "-bytes", fmt.Sprint(size)}
	}
	const besideOthers = "… while all processors have work that gives way to it, MiB/s"
	write := machine("disk-write", "write", 1, []sheet.Line{{Value: "mib", Title: "disk: sequential write, synced at the end, MiB/s"}}, file)
	read := machine("disk-read", "read", 1.5, []sheet.Line{{Value: "mib", Title: "disk: sequential read, not cached, MiB/s"}}, file)
	return group{key: "floor", servers: []string{"floor"}, room: func(*options) float64 { return 4 }, rows: []row{
		machine("echo", "echo", 1, []sheet.Line{
			{Value: "p50", Title: "loopback: 1 KiB there and back, p50 µs"}, {Value: "p99", Title: "… p99, µs"}, {Value: "p999", Title: "… p99.9, µs"},
		}, none),
		machine("way-1000", "way", 1, wayLines("1,000/s"), func(*bench) []string { return []string{"-rate", "1000"} }),
		machine("way-10000", "way", 1, wayLines("10,000/s"), func(*bench) []string { return []string{"-rate", "10000"} }),
		machine("stream", "stream", 1, []sheet.Line{{Value: "mib", Title: "loopback: one connection, one way, MiB/s"}}, none),
		write, busy(write, besideOthers), read, busy(read, besideOthers),
		machine("disk-sync", "sync", 1, []sheet.Line{
			{Value: "p50", Title: "disk: 4 KiB and fdatasync, p50 µs"}, {Value: "p99", Title: "… p99, µs"},
		}, dir),
	}}
}

// wayLines are what waking up costs: no broker is in between.
func wayLines(rate string) []sheet.Line {
	return []sheet.Line{{Value: "p50", Title: "loopback: 1 KiB there and back at " + rate + ", from when it was due, p50 µs"}, {Value: "p999", Title: "… p99.9, µs"}}
}

// bareGroup is a server that parses and answers requests and stores nothing.
func bareGroup() group {
	lines := func(title string) []sheet.Line {
		return []sheet.Line{{Value: "rate", Title: title + ", msg/s"}, {Value: "cpu", Title: "… CPU-seconds of the server per million", Decimals: 2}, {Value: "p99", Title: "… p99, µs"}}
	}
	calls := func(key, kind, title string, args ...string) row {
		return row{key: key, lines: lines(title)[:2], cost: loads(1), measure: func(b *bench) (map[string]float64, error) {
			return throughput(b.grpcMeasured(kind, args...))
		}}
	}
	pulls := func(key, topic, title string) row {
		return row{key: key, lines: lines(title)[:2], cost: loads(1.2), measure: func(b *bench) (map[string]float64, error) {
			return throughput(b.measured("consume", "--topic", topic, "--last", "100000", "--warmup", "1s"))
		}}
	}
	return group{key: "bare", servers: []string{"bare"}, rows: []row{
		flatOut("bare-1k", nil, 0, lines("1 KiB pipelined"), pipelined1K...),
		flatOut("bare-128", nil, 0, lines("128 B pipelined"), "--size", "128", "--connections", "4", "--in-flight", "128"),
		flatOut("bare-64", nil, 0, lines("64 connections with one in flight"), append(slices.Clone(inStep64), "--warmup", "1s")...),
		flatOut("bare-sync", nil, 0, lines("… with an fdatasync for all that wait"), append(slices.Clone(inStep64), "--warmup", "1s")...),
		flatOut("bare-batch-1k", nil, 0, lines("batches of 32 × 1 KiB"), append(slices.Clone(batched1K), "--warmup", "1s")...),
		flatOut("bare-batch-128", nil, 0, lines("batches of 32 × 128 B"), append(slices.Clone(batched128), "--warmup", "1s")...),
		pulls("bare-consume-1k", "canned-1024", "pulls of 32 × 1 KiB"),
		pulls("bare-consume-128", "canned-128", "pulls of 32 × 128 B"),
		calls("bare-grpc-send", "send", "gRPC: 1 KiB, a call each"),
		calls("bare-grpc-receive", "receive", "gRPC: receive and acknowledge, batches of 32", "-group", grpcGroup, "-in-flight", "4"),
	}}
}
