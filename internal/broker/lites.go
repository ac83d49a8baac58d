package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/lite"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/pop"
	"github.com/goddardmq/goddard/internal/store"
)

// The rows of lite topics. A lite topic is named by that of its light queue.
// Nothing of a group's place in one stays in memory.
//
//	broker/lite/at/TOPIC 0 GROUP   committed8, end8 of the log then
//	broker/lite/due/time8 TOPIC    when it is looked at, Unix milliseconds
const (
	liteAtRows  = "broker/lite/at/"
	liteDueRows = "broker/lite/due/"
)

// liteStripes divides the places of groups in lite topics among locks.
const liteStripes = 256

// lites are the lite topics that clients want.
type lites struct {
	// wanted is how many subscriptions there are; a message without any costs
	// one load.
	wanted atomic.Int64
	// inHand is how many messages of what is wanted groups have in hand.
	inHand atomic.Int64
	// sooner has room for one: something in hand is visible earlier than all else,
	// or lite topics are to be looked through.
	sooner chan struct{}
	seed   maphash.Seed

	// mu guards who wants what, and what was made before the key store could be
	// written. Nothing else is locked while it is held.
	mu struct {
		sync.Mutex
		registry *lite.Registry[*waiting]
		early    []string
	}

	// A stripe is held while what a group has in hand of a lite topic is looked
	// at and changed; it is locked before mu.
	stripes [liteStripes]sync.Mutex
}

func newLites() *lites {
	l := &lites{sooner: make(chan struct{}, 1), seed: maphash.MakeSeed()}
	l.mu.registry = lite.NewRegistry[*waiting]()
	return l
}

// stripe is the lock of a group's place in a lite topic.
func (l *lites) stripe(u pop.Use) *sync.Mutex {
	var h maphash.Hash
	h.SetSeed(l.seed)
	h.WriteString(u.Group)
	h.WriteByte(0)
	h.WriteString(u.Topic)
	return &l.stripes[h.Sum64()%liteStripes]
}

// changeLites calls f with who wants what, and wakes those that it returns. The
// wake of one whose time was up at that moment is another's.
func (b *Broker) changeLites(f func(*lite.Registry[*waiting]) []*waiting) {
	l := b.lites
	l.mu.Lock()
	woken := f(l.mu.registry)
	l.noteLocked()
	l.mu.Unlock()
	for i := 0; i < len(woken); i++ {
		w := woken[i]
		if b.parking.take(w) {
			b.parking.again(w)
			continue
		}
		l.mu.Lock()
		woken = append(woken, l.mu.registry.Pass(w.lite.member())...)
		l.mu.Unlock()
	}
}

// noteLocked keeps the figures that are read without the lock.
func (l *lites) noteLocked() {
	l.wanted.Store(int64(l.mu.registry.Subscriptions()))
	l.inHand.Store(int64(l.mu.registry.InHand()))
}

// liteAppended tells those who want a lite topic of a message. It runs on an
// appender's goroutine.
func (b *Broker) liteAppended(messages []store.Appended) {
	if b.lites.wanted.Load() == 0 {
		return
	}
	for i := range messages {
		if name := messages[i].Queue.Topic; mq.IsLite(name) {
			b.changeLites(func(r *lite.Registry[*waiting]) []*waiting { return r.Appended(name) })
		}
	}
}

// holdLite notes until when a group has messages of a lite topic in hand.
func (b *Broker) holdLite(u pop.Use, due int64, messages int) {
	b.lites.mu.Lock()
	sooner := b.lites.mu.registry.Hold(u.Topic, u.Group, due, messages)
	b.lites.noteLocked()
	b.lites.mu.Unlock()
	if sooner {
		notify(b.lites.sooner)
	}
}

// freeLite notes that a group has nothing of a lite topic in hand any more.
func (b *Broker) freeLite(u pop.Use, more bool) {
	b.changeLites(func(r *lite.Registry[*waiting]) []*waiting { return r.Free(u.Topic, u.Group, more) })
}

// How often lite topics and subscriptions that may be over are looked for.
const liteSweep = 10 * time.Second

