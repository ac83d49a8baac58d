package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

const (
	heartbeatEvery = 30 * time.Second
	shareEvery     = 20 * time.Second
	commitEvery    = 5 * time.Second
	pullWait       = 15 * time.Second
	retryAfter     = time.Second
)

// From says where a group without a committed offset begins.
type From struct {
	// Last begins with what is sent from now on, otherwise the first message
	// still there.
	Last bool
	// At, if set, begins with the first message stored then or later.
	At time.Time
}

// A Member is one member of a consumer group.
type Member struct {
	Group, Topic string
	Expression   string // tags; empty means all
	From         From
	// Handle gets each message, those of one queue in order. The offset is
	// committed behind messages it returned nil for. ErrStop ends the member
	// behind this message; any other error ends it before.
	Handle func(Queue, *mq.Record) error
}

// ErrStop ends Consume without an error.
var ErrStop = errors.New("enough")

// Consume takes part in a group until ctx ends or Handle says so: it shares the
// topic's queues with the other members and commits what was handled. What may
// pass is logged and tried again; a refusal for good is returned.
func (c *Cluster) Consume(ctx context.Context, m Member) error {
	changed := make(chan struct{}, 1)
	ctx, cancel := context.WithCancelCause(ctx)
	s := &share{c: c, m: m, fail: cancel, began: time.Now(), pulling: map[Queue]context.CancelFunc{}}
	s.mu.reads = map[Queue]progress{}
	c.mu.Lock()
	c.mu.changed[m.Group] = changed
	c.mu.members[m.Group] = s
	c.mu.Unlock()
	defer func() {
		cancel(nil)
		s.wg.Wait()
		s.leave()
		c.mu.Lock()
		delete(c.mu.changed, m.Group)
		delete(c.mu.members, m.Group)
		c.mu.Unlock()
	}()

	beat, again := time.NewTicker(heartbeatEvery), time.NewTicker(shareEvery)
	defer beat.Stop()
	defer again.Stop()
	s.heartbeat(ctx)
	for {
		if err := s.rebalance(ctx); err != nil && ctx.Err() == nil {
			if errors.Is(err, mq.ErrTopicNotFound) {
				return fmt.Errorf("%w; send to it first, or create it with `goddard admin topic create %s`", err, m.Topic)
			}
			if Permanent(err) || errors.Is(err, mq.ErrDenied) {
				return err
			}
			c.o.Log.Warn("cannot share queues, trying again", "group", m.Group, "error", err)
		}
		select {
		case <-ctx.Done():
			switch err := context.Cause(ctx); {
			case errors.Is(err, ErrStop), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
				return nil
			default:
				return err
			}
		case <-changed:
		case <-again.C:
		case <-beat.C:
			s.heartbeat(ctx)
		}
	}
}

// A share is the part of a topic's queues that this member reads.
type share struct {
	c    *Cluster
	m    Member
	fail context.CancelCauseFunc
	wg   sync.WaitGroup

	began time.Time
	// pulling are the queues this member reads and how to stop; it belongs to
	// the goroutine that runs Consume.
	pulling map[Queue]context.CancelFunc

	// mu guards what is told to who asks what this member does.
	mu struct {
		sync.Mutex
		reads map[Queue]progress
	}
}

// brokers lists the addresses of the brokers that hold the topic.
func (s *share) brokers(ctx context.Context) []string {
	qs, err := s.c.ReadQueues(ctx, s.m.Topic)
	if err != nil {
		return nil
	}
	var addrs []string
	for _, q := range qs {
		addrs = append(addrs, q.Addr)
	}
	slices.Sort(addrs)
	return slices.Compact(addrs)
}

// subscription is what this member wants of its topic.
func (s *share) subscription() wire.SubscriptionData {
	expression := s.m.Expression
	if expression == "" {
		expression = "*"
	}
	sub := wire.SubscriptionData{Topic: s.m.Topic, SubString: expression, ExpressionType: "TAG", SubVersion: s.began.UnixMilli(), TagsSet: []string{}, CodeSet: []int32{}}
	if expression != "*" {
		for tag := range strings.SplitSeq(expression, "||") {
			tag = strings.TrimSpace(tag)
			sub.TagsSet = append(sub.TagsSet, tag)
			sub.CodeSet = append(sub.CodeSet, int32(mq.TagCode(tag)))
		}
	}
	return sub
}

func (s *share) heartbeat(ctx context.Context) {
	body := wire.EncodeBody(wire.HeartbeatData{
		ClientID: s.c.o.ClientID,
		Consumers: []wire.ConsumerData{{
			GroupName: s.m.Group, ConsumeType: "CONSUME_PASSIVELY", MessageModel: "CLUSTERING",
			ConsumeFromWhere: "CONSUME_FROM_FIRST_OFFSET", Subscriptions: []wire.SubscriptionData{s.subscription()},
		}},
	})
	for _, addr := range s.brokers(ctx) {
		cmd := wire.NewRequest(wire.HeartBeat, nil)
		cmd.Body = body
		if _, err := s.c.call(ctx, addr, cmd); err != nil && ctx.Err() == nil {
			if Permanent(err) {
				s.fail(err)
				return
			}
			s.c.o.Log.Warn("heartbeat failed", "broker", addr, "error", err)
		}
	}
}

