package dedup

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// Attribute is the attribute of a topic that says for how many seconds a
// message makes later ones with its unique key duplicates.
const Attribute = "dedup.window.seconds"

// MaxWindow bounds the window of a topic.
const MaxWindow = 7 * 24 * time.Hour

const (
	// saveInterval is how often new keys get their rows.
	saveInterval = time.Second
	// followStep is how much of the log passes by without a new key before the
	// position of the rows is written for that alone.
	followStep = 64 << 20
)

// Options says where a Register finds what it needs. All but Log are required.
type Options struct {
	Store *store.Store

	// Broker is the name that handles of delayed messages carry.
	Broker string

	// MaxKeys is how many keys may be remembered; it may change.
	MaxKeys func() int64

	// Log receives what an operator should read. Nil discards it.
	Log *slog.Logger
}

// A Register knows the keys of all topics that want each message once. All
// methods are safe for concurrent use.
type Register struct {
	opts       Options
	topics     atomic.Pointer[map[string]*Topic]
	followed   atomic.Int64 // the log is known up to here, as mq.LogPos
	count      atomic.Int64 // keys remembered
	duplicates atomic.Int64 // messages that were not stored again

	// changing lets one goroutine at a time change topics or rows; it guards
	// what follows. A topic's lock may be taken while it is held.
	changing sync.Mutex
	saved    mq.LogPos // what the row says of followed
}

// New makes a register without topics. Set adds those of the broker, then Load
// must be called.
func New(o Options) *Register {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Register{opts: o}
	r.topics.Store(&map[string]*Topic{})
	return r
}

// Size is how many keys are remembered, and how many messages were found to be
// duplicates since the start.
func (r *Register) Size() (keys, duplicates int64) { return r.count.Load(), r.duplicates.Load() }

// Set gives a topic a window and returns it; 0 makes it forget its keys and
// returns nil. A topic that gets its first window knows the messages that are
// stored from then on.
func (r *Register) Set(name string, window time.Duration) (*Topic, error) {
	r.changing.Lock()
	defer r.changing.Unlock()
	all := *r.topics.Load()
	t := all[name]
	switch {
	case window <= 0 && t == nil:
		return nil, nil
	case window <= 0:
		return nil, r.remove(t)
	case t == nil:
		if len(all) == 0 {
			if err := r.begin(); err != nil {
				return nil, err
			}
		}
		t = &Topic{r: r, name: name}
		all = maps.Clone(all)
		all[name] = t
		defer r.topics.Store(&all)
	}
	t.mu.Lock()
	t.mu.table.window = window.Milliseconds()
	t.mu.Unlock()
	return t, nil
}

// begin notes where in the log the first topic with a window begins, unless a
// row says so already.
func (r *Register) begin() error {
	keys := r.opts.Store.Keys()
	if at, ok, err := followed(keys); err != nil || ok {
		r.saved = at
		r.followed.Store(int64(at))
		return err
	}
	_, hi := r.opts.Store.LogBounds()
	b := keys.Batch()
	setFollowed(b, hi)
	if err := keys.Apply(b, true); err != nil {
		return fmt.Errorf("dedup: where in the log duplicates begin to count cannot be stored: %w", err)
	}
	r.saved = hi
	r.followed.Store(int64(hi))
	return nil
}

// remove forgets a topic. Without any, nothing is left.
func (r *Register) remove(t *Topic) error {
	all := maps.Clone(*r.topics.Load())
	delete(all, t.name)
	r.topics.Store(&all)
	t.mu.Lock()
	t.mu.removed = true
	r.count.Add(-int64(t.mu.table.count))
	// Messages under way settle all the same.
	t.mu.table.parts, t.mu.table.count, t.mu.unsaved = nil, 0, nil
	t.mu.Unlock()
	keys := r.opts.Store.Keys()
	b := keys.Batch()
	if len(all) == 0 {
		b.DeletePrefix([]byte(allRows))
	} else {
		b.DeletePrefix(topicRows(t.name))
	}
	if err := keys.Apply(b, true); err != nil {
		return fmt.Errorf("dedup: the keys of topic %s cannot be forgotten: %w", t.name, err)
	}
	return nil
}

