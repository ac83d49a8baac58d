package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"github.com/goddardmq/goddard/internal/load"
	"github.com/goddardmq/goddard/internal/test/against"
)

// grpcFigures are what is measured of one server over the gRPC protocol.
type grpcFigures struct {
	IdleMiB  float64 // resident, five seconds after the first message
	BusyMiB  float64 // resident after all loads
	Rate     float64 // messages a second, a call each
	CPU      float64 // CPU-seconds of the server per million of these
	HalfRate float64 // the fixed rate of what follows
	Half     load.Latency
	Receive  float64 // messages a second received and acknowledged
	AckCPU   float64 // CPU-seconds of the server per million of these
}

var grpcRows = []row[grpcFigures]{
	{"idle resident memory, MiB", "%.0f", func(f grpcFigures) float64 { return f.IdleMiB }},
	{"… after the loads below, MiB", "%.0f", func(f grpcFigures) float64 { return f.BusyMiB }},
	{"send (4 × 64 in flight, a call each), msg/s", "%.0f", func(f grpcFigures) float64 { return f.Rate }},
	{"… CPU-seconds of the server per million", "%.1f", func(f grpcFigures) float64 { return f.CPU }},
	{"fixed rate for the next three, msg/s", "%.0f", func(f grpcFigures) float64 { return f.HalfRate }},
	{"… p50, µs", "%.0f", func(f grpcFigures) float64 { return float64(f.Half.P50) }},
	{"… p99, µs", "%.0f", func(f grpcFigures) float64 { return float64(f.Half.P99) }},
	{"… p99.9, µs", "%.0f", func(f grpcFigures) float64 { return float64(f.Half.P999) }},
	{"receive and acknowledge (4 × 4 in flight, batches of 32), msg/s", "%.0f", func(f grpcFigures) float64 { return f.Receive }},
	{"… CPU-seconds of the server per million", "%.1f", func(f grpcFigures) float64 { return f.AckCPU }},
}

const (
	grpcEndpoint = "127.0.0.1:8081"
	grpcTopic    = "ratios-grpc"
	grpcGroup    = "ratios-grpc-group"
)

// measureGRPC starts a server, puts each load on it and stops it. rate is the
// fixed rate; 0 takes half of what this server can do.
func measureGRPC(s *server, program string, span time.Duration, rate float64) (f grpcFigures, err error) {
	defer s.stop()
	if err := s.prepare(); err != nil {
		return f, err
	}
	if err := s.start(); err != nil {
		return f, err
	}
	if err := s.makeTopic(); err != nil {
		return f, err
	}
	b := grpcBench{s, program, span}
	if err := b.first(); err != nil {
		return f, err
	}
	time.Sleep(5 * time.Second)
	f.IdleMiB = s.resident()
	if _, _, err := b.run("send", "-time", "5s"); err != nil { // warm-up
		return f, err
	}
	r, cpu, err := b.run("send")
	if err != nil {
		return f, err
	}
	f.Rate, f.CPU = r.Rate, perMillion(cpu, r)
	if f.HalfRate = rate; rate == 0 {
		f.HalfRate = float64(int(r.Rate / 2))
	}
	if r, _, err = b.run("send", "-rate", strconv.FormatFloat(f.HalfRate, 'f', 0, 64)); err != nil {
		return f, err
	}
	f.Half = *r.Latency
	if r, cpu, err = b.run("receive", "-group", grpcGroup, "-in-flight", "4"); err != nil {
		return f, err
	}
	f.Receive, f.AckCPU = r.Rate, perMillion(cpu, r)
	f.BusyMiB = s.resident()
	return f, nil
}

// makeTopic creates the topic and the group as soon as there is a broker to ask.
func (s *server) makeTopic() error {
	const broker, updateTopic, updateGroup = "127.0.0.1:10911", 17, 200
	topic := map[string]string{"topic": grpcTopic, "defaultTopic": "TBW102", "readQueueNums": "8", "writeQueueNums": "8", "perm": "6",
		"topicFilterType": "SINGLE_TAG", "topicSysFlag": "0", "order": "false", "attributes": "+message.type=NORMAL"}
	group, err := json.Marshal(map[string]any{"groupName": grpcGroup, "consumeEnable": true, "consumeFromMinEnable": true,
		"retryQueueNums": 1, "retryMaxTimes": 16, "brokerId": 0, "whichBrokerWhenConsumeSlowly": 1})
	if err != nil {
		return err
	}
	for limit := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		t, topicErr := against.Probe(broker, updateTopic, topic, nil)
		g, groupErr := against.Probe(broker, updateGroup, nil, group)
		if topicErr == nil && groupErr == nil && t.Code == 0 && g.Code == 0 {
			return nil
		}
		if time.Now().After(limit) {
			return fmt.Errorf("no topic and group within a minute: %w; %v, %v", errors.Join(topicErr, groupErr), t, g)
		}
	}
}

// A grpcBench runs the load generator against a server.
type grpcBench struct {
	s       *server
	program string
	span    time.Duration
}

// first tries until messages are accepted.
func (b grpcBench) first() error {
	var out []byte
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); time.Sleep(100 * time.Millisecond) {
		var r load.Report
		out, _ = exec.Command(b.program, "send", "-endpoint", grpcEndpoint, "-topic", grpcTopic, "-connections", "1", "-in-flight", "1", "-time", "100ms").CombinedOutput()
		if json.Unmarshal(out, &r) == nil && r.Messages > 0 {
			return nil
		}
	}
	return fmt.Errorf("no message accepted within a minute: %s", out)
}

// run returns the report and the CPU the server used meanwhile.
func (b grpcBench) run(kind string, args ...string) (*load.Report, time.Duration, error) {
	argv := append([]string{kind, "-endpoint", grpcEndpoint, "-topic", grpcTopic}, args...)
	if !slices.Contains(args, "-time") {
		argv = append(argv, "-time", b.span.String())
	}
	cmd := exec.Command(b.program, argv...)
	cmd.Stderr = os.Stderr
	before := b.s.cpu()
	out, err := cmd.Output()
	if err != nil {
		return nil, 0, fmt.Errorf("load %v: %w", argv, err)
	}
	cpu := b.s.cpu() - before
	r := new(load.Report)
	if err := json.Unmarshal(out, r); err != nil {
		return nil, 0, fmt.Errorf("load %v: %w", argv, err)
	}
	if r.Messages == 0 || r.Latency == nil {
		return nil, 0, fmt.Errorf("load %v: nothing came through: %s", argv, r.LastError)
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", b.s.name, r)
	return r, cpu, nil
}
