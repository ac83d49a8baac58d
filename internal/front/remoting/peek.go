package remoting

// PEEK_MESSAGE (200052): what a pop would find. Nothing is taken, and there are
// no receipts.

import (
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// peekMessages answers at once.
func peekMessages(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.PeekMessageRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	if h.MaxMsgNums < 1 {
		return nil, badRequest("a peek asks for %d messages; ask for 1 to %d (maxMsgNums)", h.MaxMsgNums, mq.MaxPop)
	}
	p := newPop(s, req)
	p.PopRequest = mq.PopRequest{
		Group: h.ConsumerGroup, Topic: h.Topic, QueueID: max(h.QueueID, -1), MaxMessages: min(int(h.MaxMsgNums), mq.MaxPop), Peek: true,
	}
	return nil, s.wait(p)
}
