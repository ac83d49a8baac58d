package broker

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/lite"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/pop"
	"github.com/goddardmq/goddard/internal/store"
)

// liteSweepStep is how many lite topics are looked at in one go; those that are
// over are one change of the key store.
const liteSweepStep = 4096

// liteDueRow says when a lite topic is looked at, which is not later than it
// may be over.
func liteDueRow(at time.Time, name string) []byte {
	key := binary.BigEndian.AppendUint64([]byte(liteDueRows), uint64(at.UnixMilli()))
	return append(key, name...)
}

// lightMade is told by the store of a light queue that is new. It runs on an
// appender's goroutine.
func (b *Broker) lightMade(name string) {
	if !mq.IsLite(name) {
		return
	}
	if !b.ready.Load() {
		l := b.lites
		l.mu.Lock()
		defer l.mu.Unlock()
		l.mu.early = append(l.mu.early, name)
		return
	}
	at := time.Now().Add(b.liteTTL(name))
	if err := b.store.Keys().Set(liteDueRow(at, name), nil, false); err != nil {
		b.opts().Log.Error("a lite topic will not expire: its row could not be written", "topic", name, "error", err)
	}
}

// liteTTL is how long from now a new lite topic lives at least.
func (b *Broker) liteTTL(name string) time.Duration {
	now := time.Now().UnixMilli()
	_, next := lite.Expiry(now, b.liteLifetime(name), now)
	return time.Duration(next-now) * time.Millisecond
}

// liteLifetime is how long a lite topic lives without traffic, in milliseconds:
// for ever if below 0, and 0 if its parent is gone.
func (b *Broker) liteLifetime(name string) int64 {
	parent, _, ok := mq.SplitLite(name)
	t := b.topics.table.get(parent)
	if !ok || t == nil || t.messageType() != kindLite {
		return 0
	}
	minutes, err := strconv.ParseInt(t.Attributes[attrLiteExpiration], 10, 64)
	if err != nil || minutes < 0 {
		return -1
	}
	return minutes * time.Minute.Milliseconds()
}

// sweepLites forgets clients that said nothing for too long, and lite topics
// that are over. It looks at those that may be.
func (b *Broker) sweepLites(ctx context.Context, now time.Time) {
	b.changeLites(func(r *lite.Registry[*waiting]) []*waiting {
		r.Expire(now.Add(-clientTimeout).UnixMilli())
		return nil
	})
	for ctx.Err() == nil {
		n, err := b.expireLites(now)
		if err != nil {
			b.opts().Log.Warn("lite topics that are over could not be removed; they will be looked at again", "error", err)
		}
		if err != nil || n < liteSweepStep {
			return
		}
	}
}

// expireLites removes lite topics that are over and says when to look at the
// others again. It returns how many it looked at.
func (b *Broker) expireLites(now time.Time) (int, error) {
	due, _, err := b.dueRows(nil, liteDueRow(now.Add(time.Millisecond), ""), liteSweepStep)
	if err != nil || len(due) == 0 {
		return 0, err
	}
	return len(due), b.settleLites(due, now, func(name string) (mq.QueueOffset, int64, error) { return b.liteOver(name, now) })
}

// deleteLites removes the lite topics of a parent that is deleted.
func (b *Broker) deleteLites(ctx context.Context, parent string) error {
	prefix, now := mq.LiteQueue(parent, ""), time.Now()
	for from := []byte(nil); ctx.Err() == nil; {
		rows, next, err := b.dueRows(from, nil, liteSweepStep)
		if err != nil {
			return err
		}
		rows = slices.DeleteFunc(rows, func(row []byte) bool { return !strings.HasPrefix(liteOf(row), prefix) })
		if err := b.settleLites(rows, now, func(name string) (mq.QueueOffset, int64, error) {
			_, hi, err := b.store.Bounds(mq.Queue{Topic: name})
			return hi, 0, err
		}); err != nil || next == nil {
			return err
		}
		from = next
	}
	return fmt.Errorf("the lite topics of %s are not all deleted, they expire: %w", parent, ctx.Err())
}

