//go:build compat

package compat

import (
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/test/against"
)

// A published producer that sends more than it may is told by which limit it is
// refused, and goes on once it is slower.
func TestLimitedProducers(t *testing.T) {
	if !strings.Contains(*servers, "goddard") {
		t.Skip("goddard is not among the servers")
	}
	const scenario = "send_limited"
	cluster := against.Goddard(t, kit).Cluster(t)
	limit := mq.LimitRule{Scope: mq.LimitAddress, Name: "*", SendMessages: 20}
	if err := operate(t, cluster, rpc.Credentials{}).PutLimit(t.Context(), admin.Target{Addr: cluster.Broker}, limit); err != nil {
		t.Fatal(err)
	}
	var all []*client
	for _, name := range []string{"java-" + against.JavaClient5, "java-" + against.JavaClient4, "grpc-go"} {
		if c := clientNamed(t, name, "goddard", cluster); c != nil {
			all = append(all, c)
		}
	}
	for _, c := range all { // one by one, since the limit is on this machine
		if c.name == "grpc-go" {
			prepare(t, cluster, c.prefix(), scenario)
		}
		c.run(t, scenario)
		c.reportAs(t, "goddard", scenario, c.name)
	}
}
