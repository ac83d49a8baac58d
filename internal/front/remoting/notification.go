package remoting

// NOTIFICATION (200054): waits until there is something to pop. Proxies ask it,
// to pop themselves then.

import (
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// awaitMessages lets the broker answer beside others.
func awaitMessages(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.NotificationRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	p := newPop(s, req)
	p.bide(h.BornTime, h.PollTime)
	p.PopRequest = mq.PopRequest{
		Group: h.ConsumerGroup, Topic: h.Topic, QueueID: max(h.QueueID, -1), MaxMessages: 1, Ordered: h.Order, AttemptID: h.AttemptID, Via: s.visit,
	}
	if h.Exp != "" {
		var err error
		if p.Filter, err = s.filter([]byte(h.Exp), []byte(h.ExpType)); err != nil {
			return nil, err
		}
	}
	return nil, s.wait(notice{p})
}

// A notice is a NOTIFICATION that has not been answered.
type notice struct{ *pop }

// run asks the broker. The answer is small, so what the client has to read
// first does not matter.
func (n notice) run() {
	n.Wait = max(time.Until(n.until), 0)
	n.asking.Store(true)
	n.session.h.broker.Notify(n.session.ctx, n.PopRequest, n.done)
	n.asking.Store(false)
}

// done answers with whether there is something. It does not block.
func (n notice) done(status mq.PopStatus, err error) {
	s := n.session
	s.pulls.Add(-1)
	n.request.Waited = !n.asking.Load()
	if err != nil {
		s.refuse(&n.request, err)
		return
	}
	s.reply(&n.request, ok(&n.request, &wire.NotificationResponse{
		HasMsg: status == mq.PopFound, PollingFull: status == mq.PopFull,
	}, nil))
}
