package store

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
)

func TestRecordsAnywhereInTheLogAreReadTogether(t *testing.T) {
	o := testOptions(vfs.NewMem())
	o.SegmentSize = 64 << 10
	s := mustOpen(t, o)
	defer mustClose(t, s)
	var all []Place
	var want []string
	for i := range 300 {
		body := strings.Repeat(string(rune('a'+i%26)), 1+i*7%3000)
		sent := mustSend(t, s, message("T", 0, body))
		data, err := s.ReadAt(sent[0].Result.Pos)
		if err != nil {
			t.Fatal(err)
		}
		all, want = append(all, Place{sent[0].Result.Pos, int32(len(data))}), append(want, body)
	}
	var buf []byte
	for _, step := range []int{1, 2, 5, 40} {
		var places []Place
		var bodies []string
		for i := 0; i < len(all); i += step {
			p := all[i]
			switch i % 16 {
			case 3:
				p.Size = 0 // as from a row of an earlier version
			case 7:
				p.Size += 5
			case 11:
				p.Size--
			}
			places, bodies = append(places, p), append(bodies, want[i])
		}
		got := make([]mq.Record, len(places))
		buf = s.ReadEach(places, buf, func(i int, r *mq.Record, err error) {
			if err != nil {
				t.Fatalf("record %d: %v", i, err)
			}
			got[i] = *r
		})
		for i := range got {
			if got[i].Pos != places[i].Pos || string(got[i].Body) != bodies[i] {
				t.Errorf("every %d: record %d is at %d with %.10q, want %d with %.10q", step, i, got[i].Pos, got[i].Body, places[i].Pos, bodies[i])
			}
		}
	}
}

func TestOneDamagedRecordLeavesItsNeighboursReadable(t *testing.T) {
	s := mustOpen(t, testOptions(vfs.NewMem()))
	defer mustClose(t, s)
	var places []Place
	body := 0
	for range 5 {
		sent := mustSend(t, s, message("T", 0, "a body"))
		data, err := s.ReadAt(sent[0].Result.Pos)
		if err != nil {
			t.Fatal(err)
		}
		places, body = append(places, Place{sent[0].Result.Pos, int32(len(data))}), bytes.Index(data, []byte("a body"))
	}
	if err := s.seg.WriteAt([]byte("A"), int64(places[2].Pos)+int64(body)); err != nil {
		t.Fatal(err)
	}
	_, hi := s.LogBounds()
	places = append(places, Place{hi + 1000, places[0].Size})
	s.ReadEach(places, nil, func(i int, r *mq.Record, err error) {
		var corrupt *CorruptError
		switch i {
		case 2:
			if !errors.As(err, &corrupt) {
				t.Errorf("the damaged record: %v", err)
			}
		case 5:
			if !errors.Is(err, mq.ErrNotFound) {
				t.Errorf("behind the end: %v", err)
			}
		default:
			if err != nil || string(r.Body) != "a body" {
				t.Errorf("record %d: %v", i, err)
			}
		}
	})
}
