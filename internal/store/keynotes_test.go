package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
)

// everyKindOfBatch makes batches of messages that are found by all kinds of names,
// or by none: alone, in sends of several, in light queues, halves of transactions.
func everyKindOfBatch(r *rand.Rand) *mq.SendBatch {
	b := &mq.SendBatch{}
	for range 1 + r.IntN(4) {
		m := named(fmt.Sprint("T", r.IntN(2)), fmt.Sprint("u", r.IntN(1000)), strings.Repeat("k ", r.IntN(3))+fmt.Sprint("k", r.IntN(9)), "", strings.Repeat("x", r.IntN(2000)))
		switch r.IntN(5) {
		case 0:
			m.Properties = mq.AppendProperty(m.Properties, mq.PropMultiDispatch, mq.LitePrefix+"a,"+mq.LitePrefix+"b")
		case 1:
			m.Properties = nil
		case 2:
			m.Properties = mq.AppendProperty(m.Properties, mq.PropTags, "t")
		case 3:
			m.SysFlag = []mq.SysFlag{mq.FlagPrepared, mq.FlagCommitted, mq.FlagRollback}[r.IntN(3)]
		}
		send := mq.Send{Message: m}
		for range r.IntN(3) {
			send.More = append(send.More, named("", fmt.Sprint("u", r.IntN(1000)), "", "t", "more"))
		}
		b.Sends = append(b.Sends, send)
	}
	if r.IntN(10) == 0 { // too long for a segment, so that it is refused
		b.Sends[0].Body = make([]byte, 1<<20)
	}
	return b
}

// Whether the index is made of notes or of the log, it is the same; here it is
// made of both, since few flights are noted at a time.
func TestNotedKeysAreThoseOfTheLog(t *testing.T) {
	for _, limit := range []int{maxNotes, 40} {
		t.Run(fmt.Sprint("limit=", limit), func(t *testing.T) {
			s := mustOpen(t, testOptions(nil))
			defer mustClose(t, s)
			s.notebook.max = limit
			r := rand.New(rand.NewPCG(1, 2))
			follow := func() {
				for more := true; more; {
					var err error
					if more, err = s.followKeys(mq.LogPos(s.committed.Load()), keyStep); err != nil {
						t.Fatal(err)
					}
				}
			}
			for i := range 400 {
				s.Append(everyKindOfBatch(r))
				if i%(1+r.IntN(9)) == 0 {
					follow()
				}
			}
			follow()
			if onlyNotes := s.keys.mu.window == nil; onlyNotes != (limit == maxNotes) {
				t.Fatalf("the log was not read: %v", onlyNotes)
			}
			got, head := slices.Clone(s.keys.mu.entries), s.keys.mu.head
			if s.seg.Size() > int64(head.end)/3 || len(got) < 1000 {
				t.Fatalf("only %d entries of %d bytes of log", len(got), head.end)
			}

			s.keys.mu.head, s.keys.mu.entries, s.keys.mu.notes, s.notebook.notes = keyHead{}, nil, notes{}, notes{}
			follow()
			if s.keys.mu.head != head || !slices.Equal(s.keys.mu.entries, got) {
				t.Errorf("noted were %d entries of %+v, the log has %d of %+v", len(got), head, len(s.keys.mu.entries), s.keys.mu.head)
			}
		})
	}
}

// The index takes no note of what is behind the position that it may follow to.
func TestNotesWaitUntilTheyMayBeFollowed(t *testing.T) {
	s := mustOpen(t, testOptions(nil))
	defer mustClose(t, s)
	mustSend(t, s, named("T", "u1", "", "", "synced"))
	if err := s.syncLog(); err != nil {
		t.Fatal(err)
	}
	mustSend(t, s, named("T", "u2", "", "", "not synced"))
	for range 2 {
		if more, err := s.followKeys(s.Synced(), keyStep); more || err != nil {
			t.Fatal(more, err)
		}
	}
	if n, end := len(s.keys.mu.entries), s.keys.mu.head.end; n != 1 || end != s.Synced() {
		t.Errorf("%d entries of the log up to %d, %d is synced", n, end, s.Synced())
	}
	if got := lookUp(t, s, mq.LookupRequest{Topic: "T", Key: "u2"}); got != "not synced" {
		t.Errorf("found %q", got)
	}
}

func TestAnIdleIndexKeepsNoMemoryForNotes(t *testing.T) {
	s := mustOpen(t, testOptions(nil))
	defer mustClose(t, s)
	for i := range 100 {
		mustSend(t, s, named("T", fmt.Sprint("u", i), "", "", "b"))
	}
	if err := s.syncLog(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := s.followKeys(s.Synced(), keyStep); err != nil {
			t.Fatal(err)
		}
	}
	if kept := cap(s.keys.mu.notes.entries) + cap(s.notebook.notes.entries); kept > 0 || len(s.keys.mu.entries) != 100 {
		t.Errorf("room for %d entries is kept, with %d in the index", kept, len(s.keys.mu.entries))
	}
}
