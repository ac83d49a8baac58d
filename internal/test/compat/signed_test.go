//go:build compat

package compat

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/test/against"
	"github.com/goddardmq/goddard/internal/wire"
)

// signedConf lets the tests prepare topics and groups, and clients of the
// remoting protocol find them, without a signature.
const signedConf = accessConf + `authenticationWhitelist=17,28,105,106,200
authorizationWhitelist=17,28,105,106,200
`

// A signer is whom a client says that it is.
type signer struct {
	name   string
	user   string // empty: one of the client's own, who may use its topic and group
	secret string // empty: the user's
	says   string // what the client's failure must say, a regular expression; empty: it passes
	code   string // likewise, the code that it was refused with
}

var whoSigns = []signer{
	{name: "allowed"},
	{name: "wrong secret", secret: "wrong12345", says: `check signature failed.*`, code: `(?i)CODE: +16|40100|unauth`},
	{name: "no policy", user: "stranger", says: `(?i)User:stranger has no permission.*`, code: `(?i)CODE: +16|40300|forbidden|PermissionDenied`},
}

// Published clients sign as servers check it, and are told what is wrong.
// RocketMQ's proxy has access control of its own, so that its clients run
// against ours alone.
func TestSignedClients(t *testing.T) {
	makersInTurn(t, func(t *testing.T, m against.Maker) {
		cluster := m.With(signedConf).Cluster(t)
		names := []string{"java-" + against.JavaClient5, "java-" + against.JavaClient4, "go-2.1.2"}
		if m.Name() == "goddard" {
			// The C++ client tells the name of a code and nothing of what the server said.
			names = append(names, without(against.GRPCClients(), "grpc-cpp")...)
		}
		root := operate(t, cluster, rpc.Credentials{AccessKey: "root", SecretKey: "root12345"})
		giveUser(t, root, cluster, "stranger")
		for _, name := range names {
			prefix := prefixes.Replace(name)
			prepare(t, cluster, prefix, plainest(name))
			giveUser(t, root, cluster, prefix, prefix+"_"+plainest(name))
		}
		for _, s := range whoSigns {
			t.Run(s.name, func(t *testing.T) { s.run(t, m.Name(), cluster, names) })
		}
	})
}

// plainest is the scenario that sends and receives and does nothing else.
func plainest(client string) string {
	if strings.HasPrefix(client, "grpc-") {
		return "send_receive_ack"
	}
	return "push"
}

// run has clients run their plainest scenario in the signer's name.
func (s signer) run(t *testing.T, server string, cluster *against.Cluster, names []string) {
	var all []*client
	users := map[*client]string{}
	for _, name := range names {
		user, secret := s.user, s.secret
		if user == "" {
			user = prefixes.Replace(name)
		}
		if secret == "" {
			secret = secretOf(user)
		}
		t.Setenv("ROCKETMQ_ACCESS_KEY", user)
		t.Setenv("ROCKETMQ_SECRET_KEY", secret)
		if c := clientNamed(t, name, server, cluster); c != nil {
			c.limit = 40 * time.Second
			c.run(t, plainest(name))
			all, users[c] = append(all, c), user
		}
	}
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			failure := c.failure(t, plainest(c.name))
			if s.says == "" {
				judge(t, server, c.name, plainest(c.name), failure)
				return
			}
			said := s.refused(t, failure)
			if server == "goddard" && !strings.Contains(said, users[c]) {
				failf(t, "fails with %q, which should name the user %s", failure, users[c])
			}
		})
	}
}

// refused judges a failure, and returns what of it says why.
func (s signer) refused(t *testing.T, failure string) string {
	t.Helper()
	said, code := regexp.MustCompile(s.says).FindString(failure), regexp.MustCompile(s.code).FindString(failure)
	switch {
	case said == "":
		failf(t, "fails with %q, which should say %s", failure, s.says)
	case code == "":
		failf(t, "fails with %q, which lacks the code %s", failure, s.code)
	}
	t.Log(code + ": " + said)
	return said
}

func secretOf(user string) string { return user + "12345" }

// giveUser creates a user who may send to topics and consume them with their
// groups, and nothing else.
func giveUser(t *testing.T, c *admin.Cluster, cluster *against.Cluster, name string, topics ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	to := admin.Target{Addr: cluster.Broker}
	if _, err := c.CreateUser(ctx, to, wire.UserInfo{Username: name, Password: secretOf(name), UserType: "Normal"}); err != nil {
		t.Fatal(err)
	}
	var entries []wire.PolicyEntryInfo
	for _, topic := range topics {
		entries = append(entries, wire.PolicyEntryInfo{Resource: "Topic:" + topic, Actions: []string{"Pub", "Sub"}, Decision: "Allow"},
			wire.PolicyEntryInfo{Resource: "Group:g_" + topic, Actions: []string{"Sub"}, Decision: "Allow"})
	}
	if entries == nil {
		return
	}
	acl := wire.ACLInfo{Subject: "User:" + name, Policies: []wire.PolicyInfo{{PolicyType: "Custom", Entries: entries}}}
	if _, err := c.CreateACL(ctx, to, acl); err != nil {
		t.Fatal(err)
	}
}
