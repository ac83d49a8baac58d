//go:build crash

package crash

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/test/against"
)

const (
	idlers    = 10_000
	dribblers = 100
	// patience is how long a send may take beside the crowd: far more than it
	// does, far less than a server that serves the crowd in turn would need.
	patience = time.Second
)

// 10,000 connections that say nothing and 100 that send a byte a second leave
// others served, and cost the server little memory.
func TestTheIdleAndTheSlowLeaveOthersServed(t *testing.T) {
	allow(t, idlers+dribblers+200)
	cluster := against.Goddard(t, kit).Cluster(t)
	client, err := remote.Dial(remote.Options{NameServers: []string{cluster.NameServer}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	queues, err := client.WriteQueues(t.Context(), "crowded")
	if err != nil {
		t.Fatal(err)
	}
	before := resident(t, cluster)

	conns := make([]net.Conn, idlers)
	for i := range conns {
		if conns[i], err = net.Dial("tcp", cluster.Broker); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer conns[i].Close()
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	for range dribblers {
		conn, err := net.Dial("tcp", cluster.Broker)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() { dribble(ctx, conn) })
	}

	slowest := time.Duration(0)
	for i := range 1000 {
		m := &mq.Message{Topic: "crowded", BornTime: time.Now().UnixMilli(), Body: make([]byte, 100)}
		start := time.Now()
		if _, err := client.Send(ctx, queues[i%len(queues)], "crowd", m); err != nil {
			t.Fatalf("send %d beside the crowd: %v", i, err)
		}
		slowest = max(slowest, time.Since(start))
	}
	if slowest > patience {
		t.Errorf("a send took %v beside the crowd, want at most %v", slowest, patience)
	}
	after := resident(t, cluster)
	const each = 24 << 10
	if grown := after - before; grown > (idlers+dribblers)*each {
		t.Errorf("the crowd of %d costs %d MiB, want at most %d KiB a connection", idlers+dribblers, grown>>20, each>>10)
	}
	fmt.Fprintf(os.Stderr, "crowd: %d idle and %d slow connections: slowest of 1000 sends %v, %d MiB resident before, %d with them\n",
		idlers, dribblers, slowest.Round(time.Microsecond), before>>20, after>>20)
}

// dribble sends a frame that never ends, a byte a second.
func dribble(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	frame := append([]byte{0, 0, 4, 0, 0, 0, 1, 0}, make([]byte, 1024)...)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for i := 0; ; i++ {
		if _, err := conn.Write(frame[i : i+1]); err != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// allow raises the limit of open files, or skips where that is not allowed.
func allow(t *testing.T, files uint64) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur >= files {
		return
	}
	limit.Cur = files
	if limit.Max < files || syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		t.Skipf("this user may open %d files, %d are needed (ulimit -n)", limit.Max, files)
	}
}

// resident is the server's resident memory in bytes.
func resident(t *testing.T, cluster *against.Cluster) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cluster.Pid()))
	if err != nil {
		t.Skip("no /proc to read memory from")
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("no VmRSS in /proc/PID/status")
	return 0
}
