//go:build linux

package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/goddardmq/goddard/internal/test/against"
	"github.com/goddardmq/goddard/internal/test/ratios/sheet"
)

const (
	natsAddr  = "127.0.0.1:4222"
	kafkaAddr = "127.0.0.1:9092"
	// peerWarm is what a client in Java needs until it is fast; each load has a new one.
	peerWarm, peerWarmShort = "10s", "3s"
)

// peerGroup is the same loads on other systems, each by its own client.
func peerGroup() group {
	send := func(key, inFlight string) row {
		warm := peerPath(rated(key, "produce", "--size", "1024", "--connections", "4", "--in-flight", inFlight, "--warmup", peerWarmShort).writing(1))
		r := flatOut(key, warm, 2, []sheet.Line{
			{Value: "rate", Title: "send 1 KiB (4 connections, " + inFlight + " in flight on each), msg/s", Reach: "ahead"},
			{Value: "cpu", Title: "… CPU-seconds of the server per million", Decimals: 2, Reach: "1/2"},
			{Value: "p99", Title: "… p99, µs"},
		}, "--size", "1024", "--connections", "4", "--in-flight", inFlight, "--warmup", peerWarm)
		r.cost = peerCost
		return r
	}
	way := func(key, title, rate string) row {
		return row{key: key, warm: peerPath(peerWays()), cost: peerCost, lines: []sheet.Line{
			{Value: "p50", Title: "end to end at " + title + ", p50 µs", Reach: "ahead"}, {Value: "p99", Title: "… p99, µs"}, {Value: "p999", Title: "… p99.9, µs"},
		}, measure: func(b *bench) (map[string]float64, error) {
			return throughput(b.measured("e2e", "--topic", key, "--rate", rate, "--warmup", peerWarm))
		}}
	}
	return group{key: "peers", servers: []string{"nats", "kafka", "goddard"}, rows: []row{
		send("peer-send", "128"),
		send("peer-send-deep", "4096"),
		{key: "peer-consume", warm: peerPath(peerPulls()), cost: func(o *options) time.Duration { return 2 * peerCost(o) }, lines: []sheet.Line{
			{Value: "rate", Title: "consume 1 KiB hot, many messages a request, msg/s", Reach: "ahead"},
			{Value: "cpu", Title: "… CPU-seconds of the server per million", Decimals: 2, Reach: "1/2"},
		}, measure: func(b *bench) (map[string]float64, error) {
			if err := fillPeer(b); err != nil {
				return nil, err
			}
			return throughput(b.measured("consume", append(b.peerConsume(), "--warmup", peerWarm)...))
		}},
		way("peer-e2e", "1,000/s", "1000"),
	}}
}

// peerCost is that of a load with the warm-up that a client in Java needs.
func peerCost(o *options) time.Duration { return o.span + 12*time.Second }

// peerPath is a path whose loads begin with the warm-up of a client.
func peerPath(p *path) *path {
	p.extra = 4 * time.Second
	return p
}

// peerConsume reads in requests for many messages: NATS's client has 2,000 under way
// here, Kafka's takes a megabyte, a broker of RocketMQ's gives 160 at most unless told.
func (b *bench) peerConsume() []string {
	args := []string{"--topic", "peer-consume", "--connections", "2"}
	if b.s.key == "goddard" {
		args = append(args, "--max", "160")
	}
	return args
}

func peerPulls() *path {
	return &path{key: "peer-consume", prepare: fillPeer, load: func(b *bench, span time.Duration) (pace, error) {
		return throughputOf(b.load("consume", append(b.peerConsume(), "--time", span.String(), "--warmup", peerWarmShort)...))
	}}
}

func peerWays() *path {
	return &path{key: "peer-e2e", load: func(b *bench, span time.Duration) (pace, error) {
		return quickness(b.load("e2e", "--topic", "warm-peer-e2e", "--rate", "10000", "--time", span.String(), "--warmup", peerWarmShort))
	}}
}

