package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/meter"
)

const (
	// fresh is for how long backlogs are not looked for again.
	fresh = 5 * time.Second
	// impatience is how long who asks waits for newer ones. A small broker's are
	// there by then; of a large one they are those of the time before.
	impatience = 250 * time.Millisecond
)

// backlogs knows how far groups are behind. They are looked for by a goroutine
// of its own, and only when somebody asks: queues are walked neither on the time
// of who scrapes nor for nobody.
type backlogs struct {
	engine Engine
	wanted chan struct{} // capacity 1

	// mu guards the last that were found; it is held for a moment only.
	mu struct {
		sync.Mutex
		all  []meter.Backlog
		at   time.Time     // when the search began; zero before the first
		took time.Duration // of the search
		done chan struct{} // closed by the next search
	}
}

func newBacklogs(e Engine) *backlogs {
	b := &backlogs{engine: e, wanted: make(chan struct{}, 1)}
	b.mu.done = make(chan struct{})
	return b
}

// get are the newest backlogs, which must not be changed, their age and how long
// it took to find them.
func (b *backlogs) get(ctx context.Context, now time.Time) (all []meter.Backlog, age, took time.Duration) {
	b.mu.Lock()
	at, done := b.mu.at, b.mu.done
	b.mu.Unlock()
	if at.IsZero() || now.Sub(at) >= fresh {
		select {
		case b.wanted <- struct{}{}:
		default:
		}
		timer := time.NewTimer(impatience)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.mu.at.IsZero() {
		age = max(0, now.Sub(b.mu.at))
	}
	return b.mu.all, age, b.mu.took
}

// run searches when it is asked to, until ctx ends.
func (b *backlogs) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.wanted:
			b.search(ctx)
		}
	}
}

func (b *backlogs) search(ctx context.Context) {
	began := time.Now()
	index := map[useKey]int{}
	var all []meter.Backlog
	err := b.engine.EachBacklog(ctx, func(one *meter.Backlog) {
		key := useKey{one.Group, one.Topic, one.Retry}
		if i, ok := index[key]; ok { // retry topics of both names are one
			merge(&all[i], one)
			return
		}
		index[key] = len(all)
		all = append(all, *one)
	})
	if err != nil {
		return // the old ones stay, and show their age
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.all, b.mu.at, b.mu.took = all, began, time.Since(began)
	close(b.mu.done)
	b.mu.done = make(chan struct{})
}
