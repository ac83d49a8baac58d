package store

import (
	"bytes"
	"math"
	"reflect"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/segment"
)

func TestBlocksDecodeToWhatWasEncoded(t *testing.T) {
	for _, entries := range [][]entry{
		{{pos: 0, size: mq.MinRecordSize}},
		{{pos: math.MaxInt64 - math.MaxInt32, size: math.MaxInt32, tag: math.MinInt64, time: math.MaxInt64}},
		{{pos: 5, size: 91, tag: 3, time: 7}, {pos: 96, size: 4000, tag: -3, time: 6}, {pos: 1 << 40, size: 91, tag: math.MaxInt64, time: 1 << 50}},
		{{pos: 5, size: 120, tag: 3, time: 7}, {pos: 125, size: 120, tag: 3, time: 7}, {pos: 372, size: 91, tag: -61, time: 70}, {pos: 463, size: 155, tag: 2, time: 6}, {pos: 619, size: 155, tag: 2, time: 70}},
	} {
		b := appendBlock(nil, entries)
		got, err := decodeBlock(nil, b)
		if err != nil || !reflect.DeepEqual(got, entries) {
			t.Fatalf("got %v, %v; want %v", got, err, entries)
		}
		for n := range b {
			if _, err := decodeBlock(nil, b[:n]); err == nil {
				t.Fatalf("the first %d of %d bytes are a block too", n, len(b))
			}
		}
	}
}

// A block that decodes is encoded to something that decodes to the same.
func FuzzDecodeBlock(f *testing.F) {
	f.Add(appendBlock(nil, []entry{{pos: 0, size: 91}}))
	f.Add(appendBlock(nil, []entry{{pos: 5, size: 91, tag: 3, time: 7}, {pos: 96, size: 4000, tag: -3, time: 6}, {pos: 1 << 40, size: 91, time: 1 << 50}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := decodeBlock(nil, b)
		if err != nil {
			return
		}
		for i, e := range entries {
			if e.size < mq.MinRecordSize || e.pos < 0 || i > 0 && e.pos < entries[i-1].end() {
				t.Fatalf("entry %d is %+v", i, e)
			}
		}
		again, err := decodeBlock(nil, appendBlock(nil, entries))
		if err != nil || !reflect.DeepEqual(again, entries) {
			t.Fatalf("got %v, %v; want %v", again, err, entries)
		}
	})
}

func FuzzRowDecoders(f *testing.F) {
	f.Add(blockKey(mq.Queue{Topic: "T", ID: 3}, 7))
	f.Add(checkpoint{pos: 7, storeTime: 9}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if ck, err := decodeCheckpoint(b); err == nil && !bytes.Equal(ck.encode(), b) {
			t.Fatalf("checkpoint %x becomes %x", b, ck.encode())
		}
		if q, last, err := parseBlockKey(b); err == nil && len(b) > 0 && b[0] == rowIndex && !bytes.Equal(blockKey(q, last), b) {
			t.Fatalf("key %x becomes %x", b, blockKey(q, last))
		}
	})
}

// Whatever a log holds, a store opens on it or says why not, serves what it
// found, and finds the same when it is opened again.
func FuzzOpenLog(f *testing.F) {
	var log []byte
	for i, body := range []string{"a", "bb", "ccc"} {
		m := tagged("T", 0, "tag", body)
		at := len(log)
		log = mq.AppendRecord(log, &m, Options{}.StoreHost)
		mq.PatchRecord(log[at:], mq.QueueOffset(i), mq.LogPos(at), 1)
	}
	f.Add(log)
	f.Add(log[:len(log)-1])
	f.Add(append(bytes.Clone(log), 0, 0, 0, 100, 0xDA, 0xA3, 0x20, 0xA7))
	f.Add(mq.AppendBlank(bytes.Clone(log), 4096-len(log)))
	f.Fuzz(func(t *testing.T, b []byte) {
		o := Options{Dir: "store", FS: vfs.NewMem(), SegmentSize: 4096}
		_ = o.FS.MkdirAll("store/commitlog", 0o755)
		for start := 0; start < len(b); start += 4096 {
			file, err := o.FS.Create("store/commitlog/"+segment.Name(int64(start)), vfs.WriteCategoryUnspecified)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = file.Write(bytes.Clone(b[start:min(len(b), start+4096)]))
			file.Close()
		}
		s, err := Open(o)
		if err != nil {
			return
		}
		_, hi := s.LogBounds()
		queue := mq.Queue{Topic: "T"}
		lo, _, _ := s.Bounds(queue)
		before, err := s.Read(queue, lo, ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		mustSend(t, s, message("T", 0, "next"))
		mustClose(t, s)
		// Records that repeat an offset are left out of the index and reported.
		if _, err := Verify(o.FS, "store", nil); err != nil {
			t.Fatal(err)
		}
		s = mustOpen(t, o)
		after, err := s.Read(queue, lo, ReadOptions{MaxMessages: max(1, before.Count)})
		if err != nil || before.Count > 0 && !bytes.Equal(bytes.Join(before.Data, nil), bytes.Join(after.Data, nil)) {
			t.Fatalf("reopened store holds %d messages, had %d: %v", after.Count, before.Count, err)
		}
		if _, end := s.LogBounds(); end <= hi {
			t.Fatalf("log ends at %d, had %d", end, hi)
		}
		mustClose(t, s)
	})
}
