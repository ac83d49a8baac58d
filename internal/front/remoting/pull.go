package remoting

// PULL_MESSAGE (11), LITE_PULL_MESSAGE (361): a consumer asks for messages of
// one queue and may wait for them. The answer's body is stored records as they
// lie in the log.
//
// Done: long polling, commit of an offset with the pull, tag and SQL-92 filters
// from the request or from the client's heartbeat. Not done: class filters, lite
// topics.

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// Bits of a pull's sysFlag.
const (
	pullCommits   = 1 // commitOffset is to be stored
	pullWaits     = 2 // may be held back until there are messages
	pullSubscribe = 4 // carries its own subscription
)

// Limits of one pull.
const (
	maxPullWait     = 2 * time.Minute
	maxPullMessages = 4096
)

// A pull is one request that has not been answered, and then its answer until
// that is written. It is used again for another request, with the functions and
// the memory that it has: a consumer that keeps up pulls a million times for a
// few messages each.
type pull struct {
	session *session
	request wire.Command // what Reply needs; header and body are gone
	mq.PullRequest
	commit mq.QueueOffset
	asking atomic.Bool // the broker; it has not said yet whether there is an answer
	// needsDisk is what the broker has said to the reading goroutine, whose the
	// field is.
	needsDisk bool

	batch  mq.Batch // of the answer
	size   int      // of its records
	header wire.PullMessageResponse
	resp   wire.Command

	// uses are who may still look at the pull: whoever answers it, those that
	// run it, and the answer until it is released.
	uses atomic.Int32

	// Its own methods, made once.
	answered  func(mq.Batch, error)
	released  func()
	runBeside func()
}

// pulls are those that wait to be used again.
var pulls sync.Pool

// newPull is a pull without a header. The caller may look at it until it is
// answered, or calls drop.
func newPull(s *session, req *wire.Command) *pull {
	p, _ := pulls.Get().(*pull)
	if p == nil {
		p = &pull{}
		p.answered, p.released, p.runBeside = p.done, p.release, p.runAndLeave
	}
	p.session = s
	p.request = wire.Command{
		Code: req.Code, Opaque: req.Opaque, Flag: req.Flag, Version: req.Version,
		Language: req.Language, Serialization: req.Serialization, Arrived: req.Arrived,
	}
	p.uses.Store(1)
	return p
}

// drop ends one use of the pull; with the last it goes back to the others.
func (p *pull) drop() {
	if p.uses.Add(-1) > 0 {
		return
	}
	p.session, p.PullRequest, p.batch = nil, mq.PullRequest{}, mq.Batch{}
	p.resp = wire.Command{Fields: p.resp.Fields[:0]}
	pulls.Put(p)
}

// pullMessages reads the request and lets the broker answer it at once, or
// beside others if messages have to come from the disk. Most are in memory: then
// a goroutine for each pull, and a write for each answer, cost more than the
// pull.
func pullMessages(s *session, req *wire.Command) (*wire.Command, error) {
	p := newPull(s, req)
	err := p.decode(req)
	if err == nil {
		err = s.mayWait()
	}
	if err != nil {
		p.drop()
		return nil, err
	}
	p.uses.Add(1)
	p.ask(true)
	if p.needsDisk {
		p.needsDisk = false
		s.launch(p.runBeside)
	}
	p.drop()
	return nil, nil
}

// mayWait counts a pull or a pop that waits, unless too many do already.
func (s *session) mayWait() error {
	if s.pulls.Add(1) > maxPulls {
		s.pulls.Add(-1)
		return refusef(wire.CodeSystemBusy, "%d pulls and pops of this connection wait for an answer; use more connections, or wait for answers", maxPulls)
	}
	return nil
}

// wait runs a pop beside others, unless too many wait already.
func (s *session) wait(w waiter) error {
	err := s.mayWait()
	if err == nil {
		s.beside(w.run)
	}
	return err
}

