package grpc

// ReceiveMessage: messages of a topic that nobody of the group has in hand. The
// stream is a status, the messages and the time of delivery. A call waits while
// there is nothing; what its stream did not take is visible again at once.

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// Bounds of times, as RocketMQ's proxy has them.
const (
	shortestPolling  = 5 * time.Second
	leastInvisible   = 10 * time.Second
	mostInvisible    = 12 * time.Hour
	renewedInvisible = time.Minute // of messages that the server renews
	requestTimeout   = 3 * time.Second
	// answerTime is what an answer may take to its client, whose own clock ends
	// the call.
	answerTime        = 200 * time.Millisecond
	invisibleFromVers = "5.0.3" // clients before do not know ILLEGAL_POLLING_TIME
)

type receiveStream = grpc.ServerStreamingServer[rmq.ReceiveMessageResponse]

// receiving is one call of ReceiveMessage.
type receiving struct {
	s       *Server
	stream  receiveStream
	by      caller
	req     *rmq.ReceiveMessageRequest
	request mq.PopRequest
	want    *want
	tries   int32 // again; then a message goes to the dead letters
	renew   bool
	lite    bool // messages of lite topics
	// unread is what the call has of the server's; its client has read it when
	// there is room for the last part of the stream.
	unread int64
	ended  bool // the stream has its time of delivery
}

// ReceiveMessage serves one call.
func (m messaging) ReceiveMessage(req *rmq.ReceiveMessageRequest, stream receiveStream) error {
	r := &receiving{s: m.Server, stream: stream, by: callerOf(stream.Context()), req: req}
	defer func() { m.unread.Add(-r.unread) }()
	var err error
	if n := m.nodeOf(stream.Context(), req.GetMessageQueue().GetBroker().GetName()); n != nil {
		if err = m.receiveFrom(n, req, stream); err == nil {
			return nil
		}
	} else if err = r.prepare(); err == nil {
		err = r.serve()
	}
	if err != nil {
		if gone := stream.Context().Err(); gone != nil {
			return gone
		}
		if err := r.status(m.explain(err)); err != nil {
			return err
		}
	}
	if r.ended {
		return nil
	}
	return stream.Send(&rmq.ReceiveMessageResponse{Content: &rmq.ReceiveMessageResponse_DeliveryTimestamp{
		DeliveryTimestamp: millis(time.Now().UnixMilli()),
	}})
}

// status writes the stream's status.
func (r *receiving) status(state *rmq.Status) error {
	return r.stream.Send(&rmq.ReceiveMessageResponse{Content: &rmq.ReceiveMessageResponse_Status{Status: state}})
}

// prepare checks the request and makes a pop of it.
func (r *receiving) prepare() error {
	ctx, req := r.stream.Context(), r.req
	topic, group := req.GetMessageQueue().GetTopic(), req.GetGroup()
	wait, err := r.polling(ctx)
	if err != nil {
		return err
	}
	if err := checkTopic(topic); err != nil {
		return err
	}
	if err := checkGroup(group); err != nil {
		return err
	}
	invisible := req.GetInvisibleDuration().AsDuration()
	if r.renew = req.GetAutoRenew(); r.renew {
		invisible = renewedInvisible
	}
	if err := checkInvisible(invisible, leastInvisible); err != nil {
		return err
	}
	if r.want, err = r.s.filters.of(req.GetFilterExpression()); err != nil {
		return err
	}
	if err := r.readable(ctx); err != nil {
		return err
	}
	if c := r.s.clients.find(r.by.clientID); c != nil {
		r.lite = isLite(c.settings())
	}
	g := r.s.group(ctx, group.GetName())
	r.tries = g.RetryMax
	r.request = mq.PopRequest{
		Group: group.GetName(), Topic: topic.GetName(), Client: r.by.clientID, QueueID: -1, MaxMessages: int(min(max(req.GetBatchSize(), 1), mq.MaxPop)),
		Invisible: invisible, Wait: wait,
		FromEnd: true, Filter: r.want.filter, Ordered: g.ConsumeOrderly || r.lite,
		ByGroup: g.ConsumeOrderly && !r.lite && !r.s.o.OrderByQueue, AttemptID: req.GetAttemptId(), Via: r.by.visit(),
	}
	return r.room()
}

