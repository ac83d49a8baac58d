package store

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/goddardmq/goddard/internal/mq"
)

const (
	// durableEvery is how often a checkpoint is synced.
	durableEvery = 10 * time.Second
	// recentEntries is how many entries that already have a block may stay in
	// memory, over all queues and per queue.
	recentEntries      = 512 << 10
	recentEntriesQueue = 4096
	// residentQueues is how many queues the sweep leaves in memory although
	// nothing of them is unsealed.
	residentQueues = 16 << 10
	// sweepShare is the share of queues that one sweep looks at.
	sweepShare = 16
	// sweepStep is how many queues it looks at before it lets others use the
	// table.
	sweepStep = 1024
)

// writeCheckpoint writes the entries of what is synced as blocks and notes how
// far that goes. Then it forgets queues that nobody uses.
func (s *Store) writeCheckpoint() error {
	s.index.Lock()
	defer s.index.Unlock()
	limit := mq.LogPos(min(s.synced.Load(), s.indexed.Load()))
	if limit > mq.LogPos(s.checkpointed.Load()) || s.lastDurable.IsZero() {
		// After a power loss the log is read again from the last checkpoint
		// that reached the disk.
		durable := time.Since(s.lastDurable) > durableEvery
		if err := s.sealLocked(limit, durable); err != nil {
			return err
		}
		if durable {
			s.lastDurable = time.Now()
		}
	}
	s.sweepLocked()
	return nil
}

// sealLocked writes blocks for all entries below limit, and a checkpoint,
// which survive the process or, if durable is set, the machine.
func (s *Store) sealLocked(limit mq.LogPos, durable bool) error {
	s.dirty.Lock()
	queues := s.dirty.queues
	// spare is used up: on the way out with an error queues becomes the list
	// again, and the next list must not lie in the same memory.
	s.dirty.queues, s.dirty.spare = s.dirty.spare[:0], nil
	s.dirty.Unlock()

	b := s.rows.db.NewBatch()
	ends := make([]mq.QueueOffset, len(queues))
	var fresh []*queue // light queues that get their first block
	storeTime := s.lastStored
	for i, q := range queues {
		if q.gone {
			continue
		}
		first, entries := q.unsealed(limit)
		ends[i] = first + mq.QueueOffset(len(entries))
		if n := len(entries); n > 0 {
			storeTime = max(storeTime, entries[n-1].time)
			if !q.kept && mq.IsLight(q.name.Topic) {
				fresh = append(fresh, q)
			}
		}
		if err := s.addBlocks(b, q.name, first, entries); err != nil {
			s.keepDirty(queues)
			return errors.Join(err, b.Close())
		}
	}
	ck := checkpoint{pos: limit, storeTime: storeTime}
	err := b.Set([]byte{rowCheckpoint}, ck.encode(), nil)
	if err == nil && len(fresh) > 0 {
		err = s.setLightRow(b, s.table.lights.kept+int64(len(fresh)))
	}
	if err == nil {
		err = s.rows.apply(b, durable)
	}
	if err != nil {
		s.keepDirty(queues)
		return err
	}
	s.lastStored = storeTime
	s.table.lights.kept += int64(len(fresh))
	for _, q := range fresh {
		q.kept = true
	}
	s.checkpointed.Store(int64(limit))

	window := min(recentEntriesQueue, recentEntries/max(1, s.table.size()))
	rest := queues[:0]
	for i, q := range queues {
		if !q.gone && !q.trim(ends[i], window) {
			rest = append(rest, q)
		}
	}
	clear(queues[len(rest):])
	s.keepDirty(rest)
	s.dirty.Lock()
	s.dirty.spare = queues[:0]
	s.dirty.Unlock()
	return nil
}

// keepDirty puts queues back on the list of those with entries that lack a
// block.
func (s *Store) keepDirty(queues []*queue) {
	s.dirty.Lock()
	defer s.dirty.Unlock()
	s.dirty.queues = append(s.dirty.queues, queues...)
}

// addBlocks adds the blocks of entries to b. The first has the offset first.
func (s *Store) addBlocks(b *pebble.Batch, name mq.Queue, first mq.QueueOffset, entries []entry) error {
	for len(entries) > 0 {
		n := min(blockEntries, len(entries))
		s.block = appendBlock(s.block[:0], entries[:n])
		first += mq.QueueOffset(n)
		if err := b.Set(blockKey(name, first-1), s.block, nil); err != nil {
			return err
		}
		entries = entries[n:]
	}
	return nil
}

