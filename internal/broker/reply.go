package broker

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
)

// Reply hands the reply to a request to the client that asked, and stores it
// too if the broker is set so. It fails if the client does not get it, whether
// it is stored or not.
func (b *Broker) Reply(ctx context.Context, s *mq.Send) {
	live := b.opts()
	if b.closing.Load() {
		s.Err = mq.ErrClosed
		return
	}
	t, err := b.admit(live, s, b.findTopic(s.Topic))
	if err == nil {
		seen := examine(s.Properties)
		err = checkSupported(s, &seen)
	}
	if err != nil {
		s.Err = err
		return
	}
	s.Err = b.push(ctx, s)
	if !*live.StoreReplies {
		return
	}
	result, err := b.keepReply(ctx, s.Message, t)
	if err != nil {
		live.Log.Warn("a reply was not stored", "topic", s.Topic, "error", err)
		return
	}
	s.Result = result
}

// keepReply stores a reply and waits for it, or for ctx to end.
func (b *Broker) keepReply(ctx context.Context, m mq.Message, t *topic) (mq.SendResult, error) {
	stored := make(chan mq.Send, 1)
	b.store.Append(&mq.SendBatch{
		Sends: []mq.Send{{Message: m}},
		Done: func(batch *mq.SendBatch) {
			one := &batch.Sends[0]
			if one.Err == nil {
				b.countPut(t, one, meter.KindNormal)
			}
			stored <- *one
		},
	})
	select {
	case one := <-stored:
		return one.Result, one.Err
	case <-ctx.Done():
		return mq.SendResult{}, ctx.Err()
	}
}

// push hands a reply to the client that asked.
func (b *Broker) push(ctx context.Context, s *mq.Send) error {
	id, ok := mq.Property(s.Properties, mq.PropReplyToClient)
	if !ok {
		return fmt.Errorf("%w: reply message properties[%s] is null: a reply must name the client that asked", mq.ErrReply, mq.PropReplyToClient)
	}
	peer := b.clients.producer(string(id))
	if peer == nil {
		return fmt.Errorf("%w: push reply message fail, channel of <%s> not found: the client that asked is not connected to this broker", mq.ErrReply, id)
	}
	reply := *s
	reply.Properties = mq.AppendSettingProperty(nil, s.Properties, mq.PropPushReplyTime, strconv.FormatInt(time.Now().UnixMilli(), 10))
	if err := peer.Reply(ctx, &reply); err != nil {
		return fmt.Errorf("%w: push reply message to <%s> fail: %w", mq.ErrReply, id, err)
	}
	return nil
}
