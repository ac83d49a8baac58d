package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/segment"
)

// diskStore is a store on a disk, with messages of some 1 KiB in two queues in turn.
func diskStore(t *testing.T, o Options, messages int) *Store {
	t.Helper()
	o.Dir = t.TempDir()
	s := mustOpen(t, o)
	for i := range messages {
		mustSend(t, s, message("T", int32(i%2), strings.Repeat(string(rune('a'+i%26)), 1000+i%100)))
	}
	return s
}

// mappings is how many parts of a store's files the process has mapped.
func mappings(t *testing.T, s *Store) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Skip("this system does not say what is mapped:", err)
	}
	return strings.Count(string(maps), filepath.Join(s.o.Dir, logDir))
}

func TestWhoDoesNotLookAtMessagesGetsThePageCacheItself(t *testing.T) {
	s := diskStore(t, Options{SegmentSize: 64 << 10}, 300)
	q := mq.Queue{Topic: "T", ID: 1}
	var want, got []byte
	for from := mq.QueueOffset(0); from < 150; {
		for _, o := range []ReadOptions{{}, {Lend: true}, {Lend: true, NoDisk: true}} {
			o.MaxMessages = 40
			b, err := s.Read(q, from, o)
			if err != nil || b.Count == 0 {
				t.Fatal(b.Count, err)
			}
			switch all := bytes.Join(b.Data, nil); {
			case !o.Lend:
				want = append(want, all...)
			case !o.NoDisk:
				got = append(got, all...)
			default:
				if !bytes.HasSuffix(got, all) {
					t.Error("who may not wait gets others")
				}
				from = b.Next
			}
			if mapped := mappings(t, s) > 0; mapped != (o.Lend || from > 0) {
				t.Errorf("at %d, lent %v: mapped %v", from, o.Lend, mapped)
			}
			b.Release()
		}
	}
	if !bytes.Equal(got, want) {
		t.Error("what is lent is not what is stored")
	}
	mustClose(t, s)
	if n := mappings(t, s); n > 0 {
		t.Errorf("%d parts are mapped after all that", n)
	}
}

func TestMessagesAreLentWhileOthersAreStoredAndRemoved(t *testing.T) {
	s := diskStore(t, Options{SegmentSize: 256 << 10, Retention: time.Nanosecond, DeleteHour: "4"}, 10)
	ended := make(chan struct{})
	var readers sync.WaitGroup
	for id := range int32(2) {
		readers.Go(func() {
			q, from := mq.Queue{Topic: "T", ID: id}, mq.QueueOffset(0)
			for {
				b, err := s.Read(q, from, ReadOptions{Lend: true})
				if err != nil {
					t.Error(err)
					return
				}
				from = b.Next
				for _, data := range b.Data {
					for len(data) > 0 {
						r, rest, err := mq.DecodeRecord(data)
						if err != nil || !r.Intact() || r.QueueID != id {
							t.Errorf("message %d of queue %d: %v", r.QueueOffset, id, err)
							return
						}
						data = rest
					}
				}
				b.Release()
				select {
				case <-ended:
					return
				default:
				}
			}
		})
	}
	for range 20 {
		for i := range 100 {
			mustSend(t, s, message("T", int32(i%2), strings.Repeat("x", 1000)))
		}
		if err := errors.Join(s.syncLog(), s.writeCheckpoint()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Clean(time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	close(ended)
	readers.Wait()
	if s.seg.Start() == 0 {
		t.Error("nothing was removed")
	}
	mustClose(t, s)
}

func TestADiskThatCannotGiveBackWhatWasLentIsAnError(t *testing.T) {
	s := diskStore(t, Options{}, 10)
	defer mustClose(t, s)
	w, b := s.seg.Lend(0, 4096)
	if w == nil {
		t.Fatal("nothing is lent")
	}
	defer w.Release()
	// As good as a page that cannot be read.
	if err := os.Truncate(filepath.Join(s.o.Dir, logDir, segment.Name(0)), 0); err != nil {
		t.Fatal(err)
	}
	r := s.readers.get()
	defer r.release()
	r.wanted, r.offsets = []entry{{pos: 0, size: 1100}}, []mq.QueueOffset{0}
	err := s.cutOutMapped(r, &part{to: 1, mapped: b}, mq.Queue{Topic: "T"})
	if !errors.Is(err, mq.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
