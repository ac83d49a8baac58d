package remote

import (
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// progress is what a member does with one queue.
type progress struct {
	pulled, consumed time.Time // when it last asked for messages, and took one up
	committed        mq.QueueOffset
	first, last      mq.QueueOffset // of the messages in hand
	waiting          int            // how many are in hand
}

// note changes what is told of a queue.
func (s *share) note(q Queue, change func(*progress)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.mu.reads[q]
	change(&p)
	s.mu.reads[q] = p
}

// forget drops a queue that is no longer read.
func (s *share) forget(q Queue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.reads, q)
}

// tellRunning answers GET_CONSUMER_RUNNING_INFO.
func (c *Cluster) tellRunning(conn *rpc.Conn, cmd *wire.Command) {
	group, _ := cmd.Fields.Get("consumerGroup")
	c.mu.Lock()
	s := c.mu.members[group]
	c.mu.Unlock()
	if s == nil {
		conn.Reply(cmd.ReplyError(wire.CodeSystemError, "this client is no member of the group "+group))
		return
	}
	reply := cmd.Reply(wire.CodeSuccess, nil)
	reply.Body = wire.EncodeBody(s.running())
	conn.Reply(reply)
}

// running is what this member does, as RocketMQ's clients tell it.
func (s *share) running() wire.ConsumerRunningInfo {
	info := wire.ConsumerRunningInfo{
		PopQueues: map[wire.MessageQueue]wire.PopProcessQueueInfo{},
		Queues:    map[wire.MessageQueue]wire.ProcessQueueInfo{},
		Properties: map[string]string{
			"PROP_CONSUME_TYPE":             "CONSUME_PASSIVELY",
			"PROP_CONSUMEORDERLY":           "false",
			"PROP_CONSUMER_START_TIMESTAMP": strconv.FormatInt(s.began.UnixMilli(), 10),
			"PROP_NAMESERVER_ADDR":          strings.Join(s.c.o.NameServers, ";"),
			"PROP_THREADPOOL_CORE_SIZE":     "1",
		},
		Status:        map[string]wire.ConsumeStatus{},
		Subscriptions: []wire.SubscriptionData{s.subscription()},
		User:          map[string]string{},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for q, p := range s.mu.reads {
		told := wire.ProcessQueueInfo{CommitOffset: int64(p.committed), LastPullTimestamp: millis(p.pulled), LastConsumeTimestamp: millis(p.consumed)}
		if p.waiting > 0 {
			told.CachedMessageCount, told.CachedMinOffset, told.CachedMaxOffset = int32(p.waiting), int64(p.first), int64(p.last)
		}
		info.Queues[wire.MessageQueue{Topic: q.Topic, BrokerName: q.Broker, QueueID: q.ID}] = told
	}
	return info
}

// millis is a time as RocketMQ writes it; 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
