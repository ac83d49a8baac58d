package broker

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// noOffset stands for an offset that is not there.
const noOffset mq.QueueOffset = -1

// A use is a consumer group's use of a topic.
type use struct{ group, topic string }

// offsets is how far each group is in each queue. The rows are written while
// the progress is locked, so that they never go back.
type offsets struct {
	store   *store.Store
	keys    *store.Keys
	stats   *stats
	figures *figures
	later   func(error) bool // whether a row that failed so may be written later

	// mu guards the table; it is taken before a progress's and not held while
	// a row of one offset is written.
	mu struct {
		sync.RWMutex
		uses   map[use]*progress
		lights int // uses with a light name
	}
}

// A progress is a group's in all queues of a topic.
type progress struct {
	use
	getNums, getSize, ackNums *counter
	behind                    atomic.Bool // mu.behind is not empty

	turn atomic.Uint32 // queue that the next pop begins with

	moved   atomic.Bool // a position has changed since backlog was made
	backlog remembered  // of who is in EachBacklog

	// popping guards what only pops need, which most groups never do. The lock
	// of a queue is held while messages are taken from it, before mu.
	popping struct {
		sync.Mutex
		queues  map[int32]*sync.Mutex
		last    map[int32]lastPop
		retries [2]string // topics of what was popped and not acknowledged
	}

	// mu guards the positions and orders the writing of their rows. deleted
	// says that the table no longer has this progress.
	mu struct {
		sync.Mutex
		queues  map[int32]position
		unkept  map[int32]bool // queues whose row is older; nil if none
		behind  map[int32]bool // queues of which a client may commit too little; see catchUp
		deleted bool
	}
}

// A position is a group's in a queue. Each offset may be noOffset.
type position struct {
	committed mq.QueueOffset
	pulled    mq.QueueOffset // where the last answer to a pull said to go on
	reset     mq.QueueOffset // where the next pull is sent
}

func newOffsets(st *store.Store, s *stats, f *figures, later func(error) bool) *offsets {
	o := &offsets{store: st, keys: st.Keys(), stats: s, figures: f, later: later}
	o.mu.uses = map[use]*progress{}
	return o
}

// load reads all rows. An offset behind the end of its queue goes back there if
// the log lost its end since to a power cut: the group would get nothing of what
// takes the place of the lost messages.
func (o *offsets) load() error {
	batch := o.keys.Batch()
	_, end := o.store.LogBounds()
	err := o.keys.Scan([]byte(offsetRows), func(key, value []byte) error {
		group, q, err := parseOffsetRow(key)
		if err != nil {
			return err
		}
		at, wrote, ok := decodePosition(value)
		if !ok {
			return fmt.Errorf("broker: row %q has %d bytes, want 8, 16 or 24", key, len(value))
		}
		if wrote > end {
			_, hi, err := o.store.Bounds(q)
			if err != nil {
				return err
			}
			at.committed, at.reset = min(at.committed, hi), min(at.reset, hi)
			batch.Set(key, at.encode(end))
		}
		o.progress(use{group, q.Topic}).mu.queues[q.ID] = at
		return nil
	})
	if err != nil {
		batch.Drop()
		return err
	}
	return o.keys.Apply(batch, false)
}

// find returns a group's progress in a topic, or nil.
func (o *offsets) find(u use) *progress {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.mu.uses[u]
}