func (s *share) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	for _, addr := range s.brokers(ctx) {
		cmd := wire.NewRequest(wire.UnregisterClient, &wire.UnregisterClientRequest{ClientID: s.c.o.ClientID, ConsumerGroup: s.m.Group})
		if _, err := s.c.call(ctx, addr, cmd); err != nil {
			s.c.o.Log.Debug("cannot leave the group", "broker", addr, "error", err)
		}
	}
}

// rebalance works out which queues are this member's, as RocketMQ's clients do
// by default: everybody sorts members and queues and takes an even run.
func (s *share) rebalance(ctx context.Context) error {
	qs, err := s.c.ReadQueues(ctx, s.m.Topic)
	if err != nil {
		return err
	}
	members, err := s.members(ctx)
	if err != nil {
		return err
	}
	mine := evenRun(qs, members, s.c.o.ClientID)
	for q, stop := range s.pulling {
		if !slices.Contains(mine, q) {
			stop()
			delete(s.pulling, q)
		}
	}
	for _, q := range mine {
		if _, ok := s.pulling[q]; ok {
			continue
		}
		qctx, stop := context.WithCancel(ctx)
		s.pulling[q] = stop
		s.wg.Go(func() { s.read(qctx, q) })
	}
	return nil
}

func (s *share) members(ctx context.Context) ([]string, error) {
	var last error
	for _, addr := range s.brokers(ctx) {
		resp, err := s.c.call(ctx, addr, wire.NewRequest(wire.GetConsumerListByGroup,
			&wire.GetConsumerListByGroupRequest{ConsumerGroup: s.m.Group}))
		if err != nil {
			last = err
			continue
		}
		var list wire.ConsumerList
		if err := wire.DecodeBody(resp.Body, &list); err != nil {
			last = err
			continue
		}
		slices.Sort(list.ConsumerIDs)
		return list.ConsumerIDs, nil
	}
	return nil, last
}

// evenRun is the part of qs that falls to one member; both lists are sorted.
func evenRun(qs []Queue, members []string, me string) []Queue {
	i := slices.Index(members, me)
	if i < 0 {
		return nil
	}
	from, to := EvenShare(len(qs), len(members), i)
	return qs[from:to]
}

// EvenShare is the run of n queues that the member at index gets of so many
// members: the first get one more where they do not divide, as with RocketMQ's
// clients unless they are told otherwise.
func EvenShare(n, members, index int) (from, to int) {
	each, more := n/members, n%members
	from = index*each + min(index, more)
	if to = from + each; index < more {
		to++
	}
	return from, to
}

// read pulls one queue until ctx ends.
func (s *share) read(ctx context.Context, q Queue) {
	next, err := s.begin(ctx, q)
	for ; err != nil; next, err = s.begin(ctx, q) {
		if !s.rest(ctx, q, err) {
			return
		}
	}
	handled, committed, last := next, mq.QueueOffset(-1), time.Now()
	commit := func(ctx context.Context) {
		if handled == committed {
			return
		}
		if err := s.c.SetOffset(ctx, s.m.Group, q, handled); err != nil {
			s.c.o.Log.Warn("cannot commit", "queue", q, "error", err)
			return
		}
		committed, last = handled, time.Now()
	}
	defer s.forget(q)
	defer func() {
		done, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		commit(done)
	}()
	for ctx.Err() == nil {
		s.note(q, func(p *progress) { p.pulled, p.committed, p.waiting = time.Now(), handled, 0 })
		got, err := s.c.Pull(ctx, Pull{Queue: q, Group: s.m.Group, From: next, Wait: pullWait, Expression: s.m.Expression})
		if err != nil {
			if !s.rest(ctx, q, err) {
				return
			}
			continue
		}
		for i := range got.Records {
			s.note(q, func(p *progress) {
				p.consumed, p.committed, p.waiting = time.Now(), handled, len(got.Records)-i
				p.first, p.last = got.Records[i].QueueOffset, got.Records[len(got.Records)-1].QueueOffset
			})
			if !Wanted(s.m.Expression, &got.Records[i]) {
				continue
			}
			err := s.m.Handle(q, &got.Records[i])
			if err == nil || errors.Is(err, ErrStop) {
				handled = got.Records[i].QueueOffset + 1
			}
			if err != nil {
				s.fail(err)
				return
			}
		}
		next, handled = got.Next, got.Next
		if time.Since(last) >= commitEvery {
			commit(ctx)
		}
	}
}

// rest waits before the next try and reports whether there is one. A refusal
// that would be repeated ends the member.
func (s *share) rest(ctx context.Context, q Queue, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	if Permanent(err) {
		s.fail(err)
		return false
	}
	s.c.o.Log.Warn("cannot read a queue, trying again", "topic", q.Topic, "queue", q.ID, "broker", q.Addr, "error", err)
	select {
	case <-ctx.Done():
		return false
	case <-time.After(retryAfter):
		return true
	}
}

// begin is where this member starts to read a queue.
func (s *share) begin(ctx context.Context, q Queue) (mq.QueueOffset, error) {
	at, err := s.c.Offset(ctx, s.m.Group, q)
	if errors.Is(err, mq.ErrNotFound) {
		return s.c.Begin(ctx, q, s.m.From)
	}
	return at, err
}

// Begin is the offset that From means in a queue.
func (c *Cluster) Begin(ctx context.Context, q Queue, from From) (mq.QueueOffset, error) {
	if !from.At.IsZero() {
		return c.Locate(ctx, q, from.At)
	}
	lo, hi, err := c.Bounds(ctx, q)
	if from.Last {
		return hi, err
	}
	return lo, err
}
