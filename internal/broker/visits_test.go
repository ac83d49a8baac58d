package broker

import (
	"fmt"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

func TestPopsVisitQueuesByPriorityOrInTurn(t *testing.T) {
	for _, c := range []struct {
		messageType string
		factor      string
		ordered     bool
		ascending   bool
		draw        int // below which chances come true
		want        string
	}{
		{"PRIORITY", "", false, true, 99, "[3 2 1 0] [3 2 1 0], retries last"},
		{"PRIORITY", "", false, false, 99, "[0 1 2 3] [0 1 2 3], retries last"},
		{"PRIORITY", "100", false, true, 4, "[3 2 1 0] [3 2 1 0], retries first"},
		{"PRIORITY", "60", false, true, 59, "[3 2 1 0] [3 2 1 0], retries last"},
		{"PRIORITY", "60", false, true, 60, "[1 2 3 0] [2 3 0 1], retries last"},
		{"PRIORITY", "0", false, true, 0, "[1 2 3 0] [2 3 0 1], retries first"},
		{"PRIORITY", "many", false, true, 99, "[3 2 1 0] [3 2 1 0], retries last"},
		{"PRIORITY", "", true, true, 0, "[1 2 3 0] [2 3 0 1], retries last"},
		{"NORMAL", "", false, true, 19, "[1 2 3 0] [2 3 0 1], retries first"},
		{"NORMAL", "", false, true, 20, "[1 2 3 0] [2 3 0 1], retries last"},
	} {
		o := popOrder{ascending: c.ascending, retryFirst: 20, retryFirstPriority: 5}
		topic := &topic{Topic: mq.Topic{Attributes: map[string]string{attrMessageType: c.messageType}}}
		g := &mq.Group{Attributes: map[string]string{attrPriorityFactor: c.factor}}
		v := o.visits(topic, g, c.ordered, func(percent int) bool { return c.draw < percent })
		order := func(turn uint32) (queues []int32) {
			for i := range uint32(4) {
				queues = append(queues, v.queue(i, 4, turn))
			}
			return queues
		}
		got := fmt.Sprint(order(1), " ", order(2), ", retries last")
		if v.retriesFirst {
			got = fmt.Sprint(order(1), " ", order(2), ", retries first")
		}
		if got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestTurnsMayOverflow(t *testing.T) {
	seen := map[int32]bool{}
	for i := range uint32(3) {
		seen[visits{}.queue(i, 3, 1<<32-1)] = true
	}
	if len(seen) != 3 {
		t.Errorf("of 3 queues %d are visited", len(seen))
	}
}

func TestPopsTakeTheHighestPriorityFirst(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.must(r.PutTopic(t.Context(), mq.Topic{
			Name: "T", ReadQueues: 3, WriteQueues: 3, Perm: 6, Attributes: map[string]string{"+message.type": "PRIORITY"},
		}))
		for _, priority := range []string{"0", "2", "1", "9", "0", "2"} {
			r.sent(message("T", priority, mq.PropPriority, priority))
		}
		for _, want := range []string{"2", "9", "2", "1", "0", "0"} {
			r.wantPop(mq.PopRequest{QueueID: -1, MaxMessages: 1}, want)
		}
	})
}

func TestMessagesArePoppedFromLightQueues(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.sent(message("T", "not in it"))
		r.sent(message("T", "one", mq.PropMultiDispatch, lightNames))
		r.sent(message("T", "two", mq.PropMultiDispatch, lightNames))
		got := r.wantPop(mq.PopRequest{Group: "%LMQ%g", Topic: "%LMQ%a", QueueID: -1}, "one", "two")
		if first, second := got.Messages[0].Receipt.Offset, got.Messages[1].Receipt.Offset; first != 0 || second != 1 {
			t.Errorf("the receipts name offsets %d and %d", first, second)
		}
		r.acks(mq.Ack{Group: "%LMQ%g", Topic: "%LMQ%a", Receipt: got.Messages[0].Receipt})
		pass(15 * time.Second)
		r.wantPop(mq.PopRequest{Group: "%LMQ%g", Topic: "%LMQ%a", QueueID: -1}, "two")
		r.wantPop(mq.PopRequest{Group: "%LMQ%g", Topic: "%LMQ%b/c", QueueID: -1}, "one", "two")
	})
}
