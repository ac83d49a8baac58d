//go:build compat

package compat

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/test/against"
)

// Dead letters of RocketMQ's brokers and of ours are sent again by our command
// line, each once.
func TestDeadLetters(t *testing.T) {
	if kit.GoddardMissing != "" {
		skip(t, kit.GoddardMissing)
	}
	const scenario = "dead_letters_redriven"
	makers(t, func(t *testing.T, m against.Maker) {
		cluster := m.Cluster(t)
		all := slices.DeleteFunc(allClients(t, cluster.NameServer), func(c *client) bool { return !strings.HasPrefix(c.name, "java") })
		for _, c := range all {
			c.run(t, scenario)
		}
		for _, c := range all {
			if c.asked(scenario, "redrive") {
				group := "g_j" + strings.ReplaceAll(strings.TrimPrefix(c.name, "java-"), ".", "") + "_" + scenario
				redrive(t, cluster.NameServer, group)
				c.answer(t, scenario, "redrive")
			}
			c.reportAs(t, m.Name(), scenario, c.name)
		}
	})
}

// redrive sends a group's dead letters again in several ways.
func redrive(t *testing.T, nameServer, group string) {
	t.Helper()
	run := func(want string, args ...string) {
		t.Helper()
		args = append([]string{"admin", "dlq"}, append(args, "-n", nameServer)...)
		out, err := exec.Command(kit.Goddard, args...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("goddard %s: %v; want %q in\n%s", strings.Join(args, " "), err, want, out)
		}
	}
	run(group, "list")
	run("waiting", "browse", group, "--sql", "number = '140'", "--text", "dead-0140")
	run("would send 150", "redrive", group, "--dry-run")
	run("sent 1 of", "redrive", group, "--text", "dead-0140")
	run("sent 20 of", "redrive", group, "--limit", "20", "--rate", "200")
	run("sent 129 of", "redrive", group)
	run("sent 0 of", "redrive", group)
}
