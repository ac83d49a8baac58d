package remoting

// The answers to sends: message id (offset id), queue and offset, and as
// transactionId the unique id that the client gave the message.

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

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
	asked   []asked      // one per send
	ids     []byte       // the sends' unique ids, one behind the other
	more    []mq.Message // what follows the first message of batches
	places  []mq.LogPos  // room for where those are stored

	// Scratch memory for encoding answers, kept from burst to burst.
	resp   wire.Command
	text   []byte
	frames []byte // answers of one form
	formed []*asked
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
	conn    *rpc.Conn
	asked   wire.Code
	code    wire.Code
	arrived int64
	n       int64
	r       meter.Result
}

// add counts an answer with a code.
func (t *tally) add(a *asked, code wire.Code, r meter.Result) {
	if t.n > 0 && (t.asked != a.code || t.code != code || t.arrived != a.arrived || t.r != r) {
		t.end()
	}
	t.asked, t.code, t.arrived, t.r = a.code, code, a.arrived, r
	t.n++
}

// end tells the connection what was counted.
func (t *tally) end() {
	t.conn.Answered(&wire.Command{Code: t.code, Asked: t.asked, Arrived: t.arrived}, t.n, t.r)
	t.n = 0
}

// idleBursts are bursts that wait for the next sends of any connection. One that was
// done a moment ago is in the processor's cache, so no connection keeps its own.
type idleBursts struct{ pool sync.Pool }

// take is an empty burst for a session.
func (p *idleBursts) take(s *session) *burst {
	b, _ := p.pool.Get().(*burst)
	if b == nil {
		b = &burst{}
		b.Done = b.done
	}
	b.session, b.From = s, s.visit
	return b
}

// put takes back a burst that is empty.
func (p *idleBursts) put(b *burst) {
	b.session, b.From = nil, nil
	p.pool.Put(b)
}

// bursts counts those of a session that are not done, maxBursts at most. Only the
// reading goroutine begins one.
type bursts struct {
	open atomic.Int32  // one more than there are while begin waits
	room chan struct{} // capacity 1: filled for begin
}

// begin waits until there is room for one more; false if ctx has ended.
func (n *bursts) begin(ctx context.Context) bool {
	if n.open.Add(1) <= maxBursts {
		return true
	}
	select {
	case <-n.room:
		return true
	case <-ctx.Done():
		return false
	}
}

// end never blocks.
func (n *bursts) end() {
	if n.open.Add(-1) != maxBursts {
		return
	}
	select {
	case n.room <- struct{}{}:
	default: // begin has given up
	}
}

// remember keeps what the answer to the last send of the burst needs, and lends it
// the room that its result needs.
func (b *burst) remember(req *wire.Command, send *mq.Send) {
	if n, at := len(send.More), len(b.places); n > 0 {
		b.places = slices.Grow(b.places, n)[:at+n]
		send.Result.MorePos = b.places[at : at : at+n]
	}
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
	b.sendFormed(&count)
	count.end()
	s := b.session
	b.reset()
	s.h.bursts.put(b)
	s.bursts.end()
}

// reset empties the burst, keeping its memory unless that is much.
func (b *burst) reset() {
	clear(b.Sends)
	clear(b.more)
	b.Sends, b.asked, b.ids, b.more, b.places = b.Sends[:0], b.asked[:0], b.ids[:0], b.more[:0], b.places[:0]
	if cap(b.ids) > keptScratch || cap(b.text) > keptScratch {
		// The last answer's fields still point into them.
		b.ids, b.text, b.resp = nil, nil, wire.Command{}
	}
	if cap(b.more) > keptMore {
		b.more, b.places = nil, nil
	}
}

// How many bytes of scratch memory an idle burst may hold, of each kind, and how
// many messages of batches.
const (
	keptScratch = 64 << 10
	keptMore    = 1 << 10
)

