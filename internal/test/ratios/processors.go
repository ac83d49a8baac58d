//go:build linux

package main

import (
	"os"
	"strconv"
	"strings"
)

// A use is what the machine's processors have done since it runs, in ticks
// (proc(5), /proc/stat).
type use struct{ idle, all float64 }

// processors is nothing where the kernel does not say.
func processors() use {
	b, _ := os.ReadFile("/proc/stat")
	first, _, _ := strings.Cut(string(b), "\n")
	return useOf(first)
}

// useOf reads the line of all processors: user, nice, system, idle, waiting for a
// disk, interrupts, soft interrupts, and what the host took; guests are in user.
func useOf(line string) (u use) {
	for i, field := range strings.Fields(line) {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil || i > 8 {
			continue
		}
		u.all += n
		if i == 4 || i == 5 {
			u.idle += n
		}
	}
	return u
}

// idleSince is the share of the time since then in which processors had nothing to
// do, or waited for a disk, in percent.
func (u use) idleSince(then use) float64 {
	if u.all <= then.all {
		return 0
	}
	return 100 * (u.idle - then.idle) / (u.all - then.all)
}
