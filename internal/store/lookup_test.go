package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
)

// named is a message that can be found.
func named(topic, unique, keys, tag, body string) mq.Message {
	m := message(topic, 0, body)
	m.Properties = mq.AppendProperty(m.Properties, mq.PropKeys, keys)
	m.Properties = mq.AppendProperty(m.Properties, mq.PropTags, tag)
	m.Properties = mq.AppendProperty(m.Properties, mq.PropUniqueKey, unique)
	return m
}

// lookUp returns the bodies that a lookup finds, between spaces.
func lookUp(t testing.TB, s *Store, q mq.LookupRequest) string {
	t.Helper()
	res, err := s.Lookup(q)
	if err != nil {
		t.Fatal(err)
	}
	var bodies []string
	last := mq.LogPos(-1)
	for _, b := range res.Records {
		r, _, err := mq.DecodeRecord(b)
		if err != nil || r.Pos <= last {
			t.Fatalf("record at %d behind %d: %v", r.Pos, last, err)
		}
		last = r.Pos
		bodies = append(bodies, string(r.Body))
	}
	return strings.Join(bodies, " ")
}

// sealKeys indexes everything and writes all of it to the key store, in blocks
// of a few entries.
func sealKeys(t testing.TB, s *Store, entries int) {
	t.Helper()
	if err := s.syncLog(); err != nil {
		t.Fatal(err)
	}
	s.keys.mu.Lock()
	s.keys.entries = entries
	s.keys.mu.Unlock()
	for {
		more, err := s.followKeys(s.Synced(), keyStep)
		if err != nil {
			t.Fatal(err)
		}
		s.keys.mu.Lock()
		full := s.keys.full()
		s.keys.mu.Unlock()
		if !more && !full {
			return
		}
	}
}

func TestMessagesAreFoundByKeyUniqueKeyAndTag(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		t.Run(fmt.Sprintf("sealed=%v", sealed), func(t *testing.T) {
			s := mustOpen(t, testOptions(nil))
			defer mustClose(t, s)
			for i := range 20 {
				mustSend(t, s, named("T", fmt.Sprintf("u%d", i), fmt.Sprintf("k%d  k%d", i%3, i), fmt.Sprintf("t%d", i%2), fmt.Sprint(i)),
					named("other", fmt.Sprintf("u%d", i), "k1", "t1", "no"))
			}
			half := named("T", "half", "", "", "half")
			half.SysFlag = mq.FlagPrepared
			back := named("T", "back", "", "", "back")
			back.SysFlag = mq.FlagRollback
			mustSend(t, s, half, back)
			if sealed {
				sealKeys(t, s, 7)
			}
			for _, c := range []struct {
				kind     mq.LookupKind
				key      string
				max      int
				expected string
			}{
				{mq.LookupUnique, "u7", 0, "7"},
				{mq.LookupUnique, "k7", 0, ""},
				{mq.LookupKey, "k7", 0, "7"},
				{mq.LookupKey, "k1", 0, "1 4 7 10 13 16 19"},
				{mq.LookupKey, "k1", 3, "13 16 19"},
				{mq.LookupKey, "u3", 0, "3"},
				{mq.LookupKey, "t1", 0, ""},
				{mq.LookupKey, "", 0, ""},
				{mq.LookupTag, "t1", 4, "13 15 17 19"},
				{mq.LookupTag, "k1", 0, ""},
				{mq.LookupUnique, "half", 0, "half"},
				{mq.LookupUnique, "back", 0, ""},
			} {
				if got := lookUp(t, s, mq.LookupRequest{Topic: "T", Key: c.key, Kind: c.kind, Max: c.max}); got != c.expected {
					t.Errorf("%d %q: found %q, want %q", c.kind, c.key, got, c.expected)
				}
			}
		})
	}
}

