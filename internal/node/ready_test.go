package node

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A broker that no name server knows is alive and gets no work.
func TestABrokerIsReadyOnceANameServerKnowsIt(t *testing.T) {
	start := func(c Config) *Node {
		c.FS, c.Data, c.Listen = vfs.NewMem(), "memory", "127.0.0.1"
		c.GRPCPort, c.HTTPPort, c.FastPort = -1, -1, -1
		n, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := n.ready(t.Context()); err == nil || !strings.Contains(err.Error(), "starting") {
			t.Errorf("before the start: %v", err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- n.Run(ctx) }()
		t.Cleanup(func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		return n
	}
	until := func(n *Node, want string) {
		t.Helper()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
			err := n.ready(t.Context())
			if err == nil && want == "" || err != nil && want != "" && strings.Contains(err.Error(), want) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("ready says %v, want %q", err, want)
			}
		}
	}
	names := start(Config{Role: RoleNamesrv, NamesrvPort: -1})
	until(names, "")
	until(start(Config{Role: RoleBroker, ListenPort: -1, Namesrvs: []string{names.NamesrvAddr().String()}}), "")
	until(start(Config{Role: RoleBroker, ListenPort: -1, Namesrvs: []string{"127.0.0.1:1"}}), "none of its name servers")
}