// readable says whether there is anything to receive from.
func (r *receiving) readable(ctx context.Context) error {
	t, err := r.s.admin.Topic(ctx, r.req.GetMessageQueue().GetTopic().GetName())
	if err != nil {
		return err
	}
	if t.Perm&mq.PermRead == 0 || t.ReadQueues <= 0 {
		return refusef(rmq.Code_FORBIDDEN, "no readable queue: topic %s has %d queues to read and permission %d", t.Name, t.ReadQueues, t.Perm)
	}
	if broker := r.req.GetMessageQueue().GetBroker().GetName(); broker != "" && broker != r.s.o.Name {
		return refusef(rmq.Code_FORBIDDEN, "no readable queue: this is broker %s and not %.60s; query the route again", r.s.o.Name, broker)
	}
	return nil
}

// room says whether the server can take more messages in hand for clients.
func (r *receiving) room() error {
	if err := r.s.reserve(0); err != nil {
		return err
	}
	if r.renew && r.s.clients.find(r.by.clientID) == nil {
		return refusef(rmq.Code_UNRECOGNIZED_CLIENT_TYPE, "cannot find client settings for this client, without which its messages are not renewed: send them on the telemetry stream first")
	}
	if r.renew && r.s.renewing.full() {
		return r.noRenewal()
	}
	return nil
}

// noRenewal is the refusal of what the server cannot renew.
func (r *receiving) noRenewal() error {
	return refusef(rmq.Code_TOO_MANY_REQUESTS, "%d messages in hand are renewed already; acknowledge them, or raise grpc-max-renewals", r.s.o.MaxRenewals)
}

// polling is how long the call may wait.
func (r *receiving) polling(ctx context.Context) (time.Duration, error) {
	left, bounded := remaining(ctx)
	wait := longestPolling
	switch {
	case r.req.LongPollingTimeout != nil:
		wait = r.req.LongPollingTimeout.AsDuration()
	case bounded:
		timeout := requestTimeout
		if c := r.s.clients.find(r.by.clientID); c != nil {
			if d := c.settings().GetRequestTimeout(); d != nil {
				timeout = d.AsDuration()
			}
		}
		wait = left - timeout/2
	}
	wait = min(max(wait, shortestPolling), longestPolling)
	if !bounded {
		return wait, nil
	}
	if wait <= left || left >= shortestPolling {
		return min(wait, left-answerTime), nil
	}
	code := rmq.Code_ILLEGAL_POLLING_TIME
	if r.by.version < invisibleFromVers {
		code = rmq.Code_BAD_REQUEST
	}
	return 0, refusef(code, "The deadline time remaining is not enough for polling: %v are left, polling takes %v at least; give the call more time", left.Round(time.Millisecond), shortestPolling)
}

// checkInvisible says whether a message may be hidden for d.
func checkInvisible(d, least time.Duration) error {
	switch {
	case d < least:
		return refusef(rmq.Code_ILLEGAL_INVISIBLE_TIME, "the invisible duration %v is too short; want at least %v", d, least)
	case d > mostInvisible:
		return refusef(rmq.Code_ILLEGAL_INVISIBLE_TIME, "the invisible duration %v is too long; want at most %v", d, mostInvisible)
	}
	return nil
}

// A popped answer is what the broker says, once.
type popped struct {
	batch mq.PopBatch
	err   error
}