func TestLookupsKeepToTheTimeOfStoring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, testOptions(nil))
		defer mustClose(t, s)
		began := time.Now()
		for i := range 30 {
			mustSend(t, s, named("T", fmt.Sprint("u", i), "k", "t", fmt.Sprint(i)))
			time.Sleep(time.Second)
		}
		at := func(i int) time.Time { return began.Add(time.Duration(i) * time.Second) }
		for _, sealed := range []bool{false, true} {
			if sealed {
				sealKeys(t, s, 12)
			}
			for _, c := range []struct {
				from, to time.Time
				max      int
				expected string
			}{
				{at(3), at(6), 0, "3 4 5 6"},
				{at(3), at(6).Add(-time.Millisecond), 0, "3 4 5"},
				{at(9), at(20), 3, "18 19 20"},
				{time.Time{}, at(1), 0, "0 1"},
				{at(28), time.Time{}, 0, "28 29"},
				{at(28), at(10000), 0, "28 29"},
				{at(40), at(50), 0, ""},
				{at(-50), at(-40), 0, ""},
				{at(6), at(3), 0, ""},
			} {
				q := mq.LookupRequest{Topic: "T", Key: "k", From: c.from, To: c.to, Max: c.max}
				if got := lookUp(t, s, q); got != c.expected {
					t.Errorf("sealed %v, %v to %v: found %q, want %q", sealed, c.from.Sub(began), c.to.Sub(began), got, c.expected)
				}
			}
		}
	})
}

func TestPagesOfALookupLoseAndRepeatNothing(t *testing.T) {
	s := mustOpen(t, testOptions(nil))
	defer mustClose(t, s)
	const count = 200
	for i := range count {
		mustSend(t, s, named("T", fmt.Sprint("u", i), "k", "", fmt.Sprint(i)))
	}
	sealKeys(t, s, 50)
	mustSend(t, s, named("T", "last", "k", "", fmt.Sprint(count)))
	after, next := mq.LogPos(-1), 0
	for {
		res, err := s.Lookup(mq.LookupRequest{Topic: "T", Key: "k", Max: 17, After: &after})
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range res.Records {
			r, _, _ := mq.DecodeRecord(b)
			if string(r.Body) != fmt.Sprint(next) {
				t.Fatalf("found %s, want %d", r.Body, next)
			}
			next, after = next+1, r.Pos
		}
		if len(res.Records) == 0 {
			break
		}
	}
	if next != count+1 {
		t.Fatalf("found %d messages, want %d", next, count+1)
	}
	if got := lookUp(t, s, mq.LookupRequest{Topic: "T", Key: "k", Max: 1000}); len(strings.Fields(got)) != maxLookupMessages {
		t.Errorf("found %d messages at once", len(strings.Fields(got)))
	}
}

