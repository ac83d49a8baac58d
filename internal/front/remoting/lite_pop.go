package remoting

// POP_LITE_MESSAGE (200070): a proxy takes messages of the lite topics that one
// of its clients wants, and may wait for some. The answer is the records as they
// lie, under the parent's name; whoever asks finds lite topic and offset in
// their properties. orderCountInfo is how often each was delivered before.

import (
	"strconv"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// A litePop is one request that has not been answered.
type litePop struct {
	pop
	clientID string
}

// popLite reads the request and lets the broker answer it beside others.
func popLite(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.PopLiteMessageRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	p := &litePop{pop: *newPop(s, req), clientID: h.ClientID}
	switch {
	case p.bide(h.BornTime, h.PollTime):
		return p.nothing(mq.PopBatch{Status: mq.PopNothing}), nil
	case h.MaxMsgNum > mq.MaxPop || h.MaxMsgNum < 1:
		return nil, badRequest("a pop asks for %d messages; ask for 1 to %d (maxMsgNum)", h.MaxMsgNum, mq.MaxPop)
	case h.InvisibleTime < 0 || h.InvisibleTime > maxInvisible.Milliseconds():
		return nil, badRequest("a pop hides messages for %d ms; ask for 0 to %d (invisibleTime)", h.InvisibleTime, maxInvisible.Milliseconds())
	}
	p.Group, p.Topic, p.AttemptID = h.ConsumerGroup, h.Topic, h.AttemptID
	p.MaxMessages, p.Invisible = int(h.MaxMsgNum), time.Duration(h.InvisibleTime)*time.Millisecond
	return nil, s.wait(p)
}

// run asks the broker, unless the client has a lot to read first.
func (p *litePop) run() {
	s := p.session
	if s.hold(p, 0) {
		return
	}
	p.asking.Store(true)
	s.h.broker.PopLite(s.ctx, mq.LitePopRequest{
		ClientID: p.clientID, Group: p.Group, Topic: p.Topic, MaxMessages: p.MaxMessages, Invisible: p.Invisible,
		Wait: max(time.Until(p.until), 0), AttemptID: p.AttemptID,
	}, p.done)
	p.asking.Store(false)
}

// done answers the pop. It does not block.
func (p *litePop) done(b mq.PopBatch, err error) {
	s := p.session
	p.request.Waited = !p.asking.Load()
	s.pulls.Add(-1)
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

// nothing is the answer that no message was found.
func (p *litePop) nothing(b mq.PopBatch) *wire.Command {
	code := wire.CodePollingTimeout
	if b.Status == mq.PopFull {
		code = wire.CodePollingFull
	}
	resp := p.request.Reply(code, &wire.PopLiteMessageResponse{PopTime: b.PopTime, InvisibleTime: b.Invisible, ReviveQid: mq.OrderedRevive})
	resp.Remark = "NO_MESSAGE_IN_QUEUE"
	return resp
}

// found is the answer with messages.
func (p *litePop) found(b mq.PopBatch) *wire.Command {
	resp := p.request.Reply(wire.CodeSuccess, &wire.PopLiteMessageResponse{
		PopTime: b.PopTime, InvisibleTime: b.Invisible, ReviveQid: mq.OrderedRevive, OrderCountInfo: liteTries(b.Messages),
	})
	resp.Remark = "FOUND"
	p.attach(resp, b)
	return resp
}

// liteTries is orderCountInfo of lite topics: a number for each message, joined
// by semicolons.
func liteTries(all []mq.Popped) string {
	b := make([]byte, 0, 2*len(all))
	for i := range all {
		if i > 0 {
			b = append(b, ';')
		}
		b = strconv.AppendInt(b, int64(all[i].Tries), 10)
	}
	return string(b)
}
