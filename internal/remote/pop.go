package remote

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// A Pop takes messages of a topic from one broker. They are to be acknowledged
// before their invisible time is over.
type Pop struct {
	Queue      Queue // with the id -1, any of the topic on that broker
	Group      string
	Max        int // messages; 0 means 32
	Invisible  time.Duration
	Wait       time.Duration // how long the broker may hold the request
	Expression string        // tags; empty means all
	Ordered    bool
	AttemptID  string
}

// A Popped is the answer to a Pop. No message means that there was none.
type Popped struct {
	Records  []mq.Record // alias memory of their own
	Receipts []mq.Receipt
	Rest     int64
}

// Request is the pop as it goes over the wire.
func (p *Pop) Request() *wire.Command {
	h := &wire.PopMessageRequest{
		ConsumerGroup: p.Group, Topic: p.Queue.Topic, QueueID: p.Queue.ID, MaxMsgNums: int32(p.Max), InvisibleTime: p.Invisible.Milliseconds(),
		PollTime: p.Wait.Milliseconds(), BornTime: time.Now().UnixMilli(), ExpType: "TAG", Exp: p.Expression,
		Order: p.Ordered, AttemptID: p.AttemptID,
	}
	if h.MaxMsgNums == 0 {
		h.MaxMsgNums = mq.MaxPop
	}
	return wire.NewRequest(wire.PopMessage, h)
}

// Pop asks once. Finding nothing is not an error.
func (c *Cluster) Pop(ctx context.Context, p Pop) (Popped, error) {
	ctx, cancel := context.WithTimeout(ctx, p.Wait+slack)
	defer cancel()
	resp, err := c.rpc.Call(ctx, p.Queue.Addr, p.Request())
	if err != nil {
		return Popped{}, err
	}
	return DecodePopped(p.Queue, resp)
}

// DecodePopped reads the answer to a pop of a queue; the records alias it.
func DecodePopped(q Queue, resp *wire.Command) (Popped, error) {
	var out Popped
	switch resp.Code {
	case wire.CodeSuccess:
	case wire.CodePollingTimeout, wire.CodePollingFull, wire.CodePullNotFound:
		return out, nil
	default:
		return out, &ResponseError{Addr: q.Addr, Request: wire.PopMessage, Code: resp.Code, Remark: resp.Remark}
	}
	var h wire.PopMessageResponse
	if err := h.DecodeFields(resp.Fields); err != nil {
		return out, fmt.Errorf("answer of %s to a pop: %w", q.Addr, err)
	}
	out.Rest = h.RestNum
	for rest := resp.Body; len(rest) > 0; {
		rec, tail, err := mq.DecodeRecord(rest)
		if err != nil {
			return out, fmt.Errorf("message from %s: %w", q.Addr, err)
		}
		receipt, err := receiptOf(&h, q.Broker, &rec)
		if err != nil {
			return out, fmt.Errorf("answer of %s to a pop: %w", q.Addr, err)
		}
		out.Records, out.Receipts = append(out.Records, rec), append(out.Receipts, receipt)
		rest = tail
	}
	return out, nil
}

// receiptOf is the receipt of a message: in its properties if it was delivered
// again, otherwise put together from the answer's header.
func receiptOf(h *wire.PopMessageResponse, broker string, rec *mq.Record) (mq.Receipt, error) {
	if text, found := mq.Property(rec.Properties, mq.PropPopReceipt); found {
		return mq.ParseReceipt(string(text))
	}
	for entry := range strings.SplitSeq(h.StartOffsetInfo, ";") {
		var kind, queue, start int64
		if _, err := fmt.Sscan(entry, &kind, &queue, &start); err != nil {
			return mq.Receipt{}, fmt.Errorf("startOffsetInfo %.100q cannot be read: %w", h.StartOffsetInfo, err)
		}
		if kind == 0 && queue == int64(rec.QueueID) {
			return mq.Receipt{
				Start: mq.QueueOffset(start), PopTime: h.PopTime, Invisible: h.InvisibleTime, Revive: h.ReviveQid,
				Broker: broker, QueueID: rec.QueueID, Offset: rec.QueueOffset,
			}, nil
		}
	}
	return mq.Receipt{}, fmt.Errorf("startOffsetInfo %.100q lacks queue %d", h.StartOffsetInfo, rec.QueueID)
}

// AckRequest says that a message that was popped from a topic is done with.
func AckRequest(group, topic string, r mq.Receipt) *wire.Command {
	switch r.Retry {
	case mq.RetryV1:
		topic = mq.RetryTopicPop(group, topic)
	case mq.RetryV2:
		topic = mq.RetryTopicPopV2(group, topic)
	}
	return wire.NewRequest(wire.AckMessage, &wire.AckMessageRequest{
		ConsumerGroup: group, Topic: topic, QueueID: r.QueueID, ExtraInfo: r.String(), Offset: int64(r.Offset),
	})
}

// Ack says that a message is done with, and waits until the broker has it.
func (c *Cluster) Ack(ctx context.Context, addr, group, topic string, r mq.Receipt) error {
	_, err := c.call(ctx, addr, AckRequest(group, topic, r))
	return err
}