// fillPeer sends what is read, once, one by one, as every client can.
func fillPeer(b *bench) error {
	const topic = "peer-consume"
	if b.filled[topic] {
		return nil
	}
	count := hotCount(b.o)
	r, _, err := b.load("produce", "--topic", topic, "--size", "1024", "--connections", "4", "--in-flight", "128", "--count", fmt.Sprint(count), "--time", "5m")
	if err == nil && r.Messages < count {
		err = fmt.Errorf("%d of %d messages were stored", r.Messages, count)
	}
	b.filled[topic] = err == nil
	return err
}

// firstPeer waits until a message is accepted, by a short load.
func (b *bench) firstPeer() error {
	var last error
	for limit := time.Now().Add(2 * time.Minute); time.Now().Before(limit) && b.ctx.Err() == nil; time.Sleep(200 * time.Millisecond) {
		if !b.s.alive() {
			return fmt.Errorf("it has ended: %s", b.s.log())
		}
		if _, _, last = b.load("produce", "--topic", "first", "--size", "10", "--connections", "1", "--in-flight", "1", "--count", "1", "--time", "10s"); last == nil {
			return nil
		}
	}
	return fmt.Errorf("no message accepted within two minutes: %w", last)
}

// peerServer is NATS with JetStream in files, or Kafka as one node that is broker
// and controller. Both keep to their defaults, which sync later, as ours does.
func peerServer(kit *against.Kit, dir, key string) (*server, error) {
	peer, addr := kit.NATS, natsAddr
	if key == "kafka" {
		peer, addr = kit.Kafka, kafkaAddr
	}
	for _, p := range []against.Program{peer.Server, peer.Load} {
		if p.Missing != "" {
			return nil, fmt.Errorf("%s: %s", names()[key], p.Missing)
		}
	}
	s := &server{name: names()[key], addr: addr, load: func(kind string) *exec.Cmd {
		return exec.Command(peer.Load.Command, append(append([]string{}, peer.Load.Args...), kind, "--server", addr)...)
	}}
	s.commands = func() ([]*exec.Cmd, error) { return natsCommands(peer, dir) }
	if key == "kafka" {
		s.commands = func() ([]*exec.Cmd, error) { return kafkaCommands(peer, dir) }
	}
	return s, nil
}

func natsCommands(peer against.Peer, dir string) ([]*exec.Cmd, error) {
	return []*exec.Cmd{exec.Command(peer.Server.Command, "-a", "127.0.0.1", "-p", "4222", "-js", "-sd", filepath.Join(dir, "data"))}, nil
}

const kafkaConf = `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:9093
listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093
advertised.listeners=PLAINTEXT://127.0.0.1:9092
controller.listener.names=CONTROLLER
log.dirs=%s
num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
`

// kafkaCommands formats the storage first, as Kafka asks for. The flags of the
// server are those of its own start script.
func kafkaCommands(peer against.Peer, dir string) ([]*exec.Cmd, error) {
	conf := filepath.Join(dir, "server.properties")
	if err := writeFiles(dir, map[string]string{"server.properties": fmt.Sprintf(kafkaConf, filepath.Join(dir, "data"))}); err != nil {
		return nil, err
	}
	java := func(flags []string, class string, args ...string) *exec.Cmd {
		cmd := exec.Command(peer.Server.Command, append(append(append(flags, peer.Server.Args...), class), args...)...)
		cmd.Dir = dir
		return cmd
	}
	format := java([]string{"-Xmx256m"}, "kafka.tools.StorageTool", "format", "-t", "Z29kZGFyZC1iZW5jaC0wMQ", "-c", conf, "--ignore-formatted")
	if out, err := format.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("format Kafka's storage: %w: %s", err, tail(string(out)))
	}
	flags := []string{"-Xms1g", "-Xmx1g", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent"}
	return []*exec.Cmd{java(flags, "kafka.Kafka", conf)}, nil
}