// progress returns a group's progress in a topic; the first call makes it.
func (o *offsets) progress(u use) *progress {
	if p := o.find(u); p != nil {
		return p
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if p := o.mu.uses[u]; p != nil {
		return p
	}
	return o.addLocked(u)
}

// claim is progress for clients: names of light topics and groups need no
// configuration, so those of which an offset is kept are counted up to a limit.
func (o *offsets) claim(u use, limit int) (*progress, error) {
	if p := o.find(u); p != nil {
		return p, nil
	}
	if !u.light() {
		return o.progress(u), nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if p := o.mu.uses[u]; p != nil {
		return p, nil
	}
	if o.mu.lights >= limit {
		return nil, fmt.Errorf("%w: offsets of %d pairs of a light group or topic and its counterpart are kept; raise max-light-offsets, or delete groups that are gone", mq.ErrLightQuota, o.mu.lights)
	}
	return o.addLocked(u), nil
}

// look is the progress of a group that has only looked at a queue. That of a
// light name without an offset is not in the table and keeps nothing.
func (o *offsets) look(u use) *progress {
	if p := o.find(u); p != nil {
		return p
	}
	if !u.light() {
		return o.progress(u)
	}
	p := o.newProgress(u)
	p.mu.deleted = true
	return p
}

func (o *offsets) addLocked(u use) *progress {
	p := o.newProgress(u)
	o.mu.uses[u] = p
	if u.light() {
		o.mu.lights++
	}
	return p
}

// light reports whether nobody has to configure the group or the topic.
func (u use) light() bool { return mq.IsLight(u.topic) || mq.IsLight(u.group) }

func (o *offsets) newProgress(u use) *progress {
	key := u.topic + "@" + u.group
	if u.light() {
		key = mq.LitePrefix // all of them together, as with their topics
	}
	p := &progress{
		use: u, getNums: o.stats.counter(statGroupGetNums, key), getSize: o.stats.counter(statGroupGetSize, key),
		ackNums: o.stats.counter(statGroupAckNums, key),
	}
	p.mu.queues = map[int32]position{}
	return p
}

// at is the group's position in a queue.
func (p *progress) at(queue int32) position {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.atLocked(queue)
}

// setLocked makes a position known.
func (p *progress) setLocked(queue int32, at position) {
	p.mu.queues[queue] = at
	if !p.moved.Load() {
		p.moved.Store(true)
	}
}

func (p *progress) atLocked(queue int32) position {
	if at, ok := p.mu.queues[queue]; ok {
		return at
	}
	return position{committed: noOffset, pulled: noOffset, reset: noOffset}
}

// commit stores an offset unless it is there already or a reset has not yet
// reached the client, which then commits where it was before.
func (o *offsets) commit(p *progress, queue int32, to mq.QueueOffset) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.atLocked(queue)
	if at.reset != noOffset || at.committed == to {
		return nil
	}
	at.committed = to
	return o.keepLocked(p, queue, at)
}

// commitWith is commit in one batch with other rows, which apply adds to it and
// stores: offset and rows are there together or not at all.
func (o *offsets) commitWith(p *progress, queue int32, to mq.QueueOffset, b *store.KeyBatch, apply func(*store.KeyBatch) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.atLocked(queue)
	if p.mu.deleted || at.reset != noOffset {
		b.Drop()
		return fmt.Errorf("%w: group %s in topic %s was reset or deleted meanwhile", mq.ErrBusy, p.group, p.topic)
	}
	at.committed = to
	b.Set(offsetRow(p.group, mq.Queue{Topic: p.topic, ID: queue}), at.encode(o.end()))
	if err := apply(b); err != nil {
		return fmt.Errorf("what group %s takes from topic %s cannot be noted: %w", p.group, p.topic, err)
	}
	delete(p.mu.unkept, queue)
	p.setLocked(queue, at)
	return nil
}

// popLock is held by who takes messages from a queue for the group.
func (p *progress) popLock(queue int32) *sync.Mutex {
	p.popping.Lock()
	defer p.popping.Unlock()
	l := p.popping.queues[queue]
	if l == nil {
		if p.popping.queues == nil {
			p.popping.queues = map[int32]*sync.Mutex{}
		}
		l = new(sync.Mutex)
		p.popping.queues[queue] = l
	}
	return l
}

// A lastPop is when something was popped of a queue last, in Unix milliseconds, and
// by whom.
type lastPop struct {
	at     int64
	client string
}

// popped notes who has taken something from a queue.
func (p *progress) popped(queue int32, at int64, client string) {
	p.popping.Lock()
	defer p.popping.Unlock()
	if p.popping.last == nil {
		p.popping.last = map[int32]lastPop{}
	}
	p.popping.last[queue] = lastPop{at, client}
}

// lastPopped is the last pop of a queue that took something; zero if none has.
func (p *progress) lastPopped(queue int32) lastPop {
	p.popping.Lock()
	defer p.popping.Unlock()
	return p.popping.last[queue]
}

// retryTopics are those of what the group popped and did not acknowledge: with
// the older name and with the newer one.
func (p *progress) retryTopics() [2]string {
	p.popping.Lock()
	defer p.popping.Unlock()
	if p.popping.retries[0] == "" {
		p.popping.retries = [2]string{mq.RetryTopicPop(p.group, p.topic), mq.RetryTopicPopV2(p.group, p.topic)}
	}
	return p.popping.retries
}

// reset moves a group to an offset; its next pull learns of it.
func (o *offsets) reset(p *progress, queue int32, to mq.QueueOffset) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.atLocked(queue)
	at.committed, at.reset, at.pulled = to, to, noOffset
	return o.keepLocked(p, queue, at)
}

