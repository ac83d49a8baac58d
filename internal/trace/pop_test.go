package trace

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/test/otlp"
)

// pop pops from a topic for group G, hiding for ten seconds, and returns what
// acknowledges the messages.
func (r *rig) pop(topic string, ordered bool) []mq.Ack {
	r.Helper()
	acks := <-r.pops(topic, ordered, 0)
	if len(acks) == 0 {
		r.Fatalf("nothing to pop from %s", topic)
	}
	return acks
}

func (r *rig) pops(topic string, ordered bool, wait time.Duration) <-chan []mq.Ack {
	answer := make(chan []mq.Ack, 1)
	q := mq.PopRequest{
		Group: "G", Topic: topic, QueueID: -1, MaxMessages: 32, Invisible: 10 * time.Second, Ordered: ordered, Wait: wait,
	}
	r.Broker.Pop(r.Context(), q, func(b mq.PopBatch, err error) {
		if err != nil {
			r.Error(err)
		}
		var acks []mq.Ack
		for i := range b.Messages {
			acks = append(acks, mq.Ack{Group: "G", Topic: topic, Receipt: b.Messages[i].Receipt})
		}
		b.Release()
		answer <- acks
	})
	return answer
}

func (r *rig) ack(acks []mq.Ack) {
	r.Helper()
	if errs := r.Broker.Ack(r.Context(), acks); errs != nil {
		r.Error(errs)
	}
}

// tries lets group G try messages once more.
func (r *rig) tries(more int32) {
	r.Helper()
	err := r.PutGroup(r.Context(), mq.Group{Name: "G", ConsumeEnable: true, RetryQueues: 1, RetryMax: more})
	if err != nil {
		r.Fatal(err)
	}
}

func TestPopsAreDeliveriesAndAcknowledgementsHangOnThem(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		bubble(t, 0, func(t *testing.T, r *rig) {
			r.send(message("T", "hello", "traceparent", traceparent, "UNIQ_KEY", "K"))
			acks := r.pop("T", ordered)
			r.ack(acks)
			r.ack(acks) // as clients do that heard no answer
			spans := r.written()
			oneTrace(t, spans)
			want(t, spans, "- > send T", "send T > store T", "send T > deliver T", "deliver T > ack T")
			deliver := find(t, spans, "deliver T")
			if got := otlp.Attribute(deliver.Attributes, "messaging.consumer.group.name"); got != "G" {
				t.Errorf("the delivery is to group %q", got)
			}
		})
	}
}

func TestAPoppedMessageThatComesBackHangsOnTheDeliveryThatFailed(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		r.tries(1)
		r.send(message("T", "poison"))
		first := r.pop("T", false)
		time.Sleep(11 * time.Second)
		r.pop("T", false)
		r.ack(first) // too late: the second delivery is another's
		time.Sleep(11 * time.Second)
		r.pull("%DLQ%G", 0)
		spans := r.written()
		oneTrace(t, spans)
		want(t, spans, "- > send T", "send T > store T", "send T > deliver T",
			"deliver T > retry %RETRY%G_T", "retry %RETRY%G_T > deliver %RETRY%G_T",
			"deliver %RETRY%G_T > dead_letter %DLQ%G", "dead_letter %DLQ%G > deliver %DLQ%G")
	})
}

func TestAPoppedMessageThatIsBuriedIsADeadLetter(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		bubble(t, 1, func(t *testing.T, r *rig) {
			r.send(message("T", "poison"))
			if err := r.Bury(t.Context(), r.pop("T", ordered)[0]); err != nil {
				t.Fatal(err)
			}
			spans := r.written()
			oneTrace(t, spans)
			want(t, spans, "- > send T", "send T > store T", "send T > deliver T", "deliver T > dead_letter %DLQ%G")
		})
	}
}

func TestAMessageAtMostOnceIsNotStored(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		r.send(message("T", "first"))
		r.ack(r.pop("T", false))
		next := r.pops("T", false, time.Minute)
		synctest.Wait()
		before := len(r.written())
		r.send(message("T", "passing", mq.PropQoS, "0"))
		r.ack(<-next)
		spans := r.written()[before:]
		oneTrace(t, spans)
		want(t, spans, "- > send T", "send T > deliver T", "deliver T > ack T")
		if at := otlp.Attribute(find(t, spans, "send T").Attributes, "goddard.message.offset"); at != "" {
			t.Errorf("it lies at %s", at)
		}
	})
}

func TestADuplicateIsSentTwiceAndStoredOnce(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		topic := mq.Topic{Name: "T", ReadQueues: 1, WriteQueues: 1, Perm: 6, Attributes: map[string]string{"+dedup.window.seconds": "60"}}
		if err := r.PutTopic(t.Context(), topic); err != nil {
			t.Fatal(err)
		}
		r.send(message("T", "hello", "UNIQ_KEY", "K"))
		r.send(message("T", "hello", "UNIQ_KEY", "K"))
		batch := message("T", "hello", "UNIQ_KEY", "K")
		batch.More = []mq.Message{message("", "more", "UNIQ_KEY", "L").Message}
		r.send(batch)
		var of []string // the span of each send and store, of the message K
		ids := map[string]bool{}
		for _, s := range r.written() {
			if otlp.Attribute(s.Attributes, "messaging.message.id") == "K" {
				of = append(of, s.Name+" "+otlp.Attribute(s.Attributes, "goddard.message.duplicate"))
				ids[id(s.SpanId)] = true
			}
		}
		slices.Sort(of)
		if wanted := []string{"send T ", "send T true", "store T "}; !slices.Equal(of, wanted) || len(ids) != len(of) {
			t.Errorf("got %q with %d ids, want %q", of, len(ids), wanted)
		}
	})
}
