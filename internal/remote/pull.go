package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// Bits of a pull's sysFlag.
const (
	pullCommit       = 1
	pullSuspend      = 2
	pullSubscription = 4
)

// slack is what an answer may take beyond the time a pull is parked.
const slack = 10 * time.Second

// A Pull asks for messages of one queue.
type Pull struct {
	Queue      Queue
	Group      string
	From       mq.QueueOffset
	Max        int           // messages; 0 means 32
	Wait       time.Duration // how long the broker may hold the request
	Expression string        // tags; empty means all
	Commit     *mq.QueueOffset
}

// A Pulled is the answer to a Pull.
type Pulled struct {
	Status   mq.PullStatus
	Records  []mq.Record // alias memory of their own
	Next     mq.QueueOffset
	Min, Max mq.QueueOffset
	Delta    mq.QueueOffset // of static topics: what is to be added to the offsets of the records
}

// Request is the pull as it goes over the wire.
func (p *Pull) Request() *wire.Command {
	h := p.Header()
	return wire.NewRequest(wire.PullMessage, &h)
}

// Header is the header of the pull's request, PULL_MESSAGE.
func (p *Pull) Header() wire.PullMessageRequest {
	h := wire.PullMessageRequest{
		ConsumerGroup: p.Group, Topic: p.Queue.Topic, QueueID: p.Queue.ID, QueueOffset: int64(p.From),
		MaxMsgNums: int32(p.Max), SysFlag: pullSubscription,
		SuspendTimeoutMillis: p.Wait.Milliseconds(), Subscription: p.Expression, ExpressionType: "TAG",
	}
	if h.MaxMsgNums == 0 {
		h.MaxMsgNums = 32
	}
	if h.Subscription == "" {
		h.Subscription = "*"
	}
	if p.Wait > 0 {
		h.SysFlag |= pullSuspend
	}
	if p.Commit != nil {
		h.SysFlag |= pullCommit
		h.CommitOffset = int64(*p.Commit)
	}
	return h
}

// Pull asks once. Finding nothing is not an error.
func (c *Cluster) Pull(ctx context.Context, p Pull) (Pulled, error) {
	ctx, cancel := context.WithTimeout(ctx, p.Wait+slack)
	defer cancel()
	resp, err := c.rpc.Call(ctx, p.Queue.Addr, p.Request())
	if err != nil {
		return Pulled{}, err
	}
	return DecodePulled(p.Queue.Addr, resp)
}

// DecodePulled reads the answer to a pull; the records alias it.
func DecodePulled(addr string, resp *wire.Command) (Pulled, error) {
	out, err := DecodePulledHead(addr, resp)
	if err != nil || out.Status != mq.PullFound {
		return out, err
	}
	for rest := resp.Body; len(rest) > 0; {
		rec, tail, err := mq.DecodeRecord(rest)
		if err != nil {
			return out, fmt.Errorf("message from %s: %w", addr, err)
		}
		out.Records = append(out.Records, rec)
		rest = tail
	}
	return out, nil
}

// DecodePulledHead reads the answer to a pull without its records.
func DecodePulledHead(addr string, resp *wire.Command) (Pulled, error) {
	var out Pulled
	switch resp.Code {
	case wire.CodeSuccess:
		out.Status = mq.PullFound
	case wire.CodePullNotFound:
		out.Status = mq.PullNoNew
	case wire.CodePullRetryImmediately:
		out.Status = mq.PullNoMatch
	case wire.CodePullOffsetMoved:
		out.Status = mq.PullOffsetIllegal
	default:
		return out, &ResponseError{Addr: addr, Request: wire.PullMessage, Code: resp.Code, Remark: resp.Remark}
	}
	var h wire.PullMessageResponse
	if err := h.DecodeFields(resp.Fields); err != nil {
		return out, fmt.Errorf("answer of %s to a pull: %w", addr, err)
	}
	out.Next, out.Min, out.Max = mq.QueueOffset(h.NextBeginOffset), mq.QueueOffset(h.MinOffset), mq.QueueOffset(h.MaxOffset)
	out.Delta = mq.QueueOffset(h.OffsetDelta)
	return out, nil
}

// Bounds are a queue's first offset and the one after its last.
func (c *Cluster) Bounds(ctx context.Context, q Queue) (lo, hi mq.QueueOffset, err error) {
	resp, err := c.call(ctx, q.Addr, wire.NewRequest(wire.GetMinOffset, &wire.GetMinOffsetRequest{Topic: q.Topic, QueueID: q.ID}))
	if err != nil {
		return 0, 0, err
	}
	var low wire.GetMinOffsetResponse
	if err := low.DecodeFields(resp.Fields); err != nil {
		return 0, 0, err
	}
	resp, err = c.call(ctx, q.Addr, wire.NewRequest(wire.GetMaxOffset, &wire.GetMaxOffsetRequest{Topic: q.Topic, QueueID: q.ID}))
	if err != nil {
		return 0, 0, err
	}
	var high wire.GetMaxOffsetResponse
	if err := high.DecodeFields(resp.Fields); err != nil {
		return 0, 0, err
	}
	return mq.QueueOffset(low.Offset), mq.QueueOffset(high.Offset), nil
}

// Locate is the offset of the first message stored at or after at.
func (c *Cluster) Locate(ctx context.Context, q Queue, at time.Time) (mq.QueueOffset, error) {
	resp, err := c.call(ctx, q.Addr, wire.NewRequest(wire.SearchOffsetByTimestamp,
		&wire.SearchOffsetByTimestampRequest{Topic: q.Topic, QueueID: q.ID, Timestamp: at.UnixMilli()}))
	if err != nil {
		return 0, err
	}
	var h wire.SearchOffsetByTimestampResponse
	err = h.DecodeFields(resp.Fields)
	return mq.QueueOffset(h.Offset), err
}

// Offset is a group's committed offset; mq.ErrNotFound if it has none.
func (c *Cluster) Offset(ctx context.Context, group string, q Queue) (mq.QueueOffset, error) {
	resp, err := c.call(ctx, q.Addr, wire.NewRequest(wire.QueryConsumerOffset,
		&wire.QueryConsumerOffsetRequest{ConsumerGroup: group, Topic: q.Topic, QueueID: q.ID, SetZeroIfNotFound: wire.Some(false)}))
	if refused, ok := errors.AsType[*ResponseError](err); ok && refused.Code == wire.CodeQueryNotFound {
		return 0, mq.ErrNotFound
	}
	if err != nil {
		return 0, err
	}
	var h wire.QueryConsumerOffsetResponse
	err = h.DecodeFields(resp.Fields)
	return mq.QueueOffset(h.Offset), err
}

// SetOffset commits a group's offset and waits until the broker has it.
func (c *Cluster) SetOffset(ctx context.Context, group string, q Queue, to mq.QueueOffset) error {
	_, err := c.call(ctx, q.Addr, wire.NewRequest(wire.UpdateConsumerOffset,
		&wire.UpdateConsumerOffsetRequest{ConsumerGroup: group, Topic: q.Topic, QueueID: q.ID, CommitOffset: int64(to)}))
	return err
}
