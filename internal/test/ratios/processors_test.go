//go:build linux

package main

import (
	"testing"

	"github.com/prometheus/procfs"
)

func TestIdleIsTheShareOfProcessorsThatNobodyUsed(t *testing.T) {
	a := procfs.CPUStat{User: 100, Nice: 10, System: 50, Idle: 1000, Iowait: 40, IRQ: 3, SoftIRQ: 7, Steal: 2, Guest: 60}
	b := procfs.CPUStat{User: 150, Nice: 10, System: 80, Idle: 1060, Iowait: 60, IRQ: 4, SoftIRQ: 9, Steal: 9, Guest: 90}
	if got, want := idleBetween(a, b), 100*80.0/170; got != want {
		t.Errorf("%.2f %% are idle, want %.2f", got, want)
	}
	if got := idleBetween(a, a); got != 0 {
		t.Errorf("%.2f %% of no time are idle", got)
	}
	if got := processors(); got.User == 0 {
		t.Errorf("the processors of this machine: %+v", got)
	}
}
