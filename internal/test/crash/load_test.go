//go:build crash

package crash

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

const (
	topic     = "CrashTopic"
	group     = "CrashGroup"
	queues    = 6
	producers = 8
	inFlight  = 64 // of one producer
)

// A producer sends on a connection of its own without waiting for each answer.
type producer struct {
	id   uint32
	next uint32 // number of the next message
	addr string

	mu struct {
		sync.Mutex // guards what callbacks write
		acked      map[message]ack
		refused    []string
	}
}

// An ack is what the broker answered.
type ack struct {
	place
	id string // offset message id
}

// run sends until the context ends or the connection does.
func (p *producer) run(ctx context.Context, total *atomic.Int64) {
	client := rpc.NewClient(rpc.ClientOptions{})
	defer client.Close()
	conn, err := client.Conn(ctx, p.addr)
	if err != nil {
		return
	}
	slots := make(chan struct{}, inFlight)
	for ctx.Err() == nil && conn.Context().Err() == nil {
		select {
		case slots <- struct{}{}:
		case <-conn.Context().Done():
			return
		}
		m := message{p.id, p.next}
		p.next++
		cmd := wire.NewRequest(wire.SendMessageV2, &wire.SendMessageV2Request{
			ProducerGroup: "CrashProducer", Topic: topic, DefaultTopic: "TBW102", DefaultTopicQueueNums: 4,
			QueueID: int32((m.number + m.producer) % queues), BornTimestamp: time.Now().UnixMilli(),
		})
		cmd.Body = m.body()
		conn.Go(cmd, time.Minute, func(resp *wire.Command, err error) {
			<-slots
			p.answered(m, resp, err, total)
		})
	}
}

func (p *producer) answered(m message, resp *wire.Command, err error, total *atomic.Int64) {
	if err != nil {
		return // it may be stored or not
	}
	var h wire.SendMessageResponse
	if err == nil && resp.Code == wire.CodeSuccess {
		err = h.DecodeFields(resp.Fields)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil || resp.Code != wire.CodeSuccess {
		p.mu.refused = append(p.mu.refused, fmt.Sprint(resp.Code, resp.Remark, err))
		return
	}
	p.mu.acked[m] = ack{place{h.QueueID, mq.QueueOffset(h.QueueOffset)}, h.MsgID}
	total.Add(1)
}

// A committer is a consumer group of one: it reads every queue and commits how
// far it is.
type committer struct {
	addr      string
	read      [queues]mq.QueueOffset // how far it has read
	committed [queues]mq.QueueOffset // what the broker has acknowledged
	seen      map[place]message
}

// run consumes until the context or the connection ends.
func (c *committer) run(ctx context.Context) error {
	client := rpc.NewClient(rpc.ClientOptions{})
	defer client.Close()
	for ctx.Err() == nil {
		idle := true
		for q := range int32(queues) {
			records, next, err := pull(ctx, client, c.addr, q, c.read[q])
			if err != nil {
				return onlyLost(err)
			}
			for _, r := range records {
				m, err := parse(&r)
				if err != nil {
					return fmt.Errorf("queue %d offset %d: %w", q, r.QueueOffset, err)
				}
				c.seen[place{q, r.QueueOffset}] = m
			}
			if next == c.read[q] {
				continue
			}
			idle = false
			c.read[q] = next
			if err := c.commit(ctx, client, q, next); err != nil {
				return onlyLost(err)
			}
		}
		if idle {
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

// errWrong marks an answer that must not come, as opposed to none.
var errWrong = errors.New("wrong answer")

func onlyLost(err error) error {
	if errors.Is(err, errWrong) {
		return err
	}
	return nil
}

func (c *committer) commit(ctx context.Context, client *rpc.Client, q int32, to mq.QueueOffset) error {
	resp, err := client.Call(ctx, c.addr, wire.NewRequest(wire.UpdateConsumerOffset, &wire.UpdateConsumerOffsetRequest{
		ConsumerGroup: group, Topic: topic, QueueID: q, CommitOffset: int64(to),
	}))
	if err != nil {
		return err
	}
	if resp.Code != wire.CodeSuccess {
		return fmt.Errorf("%w to a commit: %v %s", errWrong, resp.Code, resp.Remark)
	}
	c.committed[q] = to
	return nil
}

// pull reads some records of a queue and says where to go on.
func pull(ctx context.Context, client *rpc.Client, addr string, q int32, from mq.QueueOffset) ([]mq.Record, mq.QueueOffset, error) {
	resp, err := client.Call(ctx, addr, wire.NewRequest(wire.PullMessage, &wire.PullMessageRequest{
		ConsumerGroup: group, Topic: topic, QueueID: q, QueueOffset: int64(from), MaxMsgNums: 32,
		SysFlag: 4, Subscription: "*", ExpressionType: "TAG",
	}))
	if err != nil {
		return nil, 0, err
	}
	if resp.Code == wire.CodePullNotFound {
		return nil, from, nil
	}
	if resp.Code != wire.CodeSuccess {
		return nil, 0, fmt.Errorf("%w to a pull of queue %d from %d: %v %s", errWrong, q, from, resp.Code, resp.Remark)
	}
	var records []mq.Record
	for rest := resp.Body; len(rest) > 0; {
		var r mq.Record
		if r, rest, err = mq.DecodeRecord(rest); err != nil {
			return nil, 0, fmt.Errorf("%w to a pull of queue %d from %d: %w", errWrong, q, from, err)
		}
		if want := from + mq.QueueOffset(len(records)); r.QueueOffset != want || r.QueueID != q {
			return nil, 0, fmt.Errorf("%w: queue %d offset %d where queue %d offset %d belongs", errWrong, r.QueueID, r.QueueOffset, q, want)
		}
		records = append(records, r)
	}
	return records, from + mq.QueueOffset(len(records)), nil
}