func TestTheKeyIndexIsRebuiltWhereItIsMissing(t *testing.T) {
	fs := vfs.NewMem()
	s := mustOpen(t, testOptions(fs))
	for i := range 100 {
		mustSend(t, s, named("T", fmt.Sprint("u", i), "", "", fmt.Sprint(i)))
	}
	sealKeys(t, s, 30)
	mustSend(t, s, named("T", "open", "", "", "open"))
	check := func(s *Store) {
		t.Helper()
		for _, i := range []int{0, 29, 30, 31, 99} {
			if got := lookUp(t, s, mq.LookupRequest{Topic: "T", Key: fmt.Sprint("u", i), Kind: mq.LookupUnique}); got != fmt.Sprint(i) {
				t.Errorf("u%d: found %q", i, got)
			}
		}
		if got := lookUp(t, s, mq.LookupRequest{Topic: "T", Key: "open"}); got != "open" {
			t.Errorf("open: found %q", got)
		}
	}
	check(s)
	mustClose(t, s)

	s = mustOpen(t, testOptions(fs)) // what was in memory only is read again
	if s.keys.mu.head.end == 0 {
		t.Error("nothing of the index is left after a restart")
	}
	check(s)
	if err := s.dropIndex(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	s = mustOpen(t, testOptions(fs))
	check(s)
	mustClose(t, s)

	o := testOptions(fs)
	o.KeyIndex = new(false)
	s = mustOpen(t, o)
	mustSend(t, s, named("T", "meanwhile", "", "", "meanwhile"))
	if _, err := s.Lookup(mq.LookupRequest{Topic: "T", Key: "u1"}); !errors.Is(err, mq.ErrNotFound) || !strings.Contains(err.Error(), "messageIndexEnable") {
		t.Errorf("a lookup without an index: %v", err)
	}
	mustClose(t, s)
	s = mustOpen(t, testOptions(fs))
	if got := lookUp(t, s, mq.LookupRequest{Topic: "T", Key: "meanwhile"}); got != "meanwhile" {
		t.Errorf("what was stored without an index: found %q", got)
	}
	mustClose(t, s)
}

// An index that speaks of more than the log has is not believed.
func TestAKeyIndexAheadOfTheLogIsDropped(t *testing.T) {
	fs := vfs.NewMem()
	s := mustOpen(t, testOptions(fs))
	mustSend(t, s, named("T", "u", "", "", "b"))
	b := s.rows.db.NewBatch()
	head := keyHead{start: 0, end: 1 << 40, firstTime: 1, lastTime: 2}
	if err := errors.Join(b.Set(keyRow(0, keyHeadSuffix), head.encode(), nil), s.rows.apply(b, true)); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	s = mustOpen(t, testOptions(fs))
	defer mustClose(t, s)
	if got := lookUp(t, s, mq.LookupRequest{Topic: "T", Key: "u"}); got != "b" {
		t.Errorf("found %q", got)
	}
}

func TestRetentionTrimsTheKeyIndex(t *testing.T) {
	s := mustOpen(t, testOptions(nil))
	defer mustClose(t, s)
	body := strings.Repeat("x", 8<<10)
	for i := range 40 { // about seven to a segment
		mustSend(t, s, named("T", fmt.Sprint("u", i), "k", "", fmt.Sprint(i)+body))
	}
	sealKeys(t, s, 4)
	if err := s.writeCheckpoint(); err != nil {
		t.Fatal(err)
	}
	heads := func() (all []mq.LogPos) {
		err := s.rows.scanHeads(1<<40, func(h keyHead) error { all = append(all, h.end); return nil })
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	before := heads()
	for range 3 {
		if _, err := s.seg.RemoveFirst(); err != nil {
			t.Fatal(err)
		}
	}
	start := mq.LogPos(s.seg.Start())
	if err := s.trimIndex(start); err != nil {
		t.Fatal(err)
	}
	after := heads()
	if len(before) != 20 || len(after) >= len(before) || !slices.Equal(after, before[len(before)-len(after):]) || after[0] <= start {
		t.Errorf("blocks end at %v before and at %v after the log starts at %d", before, after, start)
	}
	if got := lookUp(t, s, mq.LookupRequest{Topic: "T", Key: "u1"}); got != "" {
		t.Error("a message is found that was removed")
	}
	if got := lookUp(t, s, mq.LookupRequest{Topic: "T", Key: "u39"}); !strings.HasPrefix(got, "39") {
		t.Error("the last message is not found")
	}
	if got := len(strings.Fields(lookUp(t, s, mq.LookupRequest{Topic: "T", Key: "k"}))); got == 0 || got >= 40 {
		t.Errorf("found %d messages", got)
	}
}

func TestDeletedTopicsAreNotFoundByKey(t *testing.T) {
	s := mustOpen(t, testOptions(nil))
	defer mustClose(t, s)
	mustSend(t, s, named("T", "u1", "k", "", "old"))
	if err := s.Forget("T"); err != nil {
		t.Fatal(err)
	}
	mustSend(t, s, named("T", "u2", "k", "", "new"))
	if got := lookUp(t, s, mq.LookupRequest{Topic: "T", Key: "k"}); got != "new" {
		t.Errorf("found %q", got)
	}
}

// After a crash the index leads to what the log still has, and to nothing else.
func TestTheKeyIndexSurvivesPowerLoss(t *testing.T) {
	fs := vfs.NewCrashableMem()
	o := testOptions(fs)
	o.Flush = FlushSync
	s := mustOpen(t, o)
	stop := runStore(t, s)
	for i := range 60 {
		mustSend(t, s, named("T", fmt.Sprint("u", i), "", "", fmt.Sprint(i)))
		if i == 30 {
			sealKeys(t, s, 8)
		}
	}
	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	stop()
	mustClose(t, s)
	o.FS = crashed
	s = mustOpen(t, o)
	defer mustClose(t, s)
	for i := range 60 {
		if got := lookUp(t, s, mq.LookupRequest{Topic: "T", Key: fmt.Sprint("u", i)}); got != fmt.Sprint(i) {
			t.Errorf("u%d: found %q", i, got)
		}
	}
}

func TestEntriesShowAQueuesIndex(t *testing.T) {
	s := mustOpen(t, testOptions(nil))
	defer mustClose(t, s)
	for i := range 10 {
		mustSend(t, s, tagged("T", 1, "a", fmt.Sprint(i)))
		if i == 4 {
			if err := errors.Join(s.syncLog(), s.writeCheckpoint()); err != nil {
				t.Fatal(err)
			}
		}
	}
	q := mq.Queue{Topic: "T", ID: 1}
	for _, c := range []struct {
		from  mq.QueueOffset
		count int
		want  int
	}{{0, 100, 10}, {3, 4, 4}, {9, 5, 1}, {10, 5, 0}, {50, 5, 0}, {-3, 2, 2}, {0, 0, 0}} {
		got, err := s.Entries(q, c.from, c.count)
		if err != nil || len(got) != c.want {
			t.Errorf("%d from %d: %d entries, %v; want %d", c.count, c.from, len(got), err, c.want)
		}
		for i, e := range got {
			b, err := s.ReadAt(e.Pos)
			if err != nil || e.Offset != max(0, c.from)+mq.QueueOffset(i) || len(b) != int(e.Size) || e.TagCode != mq.TagCode("a") {
				t.Errorf("entry %d from %d: %+v, %v", i, c.from, e, err)
			}
		}
	}
	if got, err := s.Entries(mq.Queue{Topic: "absent"}, 0, 5); len(got) > 0 || err != nil {
		t.Errorf("entries of a queue that is not there: %v, %v", got, err)
	}
}

func TestSortingByHashKeepsTheOrderOfPositions(t *testing.T) {
	var entries []keyEntry
	for at := range uint32(5000) {
		entries = append(entries, newKeyEntry(at*2654435761>>(at%7), at))
	}
	want := slices.Sorted(slices.Values(entries))
	if sortByHash(entries); !slices.Equal(entries, want) {
		t.Error("not in order")
	}
}

// What a bucket is encoded from is found in it, and only that.
func FuzzFindInBucket(f *testing.F) {
	f.Add(appendKeyBucket(nil, []keyEntry{newKeyEntry(0x01000000, 0), newKeyEntry(0x01000000, 7), newKeyEntry(0x01000009, 3), newKeyEntry(0x01FFFFFF, 1<<31)}), uint32(9))
	f.Add([]byte{0x80}, uint32(0))
	f.Fuzz(func(t *testing.T, b []byte, hash uint32) {
		found, err := findInBucket(nil, b, hash)
		if err != nil {
			return
		}
		var entries []keyEntry
		for _, at := range found {
			entries = append(entries, newKeyEntry(hash, at))
		}
		if !slices.IsSorted(entries) {
			t.Fatalf("positions %v do not rise", found)
		}
		again, err := findInBucket(nil, appendKeyBucket(nil, entries), hash)
		if err != nil || !slices.Equal(again, found) {
			t.Fatalf("got %v, %v; want %v", again, err, found)
		}
	})
}

func FuzzDecodeKeyHead(f *testing.F) {
	f.Add(int64(5), keyHead{start: 5, end: 900, firstTime: 1 << 40, lastTime: 1<<40 + 7}.encode())
	f.Fuzz(func(t *testing.T, start int64, b []byte) {
		if start < 0 {
			return
		}
		h, err := decodeKeyHead(mq.LogPos(start), b)
		if err != nil {
			return
		}
		if again, err := decodeKeyHead(h.start, h.encode()); err != nil || again != h || h.end < h.start {
			t.Fatalf("%+v becomes %+v, %v", h, again, err)
		}
	})
}

// BenchmarkKeyIndex follows a log of messages of 1 KiB with unique key, key
// and tag that were not noted, as after a restart. One operation is one message;
// what noting costs is in BenchmarkAppend.
func BenchmarkKeyIndex(b *testing.B) {
	s := mustOpen(b, Options{Dir: b.TempDir()})
	const count = 200_000
	sends := make([]mq.Send, 100)
	for i := 0; i < count; i += len(sends) {
		for j := range sends {
			sends[j].Message = named("BenchmarkTest", fmt.Sprintf("0A0A0A0A0A0A0A0A0A0A%012X", i+j), fmt.Sprint("order-", i+j), "TagA", strings.Repeat("x", 1024))
		}
		s.Append(&mq.SendBatch{Sends: sends})
	}
	if err := s.syncLog(); err != nil {
		b.Fatal(err)
	}
	s.notebook.notes = notes{}
	b.ResetTimer()
	for n := 0; n < b.N; n += count {
		s.keys.mu.head, s.keys.mu.entries = keyHead{}, s.keys.mu.entries[:0]
		for more := true; more; {
			var err error
			if more, err = s.followKeys(s.Synced(), keyStep); err != nil {
				b.Fatal(err)
			}
			more = more || s.keys.full()
		}
	}
	b.StopTimer()
	if err := s.rows.db.Flush(); err != nil {
		b.Fatal(err)
	}
	size, _ := s.rows.db.EstimateDiskUsage([]byte{rowKeyBlock}, []byte{rowKeyBlock + 1})
	b.ReportMetric(float64(size)/count, "disk-B/msg")
	mustClose(b, s)
}
