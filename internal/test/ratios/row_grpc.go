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
)

// grpcRows is the gRPC protocol over plaintext, RocketMQ with its proxy.
func grpcRows() []row {
	return []row{
		{key: "grpc-send", cost: func(o *options) time.Duration { return o.span + warmTime }, lines: []sheet.Line{
			{Value: "rate", Title: "gRPC: send 1 KiB (4 × 64 in flight, a call each), msg/s", Reach: "5 ×"},
			{Value: "cpu", Title: "… CPU-seconds of the server per million", Decimals: 1},
		}, measure: func(b *bench) (map[string]float64, error) {
			if _, _, err := b.grpc("send", "-time", warmTime.String()); err != nil {
				return nil, err
			}
			return throughput(b.grpc("send"))
		}},
		{key: "grpc-half", cost: loads(1), lines: []sheet.Line{
			{Value: "rate", Title: "gRPC: send at half of RocketMQ's top rate, msg/s"},
			{Value: "p50", Title: "… p50, µs"}, {Value: "p99", Title: "… p99, µs"}, {Value: "p999", Title: "… p99.9, µs"},
		}, measure: func(b *bench) (map[string]float64, error) {
			top, err := b.firstValue("grpc-send", "rate", "java", "goddard")
			if err != nil {
				return nil, err
			}
			return throughput(b.grpc("send", "-rate", fmt.Sprintf("%.0f", top/2)))
		}},
		{key: "grpc-receive", cost: loads(1.6), lines: []sheet.Line{
			{Value: "rate", Title: "gRPC: receive and acknowledge (4 × 4 in flight, batches of 32), msg/s", Reach: "4 ×"},
			{Value: "cpu", Title: "… CPU-seconds of the server per million", Decimals: 1},
			{Value: "resident", Title: "… resident memory after it, MiB"},
		}, measure: func(b *bench) (map[string]float64, error) {
			// There must be enough to receive for as long as the load is.
			if _, _, err := b.load("produce", "--topic", grpcTopic, "--batch", "32", "--connections", "2", "--in-flight", "8",
				"--count", fmt.Sprint(int64(150_000*b.o.span.Seconds())), "--time", "5m"); err != nil {
				return nil, err
			}
			values, err := throughput(b.grpc("receive", "-group", grpcGroup, "-in-flight", "4"))
			if err == nil {
				values["resident"] = b.s.resident(residentAll)
			}
			return values, err
		}},
	}
}

func grpcGroupOfRows() group {
	return group{key: "grpc", servers: both(), proxy: true, room: room(6), rows: grpcRows()}
}

// grpc runs the load of the gRPC protocol.
func (b *bench) grpc(kind string, args ...string) (*load.Report, time.Duration, error) {
	if b.kit.GRPCLoadMissing != "" {
		return nil, 0, errors.New("the gRPC load: " + b.kit.GRPCLoadMissing)
	}
	argv := append([]string{kind, "-endpoint", grpcEndpoint, "-topic", grpcTopic}, args...)
	if timeOf(argv) == 0 {
		argv = append(argv, "-time", b.o.span.String())
	}
	return b.run(exec.Command(b.kit.GRPCLoad, argv...))
}

// readyGRPC creates the topic and the group, and waits until a message is accepted.
func (b *bench) readyGRPC() error {
	if err := makeTopic(); err != nil {
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

func makeTopic() error {
	const updateTopic, updateGroup = 17, 200
	topic := map[string]string{"topic": grpcTopic, "defaultTopic": "TBW102", "readQueueNums": "8", "writeQueueNums": "8", "perm": "6",
		"topicFilterType": "SINGLE_TAG", "topicSysFlag": "0", "order": "false", "attributes": "+message.type=NORMAL"}
	group, err := json.Marshal(map[string]any{"groupName": grpcGroup, "consumeEnable": true, "consumeFromMinEnable": true,
		"retryQueueNums": 1, "retryMaxTimes": 16, "brokerId": 0, "whichBrokerWhenConsumeSlowly": 1})
	if err != nil {
		return err
	}
	for limit := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		t, topicErr := against.Probe(brokerAddr, updateTopic, topic, nil)
		g, groupErr := against.Probe(brokerAddr, updateGroup, nil, group)
		if topicErr == nil && groupErr == nil && t.Code == 0 && g.Code == 0 {
			return nil
		}
		if time.Now().After(limit) {
			return fmt.Errorf("no topic and group within a minute: %w; %v, %v", errors.Join(topicErr, groupErr), t, g)
		}
	}
}
