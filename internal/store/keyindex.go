package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/goddardmq/goddard/internal/mq"
)

const (
	// keyBlockEntries and keyBlockLog are how many entries a block of the key
	// index has, and how much of the log it covers, before it is written.
	// What is not written is read again from the log after a restart.
	keyBlockEntries = 128 << 10
	keyBlockLog     = 256 << 20
	// keyStep is how much of the log is read before others may use the index.
	keyStep = 4 << 20
)

// A keyIndex finds messages by their keys. It follows the log on its own, by
// what the notebook has of it, and otherwise by reading it. That lies in blocks
// in the key store, but for the newest block, which is in memory until it is
// full. Blocks never cover what is not synced.
type keyIndex struct {
	off      bool
	entries  int       // in a block; keyBlockEntries, less in tests
	coverage mq.LogPos // of a block; keyBlockLog, less in tests

	mu struct {
		// Mutex guards what follows. It is held while some of the log is read
		// and while a block is written; only the notebook's is taken meanwhile.
		sync.Mutex
		head    keyHead // of the newest block; end is where reading goes on
		entries []keyEntry
		notes   notes  // from the notebook, some of them entered
		window  []byte // scratch memory for reading the log
		bucket  []byte // scratch memory of sealLocked
	}
}

// openKeys finds out how far the blocks of the key index go. Blocks that
// cannot belong to this log are dropped.
func (s *Store) openKeys() error {
	s.keys.off = s.o.KeyIndex != nil && !*s.o.KeyIndex
	s.keys.entries, s.keys.coverage, s.notebook.max = keyBlockEntries, keyBlockLog, maxNotes
	lo, hi := s.LogBounds()
	end := lo
	it, err := s.rows.db.NewIter(&pebble.IterOptions{LowerBound: []byte{rowKeyBlock}, UpperBound: []byte{rowKeyBlock + 1}})
	if err != nil {
		return fmt.Errorf("reading the key index: %w", err)
	}
	if it.Last() {
		head, herr := headAt(it)
		if herr != nil || head.end > hi {
			s.log.Warn("the key index is ahead of the log or unreadable and is rebuilt", "index_end", head.end, "log_end", hi, "error", herr)
			err = s.dropKeys()
		} else {
			end = max(lo, head.end)
		}
	}
	s.keys.mu.head = keyHead{start: end, end: end}
	return errors.Join(err, it.Error(), it.Close())
}

// headAt reads the head that an iterator stands at.
func headAt(it *pebble.Iterator) (keyHead, error) {
	start, suffix, err := parseKeyRow(it.Key())
	if err != nil {
		return keyHead{}, err
	}
	if suffix != keyHeadSuffix {
		return keyHead{}, indexError(fmt.Sprintf("block of keys at %d lacks its head", start))
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return keyHead{}, fmt.Errorf("reading the key index: %w", err)
	}
	head, err := decodeKeyHead(start, value)
	if err != nil {
		return head, indexError(fmt.Sprintf("block of keys at %d: %v", start, err))
	}
	return head, nil
}

// dropKeys deletes all blocks of the key index.
func (s *Store) dropKeys() error { return s.dropBlocks([]byte{rowKeyBlock}) }

// indexKeys lets the key index follow the log until ctx ends. Where there is
// much to catch up it rests as long as it works, so that messages go first.
func (s *Store) indexKeys(ctx context.Context) {
	tick := time.NewTicker(s.o.FlushInterval)
	defer tick.Stop()
	rest := time.NewTimer(time.Hour)
	defer rest.Stop()
	for {
		wait := tick.C
		began := time.Now()
		more, err := s.followKeys(mq.LogPos(s.synced.Load()), keyStep)
		if err != nil {
			s.log.Error("indexing keys failed", "error", err)
		} else if more {
			rest.Reset(time.Since(began))
			wait = rest.C
		}
		select {
		case <-ctx.Done():
			return
		case <-wait:
		}
	}
}

// followKeys enters what is noted, then what is in about limit bytes of the log,
// but nothing at or behind target, and reports whether there is more before it.
func (s *Store) followKeys(target mq.LogPos, limit int64) (more bool, err error) {
	k := &s.keys
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.full() && k.mu.head.end <= mq.LogPos(s.synced.Load()) {
		if err := s.sealKeysLocked(); err != nil {
			return false, err
		}
	}
	if k.full() || k.mu.head.end >= target {
		s.dropNotesLocked()
		return false, nil
	}
	before := k.mu.head.end
	if end := s.takeNotesLocked(target); end > k.mu.head.end {
		err = s.readKeysLocked(min(end, k.mu.head.end+mq.LogPos(limit)))
	}
	return err == nil && k.mu.head.end > before && k.mu.head.end < target, err
}

