//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/goddardmq/goddard/internal/load"
	"github.com/goddardmq/goddard/internal/test/against"
	"github.com/goddardmq/goddard/internal/test/ratios/sheet"
)

const (
	grpcTopic = "ratios-grpc"
	grpcGroup = "ratios-grpc-group"
	// warmGroup reads the same messages before.
	warmGroup = "ratios-grpc-warm"
)

// grpcRows is the gRPC protocol over plaintext, RocketMQ with its proxy.
func grpcRows() []row {
	return []row{
		{key: "grpc-send", warm: grpcSends(), writes: 0.5, cost: loads(1), lines: []sheet.Line{
			{Value: "rate", Title: "gRPC: send 1 KiB (4 × 64 in flight, a call each), msg/s", Reach: "5 ×", Floor: [2]string{"bare-grpc-send", "rate"}},
			{Value: "cpu", Title: "… CPU-seconds of the server per million", Decimals: 1, Floor: [2]string{"bare-grpc-send", "cpu"}},
		}, measure: func(b *bench) (map[string]float64, error) {
			return throughput(b.grpcMeasured("send"))
		}},
		{key: "grpc-half", warm: grpcSends(), writes: 0.3, cost: loads(1), lines: []sheet.Line{
			{Value: "rate", Title: "gRPC: send at half of RocketMQ's top rate, msg/s"},
			{Value: "p50", Title: "… p50, µs"}, {Value: "p99", Title: "… p99, µs"}, {Value: "p999", Title: "… p99.9, µs"},
		}, measure: func(b *bench) (map[string]float64, error) {
			top, err := b.firstValue("grpc-send", "rate", "java", "goddard")
			if err != nil {
				return nil, err
			}
			return throughput(b.grpcMeasured("send", "-rate", fmt.Sprintf("%.0f", top/2)))
		}},
		{key: "grpc-receive", warm: grpcReceives(), writes: 0.5, cost: loads(1.6), lines: []sheet.Line{
			{Value: "rate", Title: "gRPC: receive and acknowledge (4 × 4 in flight, batches of 32), msg/s", Reach: "4 ×", Floor: [2]string{"bare-grpc-receive", "rate"}},
			{Value: "cpu", Title: "… CPU-seconds of the server per million", Decimals: 1, Floor: [2]string{"bare-grpc-receive", "cpu"}},
			{Value: "resident", Title: "… resident memory after it, MiB"},
		}, measure: func(b *bench) (map[string]float64, error) {
			if err := fillReceives(b); err != nil {
				return nil, err
			}
			values, err := throughput(b.grpcMeasured("receive", "-group", grpcGroup, "-in-flight", "4"))
			b.filled[grpcTopic] = false // the group has had it
			if err == nil {
				values["resident"] = b.s.resident(residentAll)
			}
			return values, err
		}},
	}
}

func grpcSends() *path {
	return &path{key: "grpc-send", writes: 0.5, load: func(b *bench, span time.Duration) (pace, error) {
		return throughputOf(b.grpc("send", "-time", span.String()))
	}}
}

// grpcReceives is a group of its own that reads what the measured one will. If
// that is not enough, the last loads find nothing, which ends the warm-up.
func grpcReceives() *path {
	return &path{key: "grpc-receive", prepare: fillReceives, load: func(b *bench, span time.Duration) (pace, error) {
		p, err := throughputOf(b.grpc("receive", "-group", warmGroup, "-in-flight", "4", "-time", span.String()))
		if errors.Is(err, errNothing) {
			err = nil
		}
		return p, err
	}}
}

// receives is what there is to receive, as much as for as long as the load is.
func receives(o *options) int64 { return int64(150_000 * o.span.Seconds()) }

func fillReceives(b *bench) error { return b.fill(grpcTopic, 1024, receives(b.o)) }

func grpcGroupOfRows() group {
	return group{key: "grpc", servers: both(), proxy: true, rows: grpcRows()}
}

// grpc runs the load of the gRPC protocol.
func (b *bench) grpc(kind string, args ...string) (*load.Report, time.Duration, error) {
	cmd, err := b.grpcCommand(kind, args...)
	if err != nil {
		return nil, 0, err
	}
	return b.run(cmd)
}

// grpcMeasured is the load that a row is about.
func (b *bench) grpcMeasured(kind string, args ...string) (*load.Report, time.Duration, error) {
	cmd, err := b.grpcCommand(kind, args...)
	if err != nil {
		return nil, 0, err
	}
	return b.profiled(cmd)
}

func (b *bench) grpcCommand(kind string, args ...string) (*exec.Cmd, error) {
	if b.kit.GRPCLoadMissing != "" {
		return nil, errors.New("the gRPC load: " + b.kit.GRPCLoadMissing)
	}
	argv := append([]string{kind, "-endpoint", grpcEndpoint, "-topic", grpcTopic}, args...)
	if timeOf(argv) == 0 {
		argv = append(argv, "-time", b.o.span.String())
	}
	return exec.Command(b.kit.GRPCLoad, argv...), nil
}

// readyGRPC creates the topic and the group, and waits until a message is accepted.
func (b *bench) readyGRPC() error {
	if err := b.s.network.Do(makeTopic); err != nil {
		return err
	}
	var last error
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit) && b.ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		if _, _, last = b.grpc("send", "-connections", "1", "-in-flight", "1", "-time", "100ms"); last == nil || b.kit.GRPCLoadMissing != "" {
			return last
		}
	}
	return fmt.Errorf("no message accepted over gRPC within a minute: %w", last)
}

// makeTopic creates the topic and the groups.
func makeTopic() error {
	const updateTopic, updateGroup = 17, 200
	if err := accepted(updateTopic, map[string]string{"topic": grpcTopic, "defaultTopic": "TBW102", "readQueueNums": "8", "writeQueueNums": "8", "perm": "6",
		"topicFilterType": "SINGLE_TAG", "topicSysFlag": "0", "order": "false", "attributes": "+message.type=NORMAL"}, nil); err != nil {
		return err
	}
	for _, name := range []string{grpcGroup, warmGroup} {
		group, err := json.Marshal(map[string]any{"groupName": name, "consumeEnable": true, "consumeFromMinEnable": true,
			"retryQueueNums": 1, "retryMaxTimes": 16, "brokerId": 0, "whichBrokerWhenConsumeSlowly": 1})
		if err != nil {
			return err
		}
		if err := accepted(updateGroup, nil, group); err != nil {
			return err
		}
	}
	return nil
}

// accepted sends an operator's request until the broker takes it.
func accepted(code int, fields map[string]string, body []byte) error {
	for limit := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		answer, err := against.Probe(brokerAddr, code, fields, body)
		if err == nil && answer.Code == 0 {
			return nil
		}
		if time.Now().After(limit) {
			return fmt.Errorf("request %d is not accepted within a minute: %w, %v", code, err, answer)
		}
	}
}
