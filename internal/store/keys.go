package store

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/goddardmq/goddard/internal/mq"
)

// Keys holds rows beside the log for the broker's own state. It is safe for
// concurrent use. A change survives the end of the process as soon as the call
// that made it returns, and that of the machine if it was asked to sync.
type Keys struct {
	rows *rows
}

// A KeyBatch collects changes that are applied together or not at all.
type KeyBatch struct {
	b *pebble.Batch
}

// Get is the value of a key; mq.ErrNotFound if it has none.
func (k *Keys) Get(key []byte) ([]byte, error) {
	own := borrowKey(key)
	defer ownKeys.Put(own)
	return k.rows.get(*own)
}

// Has reports whether a key has a value.
func (k *Keys) Has(key []byte) (bool, error) {
	own := borrowKey(key)
	defer ownKeys.Put(own)
	return k.rows.has(*own)
}

// Set gives a key a value.
func (k *Keys) Set(key, value []byte, sync bool) error {
	b := k.Batch()
	b.Set(key, value)
	return k.Apply(b, sync)
}

// Delete removes a key, if it is there.
func (k *Keys) Delete(key []byte, sync bool) error {
	b := k.Batch()
	b.Delete(key)
	return k.Apply(b, sync)
}

// Scan calls f with every key that starts with prefix, in order, until f
// returns an error, which Scan then returns. Key and value are valid during
// the call only.
func (k *Keys) Scan(prefix []byte, f func(key, value []byte) error) error {
	lower := ownKey(prefix)
	return k.rows.scan(lower, prefixEnd(lower), func(key, value []byte) error { return f(key[1:], value) })
}

// ScanFrom is Scan that starts at key from, which need not exist.
func (k *Keys) ScanFrom(prefix, from []byte, f func(key, value []byte) error) error {
	return k.rows.scan(ownKey(from), prefixEnd(ownKey(prefix)), func(key, value []byte) error { return f(key[1:], value) })
}

// ScanRange is Scan of the keys from from on and before to. It does not look at
// what lies behind, not even to pass over what was deleted there.
func (k *Keys) ScanRange(from, to []byte, f func(key, value []byte) error) error {
	return k.rows.scan(ownKey(from), ownKey(to), func(key, value []byte) error { return f(key[1:], value) })
}

// Batch starts a set of changes. It must end in Apply or Drop.
func (k *Keys) Batch() *KeyBatch { return &KeyBatch{k.rows.db.NewBatch()} }

// Set gives a key a value.
func (b *KeyBatch) Set(key, value []byte) {
	op := b.b.SetDeferred(1+len(key), len(value))
	op.Key[0] = rowOwn
	copy(op.Key[1:], key)
	copy(op.Value, value)
	// A batch that is not indexed has nothing to fail at.
	_ = op.Finish()
}

// Delete removes a key, if it is there.
func (b *KeyBatch) Delete(key []byte) {
	op := b.b.DeleteDeferred(1 + len(key))
	op.Key[0] = rowOwn
	copy(op.Key[1:], key)
	_ = op.Finish()
}

// DeletePrefix removes every key that starts with prefix.
func (b *KeyBatch) DeletePrefix(prefix []byte) {
	lower := ownKey(prefix)
	_ = b.b.DeleteRange(lower, prefixEnd(lower), nil)
}

// DeleteRange removes every key from one on up to another, which stays.
func (b *KeyBatch) DeleteRange(from, to []byte) { _ = b.b.DeleteRange(ownKey(from), ownKey(to), nil) }

// Apply makes the changes of a batch, which is used up.
func (k *Keys) Apply(b *KeyBatch, sync bool) error { return k.rows.apply(b.b, sync) }

// Drop forgets the changes of a batch, which is used up.
func (b *KeyBatch) Drop() { _ = b.b.Close() }

// ownKeys are keys to write others over. Each acknowledgement looks for a row,
// and the key store forgets the key before it returns.
var ownKeys = sync.Pool{New: func() any { return new([]byte) }}

// borrowKey is ownKey in memory that goes back to ownKeys.
func borrowKey(key []byte) *[]byte {
	own := ownKeys.Get().(*[]byte)
	*own = append(append((*own)[:0], rowOwn), key...)
	return own
}

func ownKey(key []byte) []byte { return append([]byte{rowOwn}, key...) }

// prefixEnd is the smallest key behind all that start with prefix; nil if
// there is none.
func prefixEnd(prefix []byte) []byte {
	end := slices.Clone(prefix)
	for i, b := range slices.Backward(end) {
		if b != 0xff {
			end[i]++
			return end[:i+1]
		}
	}
	return nil
}

// rows is the key store: one Pebble database for index, checkpoint and Keys.
type rows struct {
	db  *pebble.DB
	wal *walFS
	// full is set while the disk has no space even for rows. Pebble cannot go
	// on after a write that failed, so it must not be tried.
	full atomic.Pointer[refusal]
}

// get is the value of a row, copied; mq.ErrNotFound if there is none.
func (r *rows) get(key []byte) ([]byte, error) {
	value, closer, err := r.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, mq.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("reading the key store: %w", err)
	}
	return slices.Clone(value), closer.Close()
}

// has reports whether there is a row.
func (r *rows) has(key []byte) (bool, error) {
	_, closer, err := r.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the key store: %w", err)
	}
	return true, closer.Close()
}

// scan calls f with the rows of a range, in order.
func (r *rows) scan(lower, upper []byte, f func(key, value []byte) error) error {
	it, err := r.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return fmt.Errorf("reading the key store: %w", err)
	}
	for it.First(); it.Valid(); it.Next() {
		value, err := it.ValueAndErr()
		if err == nil {
			err = f(it.Key(), value)
		}
		if err != nil {
			return errors.Join(err, it.Close())
		}
	}
	return it.Close()
}

// apply commits a batch, so that it survives the process, or the machine.
func (r *rows) apply(b *pebble.Batch, sync bool) error {
	if full := r.full.Load(); full != nil {
		return errors.Join(full.err, b.Close())
	}
	if sync {
		r.wal.durable.Add(1)
		defer r.wal.durable.Add(-1)
	}
	err := b.Commit(pebble.Sync)
	if cerr := b.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("writing the key store: %w", err)
	}
	return nil
}
