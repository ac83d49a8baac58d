//go:build compat

package compat

import (
	"context"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/test/against"
	"github.com/goddardmq/goddard/internal/wire"
)

// Users and policies of a RocketMQ broker are taken over while it runs: with
// their passwords, types, states and entries.
func TestUsersAreTakenOverFromRocketMQ(t *testing.T) {
	if kit.OriginalMissing != "" {
		skip(t, kit.OriginalMissing)
	}
	as := rpc.Credentials{AccessKey: "root", SecretKey: secretOf("root")}
	theirs, ours := against.Java(t, kit).With(authConf).Cluster(t), against.Goddard(t, kit).With(authConf).Cluster(t)
	java, goddard := operate(t, theirs, as), operate(t, ours, as)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	giveUser(t, java, theirs, "alice", "orders")
	giveUser(t, java, theirs, "dora")
	if _, err := java.UpdateUser(ctx, admin.Target{Addr: theirs.Broker}, wire.UserInfo{Username: "dora", UserStatus: "disable"}); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"user", "acl"} {
		cmd := exec.Command(kit.Goddard, "admin", what, "copy", "--from", theirs.Broker, "--to", ours.Broker, "-n", ours.NameServer)
		cmd.Env = append(cmd.Environ(), "ROCKETMQ_ACCESS_KEY=root", "ROCKETMQ_SECRET_KEY="+secretOf("root"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s copy: %v\n%s", what, err, out)
		}
	}
	if was, is := usersOf(ctx, t, java, theirs), usersOf(ctx, t, goddard, ours); !reflect.DeepEqual(was, is) {
		t.Errorf("users are %v, were %v", is, was)
	}
	if was, is := aclsOf(ctx, t, java, theirs), aclsOf(ctx, t, goddard, ours); !reflect.DeepEqual(was, is) {
		t.Errorf("policies are %v, were %v", is, was)
	}
	// The password came along: what alice asks is refused for want of a policy, and
	// not for a wrong signature.
	alice := operate(t, ours, rpc.Credentials{AccessKey: "alice", SecretKey: secretOf("alice")})
	if _, err := alice.BrokerConfig(ctx, ours.Broker); err == nil || !strings.Contains(err.Error(), "User:alice has no permission") {
		t.Errorf("alice is told: %v", err)
	}
}

// usersOf are a broker's users, without those who are there anyway.
func usersOf(ctx context.Context, t *testing.T, c *admin.Cluster, on *against.Cluster) map[string]wire.UserInfo {
	t.Helper()
	found, err := c.Users(ctx, admin.Target{Addr: on.Broker}, "")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]wire.UserInfo{}
	for _, u := range found {
		if u.Username != "root" && u.Username != "inner" {
			all[u.Username] = u.UserInfo
		}
	}
	return all
}

func aclsOf(ctx context.Context, t *testing.T, c *admin.Cluster, on *against.Cluster) map[string]wire.ACLInfo {
	t.Helper()
	found, err := c.ACLs(ctx, admin.Target{Addr: on.Broker}, "", "")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]wire.ACLInfo{}
	for _, a := range found {
		for i := range a.Policies { // of entries for any address: no list, or an empty one
			for j := range a.Policies[i].Entries {
				if e := &a.Policies[i].Entries[j]; len(e.SourceIPs) == 0 {
					e.SourceIPs = nil
				}
			}
		}
		all[a.Subject] = a.ACLInfo
	}
	return all
}