// Load reads the rows, and the log from where they end. Nothing may be stored
// meanwhile.
func (r *Register) Load() error {
	keys, all, now := r.opts.Store.Keys(), *r.topics.Load(), time.Now().UnixMilli()
	if len(all) == 0 {
		b := keys.Batch()
		b.DeletePrefix([]byte(allRows))
		return keys.Apply(b, false)
	}
	err := keys.Scan([]byte(keyRows), func(key, value []byte) error {
		name, stored, ok := parseKeyRow(key)
		if !ok {
			return fmt.Errorf("dedup: row %q is not one of keys", key)
		}
		if t := all[name]; t != nil && now-stored < t.mu.table.window {
			if err := eachEntry(value, func(h uint64, at mq.LogPos) { t.mu.table.put(h, at, stored) }); err != nil {
				return fmt.Errorf("dedup: row %q is damaged: %w", key, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range all {
		r.count.Add(int64(t.mu.table.count))
	}
	return r.catchUp()
}

// catchUp enters the messages that lie behind what the rows cover.
func (r *Register) catchUp() error {
	from := mq.LogPos(r.followed.Load())
	end, err := r.opts.Store.Records(from, func(rec *mq.Record) {
		if t := r.topic(string(rec.Topic), rec.Properties); t != nil {
			t.enter(rec.Properties, rec.Pos, rec.StoreTime)
		}
	})
	if err != nil {
		return fmt.Errorf("dedup: reading the log behind the keys that are known: %w", err)
	}
	r.followed.Store(int64(end))
	return nil
}

// topic is the one with a window that a message belongs to; nil if none does.
func (r *Register) topic(name string, props []byte) *Topic {
	return (*r.topics.Load())[topicOf(name, props)]
}

// Appended notes messages that can be read from here on. It is called in the
// order of the log.
func (r *Register) Appended(messages []store.Appended) {
	if len(*r.topics.Load()) == 0 {
		return
	}
	end := int64(0)
	for i := range messages {
		m := &messages[i]
		props := mq.RecordProperties(m.Record)
		at := int64(binary.BigEndian.Uint64(m.Record[mq.RecordPosAt:]))
		if t := r.topic(m.Queue.Topic, props); t != nil {
			t.enter(props, mq.LogPos(at), m.StoreTime)
		}
		end = at + int64(len(m.Record))
	}
	r.followed.Store(end)
}

// enter notes a message of the topic.
func (t *Topic) enter(props []byte, at mq.LogPos, stored int64) {
	key, ok := mq.Property(props, mq.PropUniqueKey)
	if !ok {
		return
	}
	h := hash(key)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.removed {
		return
	}
	before := t.mu.table.count
	if t.mu.table.enter(h, at, stored) {
		t.mu.unsaved = append(t.mu.unsaved, entry{h, at, stored})
	}
	t.r.count.Add(int64(t.mu.table.count - before))
}

// Run writes rows and forgets what is too old, until ctx ends.
func (r *Register) Run(ctx context.Context) error {
	tick := time.NewTicker(saveInterval)
	defer tick.Stop()
	said := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := r.save(time.Now())
		if err != nil && !said {
			r.opts.Log.Warn("unique keys cannot be written and are read from the log after a restart, will try again", "error", err)
		}
		said = err != nil
	}
}

// save writes the rows of what is synced and drops those of what expired.
func (r *Register) save(now time.Time) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	all := *r.topics.Load()
	if len(all) == 0 {
		return nil
	}
	end := min(mq.LogPos(r.followed.Load()), r.opts.Store.Synced())
	keys := r.opts.Store.Keys()
	b := keys.Batch()
	written := map[*Topic]int{}
	worth := end-r.saved >= followStep
	for name, t := range all {
		some, expired := t.unsavedBelow(end, now.UnixMilli())
		addRows(b, name, some)
		written[t] = len(some)
		if expired > 0 {
			b.DeleteRange(topicRows(name), keyRow(name, expired, 0))
		}
		worth = worth || len(some) > 0 || expired > 0
	}
	if !worth {
		b.Drop()
		return nil
	}
	setFollowed(b, end)
	if err := keys.Apply(b, false); err != nil {
		return err
	}
	r.saved = end
	for t, n := range written {
		t.forgetSaved(n)
	}
	return nil
}

// unsavedBelow expires the topic's keys and returns the entries below a
// position that have no row. expired is the store time below which no row
// counts, 0 if nothing has expired.
func (t *Topic) unsavedBelow(end mq.LogPos, now int64) (some []entry, expired int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.mu.table.count
	if t.mu.table.expire(now) {
		expired = now - t.mu.table.window
	}
	t.r.count.Add(int64(t.mu.table.count - before))
	n := 0
	for n < len(t.mu.unsaved) && t.mu.unsaved[n].at < end {
		n++
	}
	return t.mu.unsaved[:n:n], expired
}

// forgetSaved drops the first n entries without a row: they have one.
func (t *Topic) forgetSaved(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n = min(n, len(t.mu.unsaved)); n == len(t.mu.unsaved) {
		t.mu.unsaved = nil
		return
	}
	t.mu.unsaved = t.mu.unsaved[n:]
}
