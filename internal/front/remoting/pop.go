package remoting

// POP_MESSAGE (200050): a consumer takes messages of a topic that no member of
// its group has in hand, and may wait for some. See popped.go for the answer.
//
// Done: long polling, order, tag and SQL-92 filters of the request. The queues of
// a topic, its retry topics and what is in hand are the broker's affair.

import (
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// Limits of one pop.
const (
	maxPopWait   = 2 * time.Minute
	maxInvisible = 365 * 24 * time.Hour
	// popLate is how long after the end of its patience a pop is still looked
	// at: clocks differ, and so much may have been lost on the way.
	popLate = 500 * time.Millisecond
)

// fromEnd is the initMode that begins behind the last message.
const fromEnd = 1

// A pop is one request that has not been answered: POP_MESSAGE or PEEK_MESSAGE.
type pop struct {
	session *session
	request wire.Command // what Reply needs; header and body are gone
	mq.PopRequest
	until  time.Time   // when its patience ends
	asking atomic.Bool // the broker; it has not said yet whether there is an answer
}

// newPop is a pop that answers req.
func newPop(s *session, req *wire.Command) *pop {
	return &pop{session: s, request: wire.Command{
		Code: req.Code, Opaque: req.Opaque, Flag: req.Flag, Version: req.Version,
		Language: req.Language, Serialization: req.Serialization, Arrived: req.Arrived,
	}}
}

// popMessages reads the request and lets the broker answer it beside others:
// messages may have to come from disk.
func popMessages(s *session, req *wire.Command) (*wire.Command, error) {
	p := newPop(s, req)
	late, err := p.decode(req)
	if err != nil {
		return nil, err
	}
	if late {
		return p.nothing(mq.PopBatch{Status: mq.PopNothing}), nil
	}
	return nil, s.wait(p)
}

// decode fills the pop from its header; late says that nobody waits for it any
// more.
func (p *pop) decode(req *wire.Command) (late bool, err error) {
	s := p.session
	h := &s.popHeader
	if err := h.DecodeFields(req.Fields); err != nil {
		return false, malformed(req, err)
	}
	late = p.bide(h.BornTime, h.PollTime)
	switch {
	case late:
		return true, nil
	case h.MaxMsgNums > mq.MaxPop || h.MaxMsgNums < 1:
		return false, badRequest("a pop asks for %d messages; ask for 1 to %d (maxMsgNums)", h.MaxMsgNums, mq.MaxPop)
	case h.InvisibleTime < 0 || h.InvisibleTime > maxInvisible.Milliseconds():
		return false, badRequest("a pop hides messages for %d ms; ask for 0 to %d (invisibleTime)", h.InvisibleTime, maxInvisible.Milliseconds())
	}
	p.Group, p.Topic, p.QueueID = h.ConsumerGroup, h.Topic, max(h.QueueID, -1)
	p.MaxMessages, p.Invisible = int(h.MaxMsgNums), time.Duration(h.InvisibleTime)*time.Millisecond
	p.Client, p.Via = s.client, s.visit
	p.FromEnd, p.Ordered, p.AttemptID = h.InitMode == fromEnd, h.Order, h.AttemptID
	if h.Exp != "" {
		p.Filter, err = s.filter([]byte(h.Exp), []byte(h.ExpType))
	}
	return false, err
}

// bide sets how long the pop may wait, from when the client says that it asked
// and how long it wants to wait, both in milliseconds; late says that this is
// over already.
func (p *pop) bide(born, poll int64) (late bool) {
	now := time.Now()
	wait, late := patience(born, poll, now.UnixMilli())
	p.until = now.Add(wait)
	return late
}

// patience is how long a request may wait that was made at born, in Unix
// milliseconds, and held for poll milliseconds at most; late says that it is
// too old to be answered with messages. A client whose clock is ahead waits as
// long as it asked for.
func patience(born, poll, now int64) (wait time.Duration, late bool) {
	if born == 0 {
		born = now
	}
	const most = int64(1) << 60 // sums do not overflow
	born, poll = min(max(born, 0), now), min(max(poll, 0), most)
	left := born + poll - now
	if left < -popLate.Milliseconds() {
		return 0, true
	}
	return time.Duration(min(max(left, 0), maxPopWait.Milliseconds())) * time.Millisecond, false
}

// run asks the broker, unless the client has a lot to read first.
func (p *pop) run() {
	growStack()
	s := p.session
	if s.hold(p, 0) {
		return
	}
	p.Wait = max(time.Until(p.until), 0)
	p.asking.Store(true)
	s.h.broker.Pop(s.ctx, p.PopRequest, p.done)
	p.asking.Store(false)
}

// growStack makes room on the stack of a goroutine that has just begun. The key
// store goes deep; to grow on the way there, step by step, took 14 µs of each pop.
//
//go:noinline
func growStack() {
	var room [stackRoom]byte
	keepRoom(&room)
}

//go:noinline
func keepRoom(*[stackRoom]byte) {}

const stackRoom = 12 << 10

// done answers the pop. It does not block.
func (p *pop) done(b mq.PopBatch, err error) {
	s := p.session
	s.pulls.Add(-1)
	p.request.Waited = !p.asking.Load()
	switch {
	case err != nil:
		s.refuse(&p.request, err)
	case b.Status != mq.PopFound:
		if b.Release != nil {
			b.Release()
		}
		s.reply(&p.request, p.nothing(b))
	default:
		s.reply(&p.request, p.found(b))
	}
}
