package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// ledgerTopic holds the ledgers of all groups, one queue on each broker that
// has dead letters. It is an ordinary topic, so that it is there on RocketMQ's
// brokers too. An entry is younger than the letters that it is about and goes
// with them when retention deletes the log, never before them.
const ledgerTopic = mq.TopicDeadLetters

// findOldest learns when the oldest letter of a queue was stored.
func (c *Cluster) findOldest(ctx context.Context, q *deadQueue) error {
	return c.scan(ctx, q.broker, q.queue(), q.min, q.max, func(r *mq.Record) (bool, error) {
		q.oldest = r.StoreTime
		return false, nil
	})
}

// readLedger learns what was written about a queue since it was last read. A
// broker without a ledger has none to read. What is older than q's letters is
// about others, which lay there before the topic was deleted and made again.
func (c *Cluster) readLedger(ctx context.Context, q *deadQueue) error {
	at := mq.Queue{Topic: ledgerTopic}
	lo, hi, err := c.bounds(ctx, q.broker, at)
	if refusedWith(err, wire.CodeTopicNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.readLedgerUntil(ctx, q, max(q.read, lo), hi)
}

func (c *Cluster) readLedgerUntil(ctx context.Context, q *deadQueue, from, until int64) error {
	return c.scan(ctx, q.broker, mq.Queue{Topic: ledgerTopic}, from, until, func(r *mq.Record) (bool, error) {
		var e entry
		if r.StoreTime >= q.oldest && json.Unmarshal(r.Body, &e) == nil && e.Group == q.group && e.Queue == q.id && e.good() {
			q.ledger.apply(&e, time.UnixMilli(r.StoreTime))
		}
		q.read = int64(r.QueueOffset) + 1
		return true, nil
	})
}

// openLedger makes the ledger's topic where it is missing.
func (c *Cluster) openLedger(ctx context.Context, b Broker) error {
	_, err := c.Topic(ctx, b.Addr, ledgerTopic)
	if refusedWith(err, wire.CodeTopicNotExist) {
		_, err = c.PutTopic(ctx, Target{Addr: b.Addr}, mq.Topic{
			Name: ledgerTopic, ReadQueues: 1, WriteQueues: 1, Perm: mq.PermRead | mq.PermWrite,
		})
	}
	if err != nil {
		return fmt.Errorf("the topic %s, which remembers what was sent again, cannot be made: %w", ledgerTopic, err)
	}
	return nil
}

// write adds an entry to the ledger of q and learns what stands before it and
// in it.
func (c *Cluster) write(ctx context.Context, q *deadQueue, e entry) error {
	e.Group, e.Queue = q.group, q.id
	text, err := json.Marshal(e)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	props := mq.AppendProperty(nil, mq.PropKeys, q.group)
	m := mq.Message{Topic: ledgerTopic, BornTime: time.Now().UnixMilli(), Properties: props, Body: text}
	_, at, err := c.send(ctx, q.broker, &m)
	if err != nil {
		return fmt.Errorf("what was sent again cannot be written down in %s: %w", ledgerTopic, err)
	}
	// RocketMQ's brokers let a message be read some time after it was stored.
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	for {
		if err := c.readLedgerUntil(ctx, q, q.read, at+1); err != nil {
			return err
		}
		if q.read > at {
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%s: what was written at offset %d cannot be read: %w", ledgerTopic, at, ctx.Err())
		}
	}
}

// wasSent reports whether a run that claimed a dead letter and said no more has
// sent it: the message sent again names the letter.
func (c *Cluster) wasSent(ctx context.Context, l *DeadLetter, before *claim) (bool, error) {
	for ; before != nil; before = before.doubt {
		if before.to == "" || l.UniqueKey == "" {
			continue
		}
		// Clocks of brokers may differ by some seconds.
		after := before.at.Add(-time.Minute)
		found, err := c.FindMessages(ctx, Search{Topic: before.to, Key: l.UniqueKey, Kind: mq.LookupUnique, From: after, Max: 32})
		if errors.Is(err, mq.ErrTopicNotFound) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("it is not known whether dead letter %s was sent again: %w", l.ID, err)
		}
		for _, m := range found {
			if id, _ := mq.Property(m.Record.Properties, mq.PropRedrivenFrom); string(id) == l.ID {
				return true, nil
			}
		}
	}
	return false, nil
}

// Purge marks the dead letters that a filter chooses as not wanted, on all
// brokers, so that they are neither listed nor sent again; their bytes go with
// the log. It returns how many it marked. Those that a run is sending at the
// moment are left alone.
func (c *Cluster) Purge(ctx context.Context, group string, f DeadLetterFilter, limit int) (int, error) {
	choose, err := f.chooser()
	if err != nil {
		return 0, err
	}
	queues, err := c.deadQueuesOf(ctx, group, f)
	if err != nil {
		return 0, err
	}
	if limit <= 0 {
		limit = math.MaxInt
	}
	count := 0
	for _, q := range queues {
		n, err := c.purge(ctx, q, choose, limit-count)
		count += n
		if err != nil {
			return count, err
		}
	}
	return count, nil
}

func (c *Cluster) purge(ctx context.Context, q *deadQueue, choose *chooser, limit int) (int, error) {
	if err := c.openLedger(ctx, q.broker); err != nil {
		return 0, err
	}
	count := 0
	for from := q.min; from < q.max && count < limit; {
		batch, next, err := c.choose(ctx, q, choose, from, min(purgeBatch, limit-count))
		if err != nil {
			return count, err
		}
		if len(batch) > 0 {
			if err := c.write(ctx, q, entry{Gone: spans(offsetsOf(batch))}); err != nil {
				return count, err
			}
		}
		count, from = count+len(batch), next
	}
	return count, nil
}

// Letters that are handled under one entry of the ledger, and that are looked
// at for it.
const (
	purgeBatch   = 1000
	redriveBatch = 100
	lookAtMost   = 4096
)

// choose collects up to most dead letters of a queue, from an offset on, that
// are chosen and free. next is where to go on.
func (c *Cluster) choose(ctx context.Context, q *deadQueue, choose *chooser, from int64, most int) (batch []*DeadLetter, next int64, err error) {
	until := min(q.max, from+lookAtMost)
	next = until
	err = c.scan(ctx, q.broker, q.queue(), from, until, func(r *mq.Record) (bool, error) {
		off := int64(r.QueueOffset)
		if !q.ledger.free(off, time.Now()) {
			if q.ledger.state(off) == StateClaimed {
				q.busy++
			}
			return true, nil
		}
		l := newDeadLetter(q.broker, q.group, *r, StateWaiting)
		wanted, err := choose.wants(l, unpack)
		if err == nil && wanted {
			batch = append(batch, l)
		}
		if len(batch) == most {
			next = off + 1
		}
		return len(batch) < most, err
	})
	return batch, next, err
}

func offsetsOf(letters []*DeadLetter) []int64 {
	var all []int64
	for _, l := range letters {
		all = append(all, l.Offset)
	}
	return all
}
