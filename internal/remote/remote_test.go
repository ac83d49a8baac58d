package remote_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/goddardmq/goddard"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
)

// serve runs a server in memory for the test and returns its name server.
func serve(t *testing.T) string {
	t.Helper()
	s, err := goddard.New(goddard.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Errorf("server: %v", err)
		}
	})
	t.Cleanup(func() { stop(); wg.Wait() })
	return s.NameServerAddr()
}

// client is a client called id.
func client(t *testing.T, namesrv, id string) *remote.Cluster {
	t.Helper()
	c, err := remote.Dial(remote.Options{NameServers: []string{namesrv}, ClientID: id})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// send puts bodies into the queues of a topic in turn.
func send(t *testing.T, c *remote.Cluster, topic string, bodies ...string) {
	t.Helper()
	queues, err := c.WriteQueues(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	for i, body := range bodies {
		m := &mq.Message{Topic: topic, BornTime: 1, Body: []byte(body), Properties: mq.AppendProperty(nil, mq.PropTags, body[:1])}
		if _, err := c.Send(t.Context(), queues[i%len(queues)], "g", m); err != nil {
			t.Fatal(err)
		}
	}
}

// An inbox collects what members handle and says when there is enough.
type inbox struct {
	mu     sync.Mutex
	bodies []string
	want   int
	full   chan struct{}
}

func newInbox(want int) *inbox { return &inbox{want: want, full: make(chan struct{})} }

func (in *inbox) handle(_ remote.Queue, r *mq.Record) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	// A queue that changes hands while members join may be read twice.
	if slices.Contains(in.bodies, string(r.Body)) {
		return nil
	}
	in.bodies = append(in.bodies, string(r.Body))
	if len(in.bodies) == in.want {
		close(in.full)
	}
	return nil
}

func (in *inbox) await(t *testing.T) []string {
	t.Helper()
	select {
	case <-in.full:
	case <-time.After(20 * time.Second):
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.bodies) != in.want {
		t.Fatalf("got %d messages, want %d", len(in.bodies), in.want)
	}
	slices.Sort(in.bodies)
	return in.bodies
}

func numbered(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%c%03d", 'a'+i%2, i))
	}
	return all
}

func TestAGroupSharesItsTopicAndGoesOnWhereItWas(t *testing.T) {
	namesrv := serve(t)
	producer := client(t, namesrv, "producer")
	send(t, producer, "shared", numbered(40)...)

	in := newInbox(40)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, id := range []string{"one", "two"} {
		c := client(t, namesrv, id)
		wg.Go(func() {
			if err := c.Consume(ctx, remote.Member{Group: "G", Topic: "shared", Handle: in.handle}); err != nil {
				t.Errorf("member %s: %v", id, err)
			}
		})
	}
	got := in.await(t)
	want := numbered(40)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the group got %v, want each message", got)
	}
	stop()
	wg.Wait()

	send(t, producer, "shared", "z-late")
	late := newInbox(1)
	c := client(t, namesrv, "three")
	ctx, stop = context.WithCancel(t.Context())
	wg.Go(func() {
		if err := c.Consume(ctx, remote.Member{Group: "G", Topic: "shared", Handle: late.handle}); err != nil {
			t.Errorf("member three: %v", err)
		}
	})
	if got := late.await(t); got[0] != "z-late" {
		t.Errorf("the group went on with %q, want what came after its commit", got)
	}
	stop()
	wg.Wait()
}

func TestAMemberGetsTheTagsItWants(t *testing.T) {
	namesrv := serve(t)
	c := client(t, namesrv, "c")
	send(t, c, "tagged", numbered(10)...)
	in := newInbox(5)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() {
		c.Consume(ctx, remote.Member{Group: "G", Topic: "tagged", Expression: "x || b", Handle: in.handle})
	})
	for _, body := range in.await(t) {
		if body[0] != 'b' {
			t.Errorf("got %q, which has another tag", body)
		}
	}
}

