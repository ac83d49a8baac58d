//go:build compat

package compat

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/test/against"
)

// Scenarios of what RocketMQ has not; they run against our server alone.
var (
	ownJavaScenarios = strings.Fields(`
		once at_most_once at_most_once_slow at_most_once_orderly at_most_once_orderly_slow at_most_once_lite
		at_most_once_failing at_most_once_everybody at_most_once_refused rate_push rate_orderly rate_lite`)
	ownJavaPopScenarios = strings.Fields(`pop_at_most_once pop_rate_push`)
	ownGRPCScenarios    = strings.Fields(`at_most_once`)
	ownGoScenarios      = strings.Fields(`once at_most_once at_most_once_slow at_most_once_orderly rate_push`)
)

// Published clients use what is ours alone without knowing of it.
func TestWhatIsOurs(t *testing.T) {
	if !strings.Contains(*servers, "goddard") {
		t.Skip("goddard is not among the servers")
	}
	cluster := against.Goddard(t, kit).Cluster(t)
	all := allClients(t, cluster.NameServer)
	if c := clientNamed(t, "grpc-java", "goddard", cluster); c != nil {
		all = append(all, c)
	}
	for _, c := range all {
		c.scenarios = wanted(ownJavaScenarios)
		if c.name == "grpc-java" {
			c.scenarios = wanted(ownGRPCScenarios)
			for _, s := range c.scenarios {
				prepare(t, cluster, c.prefix(), s)
			}
		}
		if c.name == "java-"+against.JavaClient5 {
			c.scenarios = wanted(slices.Concat(ownJavaScenarios, ownJavaPopScenarios))
		}
		if strings.HasPrefix(c.name, "go-") {
			c.scenarios = wanted(ownGoScenarios)
		}
		giveAttributes(t, cluster, c.prefix())
		c.run(t, c.scenarios...)
	}
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			for _, s := range c.scenarios {
				c.report(t, "goddard", s)
			}
		})
	}
}

// operate gives a test the calls of operators.
func operate(t *testing.T, cluster *against.Cluster, as rpc.Credentials) *admin.Cluster {
	t.Helper()
	c, err := admin.Dial(admin.Options{Namesrvs: []string{cluster.NameServer}, Credentials: as})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// giveAttributes makes the topics and groups of a client's scenarios that have
// attributes, which not every client's tools can set.
func giveAttributes(t *testing.T, cluster *against.Cluster, prefix string) {
	t.Helper()
	c := operate(t, cluster, rpc.Credentials{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	to := admin.Target{Addr: cluster.Broker}
	if _, err := c.PutTopic(ctx, to, mq.Topic{
		Name: prefix + "_once", ReadQueues: 2, WriteQueues: 2, Perm: 6, Attributes: map[string]string{"+dedup.window.seconds": "3600"},
	}); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"rate_push", "rate_orderly", "rate_lite", "pop_rate_push"} {
		g := admin.NewGroup("g_" + prefix + "_" + s)
		g.Attributes["+consume.rate.messages"] = "20"
		if _, err := c.PutGroup(ctx, to, g); err != nil {
			t.Fatal(err)
		}
	}
}
