//go:build compat

package compat

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/test/against"
)

// accessConf is access control as RocketMQ's documentation sets it up.
const accessConf = `
authenticationEnabled=true
authenticationProvider=org.apache.rocketmq.auth.authentication.provider.DefaultAuthenticationProvider
authenticationMetadataProvider=org.apache.rocketmq.auth.authentication.provider.LocalAuthenticationMetadataProvider
initAuthenticationUser={"username":"root","password":"root12345"}
innerClientAuthenticationCredentials={"accessKey":"inner","secretKey":"inner12345"}
authorizationEnabled=true
authorizationProvider=org.apache.rocketmq.auth.authorization.provider.DefaultAuthorizationProvider
authorizationMetadataProvider=org.apache.rocketmq.auth.authorization.provider.LocalAuthorizationMetadataProvider
`

// authConf lets the tests ask without a signature whether servers are ready.
const authConf = accessConf + `authenticationWhitelist=28,106
authorizationWhitelist=28,106
`

// An authStep is a command of mqadmin by somebody, and what its output must show.
type authStep struct {
	name, as, args string
	want           string // a regular expression
	not            string
}

// refusedStep and sentStep are how mqadmin's sendMessage ends.
const (
	refusedStep = `(?i)no permission|CODE: 16|check signature failed|is disabled|is not found`
	sentStep    = `SEND_OK`
)

func send(name, as, topic, want string) authStep {
	return authStep{name: name, as: as, args: "sendMessage -t " + topic + " -p hello -b broker-a -i 0", want: want}
}

// authSteps are the same for RocketMQ and for Goddard.
var authSteps = []authStep{
	{name: "nobody lists users", as: "nobody", args: "listUser -c DefaultCluster", want: `(?i)username cannot be null`},
	{name: "a wrong secret lists users", as: "wrong", args: "listUser -c DefaultCluster", want: `check signature failed`},
	{name: "root creates alice", as: "root", args: "createUser -c DefaultCluster -u alice -p alice12345 -t Normal", want: `create user to \S+ success`},
	{name: "root creates alice again", as: "root", args: "createUser -c DefaultCluster -u alice -p alice12345 -t Normal", want: `The user is existed`},
	{name: "root lists users", as: "root", args: "listUser -c DefaultCluster", want: `(?s)alice +\S* +Normal +enable.*root +\S* +Super +enable`},
	{name: "alice creates a user", as: "alice", args: "createUser -c DefaultCluster -u eve -p eve12345 -t Super", want: `(?i)no permission`},
	{name: "root creates a topic", as: "root", args: "updateTopic -b {broker} -t aa -r 1 -w 1", want: `success`},
	{name: "root creates a topic", as: "root", args: "updateTopic -b {broker} -t ab -r 1 -w 1", want: `success`},
	{name: "root creates a topic", as: "root", args: "updateTopic -b {broker} -t abcd -r 1 -w 1", want: `success`},
	{name: "root creates a topic", as: "root", args: "updateTopic -b {broker} -t src -r 1 -w 1", want: `success`},
	send("alice sends without a policy", "alice", "aa", refusedStep),
	{name: "all names are denied", as: "root", args: "createAcl -c DefaultCluster -s User:alice -r Topic:* -a PUB -d DENY", want: `create acl to \S+ success`},
	{name: "a prefix is allowed", as: "root", args: "createAcl -c DefaultCluster -s User:alice -r Topic:a* -a PUB -d ALLOW", want: `success`},
	{name: "a name is denied", as: "root", args: "createAcl -c DefaultCluster -s User:alice -r Topic:ab -a PUB -d DENY", want: `success`},
	{name: "a source is allowed", as: "root", args: "updateAcl -c DefaultCluster -s User:alice -r Topic:src -a PUB -d ALLOW -i 10.9.9.9,10.8.0.0/16", want: `update acl to \S+ success`},
	send("alice sends to what the prefix allows", "alice", "aa", sentStep),
	send("alice sends to the name that is denied", "alice", "ab", refusedStep),
	send("alice sends to a longer name", "alice", "abcd", sentStep),
	send("alice sends from elsewhere", "alice", "src", refusedStep),
	{name: "the source is this machine", as: "root", args: "updateAcl -c DefaultCluster -s User:alice -r Topic:src -a PUB,SUB -d ALLOW -i 10.9.9.9,127.0.0.0/8", want: `success`},
	send("alice sends from here", "alice", "src", sentStep),
	{name: "a longer prefix is denied", as: "root", args: "createAcl -c DefaultCluster -s User:alice -r Topic:abc* -a All -d DENY", want: `success`},
	send("alice sends to what the longer prefix denies", "alice", "abcd", refusedStep),
	{name: "the policies", as: "root", args: "getAcl -c DefaultCluster -s User:alice",
		want: `(?s)User:alice +Custom +Topic:\* +\[Pub\] +\S+ +Deny.*Topic:a\* +\[Pub\] +\S+ +Allow.*Topic:ab +\[Pub\].*Topic:src +\[Pub, Sub\] +\[10.9.9.9, 127.0.0.0/8\] +Allow.*Topic:abc\* +\[All\] +\S+ +Deny`},
	{name: "policies of a resource", as: "root", args: "listAcl -c DefaultCluster -s alice -r src", want: `Topic:src`, not: `Topic:ab`},
	{name: "an action that is none", as: "root", args: "createAcl -c DefaultCluster -s User:alice -r Topic:x -a ANY -d ALLOW", want: `(?i)any`},
	{name: "a policy of nobody", as: "root", args: "createAcl -c DefaultCluster -s User:nobody -r Topic:x -a PUB -d ALLOW", want: `not exist`},
	{name: "an entry goes", as: "root", args: "deleteAcl -c DefaultCluster -s User:alice -r Topic:ab", want: `delete acl to \S+ success`},
	send("alice sends to what only the prefix names now", "alice", "ab", sentStep),
	{name: "alice is disabled", as: "root", args: "updateUser -c DefaultCluster -u alice -s disable", want: `update user to \S+ success`},
	send("alice sends while disabled", "alice", "aa", refusedStep+`|The broker\[broker-a\] not exist`), // our name server tells her nothing either
	{name: "all of alice's policies go", as: "root", args: "deleteAcl -c DefaultCluster -s User:alice", want: `success`},
	{name: "alice goes", as: "root", args: "deleteUser -c DefaultCluster -u alice", want: `delete user to \S+ success`},
	{name: "alice is gone", as: "root", args: "listUser -c DefaultCluster", want: `root`, not: `alice`},
}