// sweepLocked takes queues out of memory that are idle and have all their
// entries in blocks: in turn a share of those there are, or all if there are
// too many.
func (s *Store) sweepLocked() {
	look, crowded := s.table.size(), false
	if look > residentQueues {
		crowded = true
	} else {
		look = (look + sweepShare - 1) / sweepShare
	}
	for look > 0 {
		n := min(look, sweepStep)
		s.sweepSome(n, crowded)
		look -= n
	}
}

// sweepSome looks at the next n queues.
func (s *Store) sweepSome(n int, crowded bool) {
	t := s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	for range n {
		if len(t.mu.all) == 0 {
			return
		}
		if t.mu.hand >= len(t.mu.all) {
			t.mu.hand = 0
		}
		q := t.mu.all[t.mu.hand]
		if !q.gone && (q.used.Swap(false) && !crowded || !s.retire(q)) {
			t.mu.hand++
			continue
		}
		t.removeLocked(q)
		last := len(t.mu.all) - 1
		t.mu.all[t.mu.hand] = t.mu.all[last]
		t.mu.all[last] = nil
		t.mu.all = t.mu.all[:last]
	}
}

// retire makes a queue gone unless something of it is only in memory.
func (s *Store) retire(q *queue) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	if hi := q.hiLocked(); q.mu.dirty || q.mu.sealed != hi || q.next != hi {
		return false
	}
	q.gone = true
	return true
}

// Forget drops the queues of a topic: they are empty from here on, and a topic
// made again under this name starts with offset 0. What the log holds of it
// stays there until its segment is removed, but is not found again.
func (s *Store) Forget(topic string) error {
	_, err := s.forget([]string{topic}, nil)
	return err
}

// ForgetIdle is Forget of light queues, by their topics, that still end at these
// offsets. It returns those that do not any more and are left.
func (s *Store) ForgetIdle(ends map[string]mq.QueueOffset) (left []string, err error) {
	return s.forget(slices.Sorted(maps.Keys(ends)), ends)
}

// forget drops the queues of topics, but for those that ends says end elsewhere.
func (s *Store) forget(topics []string, ends map[string]mq.QueueOffset) (left []string, err error) {
	s.index.Lock()
	defer s.index.Unlock()
	// Nobody may load a queue from blocks that are about to go.
	defer s.table.lockLoading(topics)()
	b := s.rows.db.NewBatch()
	gone := int64(0) // light queues that had a block
	for _, topic := range topics {
		kept, err := s.forgetLight(topic)
		if err != nil {
			return nil, errors.Join(err, b.Close())
		}
		below, ok := s.abandon(s.table.ofTopic(topic), ends)
		if !ok {
			left = append(left, topic)
			continue
		}
		gone += kept
		if err := dropTopic(b, topic, below); err != nil {
			return nil, errors.Join(err, b.Close())
		}
	}
	if gone > 0 {
		if err := s.setLightRow(b, s.table.lights.kept-gone); err != nil {
			return nil, errors.Join(err, b.Close())
		}
	}
	if err := s.rows.apply(b, true); err != nil {
		return nil, err
	}
	s.table.lights.gone(gone)
	return left, nil
}

// dropTopic adds to b that nothing of a topic is left of what lies below a
// position.
func dropTopic(b *pebble.Batch, topic string, below mq.LogPos) error {
	lower := topicPrefix(topic)
	if err := b.DeleteRange(lower, prefixEnd(lower), nil); err != nil {
		return err
	}
	return b.Set(forgottenKey(below, topic), nil, nil)
}

// abandon takes queues out of memory with all that is in them, and returns a
// log position behind everything of them; false if one ends elsewhere than ends
// says.
func (s *Store) abandon(queues []*queue, ends map[string]mq.QueueOffset) (below mq.LogPos, ok bool) {
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range queues {
		if end, said := ends[q.name.Topic]; said && q.next != end {
			return 0, false
		}
	}
	for _, q := range queues {
		q.gone = true
		s.table.removeLocked(q)
	}
	return s.mu.end, true
}
