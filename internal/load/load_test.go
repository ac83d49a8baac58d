package load_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goddardmq/goddard"
	"github.com/goddardmq/goddard/internal/load"
	"github.com/goddardmq/goddard/internal/remote"
)

func serve(t *testing.T) remote.Options {
	t.Helper()
	s, err := goddard.New(goddard.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	t.Cleanup(func() { stop(); wg.Wait() })
	return remote.Options{NameServers: []string{s.NameServerAddr()}}
}

func common(topic string) load.Common {
	return load.Common{Topic: topic, Duration: 200 * time.Millisecond, Warmup: 20 * time.Millisecond}
}

// What a run says it sent is there to be read.
func TestWhatWasProducedIsThere(t *testing.T) {
	o := serve(t)
	for name, p := range map[string]load.Produce{
		"flat-out": {Size: 100, Connections: 2, InFlight: 8, Batch: 1},
		"batches":  {Size: 10, Connections: 1, InFlight: 2, Batch: 7},
		"paced":    {Size: 10, Connections: 2, InFlight: 8, Batch: 1, Rate: 500},
	} {
		p.Common = common(name)
		r, err := p.Run(t.Context(), o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.Messages == 0 || r.Errors != 0 || r.Bytes != r.Messages*int64(p.Size) || r.Latency == nil || r.Latency.Max < r.Latency.P50 {
			t.Errorf("%s: %+v", name, r)
		}
		if p.Rate > 0 && (r.Rate > 1.5*p.Rate || r.WantedRate != p.Rate) {
			t.Errorf("paced at %v it sent %v a second", p.Rate, r.Rate)
		}
		if n := stored(t, o, name); n < r.Messages {
			t.Errorf("%s: %d messages are stored, %d were reported", name, n, r.Messages)
		}
		if got, err := (load.Consume{Common: common(name)}).Run(t.Context(), o); err != nil || got.Messages == 0 || got.Errors != 0 {
			t.Errorf("%s read back: %+v, %v", name, got, err)
		}
		got, err := load.Pop{Common: common(name), Connections: 2, InFlight: 2}.Run(t.Context(), o)
		if err != nil || got.Messages == 0 || got.Errors != 0 || got.Bytes != got.Messages*int64(p.Size) {
			t.Errorf("%s popped: %+v, %d bytes for %d, %v", name, got, got.Bytes, p.Size, err)
		}
	}
}

// stored is how many messages a topic holds.
func stored(t *testing.T, o remote.Options, topic string) (n int64) {
	t.Helper()
	cluster, err := remote.Dial(o)
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	queues, err := cluster.ReadQueues(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range queues {
		_, hi, err := cluster.Bounds(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		n += int64(hi)
	}
	return n
}

func TestALoadThatIsCountedEndsWhenItIsDone(t *testing.T) {
	o := serve(t)
	c := common("counted")
	c.Duration = time.Minute
	for name, p := range map[string]load.Produce{
		"flat-out": {Size: 10, Connections: 2, InFlight: 8, Batch: 1, Count: 1000},
		"batches":  {Size: 10, Connections: 1, InFlight: 2, Batch: 10, Count: 1000},
		"paced":    {Size: 10, Connections: 2, InFlight: 8, Batch: 1, Count: 1000, Rate: 20000},
		"light":    {Size: 10, Connections: 1, InFlight: 8, Batch: 1, Count: 1000, Light: 500},
	} {
		p.Common = c
		p.Topic = name
		r, err := p.Run(t.Context(), o)
		if err != nil || r.Messages != 1000 || r.Errors != 0 || stored(t, o, name) != 1000 {
			t.Fatalf("%s: %+v, %v; %d are stored", name, r, err, stored(t, o, name))
		}
		all := load.Consume{Common: c, Connections: 2, Once: true}
		all.Topic = name
		if r, err := all.Run(t.Context(), o); err != nil || r.Messages != 1000 {
			t.Errorf("%s read once: %+v, %v", name, r, err)
		}
		tail := load.Consume{Common: c, Last: 100, Once: true}
		tail.Topic = name
		if r, err := tail.Run(t.Context(), o); err != nil || r.Messages > 100 || r.Messages < 90 {
			t.Errorf("%s, the last 100 read: %+v, %v", name, r, err)
		}
	}
	for _, queue := range []string{"%LMQ%light-0", "%LMQ%light-499"} {
		cluster, err := remote.Dial(o)
		if err != nil {
			t.Fatal(err)
		}
		queues, err := cluster.ReadQueues(t.Context(), "light")
		if err != nil {
			t.Fatal(err)
		}
		q := queues[0]
		q.Topic, q.ID = queue, 0
		if lo, hi, err := cluster.Bounds(t.Context(), q); err != nil || lo != 0 || hi != 2 {
			t.Errorf("%s has %d to %d, %v", queue, lo, hi, err)
		}
		cluster.Close()
	}
}

func TestDelayedMessagesAllComeAndNoneEarly(t *testing.T) {
	o := serve(t)
	for name, d := range map[string]load.Delay{
		"timed":   {After: 300 * time.Millisecond},
		"levels":  {After: time.Second, Level: 1},
		"counted": {After: 300 * time.Millisecond, Produce: load.Produce{Count: 50}},
	} {
		d.Common, d.Size, d.Connections, d.InFlight = common(name), 20, 2, 4
		r, err := d.Run(t.Context(), o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := r.Delivered
		if r.Messages == 0 || got == nil || got.Errors != 0 || got.Messages < r.Messages || got.Messages != stored(t, o, name)-1 {
			t.Errorf("%s: %+v sent, %+v delivered, %d stored", name, r, got, stored(t, o, name))
		}
		if d.Count > 0 && got.Messages != d.Count {
			t.Errorf("%s: %d came of %d", name, got.Messages, d.Count)
		}
	}
}

func TestTransactionsAreCommitted(t *testing.T) {
	o := serve(t)
	r, err := load.Transact{Common: common("transactions"), Size: 10, Connections: 2, InFlight: 4}.Run(t.Context(), o)
	if err != nil || r.Messages == 0 || r.Errors != 0 || r.Latency == nil {
		t.Fatalf("%+v, %v", r, err)
	}
	if n := stored(t, o, "transactions"); n < r.Messages {
		t.Errorf("%d are there of %d committed", n, r.Messages)
	}
}

func TestTopicsAreCreatedAndDeleted(t *testing.T) {
	o := serve(t)
	c := common("many")
	c.Duration = time.Minute
	for _, keep := range []bool{false, true} {
		r, err := load.Topics{Common: c, Count: 20, InFlight: 4, Queues: 1, Keep: keep}.Run(t.Context(), o)
		if err != nil || r.Messages != 20 || r.Errors != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		cluster, err := remote.Dial(o)
		if err != nil {
			t.Fatal(err)
		}
		for _, topic := range []string{"many-1", "many-20"} {
			if _, err := cluster.ReadQueues(t.Context(), topic); (err == nil) != keep {
				t.Errorf("%s, kept %v: %v", topic, keep, err)
			}
		}
		cluster.Close()
	}
}

func TestEndToEnd(t *testing.T) {
	o := serve(t)
	var progress bytes.Buffer
	c := common("way")
	c.Duration, c.Progress = 1100*time.Millisecond, &progress
	r, err := load.E2E{Common: c, Size: 64, Rate: 200}.Run(t.Context(), o)
	if err != nil || r.Messages == 0 || r.Errors != 0 || r.Latency == nil {
		t.Errorf("%+v, %v", r, err)
	}
	if !strings.Contains(progress.String(), "msg/s") {
		t.Errorf("progress is %q", progress.String())
	}
}

func TestImpossibleLoadsAreRefused(t *testing.T) {
	o := remote.Options{NameServers: []string{"127.0.0.1:1"}}
	for _, run := range []func() (*load.Report, error){
		func() (*load.Report, error) {
			return load.Produce{Common: common("t"), Connections: 1, InFlight: 0, Batch: 1}.Run(t.Context(), o)
		},
		func() (*load.Report, error) {
			return load.E2E{Common: common("t"), Size: 7, Rate: 1}.Run(t.Context(), o)
		},
		func() (*load.Report, error) {
			return load.Produce{Common: common("t"), Connections: 1, InFlight: 1, Batch: 2, Light: 2}.Run(t.Context(), o)
		},
		func() (*load.Report, error) {
			return load.Delay{Produce: load.Produce{Common: common("t"), Size: 7, Connections: 1, InFlight: 1}}.Run(t.Context(), o)
		},
		func() (*load.Report, error) { return load.Transact{Common: common("t")}.Run(t.Context(), o) },
		func() (*load.Report, error) {
			return load.Topics{Common: common("t"), InFlight: 1, Queues: 1}.Run(t.Context(), o)
		},
		func() (*load.Report, error) { return load.Consume{Common: common("t")}.Run(t.Context(), o) },
		func() (*load.Report, error) { return load.Pop{Common: common("t"), Max: 33}.Run(t.Context(), o) },
	} {
		if r, err := run(); err == nil {
			t.Errorf("reported %+v", r)
		}
	}
}
