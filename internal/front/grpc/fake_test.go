package grpc

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// A fake is a broker that remembers what it was asked and says what it is told
// to. A method that it lacks panics. If err is set, every method that can fails
// with it.
type fake struct {
	mq.Broker
	mq.Admin

	mu        sync.Mutex
	full      error       // of connections
	slow      error       // of requests
	callers   []mq.Caller // of connections
	ended     int         // of them
	err       error
	topics    map[string]mq.Topic
	groups    map[string]mq.Group
	settings  map[string]string
	sends     []mq.Send
	status    mq.SendStatus
	joined    []mq.Member
	left      []mq.Peer
	ends      []mq.TransactionEnd
	pops      []mq.PopRequest
	pop       func(mq.PopRequest, func(mq.PopBatch, error)) // nil parks
	parked    chan func(mq.PopBatch, error)
	lites     []mq.LiteSubscription
	pulledVia mq.Visit
	litePops  []mq.LitePopRequest
	acked     []mq.Ack
	buried    []mq.Ack
	changed   []change
	changing  func(mq.Ack) // told first, if not nil
	gone      bool         // nothing is in hand
	released  int
	offsets   map[string]mq.QueueOffset
	pull      mq.Batch
	consumer  mq.Consumer
	forgotten []string                     // subscriptions
	entries   map[mq.Queue][]mq.QueueEntry // what lies in queues, and
	records   map[mq.LogPos][]byte         // in the log; without, there is something anywhere
}

// A change is one of an invisible time.
type change struct {
	mq.Ack
	d       time.Duration
	suspend bool
}

func newFake() *fake {
	return &fake{
		topics: map[string]mq.Topic{}, groups: map[string]mq.Group{}, settings: map[string]string{"maxMessageSize": "4194304"},
		offsets: map[string]mq.QueueOffset{}, parked: make(chan func(mq.PopBatch, error), 100),
	}
}

// topic adds a topic of a type with 4 queues.
func (f *fake) topic(name, kind string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.topics[name] = mq.Topic{Name: name, ReadQueues: 4, WriteQueues: 4, Perm: 6, Attributes: map[string]string{attributeType: kind}}
}

func (f *fake) Topic(_ context.Context, name string) (mq.Topic, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, ok := f.topics[name]
	if !ok {
		return t, fmt.Errorf("%w: %s", mq.ErrTopicNotFound, name)
	}
	return t, nil
}

func (f *fake) Group(_ context.Context, name string) (mq.Group, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g, ok := f.groups[name]
	if !ok {
		return g, mq.ErrGroupNotFound
	}
	return g, nil
}

func (f *fake) SyncLite(_ context.Context, s mq.LiteSubscription) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lites = append(f.lites, s)
	return f.err
}

func (f *fake) PopLite(_ context.Context, r mq.LitePopRequest, done func(mq.PopBatch, error)) {
	f.mu.Lock()
	f.litePops = append(f.litePops, r)
	pop := f.pop
	f.mu.Unlock()
	pop(mq.PopRequest{}, done)
}

func (f *fake) Settings(context.Context) map[string]string { return f.settings }

func (f *fake) Join(_ context.Context, m mq.Member) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.joined = append(f.joined, m)
	return true, f.err
}

func (f *fake) Leave(_ context.Context, _, _, _ string, p mq.Peer, _ bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = append(f.left, p)
}

func (f *fake) Consumers(context.Context, string) ([]mq.Connection, mq.Consumer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []mq.Connection
	for _, m := range f.joined {
		all = append(all, mq.Connection{ClientID: m.ClientID, Addr: m.Peer.RemoteAddr(), Language: m.Language, Peer: m.Peer})
	}
	if len(all) == 0 {
		return nil, mq.Consumer{}, mq.ErrNotOnline
	}
	return all, f.consumer, nil
}

func (f *fake) Send(b *mq.SendBatch) {
	f.mu.Lock()
	for i := range b.Sends {
		s := &b.Sends[i]
		s.Err = f.err
		s.Result = mq.SendResult{Status: f.status, QueueID: s.QueueID, Offset: mq.QueueOffset(100 + i), Pos: mq.LogPos(1000 + i)}
		if _, delayed := mq.Property(s.Properties, mq.PropTimerDeliverMs); delayed {
			s.Result.Handle = "handle"
		}
		c := *s
		c.Body, c.Properties, c.More = bytes.Clone(s.Body), bytes.Clone(s.Properties), slices.Clone(s.More)
		f.sends = append(f.sends, c)
	}
	f.mu.Unlock()
	b.Done(b)
}

