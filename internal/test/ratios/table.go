package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/test/against"
)

// title says what the tables below it are.
func title(w io.Writer, rounds int) {
	fmt.Fprintf(w, "# Goddard beside RocketMQ %s\n\n", against.OriginalVersion)
	fmt.Fprintf(w, "%s, %d CPUs (%s), %d rounds, medians; 1 KiB bodies, asynchronous flush. Made by `make bench`.\n\n",
		time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), cpuModel(), rounds)
}

// A row is one figure of each server.
type row[F any] struct {
	what, form string
	get        func(F) float64
}

var rows = []row[figures]{
	{"exec to first accepted message, ms", "%.0f", func(f figures) float64 { return float64(f.FirstSend.Milliseconds()) }},
	{"idle resident memory, MiB", "%.0f", func(f figures) float64 { return f.IdleMiB }},
	{"pipelined (4 × 128 in flight), msg/s", "%.0f", func(f figures) float64 { return f.Rate }},
	{"… CPU-seconds of the server per million", "%.2f", func(f figures) float64 { return f.CPU }},
	{"fixed rate for the next four, msg/s", "%.0f", func(f figures) float64 { return f.HalfRate }},
	{"… p50, µs", "%.0f", func(f figures) float64 { return float64(f.Half.P50) }},
	{"… p99, µs", "%.0f", func(f figures) float64 { return float64(f.Half.P99) }},
	{"… p99.9, µs", "%.0f", func(f figures) float64 { return float64(f.Half.P999) }},
	{"… max, µs", "%.0f", func(f figures) float64 { return float64(f.Half.Max) }},
	{"one in flight, p50 µs", "%.0f", func(f figures) float64 { return float64(f.One.P50) }},
	{"… p99, µs", "%.0f", func(f figures) float64 { return float64(f.One.P99) }},
	{"batches of 32 (2 × 8 in flight), msg/s", "%.0f", func(f figures) float64 { return f.BatchRate }},
	{"consume, pulls of 32, msg/s", "%.0f", func(f figures) float64 { return f.Consume }},
	{"… CPU-seconds of the server per million", "%.2f", func(f figures) float64 { return f.ConsumeCPU }},
	{"pops of 32, each message acknowledged, msg/s", "%.0f", func(f figures) float64 { return f.Pop }},
	{"… CPU-seconds of the server per million", "%.2f", func(f figures) float64 { return f.PopCPU }},
	{"end to end at 1,000 msg/s, p50 µs", "%.0f", func(f figures) float64 { return float64(f.E2E.P50) }},
	{"… p99, µs", "%.0f", func(f figures) float64 { return float64(f.E2E.P99) }},
}

// table prints the medians side by side.
func table[F any](w io.Writer, rows []row[F], java, ours []F) error {
	fmt.Fprintf(w, "| | RocketMQ | Goddard | Goddard / RocketMQ |\n|---|--:|--:|--:|\n")
	for _, row := range rows {
		j, o := median(java, row.get), median(ours, row.get)
		ratio := "–"
		if j > 0 {
			ratio = fmt.Sprintf("%.2f", o/j)
		}
		if _, err := fmt.Fprintf(w, "| %s | "+row.form+" | "+row.form+" | %s |\n", row.what, j, o, ratio); err != nil {
			return err
		}
	}
	return nil
}

func median[F any](of []F, get func(F) float64) float64 {
	var v []float64
	for _, f := range of {
		v = append(v, get(f))
	}
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

func cpuModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(rest), ":"))
		}
	}
	return runtime.GOARCH
}
