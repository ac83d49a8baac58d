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
		cluster, err := remote.Dial(o)
		if err != nil {
			t.Fatal(err)
		}
		queues, err := cluster.ReadQueues(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		var stored int64
		for _, q := range queues {
			_, hi, err := cluster.Bounds(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			stored += int64(hi)
		}
		cluster.Close()
		if stored < r.Messages {
			t.Errorf("%s: %d messages are stored, %d were reported", name, stored, r.Messages)
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
		func() (*load.Report, error) { return load.Consume{Common: common("t")}.Run(t.Context(), o) },
		func() (*load.Report, error) { return load.Pop{Common: common("t"), Max: 33}.Run(t.Context(), o) },
	} {
		if r, err := run(); err == nil {
			t.Errorf("reported %+v", r)
		}
	}
}