func (f *fake) EndTransactions(b *mq.EndBatch) {
	f.mu.Lock()
	for i := range b.Ends {
		e := &b.Ends[i]
		r, _, _ := mq.DecodeRecord(f.records[e.Pos])
		topic, found := mq.Property(r.Properties, mq.PropRealTopic)
		if found {
			e.Err = e.May(string(topic))
		}
		if e.Err == nil {
			kept := *e
			kept.May = nil
			f.ends = append(f.ends, kept)
			e.Err = f.err
		}
	}
	f.mu.Unlock()
	b.Done(b)
}

func (f *fake) Recall(_ context.Context, topic, handle string) (string, error) {
	return topic + " " + handle, f.err
}

func (f *fake) Pop(_ context.Context, r mq.PopRequest, done func(mq.PopBatch, error)) {
	f.mu.Lock()
	f.pops = append(f.pops, r)
	pop := f.pop
	f.mu.Unlock()
	if pop == nil {
		f.parked <- done
		return
	}
	pop(r, done)
}

func (f *fake) Ack(_ context.Context, acks []mq.Ack) []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.acked = append(f.acked, acks...)
	if f.err != nil {
		return slices.Repeat([]error{f.err}, len(acks))
	}
	return nil
}

func (f *fake) ChangeInvisible(_ context.Context, a mq.Ack, d time.Duration, suspend bool) (mq.Receipt, error) {
	if f.changing != nil {
		f.changing(a)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changed = append(f.changed, change{a, d, suspend})
	if f.gone {
		return mq.Receipt{}, mq.ErrNotFound
	}
	r := a.Receipt
	r.PopTime, r.Invisible = time.Now().UnixMilli(), d.Milliseconds()
	return r, f.err
}

func (f *fake) Bury(_ context.Context, a mq.Ack) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone {
		return mq.ErrNotFound
	}
	f.buried = append(f.buried, a)
	return nil
}

func (f *fake) Pull(_ context.Context, r mq.PullRequest, done func(mq.Batch, error)) {
	f.mu.Lock()
	f.pulledVia = r.Via
	f.mu.Unlock()
	done(f.pull, f.err)
}

func (f *fake) Offset(_ context.Context, group string, q mq.Queue) (mq.QueueOffset, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o, ok := f.offsets[fmt.Sprint(group, q)]
	if !ok {
		return 0, mq.ErrNotFound
	}
	return o, nil
}

func (f *fake) SetOffset(_ context.Context, group string, q mq.Queue, to mq.QueueOffset) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.offsets[fmt.Sprint(group, q)] = to
	return f.err
}

func (f *fake) Bounds(_ context.Context, q mq.Queue) (lo, hi mq.QueueOffset, err error) {
	if f.entries != nil {
		return 0, mq.QueueOffset(len(f.entries[q])), f.err
	}
	return 3, 9, f.err
}

func (f *fake) Locate(_ context.Context, q mq.Queue, at time.Time, upper bool) (mq.QueueOffset, error) {
	if all := f.entries[q]; all != nil {
		n := 0
		for n < len(all) && (all[n].StoreTime < at.UnixMilli() || upper && all[n].StoreTime == at.UnixMilli()) {
			n++
		}
		if upper {
			n = max(0, n-1)
		}
		return mq.QueueOffset(n), f.err
	}
	return mq.QueueOffset(at.Unix()), f.err
}

