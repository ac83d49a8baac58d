//go:build crash

package crash

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/test/against"
	"github.com/goddardmq/goddard/internal/wire"
)

var (
	rounds = flag.Int("rounds", 25, "how often the server is killed")
	seed   = flag.Uint64("seed", uint64(time.Now().UnixNano()), "for the moments of the kills")
	server = flag.String("server", "goddard", "goddard or rocketmq; the latter promises neither order nor offsets")
)

// kit is set once, before the tests start.
var kit *against.Kit

func TestMain(m *testing.M) {
	against.Main(m, func(k *against.Kit) { kit = k }, func() {})
}

func TestKillUnderLoad(t *testing.T) {
	maker := against.Goddard
	if *server == "rocketmq" {
		maker = against.Java
	}
	cluster := maker(t, kit).Cluster(t)
	createTopic(t, cluster.Broker)
	rng := rand.New(rand.NewPCG(*seed, 0))
	h := newHistory(cluster.Broker, *server == "goddard")
	from := time.Now()
	var down time.Duration
	for round := range *rounds {
		acked := h.load(t, cluster, time.Duration(100+rng.IntN(600))*time.Millisecond)
		if acked == 0 {
			t.Fatalf("seed %d, round %d: nothing was acknowledged", *seed, round)
		}
		back := time.Now()
		cluster.Start(t)
		down += time.Since(back)
		if err := h.verify(round%5 == 4 || round == *rounds-1); err != nil {
			t.Fatalf("seed %d, round %d: %v", *seed, round, err)
		}
	}
	fmt.Fprintf(os.Stderr, "crash: %d rounds of kill -9 under %d producers in %v: %d messages acknowledged and all in place, "+
		"%d stored unacknowledged, %d sends refused, committed offsets never went back; back after %v on average (seed %d)\n",
		*rounds, producers, time.Since(from).Round(time.Second), h.acked(), h.stored()-h.acked(), h.refused(),
		(down / time.Duration(*rounds)).Round(time.Millisecond), *seed)
}

func createTopic(t *testing.T, addr string) {
	t.Helper()
	client := rpc.NewClient(rpc.ClientOptions{})
	defer client.Close()
	resp, err := client.Call(t.Context(), addr, wire.NewRequest(wire.UpdateAndCreateTopic, &wire.UpdateAndCreateTopicRequest{
		Topic: topic, DefaultTopic: "TBW102", ReadQueueNums: queues, WriteQueueNums: queues, Perm: 6, TopicFilterType: "SINGLE_TAG",
	}))
	if err != nil || resp.Code != wire.CodeSuccess {
		t.Fatalf("create topic: %v %v", resp, err)
	}
}

// load runs everything for a while, kills the broker in the middle of it and
// returns how many messages were acknowledged.
func (h *history) load(t *testing.T, cluster *against.Cluster, span time.Duration) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var total atomic.Int64
	var wg sync.WaitGroup
	for _, p := range h.producers {
		wg.Go(func() { p.run(ctx, &total) })
	}
	var wrong error
	wg.Go(func() { wrong = h.committer.run(ctx) })
	for total.Load() == 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(span)
	cluster.Kill()
	cancel()
	wg.Wait()
	if wrong != nil {
		t.Fatal(wrong)
	}
	return total.Load()
}

// A history is everything that was answered so far.
type history struct {
	addr      string
	strict    bool // order and offsets are promised
	producers []*producer
	committer *committer

	verified [queues]mq.QueueOffset // up to where a queue was looked at
	at       map[message]place      // what was found there
	last     map[[2]uint32]uint32   // number of a producer's last message in a queue
}

func newHistory(addr string, strict bool) *history {
	h := &history{addr: addr, strict: strict, committer: &committer{addr: addr, seen: map[place]message{}}}
	h.forget()
	for id := range uint32(producers) {
		p := &producer{id: id, addr: addr}
		p.mu.acked = map[message]ack{}
		h.producers = append(h.producers, p)
	}
	return h
}

// forget makes the next look begin with the first message.
func (h *history) forget() {
	h.verified = [queues]mq.QueueOffset{}
	h.at = map[message]place{}
	h.last = map[[2]uint32]uint32{}
}

func (h *history) acked() (n int) {
	for _, p := range h.producers {
		n += len(p.mu.acked)
	}
	return n
}

func (h *history) refused() (n int) {
	for _, p := range h.producers {
		n += len(p.mu.refused)
	}
	return n
}

func (h *history) stored() int { return len(h.at) }
