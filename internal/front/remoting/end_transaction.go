package remoting

// END_TRANSACTION (37): a producer commits or rolls back a half message, after
// it has sent it or because CHECK_TRANSACTION_STATE (39) asked. Clients send it
// oneway. Unknown (0) changes nothing; RocketMQ does not answer it at all.
//
// Ends are gathered: those that arrived together go to the broker in one call,
// behind the sends that arrived with them.

import (
	"sync"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// maxEnds is how many ends of transactions go to the broker in one call.
const maxEnds = 512

// endings are the ends of transactions that arrived together and what is needed
// to answer them. They belong to the session's reading goroutine until they are
// handed over, then to the broker; done gives them back.
type endings struct {
	mq.EndBatch
	session *session
	asked   []asked // one per end; its id is the message's
	ids     []byte
	header  wire.EndTransactionRequest
	resp    wire.Command
}

// idleEndings are those of no session.
var idleEndings sync.Pool

// gatherEnd decodes the end of a transaction and keeps it until handOver.
func (s *session) gatherEnd(req *wire.Command) {
	b := s.openEndings()
	if b == nil {
		return // the connection is gone
	}
	from := len(b.ids)
	b.ids = takeID(b.ids, req.Fields)
	end, err := b.decode(req)
	if err != nil {
		s.refuse(req, err)
		return
	}
	b.Ends = append(b.Ends, end)
	b.asked = append(b.asked, asked{
		opaque: req.Opaque, idFrom: int32(from), idTo: int32(len(b.ids)),
		serialization: req.Serialization, oneway: req.Oneway(), code: req.Code, arrived: req.Arrived,
	})
	if len(b.Ends) == maxEnds {
		s.handOver()
	}
}

// openEndings are the endings to add to. They take one of the places of what
// runs beside: if there is none the connection is not read meanwhile; nil means
// that it ended.
func (s *session) openEndings() *endings {
	if s.endings != nil {
		return s.endings
	}
	select {
	case s.slots <- struct{}{}:
	case <-s.ctx.Done():
		return nil
	}
	b, _ := idleEndings.Get().(*endings)
	if b == nil {
		b = &endings{}
		b.Done = b.done
	}
	b.session, s.endings = s, b
	return b
}

// takeID appends the message's id to ids, and leaves nothing of it in the fields:
// it is in each end another one, of which decode would make strings.
func takeID(ids []byte, fields wire.Fields) []byte {
	for i := range fields {
		switch f := &fields[i]; string(f.Key) {
		case "msgId":
			ids = append(ids, f.Value...)
			f.Value = nil
		case "transactionId":
			f.Value = nil
		}
	}
	return ids
}

// decode reads one end.
func (b *endings) decode(req *wire.Command) (mq.TransactionEnd, error) {
	h := &b.header
	if err := h.DecodeFields(req.Fields); err != nil {
		return mq.TransactionEnd{}, malformed(req, err)
	}
	outcome, err := outcomeOf(h.CommitOrRollback)
	if err != nil {
		return mq.TransactionEnd{}, err
	}
	return mq.TransactionEnd{
		Group: h.ProducerGroup, Offset: mq.QueueOffset(h.TranStateTableOffset), Pos: mq.LogPos(h.CommitLogOffset),
		Outcome: outcome, Checked: h.FromTransactionCheck, May: b.session.mayEnd(req),
	}, nil
}

// outcomeOf is an outcome by its bits in a message's system flag.
func outcomeOf(flag int32) (mq.Outcome, error) {
	switch mq.SysFlag(flag) {
	case 0:
		return mq.OutcomeUnknown, nil
	case mq.FlagCommitted:
		return mq.OutcomeCommit, nil
	case mq.FlagRollback:
		return mq.OutcomeRollback, nil
	}
	return 0, badRequest("commitOrRollback is %d; want 8 to commit, 12 to roll back or 0 if it is not known", flag)
}

// endTransactions hands the gathered ends to the broker.
func (s *session) endTransactions() {
	b := s.endings
	if b == nil {
		return
	}
	s.endings = nil
	if len(b.Ends) == 0 { // all were refused
		b.release()
		return
	}
	s.h.broker.EndTransactions(&b.EndBatch)
}

// done answers every end. It runs on whatever goroutine the broker calls it on.
func (b *endings) done(*mq.EndBatch) {
	s := b.session
	count := tally{conn: s.conn}
	for i := range b.Ends {
		a, end := &b.asked[i], &b.Ends[i]
		request := a.request()
		b.resp.SetReply(&request, wire.CodeSuccess, nil)
		if end.Err != nil {
			// Nobody sees the answer to a oneway request.
			s.h.log.Info("a transaction was not ended", "group", end.Group, "message", string(b.ids[a.idFrom:a.idTo]), "remote_address", s.remote, "error", end.Err)
			b.resp.Code, b.resp.Remark = s.h.explain(end.Err)
		}
		result := meter.ResultOneway
		if !a.oneway {
			result = s.conn.Answer(&b.resp)
		}
		count.add(a, b.resp.Code, result)
	}
	count.end()
	b.release()
}

// release gives the endings and their place back.
func (b *endings) release() {
	s := b.session
	clear(b.Ends)
	b.session, b.Ends, b.asked, b.ids = nil, b.Ends[:0], b.asked[:0], b.ids[:0]
	if cap(b.ids) > keptScratch {
		b.ids = nil
	}
	idleEndings.Put(b)
	s.leave()
}
