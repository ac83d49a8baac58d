//go:build crash

package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/test/against"
	"github.com/goddardmq/goddard/internal/wire"
)

// transactionRounds is how often the server is killed under transactions.
const transactionRounds = 8

// A transaction is what its producer knows of it.
type transaction struct {
	end   mq.SysFlag // what it asked for; 0 nothing
	acked bool       // and was told that it is so
	id    string
}

// A transactor runs transactions one after the other, on one connection each
// run.
type transactor struct {
	id, next int
	addr     string
	rng      *rand.Rand
	all      map[string]*transaction // by body; those whose half message was acknowledged
}

func (p *transactor) run(ctx context.Context, total *atomic.Int64) {
	client := rpc.NewClient(rpc.ClientOptions{})
	defer client.Close()
	for ctx.Err() == nil {
		p.next++
		if !p.transact(ctx, client) {
			return
		}
		total.Add(1)
	}
}

// transact sends a half message and perhaps its end; false if the broker is
// gone.
func (p *transactor) transact(ctx context.Context, client *rpc.Client) bool {
	body := fmt.Sprintf("%d-%d", p.id, p.next)
	var props []byte
	for _, kv := range [][2]string{{mq.PropTransaction, "true"}, {mq.PropProducerGroup, "PG"}, {mq.PropUniqueKey, "key-" + body}} {
		props = mq.AppendProperty(props, kv[0], kv[1])
	}
	cmd := wire.NewRequest(wire.SendMessageV2, &wire.SendMessageV2Request{
		ProducerGroup: "PG", Topic: topic, DefaultTopic: "TBW102", DefaultTopicQueueNums: 4, QueueID: int32(p.next % queues),
		SysFlag: int32(mq.FlagPrepared), BornTimestamp: time.Now().UnixMilli(), Properties: props,
	})
	cmd.Body = []byte(body)
	resp, err := client.Call(ctx, p.addr, cmd)
	var h wire.SendMessageResponse
	if err != nil || resp.Code != wire.CodeSuccess || h.DecodeFields(resp.Fields) != nil {
		return false
	}
	x := &transaction{id: h.MsgID, end: [...]mq.SysFlag{0, mq.FlagCommitted, mq.FlagCommitted, mq.FlagRollback}[p.rng.IntN(4)]}
	p.all[body] = x
	if x.end == 0 {
		x.acked = true
		return true
	}
	_, at, err := mq.ParseOffsetID(h.MsgID)
	if err != nil {
		return false
	}
	resp, err = client.Call(ctx, p.addr, wire.NewRequest(wire.EndTransaction, &wire.EndTransactionRequest{
		ProducerGroup: "PG", TranStateTableOffset: h.QueueOffset, CommitLogOffset: int64(at), CommitOrRollback: int32(x.end), MsgID: "key-" + body,
	}))
	x.acked = err == nil && resp.Code == wire.CodeSuccess
	return x.acked
}

// After every kill -9 what was committed is there once, what was rolled back is
// not, and what was left open is pending; what was on its way is one of these.
func TestKillWithTransactionsInFlight(t *testing.T) {
	cluster := against.Goddard(t, kit).Cluster(t)
	createTopic(t, cluster.Broker)
	rng := rand.New(rand.NewPCG(*seed, 1))
	var all []*transactor
	for id := range producers {
		all = append(all, &transactor{id: id, addr: cluster.Broker, rng: rand.New(rand.NewPCG(*seed, uint64(id))), all: map[string]*transaction{}})
	}
	for round := range transactionRounds {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		var total atomic.Int64
		var wg sync.WaitGroup
		for _, p := range all {
			wg.Go(func() { p.run(ctx, &total) })
		}
		for total.Load() < 100 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(rng.IntN(2000)) * time.Millisecond)
		cluster.Kill()
		wg.Wait()
		cancel()
		cluster.Start(t)
		if err := checkTransactions(t, cluster, all); err != nil {
			t.Fatalf("seed %d, round %d: %v", *seed, round, err)
		}
	}
	operate(t, cluster, all)
}

// checkTransactions compares what producers know with what the broker holds.
func checkTransactions(t *testing.T, cluster *against.Cluster, all []*transactor) error {
	delivered, pending := deliveries(t, cluster), pendingOf(t, cluster)
	count := map[string]int{}
	for _, p := range all {
		for body, x := range p.all {
			n, open := delivered[body], pending["key-"+body]
			var good bool
			switch {
			case !x.acked:
				count["in flight"]++
				good = open && n <= 1 || !open && (n == 1) == (x.end == mq.FlagCommitted)
			case x.end == 0:
				good = open && n == 0
			case x.end == mq.FlagCommitted:
				count["committed"]++
				good = !open && n == 1
			default:
				count["rolled back"]++
				good = !open && n == 0
			}
			if !good {
				return fmt.Errorf("transaction %s: end %#x, acknowledged %v; delivered %d times, pending %v", body, x.end, x.acked, n, open)
			}
		}
	}
	fmt.Fprintf(os.Stderr, "crash: transactions: %v, %d pending\n", count, len(pending))
	return nil
}

// deliveries counts the bodies that consumers of the topic see.
func deliveries(t *testing.T, cluster *against.Cluster) map[string]int {
	t.Helper()
	client := rpc.NewClient(rpc.ClientOptions{})
	defer client.Close()
	found := map[string]int{}
	for q := range int32(queues) {
		end, err := maxOffset(t.Context(), client, cluster.Broker, q)
		if err != nil {
			t.Fatal(err)
		}
		for at := mq.QueueOffset(0); at < end; {
			records, next, err := pull(t.Context(), client, cluster.Broker, q, at)
			if err != nil || next <= at {
				t.Fatalf("queue %d at %d: %v, next %d", q, at, err, next)
			}
			for _, r := range records {
				found[string(r.Body)]++
			}
			at = next
		}
	}
	return found
}

func dial(t *testing.T, cluster *against.Cluster) *admin.Cluster {
	t.Helper()
	c, err := admin.Dial(admin.Options{Namesrvs: []string{cluster.NameServer}, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// pendingOf is the unique keys of pending transactions.
func pendingOf(t *testing.T, cluster *against.Cluster) map[string]bool {
	t.Helper()
	list, err := dial(t, cluster).Transactions(t.Context(), admin.Target{Addr: cluster.Broker}, topic, "PG", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for _, x := range list {
		keys[x.UniqueKey] = true
	}
	return keys
}

// operate ends by hand what is pending.
func operate(t *testing.T, cluster *against.Cluster, all []*transactor) {
	t.Helper()
	c := dial(t, cluster)
	commit := true
	want := deliveries(t, cluster)
	for _, p := range all {
		for body, x := range p.all {
			if x.end != 0 {
				continue
			}
			if err := c.CheckTransaction(t.Context(), "", x.id); err != nil {
				t.Fatalf("check %s: %v", body, err)
			}
			// One that was given up is pending anew, under another id.
			if err := c.SettleTransaction(t.Context(), "", x.id, commit); err == nil && commit {
				want[body]++
			}
			if err := c.SettleTransaction(t.Context(), "", x.id, commit); err == nil {
				t.Fatalf("transaction %s was ended twice", body)
			}
			commit = !commit
		}
	}
	got := deliveries(t, cluster)
	for body, n := range want {
		if got[body] != n {
			t.Errorf("after operators ended transactions, %s was delivered %d times, want %d", body, got[body], n)
		}
	}
}
