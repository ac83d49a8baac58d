package store

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/segment"
)

func TestWhoIsBehindInTheSamePartOfTheLogIsReadForFirst(t *testing.T) {
	for _, c := range []struct {
		wanted []int64
		first  int
	}{
		{[]int64{7}, 0},
		{[]int64{40, 41, 12, 13}, 2},
		{[]int64{40, 41, 13, 12}, 3},
		{[]int64{1000, 12, 1001}, 0},                      // another part of the log: each in turn
		{[]int64{1000, 12, 1000 - 4*aheadPieces, 990}, 2}, // just the same part
	} {
		var wanted []*piece
		for _, n := range c.wanted {
			wanted = append(wanted, &piece{number: n})
		}
		a := ahead{room: aheadPieces}
		if got := a.next(wanted); got != c.first {
			t.Errorf("of %d the one at %d is first, want %d", c.wanted, got, c.first)
		}
	}
}

// wanting is an empty log of 64 pieces, one of which somebody has just read from.
func wanting(t *testing.T, read int64) *ahead {
	t.Helper()
	l, err := segment.Open(segment.Options{Size: 1024 * aheadPiece, FS: vfs.NewMem()})
	if err == nil {
		err = l.Prepare(1024 * aheadPiece)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	a := &ahead{log: l, room: aheadPieces, stored: new(atomic.Int64)}
	a.mu.pieces = []*piece{{number: read, taken: true, at: time.Now()}}
	return a
}

// waits is how long it takes until a piece that is wanted is read.
func (a *ahead) waits(number int64) time.Duration {
	began := time.Now()
	a.want(number)
	a.fetching.Wait()
	return time.Since(began)
}

func TestWhoIsFarAheadOfAnotherReaderWaitsForItALittle(t *testing.T) {
	for _, c := range []struct {
		what   string
		number int64
		want   time.Duration
	}{
		{"who is close to it", 200 + aheadPieces/2, 0},
		{"who is far ahead", 200 + aheadPieces/2 + 1, abreastPatience},
		{"who reads another part of the log", 200 + 4*aheadPieces + 1, 0},
		{"who is behind", 100, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			if d := wanting(t, 200).waits(c.number); d != c.want {
				t.Errorf("%s waits for %v, want %v", c.what, d, c.want)
			}
		})
	}
}

func TestNobodyWaitsForAReaderThatHasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := wanting(t, 200)
		time.Sleep(abreastActive)
		if d := a.waits(300); d != 0 {
			t.Errorf("it waits for %v", d)
		}
	})
}

func TestWhoIsBehindIsReadForWhileOthersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := wanting(t, 200)
		a.want(300)
		a.want(301)
		a.want(201)
		time.Sleep(abreastLook)
		synctest.Wait()
		if p := a.findLocked(201); !p.TryRLock() {
			t.Error("it is not read for")
		}
		if p := a.findLocked(300); p.TryRLock() {
			t.Error("the others do not wait for it")
		}
		a.fetching.Wait()
	})
}
