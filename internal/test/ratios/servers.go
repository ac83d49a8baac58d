//go:build linux

package main

import (
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/goddardmq/goddard/internal/test/against"
)

// Where servers of RocketMQ's protocols listen in this network namespace.
const (
	nameServer   = "127.0.0.1:9876"
	brokerAddr   = "127.0.0.1:10911"
	grpcEndpoint = "127.0.0.1:8081"
)

// names are servers as they are printed.
func names() map[string]string {
	return map[string]string{"java": "RocketMQ", "goddard": "Goddard", "floor": "the machine", "bare": "a server that stores nothing", "nats": "NATS JetStream", "kafka": "Kafka"}
}

// makeServer is a server of a group by its key, in a directory and a network of its own.
func makeServer(kit *against.Kit, dir, key string, g *group) (s *server, err error) {
	switch key {
	case "java":
		if kit.OriginalMissing != "" {
			return nil, fmt.Errorf("RocketMQ: %s", kit.OriginalMissing)
		}
		s = javaServer(kit, dir, g)
	case "goddard":
		s = goddardServer(kit, dir, g)
	case "bare":
		s = bareServer(kit, dir)
	case "floor":
		s = &server{name: "the machine", commands: func() ([]*exec.Cmd, error) { return nil, nil }, load: func(kind string) *exec.Cmd { return exec.Command(kit.Floor, kind) }}
	case "nats", "kafka":
		if s, err = peerServer(kit, dir, key); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%w: a server %q", errNoProgram, key)
	}
	s.key, s.dir = key, dir
	if s.network, err = against.NewNetwork(); err != nil {
		return nil, fmt.Errorf("a network namespace for it: %w", err)
	}
	return s, nil
}

func goddardBench(kit *against.Kit) func(string) *exec.Cmd {
	return func(kind string) *exec.Cmd {
		return exec.Command(kit.Goddard, "bench", kind, "--json", "-n", nameServer)
	}
}

func goddardServer(kit *against.Kit, dir string, g *group) *server {
	return &server{
		name: "Goddard", addr: nameServer,
		commands: func() ([]*exec.Cmd, error) {
			cmd := exec.Command(kit.Goddard, "-c", filepath.Join(dir, "broker.conf"), "--data", filepath.Join(dir, "data"))
			cmd.Dir = dir
			return []*exec.Cmd{cmd}, writeFiles(dir, map[string]string{"broker.conf": g.conf + g.ourConf})
		},
		load: goddardBench(kit),
	}
}

// bareServer answers sends and pulls, and stores nothing.
func bareServer(kit *against.Kit, dir string) *server {
	return &server{
		name: "a server that stores nothing", addr: nameServer,
		commands: func() ([]*exec.Cmd, error) {
			return []*exec.Cmd{exec.Command(kit.Floor, "serve", "-listen", nameServer, "-grpc", grpcEndpoint, "-dir", dir)}, nil
		},
		load: goddardBench(kit),
	}
}