// takeReset returns the offset that a pull is to be sent to, if there is one,
// and forgets that it had to be.
func (o *offsets) takeReset(p *progress, queue int32) (to mq.QueueOffset, ok bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.atLocked(queue)
	if at.reset == noOffset {
		return 0, false, nil
	}
	to, at.reset = at.reset, noOffset
	return to, true, o.keepLocked(p, queue, at)
}

// pulled remembers where a client was told to go on.
func (p *progress) pulled(queue int32, next mq.QueueOffset) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.atLocked(queue)
	at.pulled = next
	p.setLocked(queue, at)
}

// keepLocked writes the row of a position and then makes it known. On a full
// disk it makes it known all the same; keepRest writes the row.
func (o *offsets) keepLocked(p *progress, queue int32, at position) error {
	if p.mu.deleted {
		return nil
	}
	if err := o.writeLocked(p, queue, at); o.later(err) {
		if p.mu.unkept == nil {
			p.mu.unkept = map[int32]bool{}
		}
		p.mu.unkept[queue] = true
	} else if err != nil {
		return err
	}
	p.setLocked(queue, at)
	return nil
}

// writeLocked writes the row of a position.
func (o *offsets) writeLocked(p *progress, queue int32, at position) error {
	if err := o.keys.Set(offsetRow(p.group, mq.Queue{Topic: p.topic, ID: queue}), at.encode(o.end()), false); err != nil {
		return fmt.Errorf("the offset of group %s in topic %s cannot be stored: %w", p.group, p.topic, err)
	}
	delete(p.mu.unkept, queue)
	return nil
}

// encode is the value of a position's row, written when the log ended at end.
func (at position) encode(end mq.LogPos) []byte {
	be := binary.BigEndian
	value := be.AppendUint64(make([]byte, 0, 24), uint64(at.committed))
	value = be.AppendUint64(value, uint64(at.reset))
	return be.AppendUint64(value, uint64(end))
}

// decodePosition reads what encode wrote, or an earlier version, which did not
// note the end of the log, nor a reset if there was none.
func decodePosition(value []byte) (at position, end mq.LogPos, ok bool) {
	be := binary.BigEndian
	at = position{committed: noOffset, pulled: noOffset, reset: noOffset}
	if n := len(value); n != 8 && n != 16 && n != 24 {
		return at, 0, false
	}
	at.committed = mq.QueueOffset(be.Uint64(value))
	if len(value) >= 16 {
		at.reset = mq.QueueOffset(be.Uint64(value[8:]))
	}
	if len(value) == 24 {
		end = mq.LogPos(be.Uint64(value[16:]))
	}
	return at, end, true
}

// end is where the log ends.
func (o *offsets) end() mq.LogPos {
	_, hi := o.store.LogBounds()
	return hi
}

// keepRest writes the rows that wait for space.
func (o *offsets) keepRest() error {
	for _, p := range o.all(func(use) bool { return true }) {
		if err := o.keepRestOf(p); err != nil {
			return err
		}
	}
	return nil
}

func (o *offsets) keepRestOf(p *progress) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.deleted {
		return nil
	}
	for queue := range p.mu.unkept {
		if err := o.writeLocked(p, queue, p.mu.queues[queue]); err != nil {
			return err
		}
	}
	return nil
}

// deleteTopic forgets all groups' progress in a topic.
func (o *offsets) deleteTopic(topic string) error {
	return o.delete(func(u use) bool { return u.topic == topic })
}

// deleteGroup forgets a group's progress in all topics.
func (o *offsets) deleteGroup(group string) error {
	return o.delete(func(u use) bool { return u.group == group })
}

func (o *offsets) delete(match func(use) bool) error {
	o.figures.going.Lock()
	defer o.figures.going.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	batch := o.keys.Batch()
	for u, p := range o.mu.uses {
		if !match(u) {
			continue
		}
		if !u.light() {
			o.figures.gone.messages.Add(p.getNums.sum.Load())
			o.figures.gone.bytes.Add(p.getSize.sum.Load())
		}
		p.mu.Lock()
		p.mu.deleted = true
		p.mu.Unlock()
		row := offsetRow(u.group, mq.Queue{Topic: u.topic})
		delete(o.mu.uses, u)
		if u.light() {
			o.mu.lights--
		}
		if mq.IsLight(u.topic) {
			batch.Delete(row) // it has one queue
			continue
		}
		batch.DeletePrefix(row[:len(row)-4])
		o.stats.forget(statGroupGetNums, u.topic+"@"+u.group)
		o.stats.forget(statGroupGetSize, u.topic+"@"+u.group)
		o.stats.forget(statGroupAckNums, u.topic+"@"+u.group)
	}
	return o.keys.Apply(batch, true)
}