// serve asks the broker, waits, and writes what there is.
func (r *receiving) serve() error {
	ctx, cancel := context.WithCancel(r.stream.Context())
	defer cancel()
	answer := make(chan popped, 1)
	var left atomic.Bool // nobody waits for the answer any more
	r.pop(ctx, func(b mq.PopBatch, err error) {
		answer <- popped{b, err}
		if left.Load() {
			r.s.start(func() { r.abandon(answer) })
		}
	})
	var p popped
	select {
	case p = <-answer:
	case <-ctx.Done():
		left.Store(true)
		r.abandon(answer)
		return ctx.Err()
	case <-r.s.stopping:
		left.Store(true)
		r.abandon(answer)
		return refusef(rmq.Code_MESSAGE_NOT_FOUND, "no new message: the server is stopping")
	}
	if p.err != nil {
		return p.err
	}
	size := int64(0)
	for i := range p.batch.Messages {
		size += int64(len(p.batch.Messages[i].Record))
	}
	if err := r.s.reserve(size); err != nil { // there was room when the call began
		r.giveBack(p.batch.Messages)
		release(&p.batch)
		return err
	}
	r.unread = size
	defer release(&p.batch)
	return r.deliver(&p.batch)
}

// pop asks the broker.
func (r *receiving) pop(ctx context.Context, done func(mq.PopBatch, error)) {
	if !r.lite {
		r.s.broker.Pop(ctx, r.request, done)
		return
	}
	r.s.broker.PopLite(ctx, mq.LitePopRequest{
		ClientID: r.by.clientID, Group: r.request.Group, Topic: r.request.Topic, MaxMessages: r.request.MaxMessages,
		Invisible: r.request.Invisible, Wait: r.request.Wait, AttemptID: r.request.AttemptID,
	}, done)
}

// abandon gives back what an answer that nobody waits for holds, if it is there
// already.
func (r *receiving) abandon(answer chan popped) {
	select {
	case p := <-answer:
		if p.err == nil {
			r.giveBack(p.batch.Messages)
			release(&p.batch)
		}
	default:
	}
}

// release gives a batch's memory back.
func release(b *mq.PopBatch) {
	if b.Release != nil {
		b.Release()
	}
}

// deliver writes a batch to the stream.
func (r *receiving) deliver(b *mq.PopBatch) error {
	switch {
	case b.Status == mq.PopFull:
		return refusef(rmq.Code_TOO_MANY_REQUESTS, "polling full: too many calls wait for messages already; wait for answers")
	case b.Status != mq.PopFound || len(b.Messages) == 0:
		return refusef(rmq.Code_MESSAGE_NOT_FOUND, "no new message")
	}
	memory := takenLists.Get().(*[]taken)
	defer func() {
		clear(*memory)
		takenLists.Put(memory)
	}()
	*memory = r.sort(b.Messages, (*memory)[:0])
	all := *memory
	if len(all) == 0 {
		return refusef(rmq.Code_MESSAGE_NOT_FOUND, "no match message")
	}
	all = r.renewed(all)
	if len(all) == 0 {
		return r.noRenewal()
	}
	if err := r.send(all); err != nil {
		return err
	}
	r.s.counts[messagingService+"ReceiveMessage"].messages.Add(int64(len(all)))
	return nil
}

// takenLists are lists of messages that are used again.
var takenLists = sync.Pool{New: func() any { list := make([]taken, 0, mq.MaxPop); return &list }}

// send writes messages and the time of delivery to the stream.
func (r *receiving) send(all []taken) error {
	d := newDelivery(r.req.GetMessageQueue().GetTopic())
	defer d.end()
	d.status(okay())
	for i := range all {
		d.message(&all[i])
		if d.size() < deliveryPiece {
			continue
		}
		if err := r.stream.SendMsg(d); err != nil {
			r.giveBackTaken(d.unsent(all))
			return err
		}
	}
	d.time(time.Now().UnixMilli())
	if err := r.stream.SendMsg(d); err != nil {
		r.giveBackTaken(d.unsent(all))
		return err
	}
	r.ended = true
	return nil
}

