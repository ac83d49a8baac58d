package store

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/cockroachdb/pebble/v2"

	"github.com/goddardmq/goddard/internal/mq"
)

// Limits of one Lookup.
const (
	maxLookupMessages = 64
	maxLookupBytes    = 12 << 20 // fits into a frame; a single larger message may not
	maxLookupReads    = 4096     // records read that turn out to be others
	maxLookupBehind   = 64 << 20 // log that is indexed first
)

// Lookup finds messages by key, unique key or tag: the newest of those stored
// in a span of time or, with After set, the oldest behind it. They come in the
// order of the log. Topics that were deleted are not found.
func (s *Store) Lookup(q mq.LookupRequest) (res mq.LookupResult, err error) {
	if s.keys.off {
		return res, fmt.Errorf("%w: the key index is switched off (key-index, messageIndexEnable)", mq.ErrNotFound)
	}
	if q.Max <= 0 || q.Max > maxLookupMessages {
		q.Max = maxLookupMessages
	}
	if err := s.catchUpKeys(); err != nil {
		return res, err
	}
	l := &lookup{s: s, q: q, res: &res, from: q.From.UnixMilli(), to: q.To.UnixMilli(), forward: q.After != nil}
	if q.To.IsZero() {
		l.to = math.MaxInt64
	}
	if l.forgotten, err = s.forgotten(mq.LogPos(s.seg.Start())); err != nil {
		return res, err
	}
	topic := newKeyTopic([]byte(q.Topic))
	l.hash = topic.key([]byte(q.Key))
	if q.Kind == mq.LookupTag {
		l.hash = topic.tag([]byte(q.Key))
	}
	if err := l.run(); err != nil {
		return mq.LookupResult{}, err
	}
	if !l.forward {
		slices.Reverse(res.Records)
	}
	return res, nil
}

// catchUpKeys indexes what was stored since the index last followed the log,
// unless that is much.
func (s *Store) catchUpKeys() error {
	target := mq.LogPos(s.committed.Load())
	for range maxLookupBehind / keyStep {
		if more, err := s.followKeys(target, keyStep); err != nil || !more {
			return err
		}
	}
	return nil
}

// A lookup is one search under way.
type lookup struct {
	s         *Store
	q         mq.LookupRequest
	res       *mq.LookupResult
	forgotten map[string]mq.LogPos
	hash      uint32
	from, to  int64
	forward   bool
	bytes     int
	full      bool // another record would have been too many bytes
	misses    int
	found     []uint32 // scratch memory
}

// run searches the block in memory and those in the key store, in the order
// in which messages are wanted.
func (l *lookup) run() error {
	k := &l.s.keys
	k.mu.Lock()
	head := k.mu.head
	var open []uint32
	for _, e := range k.mu.entries {
		if uint32(e>>32) == l.hash {
			open = append(open, uint32(e))
		}
	}
	// What is sealed from here on is in open, and not in what it sees.
	it, err := l.s.rows.db.NewIter(&pebble.IterOptions{LowerBound: []byte{rowKeyBlock}, UpperBound: []byte{rowKeyBlock + 1}})
	k.mu.Unlock()
	if err != nil {
		return fmt.Errorf("reading the key index: %w", err)
	}
	l.res.IndexedTo, l.res.IndexedAt = head.end, head.lastTime
	err = l.search(it, head, open)
	return errors.Join(err, it.Error(), it.Close())
}

func (l *lookup) search(it *pebble.Iterator, head keyHead, open []uint32) error {
	if !l.forward {
		if err := l.take(head, open); err != nil || l.enough() {
			return err
		}
		for ok := it.Last(); ok && !l.enough(); ok = it.SeekLT(keyRow(l.at(it), 0)) {
			if older, err := l.block(it); err != nil || older {
				return err
			}
		}
		return nil
	}
	for ok := it.First(); ok; ok = it.Next() {
		if ok = it.SeekGE(keyRow(l.at(it), keyHeadSuffix)); !ok || l.enough() {
			break
		}
		if _, err := l.block(it); err != nil {
			return err
		}
	}
	if l.enough() {
		return nil
	}
	return l.take(head, open)
}

