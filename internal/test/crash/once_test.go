//go:build crash

package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/test/against"
	"github.com/goddardmq/goddard/internal/wire"
)

// A resender sends every message until it is acknowledged, and some again after
// that, to any queue.
type resender struct {
	id   uint32
	next uint32
	rng  *rand.Rand

	mu struct {
		sync.Mutex // guards what callbacks write
		open       map[uint32]bool
		acked      map[uint32]place
		again      int // answers to messages that were acknowledged before
		wrong      []string
	}
}

// Producers that send everything again which was not acknowledged, and some of
// what was, store no message twice, and each answer is that of the first.
func TestKillUnderProducersThatSendAgain(t *testing.T) {
	cluster := against.Goddard(t, kit).Cluster(t)
	createOnceTopic(t, cluster.Broker)
	rng := rand.New(rand.NewPCG(*seed, 2))
	var all []*resender
	for id := range uint32(producers) {
		r := &resender{id: id, rng: rand.New(rand.NewPCG(*seed, uint64(id)))}
		r.mu.open, r.mu.acked = map[uint32]bool{}, map[uint32]place{}
		all = append(all, r)
	}
	kills := max(2, *rounds/2)
	for range kills {
		resendUntilKilled(t, cluster, all, time.Duration(200+rng.IntN(1500))*time.Millisecond)
		cluster.Start(t)
	}
	settleAll(t, cluster.Broker, all)
	found := map[message][]place{}
	var from [queues]mq.QueueOffset
	collectPlaces(t, cluster.Broker, &from, found)
	acked, again := 0, 0
	for _, r := range all {
		for _, w := range r.mu.wrong {
			t.Errorf("seed %d: %s", *seed, w)
		}
		again += r.mu.again
		for n, at := range r.mu.acked {
			acked++
			if got := found[message{r.id, n}]; len(got) != 1 || got[0] != at {
				t.Errorf("seed %d: message %d of producer %d lies at %v, acknowledged at %v", *seed, n, r.id, got, at)
			}
		}
	}
	if len(found) != acked {
		t.Errorf("seed %d: %d messages are stored, %d acknowledged", *seed, len(found), acked)
	}
	fmt.Fprintf(os.Stderr, "crash: %d kills under producers that send again: %d messages acknowledged, each stored once; %d duplicates answered as the first was (seed %d)\n",
		kills, acked, again, *seed)
}

func createOnceTopic(t *testing.T, addr string) {
	t.Helper()
	client := rpc.NewClient(rpc.ClientOptions{})
	defer client.Close()
	resp, err := client.Call(t.Context(), addr, wire.NewRequest(wire.UpdateAndCreateTopic, &wire.UpdateAndCreateTopicRequest{
		Topic: topic, DefaultTopic: "TBW102", ReadQueueNums: queues, WriteQueueNums: queues, Perm: 6, TopicFilterType: "SINGLE_TAG",
		Attributes: "+dedup.window.seconds=3600",
	}))
	if err != nil || resp.Code != wire.CodeSuccess {
		t.Fatalf("create topic: %v %v", resp, err)
	}
}

func resendUntilKilled(t *testing.T, cluster *against.Cluster, all []*resender, span time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for _, r := range all {
		wg.Go(func() { r.run(ctx, cluster.Broker, true) })
	}
	time.Sleep(span)
	cluster.Kill()
	cancel()
	wg.Wait()
}

// settleAll sends until everything is acknowledged.
func settleAll(t *testing.T, addr string, all []*resender) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, r := range all {
		r.run(ctx, addr, false)
		r.mu.Lock()
		if n := len(r.mu.open); n > 0 {
			t.Errorf("seed %d: %d messages of producer %d are not acknowledged", *seed, n, r.id)
		}
		r.mu.Unlock()
	}
}

// run sends what is open and then, if more is set, new and old messages until
// the connection or ctx ends.
func (r *resender) run(ctx context.Context, addr string, more bool) {
	client := rpc.NewClient(rpc.ClientOptions{})
	defer client.Close()
	conn, err := client.Conn(ctx, addr)
	if err != nil {
		return
	}
	var under sync.WaitGroup
	slots := make(chan struct{}, inFlight)
	send := func(number uint32) bool {
		select {
		case slots <- struct{}{}:
		case <-conn.Context().Done():
			return false
		}
		cmd := wire.NewRequest(wire.SendMessageV2, &wire.SendMessageV2Request{
			ProducerGroup: "CrashProducer", Topic: topic, DefaultTopic: "TBW102", DefaultTopicQueueNums: 4,
			QueueID: r.rng.Int32N(queues), BornTimestamp: time.Now().UnixMilli(),
			Properties: fmt.Appendf(nil, "UNIQ_KEY\x01%08X%08X\x02", r.id, number),
		})
		cmd.Body = message{r.id, number}.body()
		under.Add(1)
		conn.Go(cmd, time.Minute, func(resp *wire.Command, err error) {
			r.answered(number, resp, err)
			<-slots
			under.Done()
		})
		return true
	}
	for _, n := range r.unanswered() {
		if !send(n) {
			break
		}
	}
	for more && ctx.Err() == nil && conn.Context().Err() == nil {
		number := r.next
		if r.next > 0 && r.rng.IntN(4) == 0 {
			number = r.rng.Uint32N(r.next) // once more, or for the second time at once
		} else {
			r.next++
			r.mu.Lock()
			r.mu.open[number] = true
			r.mu.Unlock()
		}
		if !send(number) {
			break
		}
	}
	under.Wait()
}

func (r *resender) unanswered() (all []uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := range r.mu.open {
		all = append(all, n)
	}
	return all
}

func (r *resender) answered(number uint32, resp *wire.Command, err error) {
	if err != nil {
		return // it may be stored or not
	}
	var h wire.SendMessageResponse
	if resp.Code == wire.CodeSuccess {
		err = h.DecodeFields(resp.Fields)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil || resp.Code != wire.CodeSuccess {
		if len(r.mu.wrong) < 10 {
			r.mu.wrong = append(r.mu.wrong, fmt.Sprint("refused: ", resp.Code, resp.Remark, err))
		}
		return
	}
	at := place{h.QueueID, mq.QueueOffset(h.QueueOffset)}
	before, known := r.mu.acked[number]
	if known && before != at {
		r.mu.wrong = append(r.mu.wrong, fmt.Sprintf("message %d of producer %d was answered %v, then %v", number, r.id, before, at))
	}
	if known {
		r.mu.again++
	}
	r.mu.acked[number] = at
	delete(r.mu.open, number)
}

// collectPlaces reads all queues and notes where each message lies.
func collectPlaces(t *testing.T, addr string, from *[queues]mq.QueueOffset, found map[message][]place) {
	t.Helper()
	client := rpc.NewClient(rpc.ClientOptions{})
	defer client.Close()
	for q := range int32(queues) {
		for {
			records, next, err := pull(t.Context(), client, addr, q, from[q])
			if err != nil {
				t.Fatal(err)
			}
			for i := range records {
				m, err := parse(&records[i])
				if err != nil {
					t.Fatal(err)
				}
				found[m] = append(found[m], place{q, records[i].QueueOffset})
			}
			if next == from[q] {
				break
			}
			from[q] = next
		}
	}
}
