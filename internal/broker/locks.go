package broker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// lockTime is how long a client has a queue to itself without asking again.
const lockTime = 60 * time.Second

// maxLockQueues bounds the queues that one request locks or unlocks.
const maxLockQueues = 65536

// locks are the queues that ordered consumers have to themselves.
type locks struct {
	// mu guards the table.
	mu struct {
		sync.Mutex
		groups map[string]map[mq.Queue]lock
	}
}

type lock struct {
	client string
	until  time.Time
}

func newLocks() *locks {
	l := &locks{}
	l.mu.groups = map[string]map[mq.Queue]lock{}
	return l
}

// Lock gives the client exclusive use of queues within its group for the next
// minute and returns those it holds.
func (b *Broker) Lock(_ context.Context, group, clientID string, qs []mq.Queue) ([]mq.Queue, error) {
	if err := b.checkLocks(group, qs); err != nil {
		return nil, err
	}
	now := time.Now()
	l := b.locks
	l.mu.Lock()
	defer l.mu.Unlock()
	table := l.mu.groups[group]
	if table == nil {
		table = map[mq.Queue]lock{}
		l.mu.groups[group] = table
	}
	var held []mq.Queue
	for _, q := range qs {
		if has, ok := table[q]; ok && has.client != clientID && has.until.After(now) {
			continue
		}
		table[q] = lock{clientID, now.Add(lockTime)}
		held = append(held, q)
	}
	return held, nil
}

// Unlock gives queues back; those of other clients are passed over.
func (b *Broker) Unlock(_ context.Context, group, clientID string, qs []mq.Queue) error {
	if err := b.checkLocks(group, qs); err != nil {
		return err
	}
	l := b.locks
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, q := range qs {
		if l.mu.groups[group][q].client == clientID {
			delete(l.mu.groups[group], q)
		}
	}
	return nil
}

// checkLocks keeps the table to queues that exist.
func (b *Broker) checkLocks(group string, qs []mq.Queue) error {
	if _, err := b.group(group); err != nil {
		return err
	}
	if len(qs) > maxLockQueues {
		return fmt.Errorf("%w: %d queues in one request, at most %d are allowed", mq.ErrInvalid, len(qs), maxLockQueues)
	}
	for _, q := range qs {
		t := b.findTopic(q.Topic)
		if t == nil {
			return missingTopic(q.Topic)
		}
		if err := checkQueue(t, q.ID); err != nil {
			return err
		}
	}
	return nil
}

// held reports whether a client of the group has a queue to itself.
func (l *locks) held(group string) bool {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, has := range l.mu.groups[group] {
		if has.until.After(now) {
			return true
		}
	}
	return false
}

// expire forgets the locks whose time is over.
func (l *locks) expire(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for group, table := range l.mu.groups {
		for q, has := range table {
			if !has.until.After(now) {
				delete(table, q)
			}
		}
		if len(table) == 0 {
			delete(l.mu.groups, group)
		}
	}
}
