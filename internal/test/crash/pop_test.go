//go:build crash

package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/test/against"
	"github.com/goddardmq/goddard/internal/wire"
)

const (
	poppers      = 4
	popInvisible = 2 * time.Second
)

// Every message that was stored is popped until it is acknowledged, by a group
// without order and by one in order, whatever kills come between. What is
// acknowledged in time never comes again, and order is kept. One that nobody
// acknowledged may be copied twice if its broker is killed while it gives it back,
// and then comes once more although one of the copies was acknowledged.
func TestKillWhileMessagesAreInHand(t *testing.T) {
	cluster := against.Goddard(t, kit).Cluster(t)
	createTopic(t, cluster.Broker)
	rng := rand.New(rand.NewPCG(*seed, 2))
	h := &hands{addr: cluster.Broker, stored: map[message]bool{}, popped: map[message]int{}, done: map[message]bool{}, lapsed: map[message]bool{}}
	kills := max(1, *rounds/2)
	for range kills {
		h.round(t, cluster, time.Duration(200+rng.IntN(800))*time.Millisecond)
		cluster.Start(t)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	h.consume(ctx, func() bool { return h.left() > 0 || h.behind(ctx) > 0 })
	if err := errors.Join(h.wrong...); err != nil {
		t.Fatalf("seed %d: %v", *seed, err)
	}
	if n := h.left(); n > 0 {
		t.Fatalf("seed %d: %d of %d stored messages were not popped and acknowledged", *seed, n, len(h.stored))
	}
	if n := h.behind(t.Context()); n > 0 {
		t.Fatalf("seed %d: %d messages were not consumed in order", *seed, n)
	}
	again := 0
	for _, n := range h.popped {
		again += n - 1
	}
	fmt.Fprintf(os.Stderr, "crash: %d kills with messages in hand: %d acknowledged to their producers, all popped, %d deliveries again and none of what "+
		"was acknowledged in time, %d of both copies of one that was not; another group had all in order (seed %d)\n", kills, len(h.stored), again, h.copies, *seed)
}

// hands are the consumers that pop and what they know.
type hands struct {
	addr string

	mu     sync.Mutex       // guards what follows
	number uint32           // of the next message
	stored map[message]bool // acknowledged to the producer
	popped map[message]int  // deliveries
	done   map[message]bool // acknowledged to the broker before its time was up, and answered
	lapsed map[message]bool // in hand once without that
	copies int              // deliveries of those after they were done
	order  [queues]inOrder
	wrong  []error
}

// inOrder is how far a queue was consumed in order: everything before asked has
// been acknowledged, and of everything before answered the broker said so.
type inOrder struct{ answered, asked mq.QueueOffset }

func (h *hands) fail(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.wrong) < 10 {
		h.wrong = append(h.wrong, fmt.Errorf(format, args...))
	}
}

// left is how many stored messages nobody has acknowledged yet.
func (h *hands) left() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for m := range h.stored {
		if h.popped[m] == 0 {
			n++
		}
	}
	return n
}

// behind is how many messages the group in order has yet to consume.
func (h *hands) behind(ctx context.Context) (n mq.QueueOffset) {
	client := rpc.NewClient(rpc.ClientOptions{})
	defer client.Close()
	for q := range int32(queues) {
		end, err := maxOffset(ctx, client, h.addr, q)
		if err != nil {
			return 1
		}
		h.mu.Lock()
		n += end - h.order[q].answered
		h.mu.Unlock()
	}
	return n
}

// round sends and pops for a while, and kills the broker in the middle of it.
func (h *hands) round(t *testing.T, cluster *against.Cluster, span time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { h.send(ctx) })
	wg.Go(func() { h.consume(ctx, func() bool { return true }) })
	time.Sleep(span)
	cluster.Kill()
	cancel()
	wg.Wait()
}

// send stores messages until the broker is gone.
func (h *hands) send(ctx context.Context) {
	client := rpc.NewClient(rpc.ClientOptions{})
	defer client.Close()
	conn, err := client.Conn(ctx, h.addr)
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
		h.mu.Lock()
		m := message{producers + 1, h.number}
		h.number++
		h.mu.Unlock()
		cmd := wire.NewRequest(wire.SendMessageV2, &wire.SendMessageV2Request{
			ProducerGroup: "CrashProducer", Topic: topic, DefaultTopic: "TBW102", DefaultTopicQueueNums: 4, QueueID: int32(m.number % queues),
		})
		cmd.Body = m.body()
		conn.Go(cmd, time.Minute, func(resp *wire.Command, err error) {
			<-slots
			if err == nil && resp.Code == wire.CodeSuccess {
				h.mu.Lock()
				h.stored[m] = true
				h.mu.Unlock()
			}
		})
		time.Sleep(200 * time.Microsecond)
	}
}

