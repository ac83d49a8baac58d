//go:build linux

package main

import "github.com/prometheus/procfs"

// processors is what all processors of the machine have done since it runs, in
// seconds; nothing where the kernel does not say.
func processors() (all procfs.CPUStat) {
	if fs, err := procfs.NewDefaultFS(); err == nil {
		stat, _ := fs.Stat()
		all = stat.CPUTotal
	}
	return all
}

// idleBetween is the share of the time in which processors had nothing to do, or
// waited for a disk, in percent. What guests took is in the time of users.
func idleBetween(a, b procfs.CPUStat) float64 {
	idle := b.Idle + b.Iowait - a.Idle - a.Iowait
	busy := b.User + b.Nice + b.System + b.IRQ + b.SoftIRQ + b.Steal - a.User - a.Nice - a.System - a.IRQ - a.SoftIRQ - a.Steal
	if idle+busy <= 0 {
		return 0
	}
	return 100 * idle / (idle + busy)
}