// decode fills the pull from its header.
func (p *pull) decode(req *wire.Command) error {
	var h pullHeader
	if err := h.decode(req); err != nil {
		return err
	}
	s := p.session
	p.Via, p.Raw = s.visit, !s.conn.Secure()
	p.Group, p.Queue = s.names.of(h.group), mq.Queue{Topic: s.names.of(h.topic), ID: h.queueID}
	p.From, p.MaxMessages, p.MaxBytes = mq.QueueOffset(h.offset), int(h.maxMessages), int(h.maxBytes)
	if h.maxBytes < 0 {
		return badRequest("a pull for %d bytes finds nothing; leave maxMsgBytes out", h.maxBytes)
	}
	// The Go client's pull consumer asks for 0, and RocketMQ serves it.
	p.MaxMessages = min(max(p.MaxMessages, 1), maxPullMessages)
	if h.sysFlag&pullCommits != 0 && h.commit >= 0 {
		p.commit = mq.QueueOffset(h.commit)
		p.Commit = &p.commit
	}
	if h.sysFlag&pullWaits != 0 && h.wait > 0 {
		p.Wait = min(time.Duration(min(h.wait, maxPullWait.Milliseconds()))*time.Millisecond, maxPullWait)
	}
	var err error
	if h.sysFlag&pullSubscribe != 0 {
		p.Filter, err = s.filter(h.subscription, h.expressionType)
	} else {
		p.Filter, err = s.groupFilter(p.Group, p.Queue.Topic, h.subVersion)
	}
	return err
}

// run asks the broker and waits for the disk if need be.
func (p *pull) run() { p.ask(false) }

// ask asks the broker, unless the client has a lot to read first.
func (p *pull) ask(noDisk bool) {
	p.uses.Add(1)
	defer p.drop()
	if p.session.hold(p, 0) {
		return
	}
	r := p.PullRequest
	r.NoDisk = noDisk
	p.asking.Store(true)
	p.session.h.broker.Pull(p.session.ctx, r, p.answered)
	p.asking.Store(false)
}

// runAndLeave is run for launch.
func (p *pull) runAndLeave() {
	s := p.session
	defer s.leave()
	p.run()
}

// done answers the pull. It does not block.
func (p *pull) done(b mq.Batch, err error) {
	s := p.session
	if errors.Is(err, mq.ErrNeedsDisk) {
		p.needsDisk = true
		return
	}
	p.request.Waited = p.request.Waited || !p.asking.Load()
	if err != nil {
		s.pulls.Add(-1)
		s.reply(&p.request, s.refusedPull(&p.request, err))
		p.drop()
		return
	}
	size := 0
	for _, chunk := range b.Data {
		size += len(chunk)
	}
	// Of the pulls that wake together only some fit; the others ask again
	// later. That is another pass: it commits nothing and does not wait.
	p.Commit, p.Wait = nil, 0
	if size > 0 && s.hold(p, size) {
		giveBack(&b)
		return
	}
	s.pulls.Add(-1)
	p.batch, p.size = b, size
	p.uses.Add(1) // the answer's
	if resp := p.answer(); p.request.Oneway() {
		s.reply(&p.request, resp)
	} else {
		s.conn.ReplyHere(resp)
	}
	p.drop()
}

// refusedPull is the answer to a pull that is refused; of one that is denied it
// says by whom.
func (s *session) refusedPull(req *wire.Command, err error) *wire.Command {
	code, remark := s.h.explain(err)
	resp := req.ReplyError(code, remark)
	if d, ok := errors.AsType[*mq.PullDeniedError](err); ok {
		resp.Fields = resp.Fields.AddInt("forbiddenType", int64(d.By))
	}
	return resp
}

// answer makes the response. Once it has been written the records go back to
// the broker, and pulls that waited for that go on.
func (p *pull) answer() *wire.Command {
	b := &p.batch
	code, remark := pullOutcome(b.Status, p.From)
	p.header = wire.PullMessageResponse{
		SuggestWhichBrokerID: 0,
		NextBeginOffset:      int64(b.Next),
		MinOffset:            int64(b.Min),
		MaxOffset:            int64(b.Max),
	}
	p.resp.SetReply(&p.request, code, &p.header)
	p.resp.Remark, p.resp.Chunks, p.resp.Release = remark, b.Data, p.released
	return &p.resp
}

// release is called when the answer is written, or never will be.
func (p *pull) release() {
	giveBack(&p.batch)
	if p.size > 0 {
		p.session.unhold(p.size)
	}
	p.drop()
}

// giveBack returns a batch's memory to the broker.
func giveBack(b *mq.Batch) {
	if b.Release != nil {
		b.Release()
	}
}