// renewed begins to renew messages, if the call wants that, and returns those that
// there is room for. The others are visible again.
func (r *receiving) renewed(all []taken) []taken {
	if !r.renew {
		return all
	}
	for i := range all {
		if !r.s.renewing.add(r.key(all[i].handle().String()), r.ack(all[i].receipt, all[i].lite)) {
			r.giveBackTaken(all[i:])
			return all[:i]
		}
	}
	return all
}

// A taken message is one to be delivered.
type taken struct {
	record  mq.Record
	receipt mq.Receipt
	lite    string // the lite topic, if any
	tries   int32
}

// handle is what its client knows it by.
func (t *taken) handle() handle { return handle{t.receipt, t.record.Pos} }

// sort adds the messages that are to be delivered to wanted. Those that only looked
// wanted are acknowledged, those that were tried too often become dead letters.
func (r *receiving) sort(all []mq.Popped, wanted []taken) []taken {
	ctx := context.WithoutCancel(r.stream.Context())
	var passed []mq.Ack
	for i := range all {
		p := &all[i]
		record, _, err := mq.DecodeRecord(p.Record)
		if err != nil {
			r.s.log.Error("a message that was popped cannot be read; it is left to its invisible time", "topic", r.request.Topic,
				"queue", p.Receipt.QueueID, "offset", p.Receipt.Offset, "error", err)
			continue
		}
		if r.request.Ordered {
			record.ReconsumeTimes = p.Tries
		}
		switch {
		case !r.want.takes(record.Properties):
			passed = append(passed, r.ack(p.Receipt, p.Lite))
		case record.ReconsumeTimes > r.tries && r.s.bury(ctx, r.ack(p.Receipt, p.Lite)):
		default:
			wanted = append(wanted, taken{record, p.Receipt, p.Lite, p.Tries})
		}
	}
	if len(passed) > 0 {
		r.s.broker.Ack(ctx, passed)
	}
	return wanted
}

// bury moves a message to the dead letters; false if that failed.
func (s *Server) bury(ctx context.Context, a mq.Ack) bool {
	err := s.broker.Bury(ctx, a)
	if err != nil {
		s.log.Warn("a message that was tried too often cannot be moved to the dead letters, so it is tried once more",
			"group", a.Group, "topic", a.Topic, "offset", a.Receipt.Offset, "error", err)
	}
	return err == nil
}

// ack names a message of this call.
func (r *receiving) ack(receipt mq.Receipt, lite string) mq.Ack {
	return mq.Ack{Group: r.request.Group, Topic: r.request.Topic, Lite: lite, Receipt: receipt}
}

// key is what a handle of this call is renewed under.
func (r *receiving) key(handle string) renewalKey {
	return renewalKey{r.by.clientID, r.request.Group, handle}
}

// giveBackTaken makes messages visible again, which are not renewed any more.
func (r *receiving) giveBackTaken(all []taken) {
	list := make([]mq.Popped, 0, len(all))
	for i := range all {
		if was, ok := r.s.renewing.take(r.key(all[i].handle().String())); ok {
			all[i].receipt = was.ack.Receipt
		}
		list = append(list, mq.Popped{Receipt: all[i].receipt, Lite: all[i].lite})
	}
	r.giveBack(list)
}

// giveBack makes messages visible again that the client did not get. That is no
// try.
func (r *receiving) giveBack(all []mq.Popped) {
	for i := range all {
		r.s.makeVisible(r.ack(all[i].Receipt, all[i].Lite))
	}
}

// makeVisible gives a message back to its queue at once, without counting a try.
func (s *Server) makeVisible(a mq.Ack) {
	if _, err := s.broker.ChangeInvisible(context.Background(), a, 0, true); err != nil {
		s.log.Debug("a message cannot be given back; it comes back when its invisible time is over",
			"group", a.Group, "topic", a.Topic, "offset", a.Receipt.Offset, "error", err)
	}
}
