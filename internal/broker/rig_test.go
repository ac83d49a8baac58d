package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
)

// A rig is a running broker in memory.
type rig struct {
	*testing.T
	*Broker
	fs   vfs.FS
	stop func() // ends Run and closes the broker; the end of the test does too
}

// bubble runs a test with a broker in a bubble of its own time.
func bubble(t *testing.T, o Options, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, o, vfs.NewMem())
		defer func() { r.stop() }()
		test(t, r)
	})
}

func start(t *testing.T, o Options, fs vfs.FS) *rig {
	t.Helper()
	o.Store.Dir, o.Store.FS = "data", fs
	if o.Store.Reserve == 0 {
		o.Store.Reserve = 1
	}
	if o.Store.SegmentSize == 0 {
		o.Store.SegmentSize = 1 << 20
	}
	if o.Name == "" {
		o.Name = "broker-a"
	}
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := b.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	r := &rig{T: t, Broker: b, fs: fs}
	r.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// restart stops the broker and starts another on the same disk.
func (r *rig) restart(o Options) *rig {
	r.Helper()
	r.stop()
	again := start(r.T, o, r.fs)
	r.Broker, r.stop = again.Broker, again.stop
	return r
}

// send sends messages in one batch and waits for all of them.
func (r *rig) send(sends ...mq.Send) []mq.Send {
	r.Helper()
	done := make(chan *mq.SendBatch, 1)
	r.Broker.Send(&mq.SendBatch{Sends: sends, Done: func(b *mq.SendBatch) { done <- b }})
	return (<-done).Sends
}

// sent sends one message and returns where it lies.
func (r *rig) sent(s mq.Send) mq.SendResult {
	r.Helper()
	got := r.send(s)[0]
	if got.Err != nil {
		r.Fatal(got.Err)
	}
	return got.Result
}

// message is a message for queue 0 of a topic, which its producer would like to
// be created.
func message(topic, body string, kv ...string) mq.Send {
	return mq.Send{
		Message:      mq.Message{Topic: topic, Body: []byte(body), Properties: props(kv...)},
		Group:        "PG",
		DefaultTopic: mq.TopicDefault, DefaultQueues: 4,
	}
}

// props makes properties of keys and values in turn.
func props(kv ...string) []byte {
	var all []byte
	for i := 0; i < len(kv); i += 2 {
		all = mq.AppendProperty(all, kv[i], kv[i+1])
	}
	return all
}

// A pulled is the answer to a pull.
type pulled struct {
	mq.Batch
	err     error
	records []mq.Record
	after   time.Duration
}

// pull starts a pull and returns where its answer will be.
func (r *rig) pull(q mq.PullRequest) <-chan pulled {
	return r.pullCtx(context.Background(), q)
}

func (r *rig) pullCtx(ctx context.Context, q mq.PullRequest) <-chan pulled {
	if q.Group == "" {
		q.Group = "G"
	}
	if q.MaxMessages == 0 {
		q.MaxMessages = 32
	}
	answer, began := make(chan pulled, 2), time.Now()
	r.Broker.Pull(ctx, q, func(b mq.Batch, err error) {
		p := pulled{Batch: b, err: err, after: time.Since(began)}
		for _, data := range b.Data {
			for len(data) > 0 {
				rec, rest, err := mq.DecodeRecord(slices.Clone(data))
				if err != nil {
					p.err = err
					break
				}
				p.records, data = append(p.records, rec), data[len(data)-len(rest):]
			}
		}
		if b.Release != nil {
			b.Release()
		}
		answer <- p
	})
	return answer
}

// bodies pulls everything that a queue holds.
func (r *rig) bodies(topic string, queue int32) []string {
	r.Helper()
	var all []string
	for _, rec := range r.records(topic, queue) {
		all = append(all, string(rec.Body))
	}
	return all
}

func (r *rig) records(topic string, queue int32) []mq.Record {
	r.Helper()
	p := <-r.pull(mq.PullRequest{Queue: mq.Queue{Topic: topic, ID: queue}, MaxMessages: 1000})
	if p.err != nil {
		r.Fatal(p.err)
	}
	return p.records
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) wantErr(err, want error) {
	r.Helper()
	if !errors.Is(err, want) {
		r.Errorf("got error %v, want %v", err, want)
	}
}

// topic creates a topic.
func (r *rig) topic(name string, queues int32) {
	r.Helper()
	r.must(r.PutTopic(context.Background(), mq.Topic{
		Name: name, ReadQueues: queues, WriteQueues: queues, Perm: mq.PermRead | mq.PermWrite,
	}))
}

// pass lets time go by and everything settle.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// A peer remembers what it was told.
type peer struct {
	name string
	deaf error // what replies fail with
	mu   struct {
		sync.Mutex
		told   []string
		checks []mq.TransactionCheck
	}
}

func (p *peer) RemoteAddr() string { return p.name }

func (p *peer) ConsumersChanged(group string) { p.hear("changed " + group) }

func (p *peer) ResetOffsets(group, topic string, _ time.Time, force bool, to map[mq.Queue]mq.QueueOffset) {
	p.hear(fmt.Sprint("reset ", group, " ", topic, " ", force, " ", to))
}

func (p *peer) Reply(_ context.Context, s *mq.Send) error {
	props := mq.PropertyMap(s.Properties)
	p.hear(fmt.Sprint("reply ", string(s.Body), " ", props[mq.PropCorrelationID], " ", props[mq.PropPushReplyTime] != ""))
	return p.deaf
}

func (p *peer) Ask(context.Context, int32, map[string]string, []byte) ([]byte, error) {
	return nil, mq.ErrNotSupported
}

func (p *peer) CheckTransaction(c mq.TransactionCheck) {
	p.hear(fmt.Sprintf("check %s %d", c.Topic, c.Offset))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.checks = append(p.mu.checks, c)
}

func (p *peer) LiteEnded(group, lite, clientID string) {
	p.hear(fmt.Sprint("ended ", group, " ", lite, " ", clientID))
}

func (p *peer) hear(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.told = append(p.mu.told, text)
}

// told returns what the peer heard since it was asked last.
func (p *peer) told() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.mu.told
	p.mu.told = nil
	return all
}

// consumer is a member of a consumer group.
func consumer(id string, p *peer, group string, topics ...string) mq.Member {
	c := mq.Consumer{Group: group, Type: "CONSUME_PASSIVELY", Model: "CLUSTERING", Subscriptions: []mq.Subscription{}}
	for _, t := range topics {
		c.Subscriptions = append(c.Subscriptions, mq.Subscription{Topic: t, Expression: "*"})
	}
	return mq.Member{ClientID: id, Peer: p, Language: "GO", Consumers: []mq.Consumer{c}}
}

func wantStrings(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}