// look runs f with the fake's lock held.
func (f *fake) look(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

// stored is a message as it lies in the log.
func stored(topic string, offset mq.QueueOffset, body string, props map[string]string, flag mq.SysFlag, reconsumed int32) []byte {
	var p []byte
	for k, v := range props {
		p = mq.AppendProperty(p, k, v)
	}
	m := mq.Message{
		Topic: topic, QueueID: 2, Body: []byte(body), Properties: p, SysFlag: flag, ReconsumeTimes: reconsumed,
		BornTime: 1700000000123, BornHost: netip.MustParseAddrPort("10.0.0.9:4711"),
	}
	rec := mq.AppendRecord(nil, &m, netip.MustParseAddrPort("10.0.0.1:10911"))
	mq.PatchRecord(rec, offset, mq.LogPos(offset*1000), 1700000000456)
	return rec
}

// batch is the answer to a pop with some records.
func (f *fake) batch(records ...[]byte) mq.PopBatch {
	b := mq.PopBatch{Status: mq.PopFound, Release: func() { f.look(func() { f.released++ }) }}
	for i, rec := range records {
		b.Messages = append(b.Messages, mq.Popped{Record: rec, Receipt: mq.Receipt{
			PopTime: time.Now().UnixMilli(), Invisible: 60000, Broker: "b1", QueueID: 2, Offset: mq.QueueOffset(i),
		}})
	}
	return b
}

// A rig is a server over a fake, and clients of it.
type rig struct {
	t      *testing.T
	fake   *fake
	server *Server
	conn   *grpc.ClientConn
	rmq.MessagingServiceClient
	log  *logged
	stop func()
	dial func(context.Context) (net.Conn, error)
}

// A logged text may be read while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newRig starts a server; change may alter its options.
func newRig(t *testing.T, change ...func(*Options)) *rig {
	t.Helper()
	ln := bufconn.Listen(1 << 20)
	r := &rig{t: t, fake: newFake(), log: new(logged), dial: ln.DialContext}
	o := Options{Broker: r.fake, Admin: r.fake, Name: "b1", TLSMode: TLSOff, Drain: 5 * time.Second, Log: slog.New(slog.NewTextHandler(r.log, nil))}
	for _, f := range change {
		f(&o)
	}
	var err error
	if r.server, err = New(ln, o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.server.Run(ctx) }()
	r.conn, err = grpc.NewClient("passthrough:bufconn", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return ln.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	r.stop = cancel
	r.MessagingServiceClient = rmq.NewMessagingServiceClient(r.conn)
	t.Cleanup(func() {
		r.conn.Close()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	return r
}

// ctx is that of a call by a client.
func (r *rig) ctx(id string) context.Context { return r.during(30*time.Second, id) }

// during is that of a call that may take some time.
func (r *rig) during(d time.Duration, id string) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	r.t.Cleanup(cancel)
	return metadata.AppendToOutgoingContext(ctx, "x-mq-client-id", id, "x-mq-language", "GO", "x-mq-client-version", "5.1.3")
}

// want checks a status.
func (r *rig) want(code rmq.Code, s *rmq.Status, err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatalf("the call failed: %v", err)
	}
	if s.GetCode() != code {
		r.t.Fatalf("got %v %q, want %v", s.GetCode(), s.GetMessage(), code)
	}
}

// eventually waits for a condition.
func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		r.fake.mu.Lock()
		good := ok()
		r.fake.mu.Unlock()
		if good {
			return
		}
		select {
		case <-deadline:
			r.t.Fatalf("%s: not within 10s", what)
		case <-time.After(time.Millisecond):
		}
	}
}

func res(name string) *rmq.Resource { return &rmq.Resource{Name: name} }

// talk opens a telemetry stream, sends settings and returns the answer.
func (r *rig) talk(id string, s *rmq.Settings) (rmq.MessagingService_TelemetryClient, *rmq.TelemetryCommand) {
	r.t.Helper()
	return r.talkIn(r.ctx(id), s)
}

// talkIn is talk in a context.
func (r *rig) talkIn(ctx context.Context, s *rmq.Settings) (rmq.MessagingService_TelemetryClient, *rmq.TelemetryCommand) {
	r.t.Helper()
	stream, err := r.Telemetry(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := stream.Send(&rmq.TelemetryCommand{Command: &rmq.TelemetryCommand_Settings{Settings: s}}); err != nil {
		r.t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		r.t.Fatal(err)
	}
	return stream, answer
}

func producer(topics ...string) *rmq.Settings {
	kind := rmq.ClientType_PRODUCER
	p := &rmq.Publishing{}
	for _, t := range topics {
		p.Topics = append(p.Topics, res(t))
	}
	return &rmq.Settings{ClientType: &kind, PubSub: &rmq.Settings_Publishing{Publishing: p}}
}

func consumer(group string, kind rmq.ClientType, topics ...string) *rmq.Settings {
	s := &rmq.Subscription{Group: res(group)}
	for _, t := range topics {
		s.Subscriptions = append(s.Subscriptions, &rmq.SubscriptionEntry{
			Topic: res(t), Expression: &rmq.FilterExpression{Type: rmq.FilterType_TAG, Expression: "a || b"},
		})
	}
	return &rmq.Settings{ClientType: &kind, PubSub: &rmq.Settings_Subscription{Subscription: s}}
}

// Connect counts the connection.
func (f *fake) Connect(by mq.Caller) (mq.Visit, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.full != nil {
		return nil, f.full
	}
	f.callers = append(f.callers, by)
	return visit{f}, nil
}

// A visit is a connection to a fake.
type visit struct{ f *fake }

func (v visit) Request(_ mq.Caller, vital bool) error {
	v.f.mu.Lock()
	defer v.f.mu.Unlock()
	if vital {
		return nil
	}
	return v.f.slow
}

func (v visit) Identified(_ string, vital bool) error { return v.Request(mq.Caller{}, vital) }

func (v visit) End() {
	v.f.mu.Lock()
	defer v.f.mu.Unlock()
	v.f.ended++
}