// serveLites wakes those who wait for what is visible again, and removes what
// is over, until ctx ends.
func (b *Broker) serveLites(ctx context.Context) {
	alarm := time.NewTimer(liteSweep)
	defer alarm.Stop()
	swept := time.Now()
	for {
		now := time.Now()
		if now.Sub(swept) >= liteSweep {
			swept = now
			b.sweepLites(ctx, now)
		}
		var next int64
		b.changeLites(func(r *lite.Registry[*waiting]) (woken []*waiting) {
			woken, next = r.Due(now.UnixMilli())
			return woken
		})
		wait := liteSweep
		if b.lookThroughLites() {
			wait = 0
		}
		if next > 0 {
			wait = min(wait, max(0, time.UnixMilli(next).Sub(now)))
		}
		alarm.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-b.lites.sooner:
		case <-alarm.C:
		}
	}
}

func liteAtRow(u pop.Use) []byte {
	key := make([]byte, 0, len(liteAtRows)+len(u.Topic)+1+len(u.Group))
	key = append(append(append(key, liteAtRows...), u.Topic...), 0)
	return append(key, u.Group...)
}

// liteAt is how far a group is in a lite topic, noOffset if it has not begun.
func (b *Broker) liteAt(u pop.Use) (mq.QueueOffset, error) {
	value, err := b.store.Keys().Get(liteAtRow(u))
	switch {
	case errors.Is(err, mq.ErrNotFound):
		return noOffset, nil
	case err != nil:
		return noOffset, err
	case len(value) != 16:
		return noOffset, fmt.Errorf("broker: the row of group %s in %s has %d bytes, want 16", u.Group, u.Topic, len(value))
	}
	return mq.QueueOffset(binary.BigEndian.Uint64(value)), nil
}

// keepLite stores how far a group is in a lite topic, with what it has in hand.
// Its stripe is locked.
func (b *Broker) keepLite(u pop.Use, committed mq.QueueOffset, o *pop.Order) error {
	batch := b.holds.Batch()
	batch.Set(liteAtRow(u), liteAtValue(committed, b.offsets.end()))
	if err := b.holds.KeepOrder(batch, u, o); err != nil {
		return fmt.Errorf("what group %s takes from %s cannot be noted: %w", u.Group, u.Topic, err)
	}
	return nil
}

func liteAtValue(committed mq.QueueOffset, end mq.LogPos) []byte {
	value := binary.BigEndian.AppendUint64(make([]byte, 0, 16), uint64(committed))
	return binary.BigEndian.AppendUint64(value, uint64(end))
}

// loadLites takes places back to the end of their queues where the log lost its
// end since they were written, as offsets.load does, and notes what the log
// held of lite topics without a row.
func (b *Broker) loadLites() error {
	_, end := b.store.LogBounds()
	batch := b.store.Keys().Batch()
	err := b.store.Keys().Scan([]byte(liteAtRows), func(key, value []byte) error {
		if len(value) != 16 || mq.LogPos(binary.BigEndian.Uint64(value[8:])) <= end {
			return nil
		}
		topic, _, _ := strings.Cut(string(key[len(liteAtRows):]), "\x00")
		_, hi, err := b.store.Bounds(mq.Queue{Topic: topic})
		if err != nil {
			return err
		}
		batch.Set(key, liteAtValue(min(mq.QueueOffset(binary.BigEndian.Uint64(value)), hi), end))
		return nil
	})
	if err != nil {
		batch.Drop()
		return err
	}
	l := b.lites
	l.mu.Lock()
	early := l.mu.early
	l.mu.early = nil
	l.mu.Unlock()
	for _, name := range early {
		batch.Set(liteDueRow(time.Now(), name), nil)
	}
	return b.store.Keys().Apply(batch, false)
}

// forgetLitesOf deletes a group's places in all lite topics.
func (b *Broker) forgetLitesOf(group string) error {
	batch := b.store.Keys().Batch()
	err := b.store.Keys().Scan([]byte(liteAtRows), func(key, _ []byte) error {
		if strings.HasSuffix(string(key), "\x00"+group) {
			batch.Delete(key)
		}
		return nil
	})
	if err != nil {
		batch.Drop()
		return err
	}
	return b.store.Keys().Apply(batch, false)
}
