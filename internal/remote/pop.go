package remote

import (
	"context"
	"errors"
	"fmt"
	"strconv"
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

	header wire.PopMessageResponse
	starts []queueStart
}

// A queueStart is where a pop began to take messages of a queue.
type queueStart struct {
	queue int64
	start mq.QueueOffset
}

// Request is the pop as it goes over the wire.
func (p *Pop) Request() *wire.Command {
	h := p.Header()
	return wire.NewRequest(wire.PopMessage, &h)
}

// Header is the header of the pop's request, POP_MESSAGE.
func (p *Pop) Header() wire.PopMessageRequest {
	h := wire.PopMessageRequest{
		ConsumerGroup: p.Group, Topic: p.Queue.Topic, QueueID: p.Queue.ID, MaxMsgNums: int32(p.Max), InvisibleTime: p.Invisible.Milliseconds(),
		PollTime: p.Wait.Milliseconds(), BornTime: time.Now().UnixMilli(), ExpType: "TAG", Exp: p.Expression,
		Order: p.Ordered, AttemptID: p.AttemptID,
	}
	if h.MaxMsgNums == 0 {
		h.MaxMsgNums = mq.MaxPop
	}
	return h
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
	err := out.Decode(q, resp)
	return out, err
}

// Decode is DecodePopped into p, whose memory is used again.
func (p *Popped) Decode(q Queue, resp *wire.Command) error {
	p.Records, p.Receipts, p.starts, p.Rest = p.Records[:0], p.Receipts[:0], p.starts[:0], 0
	switch resp.Code {
	case wire.CodeSuccess:
	case wire.CodePollingTimeout, wire.CodePollingFull, wire.CodePullNotFound:
		return nil
	default:
		return &ResponseError{Addr: q.Addr, Request: wire.PopMessage, Code: resp.Code, Remark: resp.Remark}
	}
	if err := p.header.DecodeFields(resp.Fields); err != nil {
		return fmt.Errorf("answer of %s to a pop: %w", q.Addr, err)
	}
	p.Rest = p.header.RestNum
	for rest := resp.Body; len(rest) > 0; {
		rec, tail, err := mq.DecodeRecord(rest)
		if err != nil {
			return fmt.Errorf("message from %s: %w", q.Addr, err)
		}
		receipt, err := p.receiptOf(q.Broker, &rec)
		if err != nil {
			return fmt.Errorf("answer of %s to a pop: %w", q.Addr, err)
		}
		p.Records, p.Receipts = append(p.Records, rec), append(p.Receipts, receipt)
		rest = tail
	}
	return nil
}

// receiptOf is the receipt of a message: in its properties if it was delivered
// again, otherwise put together from the answer's header.
func (p *Popped) receiptOf(broker string, rec *mq.Record) (mq.Receipt, error) {
	if text, found := mq.Property(rec.Properties, mq.PropPopReceipt); found {
		return mq.ParseReceipt(string(text))
	}
	h := &p.header
	if len(p.starts) == 0 {
		if err := p.readStarts(); err != nil {
			return mq.Receipt{}, err
		}
	}
	for _, s := range p.starts {
		if s.queue == int64(rec.QueueID) {
			return mq.Receipt{
				Start: s.start, PopTime: h.PopTime, Invisible: h.InvisibleTime, Revive: h.ReviveQid,
				Broker: broker, QueueID: rec.QueueID, Offset: rec.QueueOffset,
			}, nil
		}
	}
	return mq.Receipt{}, fmt.Errorf("startOffsetInfo %.100q lacks queue %d", h.StartOffsetInfo, rec.QueueID)
}

// readStarts reads where the queues of the topic itself began.
func (p *Popped) readStarts() error {
	for entry := range strings.SplitSeq(p.header.StartOffsetInfo, ";") {
		kind, rest, _ := strings.Cut(entry, " ")
		queue, start, _ := strings.Cut(rest, " ")
		k, err1 := strconv.ParseInt(kind, 10, 64)
		q, err2 := strconv.ParseInt(queue, 10, 64)
		at, err3 := strconv.ParseInt(start, 10, 64)
		if err := errors.Join(err1, err2, err3); err != nil {
			return fmt.Errorf("startOffsetInfo %.100q cannot be read: %w", p.header.StartOffsetInfo, err)
		}
		if k == 0 {
			p.starts = append(p.starts, queueStart{q, mq.QueueOffset(at)})
		}
	}
	return nil
}

// AckRequest says that a message that was popped from a topic is done with.
func AckRequest(group, topic string, r mq.Receipt) *wire.Command {
	h := AckHeader(group, topic, r)
	return wire.NewRequest(wire.AckMessage, &h)
}

// AckHeader is the header of that request, ACK_MESSAGE.
func AckHeader(group, topic string, r mq.Receipt) wire.AckMessageRequest {
	switch r.Retry {
	case mq.RetryV1:
		topic = mq.RetryTopicPop(group, topic)
	case mq.RetryV2:
		topic = mq.RetryTopicPopV2(group, topic)
	}
	return wire.AckMessageRequest{ConsumerGroup: group, Topic: topic, QueueID: r.QueueID, ExtraInfo: r.String(), Offset: int64(r.Offset)}
}

// Ack says that a message is done with, and waits until the broker has it.
func (c *Cluster) Ack(ctx context.Context, addr, group, topic string, r mq.Receipt) error {
	_, err := c.call(ctx, addr, AckRequest(group, topic, r))
	return err
}
