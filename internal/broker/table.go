package broker

import (
	"hash/maphash"
	"iter"
	"maps"
	"sync"
	"sync/atomic"
)

// tableShards divides a table so that a change copies a small part of it.
const tableShards = 1024

// A table finds values by name. Reading takes no lock and allocates nothing;
// a change copies the names of one shard. What get returns must not be changed.
type table[V any] struct {
	seed   maphash.Seed
	shards [tableShards]atomic.Pointer[map[string]*V]
	// mu serializes changes of the shards; it is held while one is copied.
	mu sync.Mutex
}

func newTable[V any]() *table[V] {
	t := &table[V]{seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].Store(&map[string]*V{})
	}
	return t
}

func (t *table[V]) shard(name string) *atomic.Pointer[map[string]*V] {
	return &t.shards[maphash.String(t.seed, name)%tableShards]
}

// get returns the value called name, or nil.
func (t *table[V]) get(name string) *V { return (*t.shard(name).Load())[name] }

// add sets the value called name while nobody else has the table.
func (t *table[V]) add(name string, v *V) { (*t.shard(name).Load())[name] = v }

// put sets the value called name; nil removes it.
func (t *table[V]) put(name string, v *V) {
	t.mu.Lock()
	defer t.mu.Unlock()
	shard := t.shard(name)
	changed := maps.Clone(*shard.Load())
	if v == nil {
		delete(changed, name)
	} else {
		changed[name] = v
	}
	shard.Store(&changed)
}

// size is how many values there are.
func (t *table[V]) size() int {
	n := 0
	for i := range t.shards {
		n += len(*t.shards[i].Load())
	}
	return n
}

// all goes through the values in no order; those put or removed meanwhile may
// or may not be seen.
func (t *table[V]) all() iter.Seq2[string, *V] {
	return func(yield func(string, *V) bool) {
		for i := range t.shards {
			for name, v := range *t.shards[i].Load() {
				if !yield(name, v) {
					return
				}
			}
		}
	}
}
