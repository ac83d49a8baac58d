package broker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
)

// firstRetryLevel is the delay level of the first retry of a group that does
// not choose its own.
const firstRetryLevel = 3

// SendBack stores a message that a consumer failed on once more: in the group's
// retry topic, behind a delay, or in its dead-letter topic.
func (b *Broker) SendBack(ctx context.Context, r mq.SendBackRequest) error {
	live, began := b.opts(), time.Now()
	switch {
	case b.closing.Load():
		return mq.ErrClosed
	case *live.Permission&mq.PermWrite == 0:
		return fmt.Errorf("%w: the broker[%s] sending message is forbidden (broker-permission)", mq.ErrDenied, live.Name)
	}
	g, err := b.group(r.Group)
	if err != nil {
		return err
	}
	if r.Pos < 0 {
		// It was to be delivered at most once and lies nowhere.
		return nil
	}
	if g.RetryQueues <= 0 {
		// As in RocketMQ, the group does not want its failures back.
		return nil
	}
	retry, err := b.retryTopic(g, r.UnitMode)
	if err != nil {
		return err
	}
	data, err := b.store.ReadAt(r.Pos)
	if err != nil {
		return fmt.Errorf("look message by offset failed, %d: %w", r.Pos, err)
	}
	rec, _, err := mq.DecodeRecord(data)
	if err != nil {
		return fmt.Errorf("%w: there is no message at log position %d: %w", mq.ErrNotFound, r.Pos, err)
	}
	limit := g.RetryMax
	if r.MaxReconsumes >= 0 {
		limit = r.MaxReconsumes
	}
	if r.DelayLevel < 0 || rec.ReconsumeTimes >= limit {
		return b.bury(ctx, r, rec, began)
	}
	level := r.DelayLevel
	if level == 0 {
		level = firstRetryLevel + rec.ReconsumeTimes
	}
	level = min(level, int32(b.timer.Levels()))
	queue := rand.Int32N(g.RetryQueues)
	m := comeback(rec, level)
	m.Properties = mq.AppendSettingProperty(nil, m.Properties, mq.PropRealTopic, retry.Name)
	m.Properties = mq.AppendSettingProperty(nil, m.Properties, mq.PropRealQueueID, strconv.Itoa(int(queue)))
	m.Topic, m.QueueID = mq.TopicSchedule, level-1
	err = b.sendOne(ctx, m, nil)
	b.note(TraceEvent{Kind: TraceRetry, Message: &m, Group: r.Group, From: queueOf(rec), Offset: rec.QueueOffset, Began: began, Err: err})
	if err != nil {
		return err
	}
	b.stats.counter(statSendBackNums, r.OriginTopic+"@"+r.Group).add(1)
	return nil
}

// retryTopic is a group's retry topic, made if it is missing.
func (b *Broker) retryTopic(g *mq.Group, unit bool) (*topic, error) {
	t := b.topics.table.get(mq.RetryTopic(g.Name))
	if t == nil {
		in := innerTopic(mq.RetryTopic(g.Name), g.RetryQueues)
		if unit {
			in.SysFlag = topicUnitSub
		}
		var err error
		if t, err = b.createTopic(in); err != nil {
			return nil, err
		}
	}
	if t.Perm&mq.PermWrite == 0 {
		return nil, fmt.Errorf("%w: the topic[%s] sending message is forbidden", mq.ErrDenied, t.Name)
	}
	return t, nil
}

// bury stores a message in the dead-letter topic of the group that failed on it.
func (b *Broker) bury(ctx context.Context, r mq.SendBackRequest, rec mq.Record, began time.Time) error {
	dead, err := b.createTopic(innerTopic(mq.DLQTopic(r.Group), 1))
	if err != nil {
		return err
	}
	m := comeback(rec, 0)
	m.Topic, m.QueueID = dead.Name, 0
	err = b.sendOne(ctx, m, dead)
	b.note(TraceEvent{Kind: TraceDeadLetter, Message: &m, Group: r.Group, From: queueOf(rec), Offset: rec.QueueOffset, Began: began, Err: err})
	if err != nil {
		return err
	}
	b.stats.counter(statSendBackNums, r.OriginTopic+"@"+r.Group).add(1)
	b.countDead(r.Group, r.OriginTopic)
	b.opts().Log.Info("message went to the dead letters", "group", r.Group, "topic", r.OriginTopic, "message", rec.OffsetID())
	return nil
}

// comeback is a stored message as it is stored again after a consumer failed
// on it: it remembers its first topic and id.
func comeback(rec mq.Record, level int32) mq.Message {
	m := rec.Message()
	m.ReconsumeTimes++
	m.PreparedPos = 0
	set := func(key, value string) { m.Properties = mq.AppendSettingProperty(nil, m.Properties, key, value) }
	if _, ok := mq.Property(m.Properties, mq.PropRetryTopic); !ok {
		set(mq.PropRetryTopic, m.Topic)
	}
	if _, ok := mq.Property(m.Properties, mq.PropOriginMessageID); !ok {
		set(mq.PropOriginMessageID, rec.OffsetID())
	}
	set(mq.PropWait, "false")
	set(mq.PropDelay, strconv.Itoa(int(level)))
	return m
}

// queueOf is the queue that a record lies in.
func queueOf(rec mq.Record) mq.Queue { return mq.Queue{Topic: string(rec.Topic), ID: rec.QueueID} }

// sendOne stores a message and waits for it, or for ctx to end. t is what it
// is counted for, or nil.
func (b *Broker) sendOne(ctx context.Context, m mq.Message, t *topic) error {
	stored := make(chan error, 1)
	b.store.Append(&mq.SendBatch{
		Sends: []mq.Send{{Message: m}},
		Done: func(batch *mq.SendBatch) {
			if one := &batch.Sends[0]; one.Err == nil {
				b.countPut(t, one, meter.KindNormal)
			}
			stored <- batch.Sends[0].Err
		},
	})
	select {
	case err := <-stored:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
