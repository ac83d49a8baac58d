//go:build crash

package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/test/against"
	"github.com/goddardmq/goddard/internal/wire"
)

const (
	orderedGroup  = "CrashOrdered"
	messageGroups = 30
	ofEachGroup   = 40
)

// Consumers over gRPC take messages in order by message group and give one in
// eight back, while the broker is killed again and again: each message group is
// delivered in order, nothing that was acknowledged comes again, and all comes.
func TestKillWhileMessageGroupsAreInHand(t *testing.T) {
	cluster := against.Goddard(t, kit).Cluster(t)
	createTopic(t, cluster.Broker)
	fillGroups(t, cluster.Broker)
	rng := rand.New(rand.NewPCG(*seed, 3))
	l := &lines{}
	const kills = 3
	for range kills {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		var wg sync.WaitGroup
		for worker := range poppers {
			wg.Go(func() { l.consume(ctx, cluster.GRPC, worker) })
		}
		time.Sleep(time.Duration(150+rng.IntN(250)) * time.Millisecond)
		cluster.Kill()
		cancel()
		wg.Wait()
		cluster.Start(t)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for worker := range poppers {
		wg.Go(func() { l.consume(ctx, cluster.GRPC, worker) })
	}
	wg.Wait()
	if err := errors.Join(l.wrong...); err != nil {
		t.Fatalf("seed %d: %v", *seed, err)
	}
	if n := l.left(); n > 0 {
		t.Fatalf("seed %d: %d messages did not come", *seed, n)
	}
	fmt.Fprintf(os.Stderr, "crash: %d kills with message groups in hand: %d messages of %d groups in order, %d given back (seed %d)\n",
		kills, messageGroups*ofEachGroup, messageGroups, l.failed, *seed)
}

// fillGroups stores the messages of all groups and makes a group in order.
func fillGroups(t *testing.T, addr string) {
	t.Helper()
	client := rpc.NewClient(rpc.ClientOptions{})
	defer client.Close()
	do := func(cmd *wire.Command) {
		t.Helper()
		if resp, err := client.Call(t.Context(), addr, cmd); err != nil || resp.Code != wire.CodeSuccess {
			t.Fatalf("%v, %v", resp, err)
		}
	}
	config := wire.NewRequest(wire.UpdateAndCreateSubscriptionGroup, nil)
	config.Body = wire.EncodeBody(mq.Group{Name: orderedGroup, ConsumeEnable: true, ConsumeOrderly: true, RetryMax: 1000, RetryQueues: 1})
	do(config)
	for i := range ofEachGroup {
		for g := range messageGroups {
			cmd := wire.NewRequest(wire.SendMessageV2, &wire.SendMessageV2Request{
				ProducerGroup: "CrashProducer", Topic: topic, DefaultTopic: "TBW102", DefaultTopicQueueNums: 4, QueueID: int32(g % queues),
				Properties: mq.AppendProperty(nil, mq.PropShardingKey, fmt.Sprint(g)),
			})
			cmd.Body = fmt.Appendf(nil, "%d %d", g, i)
			do(cmd)
		}
	}
}

// lines are how far the message groups are.
type lines struct {
	mu     sync.Mutex         // guards what follows
	asked  [messageGroups]int // before it all was acknowledged
	sure   [messageGroups]int // and the broker said so
	failed int
	wrong  []error
}

func (l *lines) left() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, done := range l.sure {
		n += ofEachGroup - done
	}
	return n
}

func (l *lines) fail(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.wrong) < 10 {
		l.wrong = append(l.wrong, fmt.Errorf(format, args...))
	}
}