// The published mqadmin manages users and policies, and what policies decide
// about its messages is the same with both servers.
func TestAccessControl(t *testing.T) {
	makers(t, func(t *testing.T, m against.Maker) {
		cluster := m.With(authConf).Cluster(t)
		c := javaClient(t, against.JavaClient5, cluster.NameServer)
		if c == nil {
			return
		}
		for _, step := range authSteps {
			out, wrong := step.try(t, c, cluster)
			if wrong != "" {
				t.Errorf("%s: %s: %s\n%s", step.name, step.args, wrong, out)
			}
		}
	})
}

// signers are who signs the commands of steps, by user and secret.
var signers = map[string]string{"root": "as root root12345", "alice": "as alice alice12345", "wrong": "as root wrong12345", "nobody": "admin"}

// try runs the step until its output is right or it is too late: RocketMQ
// remembers decisions for a while, and mqadmin gives up after three seconds.
func (s authStep) try(t *testing.T, c *client, cluster *against.Cluster) (out, wrong string) {
	t.Helper()
	limit := time.Now().Add(time.Minute)
	for {
		out = c.ask(t, signers[s.as]+" "+strings.ReplaceAll(s.args, "{broker}", cluster.Broker)+" -n "+cluster.NameServer)
		switch {
		case !regexp.MustCompile(s.want).MatchString(out):
			wrong = "the output lacks " + s.want
		case s.not != "" && regexp.MustCompile(s.not).MatchString(out):
			wrong = "the output has " + s.not
		default:
			return out, ""
		}
		if time.Now().After(limit) {
			return out, wrong
		}
		time.Sleep(500 * time.Millisecond)
	}
}
