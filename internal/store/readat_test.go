package store

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
)

func TestRecordsAreFoundAtTheirPositionsInMemoryAndInTheLog(t *testing.T) {
	o := testOptions(nil)
	o.SegmentSize = 1 << 20
	s := mustOpen(t, o)
	defer mustClose(t, s)
	var all []mq.LogPos
	put := func(size int) {
		all = append(all, mustSend(t, s, message("T", 0, strings.Repeat("x", size)))[0].Result.Pos)
	}
	put(10)
	cold := all[0]
	if _, _, err := s.ReadRecent(nil, cold); !errors.Is(err, ErrNotRecent) {
		t.Fatalf("a record is in memory before anybody asked for one: %v", err)
	}
	// Pieces of the tail end somewhere in these, and records of guessed bytes and more.
	for _, size := range []int{10, guessed - 91, guessed, 100_000, 100_000, 100_000, 10} {
		put(size)
	}
	buf := []byte("before")
	for _, pos := range all[1:] {
		was := len(buf)
		var r mq.Record
		var err error
		if buf, r, err = s.ReadRecent(buf, pos); err != nil || r.Pos != pos {
			t.Fatalf("at %d in memory: %v at %d", pos, err, r.Pos)
		}
		logged, err := s.readLog(pos)
		if err != nil || !bytes.Equal(logged, buf[was:]) || !bytes.Equal(logged, mustReadAt(t, s, pos)) {
			t.Fatalf("at %d the log has %d bytes (%v), the memory %d", pos, len(logged), err, len(buf)-was)
		}
	}
	if !bytes.HasPrefix(buf, []byte("before")) {
		t.Error("what was there was overwritten")
	}
	mustReadAt(t, s, cold)
	for _, pos := range []mq.LogPos{-1, cold + 1, all[2] + 1, all[3] + 50_000, all[len(all)-1] + 90, 1 << 40} {
		if _, err := s.ReadAt(pos); !errors.Is(err, mq.ErrNotFound) {
			t.Errorf("at %d: %v", pos, err)
		}
		got, _, err := s.ReadRecent(buf, pos)
		if !errors.Is(err, mq.ErrNotFound) && !errors.Is(err, ErrNotRecent) || len(got) != len(buf) {
			t.Errorf("at %d in memory: %v", pos, err)
		}
	}
}
