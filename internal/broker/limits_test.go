package broker

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/limit"
	"github.com/goddardmq/goddard/internal/mq"
)

// visitor is a client's connection from an address.
func (r *rig) visitor(addr string) mq.Visit {
	r.Helper()
	v, err := r.Connect(mq.Caller{Addr: netip.AddrPortFrom(netip.MustParseAddr(addr), 4711)})
	r.must(err)
	return v
}

// sentBy sends a message n times over a connection and returns how many were
// stored and the last refusal.
func (r *rig) sentBy(v mq.Visit, n int, topic, body string) (stored int, refused error) {
	r.Helper()
	b := mq.SendBatch{From: v}
	for range n {
		b.Sends = append(b.Sends, message(topic, body))
	}
	done := make(chan struct{})
	b.Done = func(*mq.SendBatch) { close(done) }
	r.Send(&b)
	<-done
	for i := range b.Sends {
		if err := b.Sends[i].Err; err == nil {
			stored++
		} else {
			refused = err
		}
	}
	return stored, refused
}

func TestATopicTakesWhatItsAttributesAllow(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 2)
		r.topic("free", 2)
		put := func(attributes map[string]string) {
			t.Helper()
			one, err := r.Topic(t.Context(), "T")
			r.must(err)
			one.Attributes = attributes
			r.must(r.PutTopic(t.Context(), one))
		}
		put(map[string]string{"+" + limit.AttributeMessages: "10"})
		a, b := r.visitor("10.0.0.1"), r.visitor("10.0.0.2")
		x, err := r.sentBy(a, 8, "T", "x")
		y, refused := r.sentBy(b, 8, "T", "x")
		if x != 8 || err != nil || y != 2 || !errors.Is(refused, mq.ErrBusy) || !strings.Contains(refused.Error(), "topic T") {
			t.Errorf("stored %d and %d of 10, %v, %v", x, y, err, refused)
		}
		if n, err := r.sentBy(a, 50, "free", "x"); n != 50 {
			t.Errorf("%d of 50 to another topic: %v", n, err)
		}
		put(map[string]string{"+" + limit.AttributeMessages: "20"})
		<-time.After(time.Second)
		if n, _ := r.sentBy(a, 50, "T", "x"); n != 20 {
			t.Errorf("%d of a raised 20", n)
		}
		r.stop()
		r = start(t, Options{}, r.fs)
		if n, _ := r.sentBy(r.visitor("10.0.0.1"), 50, "T", "x"); n != 20 {
			t.Errorf("%d of 20 after a restart", n)
		}
		uses := r.Limits(t.Context())
		if len(uses) != 1 || uses[0].Scope != mq.LimitTopic || uses[0].Refused.SendMessages != 30 {
			t.Errorf("uses %+v", uses)
		}
		one, err := r.Topic(t.Context(), "T")
		r.must(err)
		one.Attributes = map[string]string{"-" + limit.AttributeMessages: ""}
		r.must(r.PutTopic(t.Context(), one))
		if n, err := r.sentBy(r.visitor("10.0.0.1"), 50, "T", "x"); n != 50 {
			t.Errorf("%d of 50 without a limit: %v", n, err)
		}
		r.stop()
	})
}

func TestLimitsOnClientsAreKeptAcrossRestarts(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 2)
		r.must(r.PutLimit(t.Context(), mq.LimitRule{Scope: mq.LimitAddress, Name: "10.0.0.1/32", SendBytes: 1000, Connections: 1}))
		r.must(r.PutLimit(t.Context(), mq.LimitRule{Scope: mq.LimitUser, Name: "ann/é", Requests: 1}))
		r.wantErr(r.PutLimit(t.Context(), mq.LimitRule{Scope: mq.LimitAddress, Name: "nowhere", SendBytes: 1}), mq.ErrInvalid)
		r.stop()
		r = start(t, Options{}, r.fs)
		defer r.stop()
		v := r.visitor("10.0.0.1")
		if _, err := r.Connect(mq.Caller{Addr: netip.MustParseAddrPort("10.0.0.1:1")}); !errors.Is(err, mq.ErrBusy) {
			t.Errorf("a second connection: %v", err)
		}
		n, err := r.sentBy(v, 10, "T", strings.Repeat("x", 400))
		if n != 3 || !errors.Is(err, mq.ErrBusy) {
			t.Errorf("stored %d of 1000 bytes, the last one owed: %v", n, err)
		}
		if n, err := r.sentBy(nil, 10, "T", strings.Repeat("x", 400)); n != 10 {
			t.Errorf("what the broker sends itself: %d, %v", n, err)
		}
		r.must(r.DeleteLimit(t.Context(), mq.LimitAddress, "10.0.0.1"))
		r.must(r.DeleteLimit(t.Context(), mq.LimitUser, "ann/é"))
		r.wantErr(r.DeleteLimit(t.Context(), mq.LimitUser, "ann/é"), mq.ErrNotFound)
		r.stop()
		r = start(t, Options{}, r.fs)
		defer r.stop()
		if all := r.Limits(t.Context()); len(all) != 0 {
			t.Errorf("deleted limits came back: %+v", all)
		}
	})
}

func BenchmarkLimitSend(b *testing.B) {
	for name, rules := range map[string][]mq.LimitRule{"none": nil, "address": {{Scope: mq.LimitAddress, Name: "*", SendMessages: 1 << 40, SendBytes: 1 << 40}}} {
		b.Run(name, func(b *testing.B) {
			limits := limit.New(limit.Broker)
			for _, r := range rules {
				if err := limits.Put(r); err != nil {
					b.Fatal(err)
				}
			}
			v, err := limits.Connect(mq.Caller{Addr: netip.MustParseAddrPort("10.0.0.1:1")})
			if err != nil {
				b.Fatal(err)
			}
			t := &topic{topicCounters: &topicCounters{}}
			m := message("T", "x")
			b.ReportAllocs()
			for b.Loop() {
				if err := limitSend(v, t, &m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
