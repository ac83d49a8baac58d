package remoting

// The answers to pops: stored records as they lie in the log, and in the header
// what a client makes their receipts from, in the texts of RocketMQ's
// ExtraInfoUtil. Records of a retry topic are written anew, under the topic that
// was asked for and with their receipt in them.

import (
	"strconv"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// nothing is the answer that no message was found.
func (p *pop) nothing(b mq.PopBatch) *wire.Command {
	code := wire.CodePollingTimeout
	switch {
	case b.Status == mq.PopFull:
		code = wire.CodePollingFull
	case p.Peek:
		code = wire.CodePullNotFound
	}
	resp := p.request.Reply(code, &wire.PopMessageResponse{
		PopTime: b.PopTime, InvisibleTime: b.Invisible, RestNum: b.Rest, ReviveQid: p.revive(),
	})
	resp.Remark = "NO_MESSAGE_IN_QUEUE"
	return resp
}

// revive is the reviveQid of the answer's receipts.
func (p *pop) revive() int32 {
	if p.Ordered {
		return mq.OrderedRevive
	}
	return 0
}

// found is the answer with messages. They count as unread until they have been
// written; then they go back to the broker.
func (p *pop) found(b mq.PopBatch) *wire.Command {
	h := wire.PopMessageResponse{PopTime: b.PopTime, InvisibleTime: b.Invisible, RestNum: b.Rest, ReviveQid: p.revive()}
	if p.Peek {
		h.PopTime, h.InvisibleTime = 0, 0
	} else {
		h.StartOffsetInfo, h.MsgOffsetInfo = startOffsets(b.Messages), messageOffsets(b.Messages)
	}
	if p.Ordered {
		h.OrderCountInfo = orderCounts(b.Messages)
	}
	resp := p.request.Reply(wire.CodeSuccess, &h)
	resp.Remark = "FOUND"
	p.attach(resp, b)
	return resp
}

// attach puts the messages into an answer.
func (p *pop) attach(resp *wire.Command, b mq.PopBatch) {
	resp.Chunks = make([][]byte, len(b.Messages))
	size := 0
	for i := range b.Messages {
		resp.Chunks[i] = p.record(&b.Messages[i])
		size += len(resp.Chunks[i])
	}
	s := p.session
	s.reserve(size)
	resp.Release = func() {
		if b.Release != nil {
			b.Release()
		}
		s.unhold(size)
	}
}

// record is a message as the client gets it. One of a retry topic that cannot
// be written anew, because its properties are full, goes out as it lies:
// clients of today know it by the header.
func (p *pop) record(m *mq.Popped) []byte {
	if p.Peek || m.Receipt.Retry == mq.RetryNone {
		return m.Record
	}
	r, _, err := mq.DecodeRecord(m.Record)
	if err != nil {
		return m.Record
	}
	anew := r.Message()
	anew.Topic = p.Topic
	anew.Properties = mq.AppendSettingProperty(nil, r.Properties, mq.PropPopReceipt, m.Receipt.String())
	size, err := mq.RecordSize(&anew, r.StoreHost)
	if err != nil {
		return m.Record
	}
	rec := mq.AppendRecord(make([]byte, 0, size), &anew, r.StoreHost)
	mq.PatchRecord(rec, r.QueueOffset, r.Pos, r.StoreTime)
	copy(rec[mq.RecordBodyCRCAt:], m.Record[mq.RecordBodyCRCAt:mq.RecordQueueIDAt])
	return rec
}

// sameQueue reports whether two receipts are of one queue.
func sameQueue(a, b *mq.Receipt) bool { return a.Retry == b.Retry && a.QueueID == b.QueueID }

// queues calls f for the first message of each queue. There are at most
// mq.MaxPop messages, so they are looked through.
func queues(all []mq.Popped, f func(at int, r *mq.Receipt)) {
	for i := range all {
		r, first := &all[i].Receipt, true
		for j := range i {
			first = first && !sameQueue(r, &all[j].Receipt)
		}
		if first {
			f(i, r)
		}
	}
}

// appendQueue begins an entry about a queue: "kind queue ".
func appendQueue(b []byte, r *mq.Receipt) []byte {
	if len(b) > 0 {
		b = append(b, ';')
	}
	b = strconv.AppendInt(b, int64(r.Retry), 10)
	b = strconv.AppendInt(append(b, ' '), int64(r.QueueID), 10)
	return append(b, ' ')
}

// startOffsets is startOffsetInfo: "kind queue offset", joined by semicolons.
func startOffsets(all []mq.Popped) string {
	b := make([]byte, 0, 64)
	queues(all, func(_ int, r *mq.Receipt) {
		b = strconv.AppendInt(appendQueue(b, r), int64(r.Start), 10)
	})
	return string(b)
}

// messageOffsets is msgOffsetInfo: "kind queue offset,offset", joined by
// semicolons, with the offsets in the order of the messages.
func messageOffsets(all []mq.Popped) string {
	b := make([]byte, 0, 256)
	queues(all, func(at int, r *mq.Receipt) {
		b = strconv.AppendInt(appendQueue(b, r), int64(r.Offset), 10)
		for i := at + 1; i < len(all); i++ {
			if other := &all[i].Receipt; sameQueue(r, other) {
				b = strconv.AppendInt(append(b, ','), int64(other.Offset), 10)
			}
		}
	})
	return string(b)
}

// orderCounts is orderCountInfo: how often messages were delivered before. For
// each queue those that were, as "kind qoQUEUE%OFFSET tries", and the fewest of
// all its messages as "kind queue tries".
func orderCounts(all []mq.Popped) string {
	b := make([]byte, 0, 64)
	queues(all, func(at int, r *mq.Receipt) {
		fewest := all[at].Tries
		for i := at; i < len(all); i++ {
			m := &all[i]
			if !sameQueue(r, &m.Receipt) {
				continue
			}
			fewest = min(fewest, m.Tries)
			if m.Tries > 0 {
				b = appendTries(b, m)
			}
		}
		b = strconv.AppendInt(appendQueue(b, r), int64(fewest), 10)
	})
	return string(b)
}

// appendTries adds an entry about one message.
func appendTries(b []byte, m *mq.Popped) []byte {
	if len(b) > 0 {
		b = append(b, ';')
	}
	b = strconv.AppendInt(b, int64(m.Receipt.Retry), 10)
	b = strconv.AppendInt(append(b, " qo"...), int64(m.Receipt.QueueID), 10)
	b = strconv.AppendInt(append(b, '%'), int64(m.Receipt.Offset), 10)
	return strconv.AppendInt(append(b, ' '), int64(m.Tries), 10)
}
