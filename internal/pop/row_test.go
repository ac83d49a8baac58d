package pop

import (
	"errors"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// countRows is how many rows of messages in hand there are.
func (d *hand) countRows() (n int) {
	d.t.Helper()
	if err := d.store.Keys().Scan([]byte(rowHold), func(_, _ []byte) error { n++; return nil }); err != nil {
		d.t.Fatal(err)
	}
	return n
}

func (d *hand) wantRows(n int) {
	d.t.Helper()
	if got := d.countRows(); got != n {
		d.t.Errorf("there are %d rows, want %d", got, n)
	}
}

func TestAPopIsOneRowUntilItsLastAcknowledgement(t *testing.T) {
	inTime(t, func(t *testing.T, d *hand) {
		p := d.take(time.Minute, d.put(5)...)
		d.wantRows(1)
		d.ack(2, p[3], p[0], p[3])
		d.wantRows(1)
		d.want(3)
		d.ack(1, p[0], p[1])
		d.ack(2, p[2], p[4])
		d.wantRows(0)
		d.want(0)
		pass(time.Minute)
		d.want(0)
	})
}

func TestAcknowledgementsOfManyPopsInOneCallAreEachTaken(t *testing.T) {
	inTime(t, func(t *testing.T, d *hand) {
		var firsts, others []Place
		for range 3 * fewRows {
			p := d.take(time.Minute, d.put(3)...)
			firsts, others = append(firsts, p[0]), append(others, p[1], p[2])
			pass(time.Millisecond)
		}
		d.ack(len(firsts), append(firsts, firsts...)...)
		d.want(int64(len(others)))
		d.ack(len(others), others...)
		d.wantRows(0)
	})
}

// An earlier version gave each message a row of its own.
func TestMessagesWithRowsOfTheirOwnAreAcknowledgedByTheReceiptsOfTheirPop(t *testing.T) {
	inTime(t, func(t *testing.T, d *hand) {
		due := time.Now().UnixMilli() + 1000
		for _, m := range d.put(3) {
			if err := d.holds.Take(d.holds.Batch(), first, 0, due, []Taken{m}); err != nil {
				t.Fatal(err)
			}
		}
		d.wantRows(3)
		d.ack(2, Place{first, due, 0, 0}, Place{first, due, 1, 0})
		d.want(1)
		pass(time.Second)
		d.want(0, "2")
	})
}

// A message whose time is changed to that of the others stays apart from them,
// also if it was the first.
func TestAMessageThatIsMovedToTheTimeOfItsPopLosesNoOther(t *testing.T) {
	inTime(t, func(t *testing.T, d *hand) {
		p := d.take(time.Second, d.put(3)...)
		if err := d.holds.Change(p[0], 1, p[0].Due, true); err != nil {
			t.Fatal(err)
		}
		d.wantRows(2)
		d.want(3)
		d.ack(1, p[1])
		if err := d.holds.Change(p[0], 2, p[0].Due, false); err != nil {
			t.Fatal(err)
		}
		d.want(2)
		pass(time.Second)
		d.want(0, "0", "2")
	})
}

// After a reset of its offset a group may begin with the same message in the
// same millisecond.
func TestPopsThatBeginAtTheSameMessageInTheSameMillisecondLoseNothing(t *testing.T) {
	inTime(t, func(t *testing.T, d *hand) {
		m := d.put(4)
		d.take(time.Second, m...)
		p := d.take(time.Second, m[0], m[2])
		d.want(4)
		d.ack(1, p[1])
		d.want(3)
		pass(time.Second)
		d.want(0, "0", "1", "3")
	})
}

func TestOfAPopWhoseEndTheLogLostTheRestStaysInHand(t *testing.T) {
	inTime(t, func(t *testing.T, d *hand) {
		m := d.put(2)
		_, hi := d.store.LogBounds()
		d.take(time.Second, m[0], m[1], Taken{2, hi}, Taken{3, hi + 100})
		d.take(time.Second, Taken{4, hi + 200}, Taken{5, hi + 300})
		d.stop()
		*d = *newHand(t, d.fs, nil)
		d.want(2)
		pass(time.Second)
		d.want(0, "0", "1")
	})
}

// What cannot be read rests by itself; the others of its pop come back at once.
func TestOneMessageOfAPopThatCannotBeReadHoldsUpNoOther(t *testing.T) {
	inTime(t, func(t *testing.T, d *hand) {
		m := d.put(3)
		m[1].Pos++ // in the middle of a record
		d.take(time.Second, m...)
		pass(time.Second)
		d.want(1, "0", "2")
		d.wantRows(1)
	})
}

func TestWhatIsStoredAgainOfAPopLeavesTheRestInItsRow(t *testing.T) {
	inTime(t, func(t *testing.T, d *hand) {
		p := d.take(time.Minute, d.put(3)...)
		hold, err := d.holds.Claim(p[1])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.holds.Claim(p[1]); !errors.Is(err, mq.ErrNotFound) {
			t.Errorf("a second claim: %v", err)
		}
		if _, err := d.holds.Claim(p[2]); err != nil {
			t.Errorf("a claim of another message: %v", err)
		}
		if err := d.holds.Settle(hold, hold.Pos); err != nil {
			t.Fatal(err)
		}
		d.want(2)
		d.ack(0, p[1])
		d.holds.Release(p[2])
		pass(time.Minute)
		d.want(0, "0", "2")
	})
}

func TestADamagedRowIsNotTakenForAnEmptyOne(t *testing.T) {
	r := row{rowID: rowID{first, 1000, 7, true}, left: []Taken{{7, 99}, {9, 500}}}
	key, value := r.appendKey(nil), r.appendValue(nil)
	for n := range value {
		if got, err := decodeRow(key, value[:n]); err == nil && len(got.left) == 0 {
			t.Errorf("%d bytes of %x are read as a row of no message", n, value)
		}
	}
	id := rowID{Use: first, due: 1000, first: 7}
	if _, err := decodeRow(id.appendKey(nil), value); err == nil {
		t.Error("the row of many messages is read as one of a single message")
	}
}