// all returns the progresses that match, in no order.
func (o *offsets) all(match func(use) bool) []*progress {
	o.mu.RLock()
	defer o.mu.RUnlock()
	var found []*progress
	for u, p := range o.mu.uses {
		if match(u) {
			found = append(found, p)
		}
	}
	return found
}

// committed is the group's offsets by queue.
func (p *progress) committed() map[int32]mq.QueueOffset {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[int32]mq.QueueOffset{}
	for id, at := range p.mu.queues {
		if at.committed != noOffset {
			all[id] = at.committed
		}
	}
	return all
}

// Offset is a group's committed offset; ErrNotFound if it has none.
func (b *Broker) Offset(_ context.Context, group string, q mq.Queue) (mq.QueueOffset, error) {
	if p := b.offsets.find(use{group, q.Topic}); p != nil {
		if at := p.at(q.ID); at.committed != noOffset {
			return at.committed, nil
		}
	}
	return 0, fmt.Errorf("%w: group %s has no offset in queue %d of topic %s", mq.ErrNotFound, group, q.ID, q.Topic)
}

// SetOffset commits an offset. It is passed over while a reset of the queue has
// not reached the client.
func (b *Broker) SetOffset(_ context.Context, group string, q mq.Queue, to mq.QueueOffset) error {
	if _, err := b.group(group); err != nil {
		return err
	}
	t := b.findTopic(q.Topic)
	if t == nil {
		return missingTopic(q.Topic)
	}
	if to < 0 {
		return fmt.Errorf("%w: offset %d is negative", mq.ErrInvalid, to)
	}
	if err := checkQueue(t, q.ID); err != nil {
		return err
	}
	p, err := b.offsets.claim(use{group, q.Topic}, b.opts().MaxLightOffsets)
	if err != nil {
		return err
	}
	return b.commit(p, q.ID, to)
}

// checkQueue says that a queue id is outside the topic.
func checkQueue(t *topic, id int32) error {
	if limit := max(t.ReadQueues, t.WriteQueues); id < 0 || id >= limit {
		return fmt.Errorf("%w: request queueId[%d] is illegal, topic %s has queues 0 to %d", mq.ErrQueueOutOfRange, id, t.Name, limit-1)
	}
	return nil
}

// Offsets are all committed offsets, by "topic@group" and queue id.
func (b *Broker) Offsets(context.Context) map[string]map[int32]mq.QueueOffset {
	all := map[string]map[int32]mq.QueueOffset{}
	for _, p := range b.offsets.all(func(use) bool { return true }) {
		if at := p.committed(); len(at) > 0 {
			all[p.topic+"@"+p.group] = at
		}
	}
	return all
}

// GroupsOfTopic lists the groups that have offsets in a topic or are connected
// and subscribe to it, sorted.
func (b *Broker) GroupsOfTopic(_ context.Context, topic string) []string {
	names := b.clients.groupsOfTopic(topic)
	for _, p := range b.offsets.all(func(u use) bool { return u.topic == topic }) {
		if len(p.committed()) > 0 {
			names[p.group] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// TopicsOfGroup lists the topics that a group has offsets in, sorted.
func (b *Broker) TopicsOfGroup(_ context.Context, group string) []string {
	var names []string
	for _, p := range b.offsets.all(func(u use) bool { return u.group == group }) {
		if len(p.committed()) > 0 {
			names = append(names, p.topic)
		}
	}
	slices.Sort(names)
	return names
}

// CloneOffsets gives group to the offsets of group from in a topic.
func (b *Broker) CloneOffsets(_ context.Context, from, to, topic string) error {
	if _, err := b.group(to); err != nil {
		return err
	}
	source := b.offsets.find(use{from, topic})
	if source == nil {
		return fmt.Errorf("%w: group %s has no offsets in topic %s", mq.ErrNotFound, from, topic)
	}
	target, err := b.offsets.claim(use{to, topic}, b.opts().MaxLightOffsets)
	if err != nil {
		return err
	}
	for id, at := range source.committed() {
		if err := b.offsets.commit(target, id, at); err != nil {
			return err
		}
	}
	return nil
}