// consume receives until all is done or the broker is gone.
func (l *lines) consume(ctx context.Context, addr string, worker int) {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		l.fail("dial: %w", err)
		return
	}
	defer conn.Close()
	c := rmq.NewMessagingServiceClient(conn)
	ctx = metadata.AppendToOutgoingContext(ctx, "x-mq-client-id", fmt.Sprint("crash-", worker), "x-mq-language", "GO", "x-mq-client-version", "5.1.3")
	rng := rand.New(rand.NewPCG(*seed, uint64(worker)))
	for ctx.Err() == nil && l.left() > 0 {
		got, err := receiveGroups(ctx, c)
		if err != nil || !l.take(ctx, c, rng, got) {
			return
		}
	}
}

func receiveGroups(ctx context.Context, c rmq.MessagingServiceClient) (got []*rmq.Message, err error) {
	stream, err := c.ReceiveMessage(ctx, &rmq.ReceiveMessageRequest{
		Group: &rmq.Resource{Name: orderedGroup}, MessageQueue: &rmq.MessageQueue{Topic: &rmq.Resource{Name: topic}, Id: -1}, BatchSize: 8,
		InvisibleDuration: durationpb.New(10 * time.Second), LongPollingTimeout: durationpb.New(5 * time.Second),
	})
	for err == nil {
		var in *rmq.ReceiveMessageResponse
		if in, err = stream.Recv(); err == nil && in.GetMessage() != nil {
			got = append(got, in.GetMessage())
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return got, err
}

// take checks that messages come in order and acknowledges them, or gives one
// and all of its group behind it back; false if the broker is gone.
func (l *lines) take(ctx context.Context, c rmq.MessagingServiceClient, rng *rand.Rand, got []*rmq.Message) bool {
	next, back := map[int]int{}, map[int]bool{}
	for _, m := range got {
		var g, i int
		if _, err := fmt.Sscan(string(m.Body), &g, &i); err != nil {
			l.fail("body %q: %w", m.Body, err)
			return false
		}
		l.mu.Lock()
		lo, hi := l.sure[g], l.asked[g]
		l.mu.Unlock()
		if n, more := next[g]; more {
			lo, hi = n, n
		}
		if next[g] = i + 1; i < lo || i > hi {
			l.fail("message %d of group %d came, want one of %d to %d", i, g, lo, hi)
		}
		if back[g] = back[g] || rng.IntN(8) == 0; back[g] {
			defer l.giveBack(ctx, c, m)
			continue
		}
		if !l.ack(ctx, c, m, g, i) {
			return false
		}
	}
	return true
}

func (l *lines) giveBack(ctx context.Context, c rmq.MessagingServiceClient, m *rmq.Message) {
	l.mu.Lock()
	l.failed++
	l.mu.Unlock()
	resp, err := c.ChangeInvisibleDuration(ctx, &rmq.ChangeInvisibleDurationRequest{
		Group: &rmq.Resource{Name: orderedGroup}, Topic: m.Topic, ReceiptHandle: m.SystemProperties.GetReceiptHandle(),
		InvisibleDuration: durationpb.New(0), MessageId: m.SystemProperties.MessageId,
	})
	if err == nil && resp.Status.Code != rmq.Code_OK {
		l.fail("giving %q back: %v", m.Body, resp.Status)
	}
}

func (l *lines) ack(ctx context.Context, c rmq.MessagingServiceClient, m *rmq.Message, g, i int) bool {
	l.mu.Lock()
	l.asked[g] = max(l.asked[g], i+1)
	l.mu.Unlock()
	resp, err := c.AckMessage(ctx, &rmq.AckMessageRequest{
		Group: &rmq.Resource{Name: orderedGroup}, Topic: m.Topic,
		Entries: []*rmq.AckMessageEntry{{MessageId: m.SystemProperties.MessageId, ReceiptHandle: m.SystemProperties.GetReceiptHandle()}},
	})
	if err != nil {
		return false
	}
	if resp.Status.Code != rmq.Code_OK {
		l.fail("acknowledging %q: %v", m.Body, resp.Status)
		return false
	}
	l.mu.Lock()
	l.sure[g] = max(l.sure[g], i+1)
	l.mu.Unlock()
	return true
}