// at is the start of the block that an iterator stands in.
func (l *lookup) at(it *pebble.Iterator) mq.LogPos {
	start, _, _ := parseKeyRow(it.Key())
	return start
}

func (l *lookup) enough() bool {
	return len(l.res.Records) >= l.q.Max || l.full || l.bytes >= maxLookupBytes || l.misses >= maxLookupReads
}

// block searches the block whose head an iterator stands at, and reports
// whether all before it are too old.
func (l *lookup) block(it *pebble.Iterator) (older bool, err error) {
	head, err := headAt(it)
	if err != nil {
		return false, err
	}
	if l.res.IndexedAt == 0 {
		l.res.IndexedAt = head.lastTime
	}
	if head.lastTime < l.from || head.end <= mq.LogPos(l.s.seg.Start()) {
		return head.lastTime > 0 || head.end <= mq.LogPos(l.s.seg.Start()), nil
	}
	if head.firstTime > l.to || l.forward && head.end <= *l.q.After {
		return false, nil
	}
	value, closer, err := l.s.rows.db.Get(keyRow(head.start, uint16(l.hash>>24)))
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the key index: %w", err)
	}
	l.found, err = findInBucket(l.found[:0], value, l.hash)
	if err = errors.Join(err, closer.Close()); err != nil {
		return false, indexError(fmt.Sprintf("block of keys at %d: %v", head.start, err))
	}
	return false, l.take(head, l.found)
}

// take looks at the messages at positions of a block, which rise.
func (l *lookup) take(head keyHead, at []uint32) error {
	first, last := 0, len(at)
	if head.firstTime < l.from {
		first = sort.Search(len(at), func(i int) bool { return l.storedAt(head.start+mq.LogPos(at[i])) >= l.from })
	}
	if head.lastTime > l.to {
		last = sort.Search(len(at), func(i int) bool { return l.storedAt(head.start+mq.LogPos(at[i])) > l.to })
	}
	at = slices.Compact(at[first:max(first, last)])
	for i := range at {
		pos := at[i]
		if !l.forward {
			pos = at[len(at)-1-i]
		}
		if err := l.look(head.start + mq.LogPos(pos)); err != nil || l.enough() {
			return err
		}
	}
	return nil
}

// storedAt is the store time of the record at a position; of one that is gone
// or cannot be read, as early as can be.
func (l *lookup) storedAt(pos mq.LogPos) int64 {
	b, err := l.s.ReadAt(pos)
	if err != nil {
		return math.MinInt64
	}
	r, _, _ := mq.DecodeRecord(b) // ReadAt has seen it
	return r.StoreTime
}

// look adds the message at a position to the result if it is wanted.
func (l *lookup) look(pos mq.LogPos) error {
	if l.forward && pos <= *l.q.After || pos < mq.LogPos(l.s.seg.Start()) {
		return nil
	}
	b, err := l.s.ReadAt(pos)
	var corrupt *CorruptError
	switch {
	case errors.Is(err, mq.ErrNotFound) || errors.As(err, &corrupt):
		l.misses++
		return nil
	case err != nil:
		return err
	}
	r, _, _ := mq.DecodeRecord(b) // ReadAt has seen it
	if !l.wanted(&r) {
		l.misses++
		return nil
	}
	if len(l.res.Records) > 0 && l.bytes+len(b) > maxLookupBytes {
		l.full = true
		return nil
	}
	l.res.Records = append(l.res.Records, b)
	l.bytes += len(b)
	return nil
}

// wanted reports whether a record, which has the right hash, is one of those
// that are sought.
func (l *lookup) wanted(r *mq.Record) bool {
	if string(r.Topic) != l.q.Topic || r.StoreTime < l.from || r.StoreTime > l.to || r.Pos < l.forgotten[l.q.Topic] {
		return false
	}
	n := mq.NamesOf(r.Properties)
	switch l.q.Kind {
	case mq.LookupTag:
		return string(n.Tag) == l.q.Key
	case mq.LookupKey:
		for key, rest := nextKey(n.Keys); key != nil; key, rest = nextKey(rest) {
			if string(key) == l.q.Key {
				return true
			}
		}
	}
	return string(n.UniqueKey) == l.q.Key
}
