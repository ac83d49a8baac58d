//go:build linux

package main

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goddardmq/goddard/internal/test/ratios/sheet"
)

// What a server is taken to write at most, flat out: its processors bound it on
// a small machine, and where they do not, the disk does.
const (
	gibPerCPU = 0.2 // a second
	gibAtMost = 2.0 // a second
)

// writeRate is in GiB a second. What the disk takes counts once it is measured.
func writeRate(fs sheet.Figures) float64 {
	rate := min(gibPerCPU*float64(runtime.NumCPU()), gibAtMost)
	if disk := sheet.SpreadOf(sheet.All(fs.Values("disk-write", "floor", "mib"))); disk.N > 0 {
		rate = min(rate, disk.Max/1024)
	}
	return rate
}

// room is the disk in GiB that measuring rows of a group on one server in one
// round takes at most; warmed are its paths that are warm, nil if it is not there yet.
func room(o *options, g *group, rows []row, warmed map[string]int, rate float64) float64 {
	var flatOut time.Duration
	_, most := o.warmTimes()
	seen := map[string]bool{}
	for _, r := range rows {
		flatOut += time.Duration(r.writes * float64(o.span))
		if r.warm != nil && warmed[r.warm.key] == 0 && !seen[r.warm.key] {
			seen[r.warm.key] = true
			// What is cold for long is slow for long.
			flatOut += time.Duration(r.warm.writes * float64(most) / 3)
		}
	}
	need := flatOut.Seconds() * rate
	if g.room != nil && warmed == nil {
		need += g.room(o)
	}
	return need
}

// roomFor says what the disk lacks for a visit.
func (p *plan) roomFor(g *group, v *visit) error {
	var warmed map[string]int
	if b := p.benches[v.server]; b != nil {
		warmed = b.warmed
	}
	need := room(p.o, g, v.rows, warmed, writeRate(p.raw.Figures))
	if need == 0 {
		return nil
	}
	free, err := freeGiB(p.o.dir)
	if err != nil {
		return err
	}
	if free < need {
		return fmt.Errorf("it may take %.0f GiB on the disk of %s, which has %.0f free; give another with -dir, or a smaller -time, -cold or -long", need, p.o.dir, free)
	}
	return nil
}

func freeGiB(dir string) (float64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return float64(st.Bavail) * float64(st.Bsize) / (1 << 30), nil
}
