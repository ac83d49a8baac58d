package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// Produce says how to send.
type Produce struct {
	Common
	Size        int // bytes of a body
	Connections int // to each broker
	InFlight    int // requests on each connection
	Batch       int // messages in a request
	// Rate is how many messages a second to send in all, 0 as many as possible.
	Rate float64
	// Timeout is how long an answer may take.
	Timeout time.Duration
	// Count, if not 0, ends the run when so many messages are stored, if its time
	// is not over before: what is refused is sent again, but for the last ones of a
	// fixed rate. There is no warm-up then.
	Count int64
	// Light, if not 0, puts the messages in turn into so many light queues as
	// well, %LMQ%TOPIC-0 and so on.
	Light int64

	// fresh, if set, writes the message with a number, counted from 0; otherwise a
	// few are sent again and again.
	fresh  func(d *draft, number int64)
	issued *atomic.Int64 // requests so far
	again  *refused
}

// refused are the numbers of requests to be sent again.
type refused struct {
	mu struct {
		sync.Mutex // guards the numbers
		numbers    []int64
	}
}

func (r *refused) add(number int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.numbers = append(r.mu.numbers, number)
}

func (r *refused) take() (number int64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.mu.numbers)
	if n == 0 {
		return 0, false
	}
	number = r.mu.numbers[n-1]
	r.mu.numbers = r.mu.numbers[:n-1]
	return number, true
}

// Run sends until the time is over.
func (p Produce) Run(ctx context.Context, o remote.Options) (*Report, error) {
	r, _, err := p.run(ctx, o)
	return r, err
}

func (p *Produce) check() error {
	switch {
	case p.Size < 0 || p.Connections < 1 || p.InFlight < 1 || p.Batch < 1 || p.Count < 0 || p.Light < 0:
		return errors.New("size, count and light must be 0 or more, connections, in-flight and batch 1 or more")
	case p.Light > 0 && p.Batch > 1:
		return errors.New("light queues are for messages sent one by one; leave out batch or light")
	}
	return nil
}

// run also says how many messages were accepted when the last answer was there:
// those that came after the time was over are not in the report.
func (p *Produce) run(ctx context.Context, o remote.Options) (report *Report, accepted int64, err error) {
	p.setDefaults()
	if p.Timeout == 0 {
		p.Timeout = 5 * time.Second
	}
	if err := p.check(); err != nil {
		return nil, 0, err
	}
	p.issued, p.again, p.over = new(atomic.Int64), new(refused), make(chan struct{})
	if p.Light > 0 {
		p.fresh = p.light()
	}
	if p.Count > 0 {
		p.Warmup = 0
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	running, stop := context.WithCancel(ctx)
	var (
		lanes []*lane
		ms    meters
		wg    sync.WaitGroup
	)
	for range p.Connections {
		// A cluster of its own has connections of its own.
		cluster, err := remote.Dial(o)
		if err != nil {
			stop()
			return nil, 0, err
		}
		defer cluster.Close()
		queues, err := cluster.WriteQueues(ctx, p.Topic)
		if err != nil {
			stop()
			return nil, 0, err
		}
		for _, qs := range byBroker(queues) {
			conn, err := cluster.Conn(ctx, qs[0].Addr)
			if err != nil {
				stop()
				return nil, 0, err
			}
			l := &lane{p: p, queues: qs, conn: conn, addr: qs[0].Addr, meter: newMeter(), running: running, fail: fail, origin: time.Now(), idle: make(chan struct{}, 1)}
			if l.requests, err = p.requests(conn, qs); err != nil {
				stop()
				return nil, 0, err
			}
			lanes = append(lanes, l)
			ms = append(ms, l.meter)
		}
	}
	for _, l := range lanes {
		if p.Rate > 0 {
			every := time.Duration(float64(time.Second) * float64(p.Batch) * float64(len(lanes)) / p.Rate)
			wg.Go(func() { l.paced(every) })
		} else {
			wg.Go(l.flatOut)
		}
	}
	var all sync.WaitGroup
	all.Go(func() { wg.Wait(); close(p.over) })
	r, err := measure(ctx, &p.Common, "produce", ms, stop, all.Wait)
	if r != nil {
		r.WantedRate = p.Rate
	}
	return r, ms.messages(), err
}

func byBroker(queues []remote.Queue) map[string][]remote.Queue {
	m := map[string][]remote.Queue{}
	for _, q := range queues {
		m[q.Addr] = append(m[q.Addr], q)
	}
	return m
}

// requests makes one request per queue; a lane sends them in turn, again and
// again, which spares making each anew.
func (p *Produce) requests(conn *rpc.Conn, queues []remote.Queue) ([]*wire.Prepared, error) {
	keys := remote.NewKeys()
	body := make([]byte, p.Size)
	for i := range body {
		body[i] = 'a' + byte(i%26)
	}
	var all []*wire.Prepared
	for _, q := range queues {
		props := mq.AppendProperty(nil, mq.PropUniqueKey, keys.Next())
		props = mq.AppendProperty(props, mq.PropWait, "true")
		m := &mq.Message{Topic: q.Topic, QueueID: q.ID, BornTime: time.Now().UnixMilli(), Properties: props, Body: body}
		var cmd *wire.Command
		var err error
		if p.Batch > 1 {
			cmd, err = remote.SendBatchRequest(q, "goddard-bench", repeat(m, p.Batch))
		} else {
			cmd, err = remote.SendRequest(q, "goddard-bench", m)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, conn.Prepare(cmd))
	}
	return all, nil
}

// light writes messages that name a light queue each.
func (p *Produce) light() func(d *draft, number int64) {
	keys := remote.NewKeys()
	return func(d *draft, number int64) {
		d.begin(keys, time.Now(), p.Size)
		d.property(mq.PropMultiDispatch, fmt.Appendf(d.text[:0], "%s%s-%d", mq.LitePrefix, p.Topic, number%p.Light))
	}
}

func repeat(m *mq.Message, n int) []mq.Message {
	all := make([]mq.Message, n)
	for i := range all {
		all[i] = *m
	}
	return all
}
