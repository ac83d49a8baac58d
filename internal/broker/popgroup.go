package broker

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/pop"
	"github.com/goddardmq/goddard/internal/store"
)

// A laning is a pop by message group on its way through one queue, which is
// locked.
type laning struct {
	*popping
	s        source
	l        *pop.Lanes
	offsets  []mq.QueueOffset
	records  map[mq.QueueOffset][]byte
	held     int // bytes of records
	releases []func()
}

// takeByGroup takes from a queue that is locked what message groups let it, or
// only looks or reads.
func (x *popping) takeByGroup(s source) {
	n := laning{popping: x, s: s, records: map[mq.QueueOffset][]byte{}}
	err := n.open()
	if err == nil && x.look {
		x.found = n.l.Free(x.batch.PopTime) > 0 || n.unknown() > 0
		n.wait()
		return
	}
	if err == nil {
		err = n.take()
	}
	if err != nil {
		x.err = err
		x.b.holds.LetGo(s.use())
		n.release()
	}
}

// open finds the state of the queue and brings it in line with the offset.
func (n *laning) open() (err error) {
	if n.l, err = n.b.holds.Lanes(n.s.use()); err != nil {
		return err
	}
	reset := n.s.p.at(n.s.id).reset != noOffset
	from, err := n.start(n.s)
	switch {
	case err != nil:
	case reset:
		n.l.Restart(from)
	default:
		n.l.Move(from)
	}
	return err
}

// unknown is how many messages wait whose keys are to be learned, about.
func (n *laning) unknown() int64 {
	_, hi, err := n.b.store.Bounds(n.s.queue())
	if err != nil || n.l.Room() == 0 {
		return 0
	}
	return max(0, int64(hi-n.l.Known()))
}

// wait notes when the next message in hand is visible again.
func (n *laning) wait() {
	if until := n.l.Until(n.batch.PopTime); until > 0 && (n.until == 0 || until < n.until) {
		n.until = until
	}
}

func (n *laning) release() {
	for _, release := range n.releases {
		release()
	}
	n.releases = nil
}

// take puts into the group's hand and into the answer what is free.
func (n *laning) take() error {
	if err := n.choose(); err != nil {
		return err
	}
	if err := n.fetch(); err != nil {
		return err
	}
	first := len(n.batch.Messages)
	n.gatherByGroup()
	taken := n.batch.Messages[first:]
	if err := n.keepByGroup(taken); err != nil {
		n.batch.Messages = n.batch.Messages[:first]
		return err
	}
	n.wait()
	if len(taken) == 0 {
		n.release()
		return nil
	}
	n.popping.releases = append(n.popping.releases, n.releases...)
	n.count(n.s, taken)
	n.batch.Rest += int64(n.l.Free(n.batch.PopTime)) + n.unknown()
	return nil
}