// pullOutcome is the response code for what a pull from an offset found, and
// RocketMQ's word for it.
func pullOutcome(status mq.PullStatus, from mq.QueueOffset) (wire.Code, string) {
	switch status {
	case mq.PullFound:
		return wire.CodeSuccess, "FOUND"
	case mq.PullNoNew:
		return wire.CodePullNotFound, "OFFSET_OVERFLOW_ONE"
	case mq.PullNoMatch:
		return wire.CodePullRetryImmediately, "NO_MATCHED_MESSAGE"
	case mq.PullNoQueue:
		if from == 0 {
			return wire.CodePullNotFound, "NO_MESSAGE_IN_QUEUE"
		}
		return wire.CodePullOffsetMoved, "NO_MESSAGE_IN_QUEUE"
	default:
		return wire.CodePullOffsetMoved, "OFFSET_OVERFLOW_BADLY"
	}
}

// hold reserves size bytes for an answer and returns false, or, if the client
// already has maxUnread bytes to read, keeps w for later and returns true. A slow
// consumer thus costs no memory: its pulls and pops wait, its bytes do not.
func (s *session) hold(w waiter, size int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.unread < maxUnread {
		s.mu.unread += size
		return false
	}
	if !s.mu.closed {
		s.mu.held = append(s.mu.held, w)
	}
	return true
}

// reserve counts size bytes as unread, whatever the client has to read already:
// popped messages are in its hand.
func (s *session) reserve(size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.unread += size
}

// unhold notes that size bytes have been written and, if the client has caught
// up by half, lets go on what was kept.
func (s *session) unhold(size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.unread -= size
	if s.mu.closed || len(s.mu.held) == 0 || s.mu.unread > maxUnread/2 {
		return
	}
	held := s.mu.held
	s.mu.held = nil
	s.work.Go(func() {
		for _, w := range held {
			w.run()
		}
	})
}

// pullHeader is the header of a pull as it lies in the request.
type pullHeader struct {
	group, topic                 []byte
	subscription, expressionType []byte
	offset, commit, wait         int64
	subVersion                   int64
	queueID, maxMessages         int32
	sysFlag, maxBytes            int32
}

// The fields that a pull must have, as bits of a mask.
const (
	hasGroup = 1 << iota
	hasTopic
	hasQueueID
	hasOffset
	hasMaxMessages
	hasSysFlag
)

// pullRequired names the bits above.
var pullRequired = [...]string{"consumerGroup", "topic", "queueId", "queueOffset", "maxMsgNums", "sysFlag"}

// decode reads the header without making garbage.
func (h *pullHeader) decode(req *wire.Command) error {
	seen := 0
	for i := range req.Fields {
		f := &req.Fields[i]
		good, bit := true, 0
		switch string(f.Key) {
		case "consumerGroup":
			h.group, bit = f.Value, hasGroup
		case "topic":
			h.topic, bit = f.Value, hasTopic
		case "queueId":
			h.queueID, good = parseInt32(f.Value)
			bit = hasQueueID
		case "queueOffset":
			h.offset, good = parseInt64(f.Value)
			bit = hasOffset
		case "maxMsgNums":
			h.maxMessages, good = parseInt32(f.Value)
			bit = hasMaxMessages
		case "sysFlag":
			h.sysFlag, good = parseInt32(f.Value)
			bit = hasSysFlag
		case "commitOffset":
			h.commit, good = parseInt64(f.Value)
		case "suspendTimeoutMillis":
			h.wait, good = parseInt64(f.Value)
		case "subVersion":
			h.subVersion, good = parseInt64(f.Value)
		case "maxMsgBytes":
			h.maxBytes, good = parseInt32(f.Value)
		case "subscription":
			h.subscription = f.Value
		case "expressionType":
			h.expressionType = f.Value
		case "liteTopic":
			if strings.TrimSpace(string(f.Value)) != "" {
				return refusef(wire.CodeRequestCodeNotSupported, "lite topics are not supported by this broker; subscribe to a topic")
			}
		}
		if !good {
			return notNumber(req, f)
		}
		seen |= bit
	}
	for i, name := range pullRequired {
		if seen&(1<<i) == 0 {
			return missing(req, name)
		}
	}
	return nil
}