// full reports whether the newest block takes no more.
func (k *keyIndex) full() bool {
	return len(k.mu.entries) >= k.entries || k.mu.head.end-k.mu.head.start >= k.coverage
}

// readKeysLocked enters the records up to target, or until the block is full.
func (s *Store) readKeysLocked(target mq.LogPos) error {
	k := &s.keys
	if lo := mq.LogPos(s.seg.Start()); k.mu.head.end < lo {
		k.mu.head, k.mu.entries = keyHead{start: lo, end: lo}, k.mu.entries[:0]
	}
	if k.mu.window == nil {
		k.mu.window = make([]byte, scanWindow)
	}
	sc := &scanner{log: s.seg, extent: s.seg.Extent(), pos: int64(k.mu.head.end), buf: k.mu.window, trusting: true}
	for sc.pos < int64(target) && !k.full() {
		r, err := sc.next()
		if err == nil {
			k.enter(&r)
			k.mu.head.end = mq.LogPos(sc.pos)
			continue
		}
		corrupt, ok := errors.AsType[*CorruptError](err)
		switch {
		case ok:
			s.log.Warn("keys of damaged messages are not indexed", "pos", sc.pos, "reason", corrupt.Reason)
			if !sc.skip() {
				return err
			}
		case errors.Is(err, io.EOF):
			// The segment was removed meanwhile, or only a filler is left.
			return nil
		default:
			return err
		}
		k.mu.head.end = mq.LogPos(sc.pos)
	}
	return nil
}

// enter adds the entries of one record to the newest block.
func (k *keyIndex) enter(r *mq.Record) {
	if k.mu.head.firstTime == 0 {
		k.mu.head.firstTime = r.StoreTime
	}
	k.mu.head.lastTime = r.StoreTime
	if indexed(r.SysFlag) {
		names := mq.NamesOf(r.Properties)
		k.mu.entries = appendKeys(k.mu.entries, newKeyTopic(r.Topic), &names, uint32(r.Pos-k.mu.head.start))
	}
}

// sealKeysLocked writes the newest block and begins another.
func (s *Store) sealKeysLocked() error {
	k := &s.keys
	sortByHash(k.mu.entries)
	b := s.rows.db.NewBatch()
	start := k.mu.head.start
	for rest := k.mu.entries; len(rest) > 0; {
		bucket := rest[0] >> 56
		n, _ := slices.BinarySearch(rest, (bucket+1)<<56)
		if bucket == keyBuckets-1 {
			n = len(rest)
		}
		k.mu.bucket = appendKeyBucket(k.mu.bucket[:0], rest[:n])
		if err := b.Set(keyRow(start, uint16(bucket)), k.mu.bucket, nil); err != nil {
			return errors.Join(err, b.Close())
		}
		rest = rest[n:]
	}
	if err := b.Set(keyRow(start, keyHeadSuffix), k.mu.head.encode(), nil); err != nil {
		return errors.Join(err, b.Close())
	}
	if err := s.rows.apply(b, false); err != nil {
		return err
	}
	end := k.mu.head.end
	k.mu.head, k.mu.entries = keyHead{start: end, end: end}, k.mu.entries[:0]
	return nil
}

// trimKeys adds to b the deletion of blocks that end at or before start.
func (s *Store) trimKeys(b *pebble.Batch, start mq.LogPos) error {
	last := mq.LogPos(-1)
	err := s.rows.scanHeads(start, func(h keyHead) error {
		if h.end <= start {
			last = h.start
		}
		return nil
	})
	if err != nil || last < 0 {
		return err
	}
	return b.DeleteRange(keyRow(0, 0), keyRow(last+1, 0), nil)
}

// scanHeads calls each with the heads of the blocks that begin before a
// position, in order.
func (r *rows) scanHeads(before mq.LogPos, each func(keyHead) error) error {
	it, err := r.db.NewIter(&pebble.IterOptions{LowerBound: keyRow(0, 0), UpperBound: keyRow(before, 0)})
	if err != nil {
		return fmt.Errorf("reading the key index: %w", err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		start, _, err := parseKeyRow(it.Key())
		if err == nil && !it.SeekGE(keyRow(start, keyHeadSuffix)) {
			break
		}
		var head keyHead
		if err == nil {
			head, err = headAt(it)
		}
		if err == nil {
			err = each(head)
		}
		if err != nil {
			return errors.Join(err, it.Close())
		}
	}
	return errors.Join(it.Error(), it.Close())
}