// choose finds out what is free, and learns keys as long as that is too little.
func (n *laning) choose() error {
	if err := n.b.holds.Refill(n.s.use(), n.l); err != nil {
		return err
	}
	room := n.r.MaxMessages - len(n.batch.Messages)
	for round := range maxPassed {
		n.l.Sweep(n.batch.PopTime)
		var again bool
		n.offsets, again = n.l.Choose(n.r.AttemptID, n.batch.PopTime, room)
		if again || len(n.offsets) == room || n.l.Room() == 0 {
			return nil
		}
		most := room
		if round > 0 {
			most = mq.MaxPop
		}
		more, err := n.learn(most)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// learn reads on in the queue, and reports whether that found something.
func (n *laning) learn(most int) (more bool, err error) {
	got, err := n.b.store.Read(n.s.queue(), n.l.Known(), store.ReadOptions{MaxMessages: min(most, n.l.Room()), Filter: n.r.Filter})
	if err != nil {
		return false, err
	}
	switch {
	case got.Status == mq.PullFound:
		n.hold(got, func(at mq.QueueOffset, record []byte) {
			key, _ := mq.Property(mq.RecordProperties(record), mq.PropShardingKey)
			n.l.Learn(at, pop.HashKey(key))
		})
		n.l.Pass(got.Next)
		return true, nil
	case got.Status == mq.PullNoMatch, got.Status == mq.PullOffsetIllegal && got.Next > n.l.Known():
		n.l.Pass(got.Next)
		more = got.Next < got.Max
	case got.Status == mq.PullOffsetIllegal && got.Next < n.l.Known():
		n.l.Restart(got.Next) // the queue lost its end
	}
	release(got)
	return more, nil
}

// hold notes the records of a batch by their offsets. What is too much to be
// held is read again if it is chosen.
func (n *laning) hold(got mq.Batch, each func(at mq.QueueOffset, record []byte)) {
	keep := n.held < n.live.Store.MaxReadBytes
	for _, data := range got.Data {
		for len(data) > 0 {
			record := data[:binary.BigEndian.Uint32(data)]
			data = data[len(record):]
			at := mq.OffsetIn(record, n.s.p.topic)
			if each(at, record); keep {
				n.records[at] = record
				n.held += len(record)
			}
		}
	}
	if keep {
		n.releases = append(n.releases, got.Release)
	} else {
		release(got)
	}
}

// fetch reads the chosen messages that learning did not, as many as fit into an
// answer. Those that the queue holds no longer are done with.
func (n *laning) fetch() error {
	there, size := n.offsets[:0], n.bytes
	for i, at := range n.offsets {
		if len(there) > 0 && size >= n.live.Store.MaxReadBytes {
			break
		}
		if n.records[at] == nil {
			run := 1
			for i+run < len(n.offsets) && n.offsets[i+run] == at+mq.QueueOffset(run) {
				run++
			}
			if err := n.fetchRun(at, run); err != nil {
				return err
			}
		}
		if n.records[at] == nil {
			n.l.Drop(at)
			continue
		}
		size += len(n.records[at])
		there = append(there, at)
	}
	n.offsets = there
	return nil
}

// fetchRun reads messages that follow each other.
func (n *laning) fetchRun(at mq.QueueOffset, run int) error {
	got, err := n.b.store.Read(n.s.queue(), at, store.ReadOptions{MaxMessages: run})
	if err != nil {
		return err
	}
	if got.Status != mq.PullFound {
		release(got)
		return nil
	}
	n.held = 0 // chosen ones are always held
	n.hold(got, func(mq.QueueOffset, []byte) {})
	return nil
}

// gatherByGroup adds the chosen messages to the answer.
func (n *laning) gatherByGroup() {
	if n.batch.Messages == nil {
		n.batch.Messages = make([]mq.Popped, 0, n.r.MaxMessages)
	}
	for _, at := range n.offsets {
		n.batch.Messages = append(n.batch.Messages, mq.Popped{Record: n.records[at], Receipt: mq.Receipt{
			Start: n.offsets[0], PopTime: n.batch.PopTime, Invisible: n.batch.Invisible, Revive: mq.ByGroupRevive,
			Broker: n.live.Name, QueueID: n.s.id, Offset: at,
		}})
	}
}

// keepByGroup stores what the group has in hand now, if that changed.
func (n *laning) keepByGroup(answer []mq.Popped) error {
	for i, tries := range n.l.Take(n.r.AttemptID, n.batch.PopTime, n.batch.Invisible, n.offsets) {
		answer[i].Tries = tries
	}
	if !n.l.Changed() {
		return n.b.offsets.commit(n.s.p, n.s.id, n.l.Floor())
	}
	return n.b.keepLanes(n.s.p, n.s.use(), n.l, true)
}

// leaveByGroup counts what a pop that is full leaves in a queue.
func (x *popping) leaveByGroup(s source) {
	lock := s.p.popLock(s.id)
	lock.Lock()
	defer lock.Unlock()
	l, err := x.b.holds.Lanes(s.use())
	if err != nil {
		return
	}
	switch at := s.p.at(s.id); {
	case at.reset != noOffset || at.committed == noOffset:
		left, err := x.waiting(s)
		if err == nil {
			x.batch.Rest += left
		}
		return
	default:
		l.Move(at.committed)
	}
	n := laning{popping: x, s: s, l: l}
	x.batch.Rest += int64(l.Free(x.batch.PopTime)) + n.unknown()
}

// notByGroup makes sure that a queue that is taken in order as a whole is not
// taken by message group any more. What was in hand so comes once more.
func (x *popping) notByGroup(s source) error {
	if !x.r.Ordered || x.r.Peek {
		return nil
	}
	has, err := x.b.holds.HasLanes(s.use())
	if err != nil || !has {
		return err
	}
	l, err := x.b.holds.Lanes(s.use())
	if err != nil {
		return err
	}
	if parked := l.Parked(); len(parked) > 0 {
		return fmt.Errorf("%w: group %s has message group %.60s of topic %s parked, so the queue cannot be in order as a whole; release it with `goddard admin fifo release`, and have it consumed",
			mq.ErrInvalid, s.p.group, parked[0].Name, s.p.topic)
	}
	return x.b.holds.ForgetLanes(func(u pop.Use) bool { return u == s.use() })
}

// keepLanes stores what a group has in hand of a queue, together with its
// offset unless it has not begun. The queue is locked.
func (b *Broker) keepLanes(p *progress, u pop.Use, l *pop.Lanes, begun bool) (err error) {
	keep := func(batch *store.KeyBatch) error { return b.holds.KeepLanes(batch, u, l) }
	if begun {
		err = b.offsets.commitWith(p, u.Queue, l.Floor(), b.holds.Batch(), keep)
	} else {
		err = keep(b.holds.Batch())
	}
	if err != nil {
		b.holds.LetGo(u)
	}
	return err
}

// onLanes changes what a group has in hand of a queue and stores it if that
// changed something. A pop that waits learns of what is free then. Where there
// is no offset, or a reset has yet to be followed, the next pop says where the
// group begins.
func (b *Broker) onLanes(p *progress, u pop.Use, change func(l *pop.Lanes) error) error {
	lock := p.popLock(u.Queue)
	lock.Lock()
	defer lock.Unlock()
	l, err := b.holds.Lanes(u)
	if err != nil {
		return err
	}
	at := p.at(u.Queue)
	begun := at.committed != noOffset && at.reset == noOffset
	if begun {
		l.Move(at.committed)
	}
	full := l.Room() == 0
	err = change(l)
	if l.Changed() {
		if kept := b.keepLanes(p, u, l, begun); kept != nil {
			return kept
		}
	}
	if l.Free(time.Now().UnixMilli()) > 0 || full && l.Room() > 0 {
		b.parking.wakePop(p.use, u.Queue)
	}
	return err
}

// ackByGroup is Ack of some of acks, which are about one queue.
func (b *Broker) ackByGroup(u pop.Use, acks []mq.Ack, list []int, fail func(i int, err error)) {
	p := b.offsets.find(use{u.Group, u.Topic})
	if p == nil {
		return // nothing was taken, or that was forgotten
	}
	err := b.onLanes(p, u, func(l *pop.Lanes) error {
		for _, i := range list {
			if r := &acks[i].Receipt; l.Ack(r.Offset, r.PopTime) == pop.AckUnknown {
				fail(i, fmt.Errorf("%w: offset is illegal, group %s has not come to message %d of queue %d of topic %s", mq.ErrMessageIllegal, u.Group, r.Offset, u.Queue, u.Topic))
			}
		}
		return nil
	})
	for _, i := range list {
		fail(i, err)
	}
}

// changeByGroup is ChangeInvisible of a message that was taken by message group,
// whose receipt keeps the time of its pop.
func (b *Broker) changeByGroup(u pop.Use, r mq.Receipt, d time.Duration, suspend bool) (mq.Receipt, error) {
	p := b.offsets.find(use{u.Group, u.Topic})
	if p == nil {
		return r, notInHand(u, &r)
	}
	visible := time.Now().Add(d).UnixMilli()
	err := b.onLanes(p, u, func(l *pop.Lanes) error {
		if !l.Change(r.Offset, r.PopTime, visible, suspend) {
			return notInHand(u, &r)
		}
		return nil
	})
	if err != nil {
		return r, err
	}
	// Those who wait for the queue may have to wait less.
	b.parking.wakePop(p.use, u.Queue)
	r.Invisible = visible - r.PopTime
	return r, nil
}

// buryByGroup is Bury of a message that was taken by message group.
func (b *Broker) buryByGroup(g *mq.Group, u pop.Use, r *mq.Receipt) error {
	p := b.offsets.find(use{u.Group, u.Topic})
	if p == nil {
		return notInHand(u, r)
	}
	return b.onLanes(p, u, func(l *pop.Lanes) error {
		if !l.Has(r.Offset, r.PopTime) {
			return notInHand(u, r)
		}
		if err := b.buryMessage(g, u, r.Offset, r.PopTime); err != nil {
			return err
		}
		l.Ack(r.Offset, r.PopTime)
		return nil
	})
}