// answer replies to one send, unless nobody waits for it. The reply may wait for
// sendFormed.
func (b *burst) answer(a *asked, send *mq.Send, count *tally) {
	if b.form(a, send) {
		if len(b.frames) > keptScratch/2 {
			b.sendFormed(count)
		}
		return
	}
	b.sendFormed(count)
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
		count.add(a, b.resp.Code, meter.ResultOneway)
		return
	}
	count.add(a, b.resp.Code, b.session.conn.Answer(&b.resp))
}

// forms are the answers to sends that went well, but for what differs from one to
// the next: encoding that alone takes a third of the time. One is of messages
// with a unique id, one of those that have a handle besides, the other of those
// without either.
type forms struct{ unique, handle, plain *wire.Form }

// newForms makes the forms of a handler's answers.
func newForms(region, traceOn []byte) forms {
	plain := wire.Fields{}.Add("msgId", "").Add("queueId", "").Add("queueOffset", "")
	unique := slices.Clip(plain).Add("transactionId", "")
	handle := slices.Clip(unique).Add("recallHandle", "")
	form := func(open int, f wire.Fields) *wire.Form {
		var c wire.Command
		c.SetReply(&wire.Command{}, wire.CodeSuccess, nil)
		c.Fields = f.AddBytes("MSG_REGION", region).AddBytes("TRACE_ON", traceOn)
		return wire.NewForm(&c, open)
	}
	return forms{unique: form(4, slices.Clip(unique)), handle: form(5, slices.Clip(handle)), plain: form(3, slices.Clip(plain))}
}

// form encodes the answer to a send that went well, in the usual way; false if it
// needs another.
func (b *burst) form(a *asked, send *mq.Send) bool {
	r := &send.Result
	if send.Err != nil || r.Status != mq.SendOK || a.oneway || a.serialization != wire.JSON || len(r.MorePos) > maxFormed {
		return false
	}
	unique := a.idFrom < a.idTo
	if r.Handle != "" && !unique {
		return false
	}
	h := b.session.h
	b.text = appendIDs(b.text[:0], h.storeHost, r)
	id := len(b.text)
	b.text = strconv.AppendInt(b.text, int64(r.QueueID), 10)
	queue := len(b.text)
	b.text = strconv.AppendInt(b.text, int64(r.Offset), 10)
	number := len(b.text)
	b.text = append(b.text, r.Handle...)
	values := [5][]byte{b.text[:id], b.text[id:queue], b.text[queue:number], b.ids[a.idFrom:a.idTo], b.text[number:]}
	form, open := h.forms.plain, values[:3]
	switch {
	case r.Handle != "":
		form, open = h.forms.handle, values[:]
	case unique:
		form, open = h.forms.unique, values[:4]
	}
	b.frames = form.AppendTo(b.frames, a.opaque, open)
	b.formed = append(b.formed, a)
	return true
}

// maxFormed is how many more messages a batch has at most whose answer is written
// in the form: a frame of that many ids is far below what a frame may have.
const maxFormed = 256

// sendFormed sends the answers that were encoded.
func (b *burst) sendFormed(count *tally) {
	if len(b.formed) == 0 {
		return
	}
	result := b.session.conn.AnswerFrames(b.frames, len(b.formed))
	for _, a := range b.formed {
		count.add(a, wire.CodeSuccess, result)
	}
	b.frames, b.formed = b.frames[:0], b.formed[:0]
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
	r := &send.Result
	b.text = appendIDs(b.text[:0], b.session.h.storeHost, r)
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

// appendIDs adds the ids of a send's messages, with commas between them.
func appendIDs(dst []byte, host netip.AddrPort, r *mq.SendResult) []byte {
	// 56 digits are the longest id; there is a comma before each but the first.
	dst = slices.Grow(dst, (1+len(r.MorePos))*57)
	dst = mq.AppendOffsetID(dst, host, r.Pos)
	for _, pos := range r.MorePos {
		dst = append(dst, ',')
		dst = mq.AppendOffsetID(dst, host, pos)
	}
	return dst
}