// consume pops with both groups while more says so and the broker is there.
func (h *hands) consume(ctx context.Context, more func() bool) {
	client := rpc.NewClient(rpc.ClientOptions{})
	defer client.Close()
	var wg sync.WaitGroup
	for i := range poppers {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil && more() && h.pop(ctx, client, i+n); n++ {
			}
		})
	}
	for q := range int32(queues) {
		wg.Go(func() {
			for ctx.Err() == nil && more() && h.popInOrder(ctx, client, q) {
			}
		})
	}
	wg.Wait()
}

// ask pops once; false if the broker is gone.
func (h *hands) ask(ctx context.Context, client *rpc.Client, p remote.Pop) (remote.Popped, bool) {
	p.Queue = remote.Queue{Queue: p.Queue.Queue, Broker: against.BrokerName, Addr: h.addr}
	p.Invisible, p.Wait = popInvisible, 200*time.Millisecond
	resp, err := client.Call(ctx, h.addr, p.Request())
	if err != nil {
		return remote.Popped{}, false
	}
	got, err := remote.DecodePopped(p.Queue, resp)
	if err != nil {
		h.fail("a pop: %w", err)
		return got, false
	}
	return got, true
}

// pop takes messages and acknowledges them, but for some that it leaves to come
// again.
func (h *hands) pop(ctx context.Context, client *rpc.Client, turn int) bool {
	got, there := h.ask(ctx, client, remote.Pop{Queue: remote.Queue{Queue: mq.Queue{Topic: topic, ID: -1}}, Group: group})
	if !there {
		return false
	}
	for i := range got.Records {
		m, err := parse(&got.Records[i])
		if err != nil {
			h.fail("popped: %w", err)
			return false
		}
		h.mu.Lock()
		h.popped[m]++
		done, lapsed := h.done[m], h.lapsed[m]
		if done && lapsed {
			h.copies++
		}
		h.lapsed[m] = true
		h.mu.Unlock()
		if done && !lapsed {
			h.fail("%v was acknowledged in time and comes again as %s", m, got.Receipts[i])
		}
		if (turn+i)%5 == 0 && got.Records[i].ReconsumeTimes == 0 {
			continue
		}
		resp, err := client.Call(ctx, h.addr, remote.AckRequest(group, topic, got.Receipts[i]))
		if err != nil {
			return false
		}
		if resp.Code != wire.CodeSuccess {
			h.fail("acknowledgement of %v: %v %s", m, resp.Code, resp.Remark)
			return false
		}
		if time.Now().UnixMilli() < got.Receipts[i].Due() {
			h.mu.Lock()
			h.done[m], h.lapsed[m] = true, lapsed
			h.mu.Unlock()
		}
	}
	return true
}

// popInOrder takes messages of a queue, looks at their order and acknowledges
// them one by one.
func (h *hands) popInOrder(ctx context.Context, client *rpc.Client, q int32) bool {
	const ordered = "CrashOrdered"
	got, there := h.ask(ctx, client, remote.Pop{Queue: remote.Queue{Queue: mq.Queue{Topic: topic, ID: q}}, Group: ordered, Max: 8, Ordered: true})
	if !there {
		return false
	}
	for i := range got.Records {
		h.mu.Lock()
		o := h.order[q]
		h.mu.Unlock()
		at := got.Records[i].QueueOffset
		switch {
		case i == 0 && (at < o.answered || at > o.asked):
			h.fail("queue %d goes on at %d, where %d to %d are next", q, at, o.answered, o.asked)
			return false
		case i > 0 && at != got.Records[i-1].QueueOffset+1:
			h.fail("queue %d: %d behind %d", q, at, got.Records[i-1].QueueOffset)
			return false
		}
		h.mu.Lock()
		h.order[q].asked = at + 1
		h.mu.Unlock()
		resp, err := client.Call(ctx, h.addr, remote.AckRequest(ordered, topic, got.Receipts[i]))
		if err != nil {
			return false
		}
		if resp.Code != wire.CodeSuccess {
			h.fail("acknowledgement of %d in queue %d: %v %s", at, q, resp.Code, resp.Remark)
			return false
		}
		h.mu.Lock()
		h.order[q].answered = at + 1
		h.mu.Unlock()
	}
	return true
}
