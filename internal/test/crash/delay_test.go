//go:build crash

package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/test/against"
	"github.com/goddardmq/goddard/internal/wire"
)

// inOneDelivery is how many delayed messages the broker has in flight at most,
// which a kill may cause to be delivered again.
const inOneDelivery = 1024

// Every delayed message that was acknowledged is delivered, not before it is
// due, and those that come twice are no more than were in flight at the kills.
func TestKillWhileMessagesAreDelayed(t *testing.T) {
	cluster := against.Goddard(t, kit).Cluster(t)
	createTopic(t, cluster.Broker)
	rng := rand.New(rand.NewPCG(*seed, 1))
	acked := map[message]bool{}
	var next uint32
	kills := max(1, *rounds/2)
	for range kills {
		sendDelayed(t, cluster, time.Duration(200+rng.IntN(800))*time.Millisecond, acked, &next)
		cluster.Start(t)
	}
	delivered := map[message]int{}
	var from [queues]mq.QueueOffset
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && missing(acked, delivered) > 0; time.Sleep(100 * time.Millisecond) {
		collect(t, cluster.Broker, &from, delivered)
	}
	time.Sleep(time.Second)
	collect(t, cluster.Broker, &from, delivered)
	if n := missing(acked, delivered); n > 0 {
		t.Fatalf("seed %d: %d of %d acknowledged messages were not delivered", *seed, n, len(acked))
	}
	again := 0
	for _, n := range delivered {
		again += n - 1
	}
	if again > kills*inOneDelivery {
		t.Errorf("seed %d: %d deliveries were repeated by %d kills, at most %d each can be", *seed, again, kills, inOneDelivery)
	}
	fmt.Fprintf(os.Stderr, "crash: %d kills with delayed messages: %d acknowledged, all delivered and none early, %d deliveries repeated (seed %d)\n",
		kills, len(acked), again, *seed)
}

// sendDelayed sends messages that are due within two seconds, and kills the
// broker.
func sendDelayed(t *testing.T, cluster *against.Cluster, span time.Duration, acked map[message]bool, next *uint32) {
	t.Helper()
	client := rpc.NewClient(rpc.ClientOptions{})
	defer client.Close()
	conn, err := client.Conn(t.Context(), cluster.Broker)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex // guards acked
	var under sync.WaitGroup
	var kill atomic.Bool
	slots := make(chan struct{}, 256)
	under.Go(func() {
		<-time.After(span)
		kill.Store(true)
		cluster.Kill()
	})
	for !kill.Load() {
		m := message{producers, *next}
		*next++
		delay := int64(1 + (m.number*7919)%2000)
		cmd := wire.NewRequest(wire.SendMessageV2, &wire.SendMessageV2Request{
			ProducerGroup: "CrashProducer", Topic: topic, DefaultTopic: "TBW102", DefaultTopicQueueNums: 4, QueueID: int32(m.number % queues),
			Properties: mq.AppendProperty(nil, mq.PropTimerDelayMs, strconv.FormatInt(delay, 10)),
		})
		cmd.Body = m.body()
		slots <- struct{}{}
		under.Add(1)
		conn.Go(cmd, 10*time.Second, func(resp *wire.Command, err error) {
			if err == nil && resp.Code == wire.CodeSuccess {
				mu.Lock()
				acked[m] = true
				mu.Unlock()
			}
			<-slots
			under.Done()
		})
	}
	under.Wait()
}

func missing(acked map[message]bool, delivered map[message]int) (n int) {
	for m := range acked {
		if delivered[m] == 0 {
			n++
		}
	}
	return n
}

// collect counts what has been delivered since it last looked.
func collect(t *testing.T, addr string, from *[queues]mq.QueueOffset, delivered map[message]int) {
	t.Helper()
	client := rpc.NewClient(rpc.ClientOptions{})
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for q := range int32(queues) {
		for {
			records, next, err := pull(ctx, client, addr, q, from[q])
			if err != nil {
				t.Fatal(err)
			}
			if len(records) == 0 {
				break
			}
			from[q] = next
			for i := range records {
				r := &records[i]
				m, err := parse(r)
				if err != nil {
					t.Fatal(err)
				}
				delivered[m]++
				due, _ := mq.Property(r.Properties, mq.PropTimerOutMs)
				if at, err := strconv.ParseInt(string(due), 10, 64); err != nil || r.StoreTime < at {
					t.Errorf("message %v was due at %s and stored at %d", m, due, r.StoreTime)
				}
			}
		}
	}
}