// settleLites removes those lite topics of which over says so and where they
// end, and puts down when it is to be asked about the others. Places of groups
// go first: a crash in between leaves a lite topic that is consumed from its
// beginning and looked at again.
func (b *Broker) settleLites(rows [][]byte, now time.Time, over func(name string) (end mq.QueueOffset, next int64, err error)) error {
	keys := b.store.Keys()
	places, later := keys.Batch(), keys.Batch()
	ends := map[string]mq.QueueOffset{}
	for _, key := range rows {
		name := liteOf(key)
		later.Delete(key)
		end, next, err := over(name)
		if err == nil && next == 0 {
			ends[name] = end
			err = b.dropPlaces(places.Delete, name)
		} else if err == nil {
			later.Set(liteDueRow(time.UnixMilli(next), name), nil)
		}
		if err != nil {
			places.Drop()
			later.Drop()
			return err
		}
	}
	if err := b.removeLites(places, ends, func(name string) { // it got a message meanwhile
		later.Set(liteDueRow(now.Add(b.liteTTL(name)), name), nil)
	}); err != nil {
		later.Drop()
		return err
	}
	return keys.Apply(later, false)
}

// dueRows are up to n rows that say when lite topics are looked at, of which
// every lite topic has one, from a row (nil: the first) on and before another
// (nil: the end); next is the row behind them, nil if there is none. A row moves
// only towards the end.
func (b *Broker) dueRows(from, to []byte, n int) (rows [][]byte, next []byte, err error) {
	if from == nil {
		from = []byte(liteDueRows)
	}
	if to == nil {
		to = []byte(liteDueRows + "\xff")
	}
	stop := errors.New("enough")
	err = b.store.Keys().ScanRange(from, to, func(key, _ []byte) error {
		if len(rows) == n {
			next = bytes.Clone(key)
			return stop
		}
		rows = append(rows, bytes.Clone(key))
		return nil
	})
	if errors.Is(err, stop) {
		err = nil
	}
	return rows, next, err
}

// liteOf is the light queue's topic that a row of dueRows is about.
func liteOf(row []byte) string { return string(row[len(liteDueRows)+8:]) }

// removeLites removes what groups have of lite topics, and then these unless
// they end elsewhere by now; it calls stays with those.
func (b *Broker) removeLites(places *store.KeyBatch, over map[string]mq.QueueOffset, stays func(name string)) error {
	if err := b.store.Keys().Apply(places, false); err != nil || len(over) == 0 {
		return err
	}
	left, err := b.store.ForgetIdle(over)
	for _, name := range left {
		stays(name)
	}
	return err
}

// liteOver says where a lite topic ends and when to look at it again, in Unix
// milliseconds; 0 if it is over.
func (b *Broker) liteOver(name string, now time.Time) (end mq.QueueOffset, next int64, err error) {
	q := mq.Queue{Topic: name}
	lo, hi, err := b.store.Bounds(q)
	if err != nil || lo == hi {
		return hi, 0, err
	}
	ttl := b.liteLifetime(name)
	last := int64(0)
	if ttl > 0 {
		at, err := b.store.TimeAt(q, hi-1)
		if err != nil {
			return hi, 0, err
		}
		last = at.UnixMilli()
	}
	over, next := lite.Expiry(last, ttl, now.UnixMilli())
	if over {
		next = 0
	}
	return hi, next, nil
}

// dropPlaces deletes what groups have of a lite topic.
func (b *Broker) dropPlaces(del func([]byte), name string) error {
	prefix := liteAtRows + name + "\x00"
	return b.store.Keys().Scan([]byte(prefix), func(key, _ []byte) error {
		del(bytes.Clone(key))
		del(pop.OrderRow(pop.Use{Group: strings.TrimPrefix(string(key), prefix), Topic: name}))
		return nil
	})
}
