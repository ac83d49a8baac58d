package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"github.com/goddardmq/goddard/internal/load"
)

// figures are what is measured of one server.
type figures struct {
	FirstSend  time.Duration // from exec to the first accepted message
	IdleMiB    float64       // resident, five seconds later
	Rate       float64       // messages a second, pipelined
	CPU        float64       // CPU-seconds of the server per million of these
	HalfRate   float64       // the fixed rate of what follows
	Half       load.Latency  // at that rate
	One        load.Latency  // one request in flight
	OneRate    float64
	BatchRate  float64 // messages a second in batches of 32
	Consume    float64 // messages a second read
	ConsumeCPU float64
	Pop        float64 // messages a second popped and acknowledged one by one
	PopCPU     float64
	E2E        load.Latency
}

// measure starts a server, puts each load on it and stops it. rate is the
// fixed rate; 0 takes half of what this server can do.
func measure(s *server, goddard string, span time.Duration, rate float64) (f figures, err error) {
	defer s.stop()
	if err := s.prepare(); err != nil {
		return f, err
	}
	began := time.Now()
	if err := s.start(); err != nil {
		return f, err
	}
	if f.FirstSend, err = firstSend(s, goddard, began); err != nil {
		return f, err
	}
	time.Sleep(5 * time.Second)
	f.IdleMiB = s.resident()

	b := bench{s, goddard, span}
	// The warm-up is a run of its own, so that the CPU of the measured run is
	// that of the messages it counts.
	if _, _, err := b.produce("--time", "5s", "--in-flight", "128"); err != nil {
		return f, err
	}
	r, cpu, err := b.produce("--in-flight", "128")
	if err != nil {
		return f, err
	}
	f.Rate, f.CPU = r.Rate, perMillion(cpu, r)
	if f.HalfRate = rate; rate == 0 {
		f.HalfRate = float64(int(r.Rate / 2))
	}
	if r, _, err = b.produce("--rate", strconv.FormatFloat(f.HalfRate, 'f', 0, 64), "--warmup", "2s"); err != nil {
		return f, err
	}
	f.Half = *r.Latency
	if r, _, err = b.produce("--connections", "1", "--in-flight", "1", "--warmup", "1s"); err != nil {
		return f, err
	}
	f.One, f.OneRate = *r.Latency, r.Rate
	if r, _, err = b.produce("--connections", "2", "--in-flight", "8", "--batch", "32", "--warmup", "1s"); err != nil {
		return f, err
	}
	f.BatchRate = r.Rate
	if r, cpu, err = b.run("consume", "--topic", "ratios"); err != nil {
		return f, err
	}
	f.Consume, f.ConsumeCPU = r.Rate, perMillion(cpu, r)
	if r, cpu, err = b.run("pop", "--topic", "ratios"); err != nil {
		return f, err
	}
	f.Pop, f.PopCPU = r.Rate, perMillion(cpu, r)
	if r, _, err = b.run("e2e", "--topic", "ratios-e2e", "--rate", "1000", "--warmup", "3s"); err != nil {
		return f, err
	}
	f.E2E = *r.Latency
	return f, nil
}

// firstSend tries until a message is accepted.
func firstSend(s *server, goddard string, began time.Time) (time.Duration, error) {
	var out []byte
	for time.Since(began) < time.Minute {
		cmd := exec.Command(goddard, "pub", "ratios-first", "x", "-n", s.nameServer)
		var err error
		if out, err = cmd.CombinedOutput(); err == nil {
			// The client's own start is charged too: an upper bound.
			return time.Since(began), nil
		}
		time.Sleep(time.Millisecond)
	}
	return 0, fmt.Errorf("no message accepted within a minute: %s", out)
}

func perMillion(cpu time.Duration, r *load.Report) float64 {
	return cpu.Seconds() / float64(r.Messages) * 1e6
}

// A bench runs `goddard bench` against a server.
type bench struct {
	s       *server
	goddard string
	span    time.Duration
}

func (b bench) produce(args ...string) (*load.Report, time.Duration, error) {
	return b.run("produce", append([]string{"--topic", "ratios", "--size", "1024"}, args...)...)
}

// run returns the report and the CPU the server used meanwhile.
func (b bench) run(kind string, args ...string) (*load.Report, time.Duration, error) {
	argv := []string{"bench", kind, "-n", b.s.nameServer, "--json"}
	if !slices.Contains(args, "--time") {
		argv = append(argv, "--time", b.span.String())
	}
	if !slices.Contains(args, "--warmup") {
		argv = append(argv, "--warmup", "0s")
	}
	argv = append(argv, args...)
	cmd := exec.Command(b.goddard, argv...)
	cmd.Stderr = os.Stderr
	before := b.s.cpu()
	out, err := cmd.Output()
	if err != nil {
		return nil, 0, fmt.Errorf("goddard %v: %w", argv, err)
	}
	cpu := b.s.cpu() - before
	r := new(load.Report)
	if err := json.Unmarshal(out, r); err != nil {
		return nil, 0, fmt.Errorf("goddard %v: %w", argv, err)
	}
	if r.Messages == 0 || r.Latency == nil {
		return nil, 0, fmt.Errorf("goddard %v: nothing came through: %s", argv, r.LastError)
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", b.s.name, r)
	return r, cpu, nil
}
