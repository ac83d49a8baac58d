package remoting

// The answers to sends: message id (offset id), queue and offset, and as
// transactionId the unique id that the client gave the message.

import (
	"slices"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// A burst is the sends that arrived together and what is needed to answer them.
// It belongs to the session's reading goroutine until it is handed over, then
// to the broker; done gives it back.
type burst struct {
	mq.SendBatch
	session *session
	asked   []asked // one per send
	ids     []byte  // the sends' unique ids, one behind the other

	// Scratch memory for encoding answers, kept from burst to burst.
	resp wire.Command
	text []byte
}

// asked is what an answer needs of its request; the request itself is gone by
// the time the message is stored.
type asked struct {
	opaque        int32
	idFrom, idTo  int32 // in burst.ids
	serialization wire.Serialization
	oneway        bool
	code          wire.Code
	arrived       int64
}

// request is what is left of the request.
func (a *asked) request() wire.Command {
	return wire.Command{Code: a.code, Opaque: a.opaque, Serialization: a.serialization, Arrived: a.arrived}
}

// A tally counts answers of one kind to requests that arrived together, so that
// the clock is read once for all of them.
type tally struct {
	conn *rpc.Conn
	last wire.Command
	n    int64
	r    meter.Result
}

// add counts an answer.
func (t *tally) add(resp *wire.Command, r meter.Result) {
	if t.n > 0 && (t.last.Asked != resp.Asked || t.last.Code != resp.Code || t.last.Arrived != resp.Arrived || t.r != r) {
		t.end()
	}
	if t.n == 0 {
		t.last = wire.Command{Code: resp.Code, Asked: resp.Asked, Arrived: resp.Arrived}
		t.r = r
	}
	t.n++
}

// end tells the connection what was counted.
func (t *tally) end() {
	t.conn.Answered(&t.last, t.n, t.r)
	t.n = 0
}

// newBurst makes an empty burst.
func newBurst(s *session) *burst {
	b := &burst{session: s}
	b.Done = b.done
	return b
}

// remember keeps what the answer to the last send of the burst needs.
func (b *burst) remember(req *wire.Command, send *mq.Send) {
	from := len(b.ids)
	if id, found := mq.Property(send.Properties, mq.PropUniqueKey); found && len(send.More) == 0 {
		b.ids = append(b.ids, id...)
	}
	b.asked = append(b.asked, asked{
		opaque: req.Opaque, idFrom: int32(from), idTo: int32(len(b.ids)),
		serialization: req.Serialization, oneway: req.Oneway(), code: req.Code, arrived: req.Arrived,
	})
}

// done answers every send and makes the burst ready for others. It runs on
// whatever goroutine the broker calls it on.
func (b *burst) done(*mq.SendBatch) {
	count := tally{conn: b.session.conn}
	for i := range b.Sends {
		b.answer(&b.asked[i], &b.Sends[i], &count)
	}
	count.end()
	b.reset()
	b.session.idle <- b // never blocks: it has room for every burst there is
}

// reset empties the burst, keeping its memory unless that is much.
func (b *burst) reset() {
	clear(b.Sends)
	b.Sends, b.asked, b.ids = b.Sends[:0], b.asked[:0], b.ids[:0]
	if cap(b.ids) > keptScratch || cap(b.text) > keptScratch {
		// The last answer's fields still point into them.
		b.ids, b.text, b.resp = nil, nil, wire.Command{}
	}
}

// keptScratch is how many bytes of scratch memory an idle burst may hold.
const keptScratch = 64 << 10

// answer replies to one send, unless nobody waits for it.
func (b *burst) answer(a *asked, send *mq.Send, count *tally) {
	request := a.request()
	if send.Err != nil {
		code, remark := b.session.h.explain(send.Err)
		b.resp.SetReply(&request, code, nil)
		b.resp.Remark = remark
	} else {
		b.resp.SetReply(&request, sendCodes[send.Result.Status], nil)
		b.describe(send, b.ids[a.idFrom:a.idTo])
	}
	if a.oneway {
		count.add(&b.resp, meter.ResultOneway)
		return
	}
	count.add(&b.resp, b.session.conn.Answer(&b.resp))
}

// sendCodes are the response codes of stored messages.
var sendCodes = [...]wire.Code{
	mq.SendOK:                 wire.CodeSuccess,
	mq.SendFlushTimeout:       wire.CodeFlushDiskTimeout,
	mq.SendReplicaTimeout:     wire.CodeFlushSlaveTimeout,
	mq.SendReplicaUnavailable: wire.CodeSlaveNotAvailable,
}

// describe adds where the message is to the answer's header.
func (b *burst) describe(send *mq.Send, uniqueID []byte) {
	r, host := &send.Result, b.session.h.storeHost
	// 56 digits are the longest id; there is a comma before each but the first.
	b.text = slices.Grow(b.text[:0], (1+len(r.MorePos))*57)
	b.text = mq.AppendOffsetID(b.text, host, r.Pos)
	for _, pos := range r.MorePos {
		b.text = append(b.text, ',')
		b.text = mq.AppendOffsetID(b.text, host, pos)
	}
	f := b.resp.Fields.AddBytes("msgId", b.text)
	f = f.AddInt("queueId", int64(r.QueueID))
	f = f.AddInt("queueOffset", int64(r.Offset))
	if len(uniqueID) > 0 {
		f = f.AddBytes("transactionId", uniqueID)
	}
	if r.Handle != "" {
		f = f.Add("recallHandle", r.Handle)
	}
	f = f.AddBytes("MSG_REGION", b.session.h.region)
	b.resp.Fields = f.AddBytes("TRACE_ON", b.session.h.traceOn)
}
