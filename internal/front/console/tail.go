package console

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/filter"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
)

const (
	// tailTime is how long a live tail lasts; the browser begins another one.
	tailTime = 30 * time.Minute
	// tailRate is how many messages a second a tail shows.
	tailRate = 200
	// tailQueues bounds the queues of a tail, tailWait how long a broker holds
	// one question.
	tailQueues, tailWait = 256, 10 * time.Second
	// tailBeat is how often a tail without messages gives a sign of life.
	tailBeat = 15 * time.Second
	// tailWrite is how long a browser may take nothing.
	tailWrite = 20 * time.Second
	// maxPreview bounds how much of a body a tail shows, usualPreview is what it
	// shows if it is not told.
	maxPreview, usualPreview = 64 << 10, 1024
	// tailRetry is how long a tail waits after a broker did not answer.
	tailRetry = time.Second
)

// A liveTail is one that runs.
type liveTail struct {
	s       *site
	tag     string
	text    string
	filter  *filter.Expression
	preview int
	events  chan event

	// mu guards the count of this second.
	mu struct {
		sync.Mutex
		second  int64
		shown   int
		skipped int
	}
}

// An event is one of a stream.
type event struct {
	name string
	data any
}

func tailTopic(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	t := &liveTail{s: s, tag: r.text("tag"), text: r.text("text"), events: make(chan event, 64)}
	if text := r.text("expression"); text != "" {
		if t.filter, err = filter.Compile(text); err != nil {
			return nil, err
		}
	}
	if t.preview, err = r.number("max_body", usualPreview, 0, maxPreview); err != nil {
		return nil, err
	}
	queues, starts, err := r.tailQueues(s)
	if err != nil {
		return nil, err
	}
	select {
	case r.c.tails <- struct{}{}:
		defer func() { <-r.c.tails }()
	default:
		return nil, &problem{status: http.StatusTooManyRequests, Code: "too_many", Text: "too many live tails run at the moment", Fix: "close some, or raise console-max-tails"}
	}
	ctx, cancel := context.WithTimeout(r.Context(), tailTime)
	defer cancel()
	defer context.AfterFunc(r.c.ctx, cancel)()
	if r.session != nil {
		defer context.AfterFunc(r.session.ctx, cancel)()
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for i, q := range queues {
		wg.Go(func() { t.follow(ctx, q, starts[i]) })
	}
	r.stream()
	return nil, t.write(ctx, r, len(queues))
}

// stream begins an answer that goes on.
func (r *request) stream() {
	r.written = true
	h := r.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // proxies that know it do not hold it back
	// The server bounds the time of requests; without that it can be kept.
	_ = http.NewResponseController(r.w).SetReadDeadline(time.Time{})
}

// tailQueues are the queues of a request's tail and where it begins in them.
func (r *request) tailQueues(s *site) ([]remote.Queue, []mq.QueueOffset, error) {
	topic := r.PathValue("topic")
	queues, err := s.remote.ReadQueues(r.Context(), topic)
	if err != nil {
		return nil, nil, err
	}
	number, err := r.number("queue", -1, 0, 1<<30)
	if err != nil {
		return nil, nil, err
	}
	broker := r.text("broker")
	queues = slices.DeleteFunc(queues, func(q remote.Queue) bool {
		return broker != "" && broker != q.Broker || number >= 0 && int32(number) != q.ID
	})
	if len(queues) == 0 || len(queues) > tailQueues {
		return nil, nil, badRequest("topic %.128s has %d such queues, a tail follows 1 to %d; name a broker or a queue", topic, len(queues), tailQueues)
	}
	from := remote.From{Last: true}
	switch text := r.text("from"); text {
	case "", "now":
	case "earliest":
		from = remote.From{}
	default:
		at, err := moment("from", text)
		if err != nil {
			return nil, nil, err
		}
		from = remote.From{At: at}
	}
	starts := make([]mq.QueueOffset, len(queues))
	err = each(r.Context(), len(queues), func(ctx context.Context, i int) error {
		var err error
		starts[i], err = s.remote.Begin(ctx, queues[i], from)
		return err
	})
	return queues, starts, err
}

// follow reads a queue until ctx ends.
func (t *liveTail) follow(ctx context.Context, q remote.Queue, next mq.QueueOffset) {
	failed := false
	for ctx.Err() == nil {
		got, err := t.s.remote.Pull(ctx, remote.Pull{Queue: q, Group: mq.GroupTools, From: next, Wait: tailWait, Expression: t.tag})
		if err != nil {
			if !failed && ctx.Err() == nil {
				p := problemOf(err)
				t.put(ctx, event{"problem", p})
			}
			failed = true
			pause(ctx, tailRetry)
			continue
		}
		failed, next = false, got.Next
		for i := range got.Records {
			m := &got.Records[i]
			if !t.wants(m) {
				continue
			}
			if t.room() {
				t.put(ctx, event{"message", newItem(q.Broker, m, t.preview)})
			}
		}
	}
}

func (t *liveTail) wants(m *mq.Record) bool {
	if !remote.Wanted(t.tag, m) || t.filter != nil && !t.filter.MatchProperties(m.Properties) {
		return false
	}
	if t.text == "" {
		return true
	}
	body, err := remote.Body(m)
	return err == nil && bytes.Contains(body, []byte(t.text))
}

// room reports whether one more message may be shown this second.
func (t *liveTail) room() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now().Unix(); now != t.mu.second {
		t.mu.second, t.mu.shown = now, 0
	}
	if t.mu.shown == tailRate {
		t.mu.skipped++
		return false
	}
	t.mu.shown++
	return true
}

// skipped is how many messages were not shown since the last call.
func (t *liveTail) skipped() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.mu.skipped
	t.mu.skipped = 0
	return n
}

func (t *liveTail) put(ctx context.Context, e event) {
	select {
	case t.events <- e:
	case <-ctx.Done():
	}
}

// write sends events until ctx ends or the browser is gone.
func (t *liveTail) write(ctx context.Context, r *request, queues int) error {
	out := http.NewResponseController(r.w)
	send := func(e event) error {
		data, err := json.Marshal(e.data)
		if err != nil {
			return err
		}
		_ = out.SetWriteDeadline(time.Now().Add(tailWrite)) // where the writer knows none, the server's holds
		_, err = r.w.Write(slices.Concat([]byte("event: "+e.name+"\ndata: "), data, []byte("\n\n")))
		return err
	}
	if err := send(event{"open", map[string]int{"queues": queues}}); err != nil {
		return err
	}
	second, beat := time.NewTicker(time.Second), time.NewTicker(tailBeat)
	defer second.Stop()
	defer beat.Stop()
	for {
		if len(t.events) == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
		var err error
		select {
		case <-ctx.Done():
			return nil
		case e := <-t.events:
			err = send(e)
		case <-second.C:
			if n := t.skipped(); n > 0 {
				err = send(event{"skipped", map[string]int{"messages": n}})
			}
		case <-beat.C:
			_ = out.SetWriteDeadline(time.Now().Add(tailWrite)) // as above
			_, err = r.w.Write([]byte(": still here\n\n"))
		}
		if err != nil {
			return err
		}
	}
}
