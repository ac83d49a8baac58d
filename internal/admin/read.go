package admin

import (
	"context"
	"fmt"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// readBatch is how many messages are asked for at once; RocketMQ's brokers give
// fewer.
const readBatch = 128

// pullSubscribes is the bit of a pull that carries its own subscription.
const pullSubscribes = 4

// A page is what one read of a queue found.
type page struct {
	records  []mq.Record
	next     int64 // where to go on
	min, max int64 // first offset of the queue, and the one behind its last
}

// read reads messages of a queue from an offset on, without a trace in any
// group's progress.
func (c *Cluster) read(ctx context.Context, b Broker, q mq.Queue, from int64) (page, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	resp, err := c.rpc.Call(ctx, b.Addr, wire.NewRequest(wire.PullMessage, &wire.PullMessageRequest{
		ConsumerGroup: mq.GroupTools, Topic: q.Topic, QueueID: q.ID, QueueOffset: from, MaxMsgNums: readBatch,
		SysFlag: pullSubscribes, Subscription: "*", ExpressionType: "TAG",
	}))
	if err != nil {
		return page{}, fmt.Errorf("%s did not answer %s: %w", b.Addr, wire.PullMessage, err)
	}
	var h wire.PullMessageResponse
	switch resp.Code {
	case wire.CodeSuccess, wire.CodePullNotFound, wire.CodePullRetryImmediately, wire.CodePullOffsetMoved:
	case wire.CodeNoPermission:
		return page{}, fmt.Errorf("%w; it can be read after `goddard admin topic perm %s --perm 6`",
			&RefusedError{Addr: b.Addr, Request: wire.PullMessage, Code: resp.Code, Remark: resp.Remark}, q.Topic)
	default:
		return page{}, &RefusedError{Addr: b.Addr, Request: wire.PullMessage, Code: resp.Code, Remark: resp.Remark}
	}
	if err := h.DecodeFields(resp.Fields); err != nil {
		return page{}, fmt.Errorf("%s answered a pull with a header that cannot be read: %w", b.Addr, err)
	}
	p := page{next: h.NextBeginOffset, min: h.MinOffset, max: h.MaxOffset}
	if resp.Code != wire.CodeSuccess {
		return p, nil
	}
	found, err := addRecords(nil, b, resp.Body)
	for _, f := range found {
		p.records = append(p.records, f.Record)
	}
	return p, err
}

// scan hands each message of a queue from an offset up to another to do, as far
// as the queue has them, until do wants no more.
func (c *Cluster) scan(ctx context.Context, b Broker, q mq.Queue, from, until int64, do func(*mq.Record) (bool, error)) error {
	for from < until {
		p, err := c.read(ctx, b, q, from)
		if err != nil {
			return err
		}
		for i := range p.records {
			r := &p.records[i]
			if int64(r.QueueOffset) < from || int64(r.QueueOffset) >= until {
				continue
			}
			if more, err := do(r); err != nil || !more {
				return err
			}
		}
		if p.next <= from { // the end, or a queue that was emptied meanwhile
			return nil
		}
		from = p.next
	}
	return nil
}

// bounds are the first offset of a queue and the one behind its last.
func (c *Cluster) bounds(ctx context.Context, b Broker, q mq.Queue) (lo, hi int64, err error) {
	var low wire.GetMinOffsetResponse
	var high wire.GetMaxOffsetResponse
	resp, err := c.call(ctx, b.Addr, wire.NewRequest(wire.GetMinOffset, &wire.GetMinOffsetRequest{Topic: q.Topic, QueueID: q.ID}))
	if err == nil {
		err = low.DecodeFields(resp.Fields)
	}
	if err != nil {
		return 0, 0, err
	}
	resp, err = c.call(ctx, b.Addr, wire.NewRequest(wire.GetMaxOffset, &wire.GetMaxOffsetRequest{Topic: q.Topic, QueueID: q.ID}))
	if err == nil {
		err = high.DecodeFields(resp.Fields)
	}
	return low.Offset, high.Offset, err
}

// send stores a message on one broker and returns its offset message id.
func (c *Cluster) send(ctx context.Context, b Broker, m *mq.Message) (id string, at int64, err error) {
	h := wire.SendMessageRequest{
		ProducerGroup: mq.GroupInnerProducer, Topic: m.Topic, DefaultTopic: mq.TopicDefault, DefaultTopicQueueNums: 1,
		QueueID: m.QueueID, SysFlag: int32(m.SysFlag), BornTimestamp: m.BornTime, Flag: m.Flag, Properties: m.Properties,
		ReconsumeTimes: m.ReconsumeTimes,
	}
	cmd := wire.NewRequest(wire.SendMessage, &h)
	cmd.Body = m.Body
	resp, err := c.call(ctx, b.Addr, cmd)
	if err != nil {
		return "", 0, err
	}
	var answer wire.SendMessageResponse
	err = answer.DecodeFields(resp.Fields)
	return answer.MsgID, answer.QueueOffset, err
}
