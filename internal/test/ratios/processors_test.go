//go:build linux

package main

import "testing"

func TestIdleIsTheShareOfProcessorsThatNobodyUsed(t *testing.T) {
	then := useOf("cpu  100 10 50 1000 40 3 7 2 60 0")
	now := useOf("cpu  150 10 80 1060 60 4 9 9 90 0")
	if got, want := now.idleSince(then), 100*80.0/170; got != want {
		t.Errorf("%.2f %% are idle, want %.2f", got, want)
	}
	if got := then.idleSince(then); got != 0 {
		t.Errorf("%.2f %% of no time are idle", got)
	}
	if got := processors(); got.all <= got.idle || got.idle == 0 {
		t.Errorf("the processors of this machine: %+v", got)
	}
}
