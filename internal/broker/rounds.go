package broker

import "sync"

// rounds make changes that come at the same time together, so that one sync of
// the disk is enough for them: whoever comes first waits for the round before,
// and makes the changes of all who have come until then. A round holds what is
// waited for, one change for each caller, and no two of the same name.
type rounds[C any] struct {
	// mu guards the rounds; it is held while none is made.
	mu struct {
		sync.Mutex
		open *round[C]     // takes changes; nil if none waits
		last chan struct{} // done of the newest round
	}
}

type round[C any] struct {
	names   map[string]bool
	changes []C
	before  chan struct{} // done of the round before; nil if there was none
	done    chan struct{} // closed once the changes are made
	failed  bool          // who was to make them panicked
}

// do returns once the change c of name is made, in a call of all, which is
// never called twice at a time.
func (r *rounds[C]) do(name string, c C, all func(changes []C)) {
	for {
		one, mine, first := r.join(name, c)
		if first {
			r.make(one, all)
		}
		<-one.done
		if mine && one.failed {
			panic("BUG: changes that came at the same time were not made")
		}
		if mine {
			return
		}
	}
}

// join puts a change into the round that is open, unless that has one of the
// same name.
func (r *rounds[C]) join(name string, c C) (one *round[C], mine, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	one = r.mu.open
	if first = one == nil; first {
		one = &round[C]{names: map[string]bool{}, before: r.mu.last, done: make(chan struct{})}
		r.mu.open, r.mu.last = one, one.done
	}
	if mine = !one.names[name]; mine {
		one.names[name], one.changes = true, append(one.changes, c)
	}
	return one, mine, first
}

// make waits for the round before, closes this one and makes its changes.
func (r *rounds[C]) make(one *round[C], all func(changes []C)) {
	defer close(one.done)
	if one.before != nil {
		<-one.before
		one.before = nil
	}
	r.mu.Lock()
	r.mu.open = nil
	r.mu.Unlock()
	one.failed = true
	all(one.changes)
	one.failed = false
}
