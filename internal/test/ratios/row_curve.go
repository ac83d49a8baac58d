//go:build linux

package main

import (
	"fmt"
	"slices"

	"github.com/goddardmq/goddard/internal/test/ratios/sheet"
)

// parts are the shares of a server's top rate, in percent, at which its latency
// is measured for the plot.
func parts() []int { return []int{10, 25, 50, 75, 90} }

// curveGroup measures latency over throughput, of each server up to what it can do.
func curveGroup() group {
	return group{key: "curve", long: true, servers: both(), rows: []row{{
		key: "curve", warm: sends(), writes: 1.5, cost: loads(float64(len(parts())) * 0.6), measure: curve,
	}}}
}

func curve(b *bench) (map[string]float64, error) {
	top, err := b.firstValue("send-1k", "rate", b.s.key)
	if err != nil {
		return nil, err
	}
	values := map[string]float64{}
	for _, part := range parts() {
		rate := top * float64(part) / 100
		r, _, err := b.measured("produce", "--topic", "curve", "--size", "1024", "--rate", fmt.Sprintf("%.0f", rate), "--time", (b.o.span / 2).String(), "--warmup", "500ms")
		if err != nil {
			return nil, err
		}
		values[fmt.Sprintf("rate%d", part)] = r.Rate
		values[fmt.Sprintf("p50at%d", part)], values[fmt.Sprintf("p99at%d", part)] = float64(r.Latency.P50), float64(r.Latency.P99)
	}
	return values, nil
}

// curves are the medians of all rounds.
func curves(fs sheet.Figures) (all []sheet.Curve) {
	colors := map[string]string{"java": "#d62728", "goddard": "#1f77b4"}
	for _, server := range both() {
		for _, what := range []string{"p50", "p99"} {
			c := sheet.Curve{Name: fmt.Sprintf("%s, %s", names()[server], what), Color: colors[server], Dashed: what == "p99"}
			for _, part := range parts() {
				rate := sheet.SpreadOf(sheet.All(fs.Values("curve", server, fmt.Sprintf("rate%d", part))))
				latency := sheet.SpreadOf(sheet.All(fs.Values("curve", server, fmt.Sprintf("%sat%d", what, part))))
				if rate.N > 0 {
					c.Points = append(c.Points, sheet.Point{Rate: rate.Median, Latency: latency.Median})
				}
			}
			if len(c.Points) > 0 {
				all = append(all, c)
			}
		}
	}
	return slices.Clip(all)
}