func TestHandleEndsAMember(t *testing.T) {
	namesrv := serve(t)
	c := client(t, namesrv, "c")
	queues, err := c.WriteQueues(t.Context(), "ended")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := c.Send(t.Context(), queues[0], "g", &mq.Message{Topic: "ended", Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	failure := errors.New("failure")
	for _, step := range []struct {
		returns, want error
		committed     mq.QueueOffset
	}{
		{failure, failure, 0}, {remote.ErrStop, nil, 1}, {failure, failure, 1}, {remote.ErrStop, nil, 2},
	} {
		err := c.Consume(t.Context(), remote.Member{Group: "G", Topic: "ended", Handle: func(remote.Queue, *mq.Record) error { return step.returns }})
		if !errors.Is(err, step.want) {
			t.Errorf("Handle returned %v, Consume %v, want %v", step.returns, err, step.want)
		}
		at, err := c.Offset(t.Context(), "G", queues[0])
		if errors.Is(err, mq.ErrNotFound) {
			at, err = 0, nil
		}
		if err != nil || at != step.committed {
			t.Errorf("after %v the offset is %d, %v, want %d", step.returns, at, err, step.committed)
		}
	}
}

func TestWhereAGroupBegins(t *testing.T) {
	namesrv := serve(t)
	c := client(t, namesrv, "c")
	send(t, c, "begun", "a", "b", "c", "d", "e")
	queues, err := c.ReadQueues(t.Context(), "begun")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		from remote.From
		want mq.QueueOffset
	}{
		{remote.From{}, 0}, {remote.From{Last: true}, 2}, {remote.From{At: time.Now().Add(-time.Hour)}, 0}, {remote.From{At: time.Now().Add(time.Hour)}, 2},
	} {
		if at, err := c.Begin(t.Context(), queues[0], tt.from); err != nil || at != tt.want {
			t.Errorf("%+v begins at %d, %v, want %d", tt.from, at, err, tt.want)
		}
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	if _, err := remote.Dial(remote.Options{}); err == nil {
		t.Error("a cluster without name servers was accepted")
	}
	namesrv := serve(t)
	c := client(t, namesrv, "c")
	if err := c.Consume(t.Context(), remote.Member{Group: "G", Topic: "absent"}); !errors.Is(err, mq.ErrTopicNotFound) {
		t.Errorf("consuming an absent topic: %v", err)
	}
	send(t, c, "there", "x")
	queues, err := c.ReadQueues(t.Context(), "there")
	if err != nil {
		t.Fatal(err)
	}
	queues[0].ID = 99
	_, err = c.Send(t.Context(), queues[0], "g", &mq.Message{Topic: "there"})
	if refused, ok := errors.AsType[*remote.ResponseError](err); !ok || refused.Remark == "" {
		t.Errorf("a send to a queue that is not there: %v", err)
	}
}

func TestBodiesAreUnpacked(t *testing.T) {
	text := bytes.Repeat([]byte("goddard "), 1000)
	pack := func(open func(io.Writer) io.WriteCloser) []byte {
		var b bytes.Buffer
		w := open(&b)
		w.Write(text)
		w.Close()
		return b.Bytes()
	}
	for name, r := range map[string]mq.Record{
		"plain":    {Body: text},
		"zlib":     {SysFlag: mq.FlagCompressed, Body: pack(func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })},
		"new zlib": {SysFlag: mq.FlagCompressed | 0x300, Body: pack(func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })},
		"lz4":      {SysFlag: mq.FlagCompressed | 0x100, Body: pack(func(w io.Writer) io.WriteCloser { return lz4.NewWriter(w) })},
		"zstd": {SysFlag: mq.FlagCompressed | 0x200, Body: pack(func(w io.Writer) io.WriteCloser {
			z, err := zstd.NewWriter(w)
			if err != nil {
				t.Fatal(err)
			}
			return z
		})},
	} {
		if body, err := remote.Body(&r); err != nil || !bytes.Equal(body, text) {
			t.Errorf("%s: %d bytes, %v", name, len(body), err)
		}
		if r.SysFlag != 0 {
			r.Body = []byte("rubbish that is long enough")
			if _, err := remote.Body(&r); err == nil {
				t.Errorf("%s: rubbish was unpacked", name)
			}
		}
	}
}

func TestKeysDiffer(t *testing.T) {
	keys := remote.NewKeys()
	seen := map[string]bool{}
	for range 200_000 {
		k := keys.Next()
		if len(k) != 32 || seen[k] {
			t.Fatalf("key %q after %d others", k, len(seen))
		}
		seen[k] = true
	}
}

func TestWhatIsPoppedIsAcknowledgedByItsReceiptOrComesAgain(t *testing.T) {
	namesrv := serve(t)
	c := client(t, namesrv, "popper")
	send(t, c, "pops", "a", "b", "c")
	queues, err := c.ReadQueues(t.Context(), "pops")
	if err != nil {
		t.Fatal(err)
	}
	all := queues[0]
	all.ID = -1
	pop := remote.Pop{Queue: all, Group: "g", Invisible: 200 * time.Millisecond, Wait: 5 * time.Second}
	got := map[string]int32{}
	for range 10 {
		p, err := c.Pop(t.Context(), pop)
		if err != nil {
			t.Fatal(err)
		}
		for i := range p.Records {
			r := &p.Records[i]
			got[string(r.Body)] = r.ReconsumeTimes
			if string(r.Body) == "b" && r.ReconsumeTimes == 0 {
				continue // comes again
			}
			if err := c.Ack(t.Context(), all.Addr, "g", "pops", p.Receipts[i]); err != nil {
				t.Errorf("acknowledgement of %s: %v", r.Body, err)
			}
		}
		if len(got) == 3 && got["b"] == 1 {
			return
		}
	}
	t.Errorf("popped, with tries before: %v", got)
}
