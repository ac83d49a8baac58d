//go:build compat

package compat

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/test/against"
)

// proxyAccess has RocketMQ's proxy check its clients by users and policies that it
// asks brokers for, as the inner user of accessConf.
const proxyAccess = `
  "authenticationEnabled": true,
  "authenticationProvider": "org.apache.rocketmq.auth.authentication.provider.DefaultAuthenticationProvider",
  "authenticationMetadataProvider": "org.apache.rocketmq.proxy.auth.ProxyAuthenticationMetadataProvider",
  "authorizationEnabled": true,
  "authorizationProvider": "org.apache.rocketmq.auth.authorization.provider.DefaultAuthorizationProvider",
  "authorizationMetadataProvider": "org.apache.rocketmq.proxy.auth.ProxyAuthorizationMetadataProvider",
  "enableAclRpcHookForClusterMode": true,
  "innerClientAuthenticationCredentials": "{\"accessKey\":\"inner\",\"secretKey\":\"inner12345\"}",
`

const proxyClient = "grpc-java"

// throughProxy is what the Java client does through a proxy that asks nobody who
// they are, signedThroughProxy what it does as a user. Across both protocols the
// proxy is the remoting client's name server and broker too; that comes last,
// since those clients do not wait long for a proxy that has just started.
//
// Not among them are fifo_one_group_fails, since the proxy pops by queue and a
// queue waits as a whole, and what fails through the proxy in front of either
// server: transactions of remoting clients are not ended before they are asked for,
// and what remoting clients fail on is no dead letter in time.
var (
	throughProxy       = strings.Fields(`send_receive_ack plaintext push fifo fifo_dead_letter delay transaction transaction_check lite lite_exclusive`)
	acrossProxy        = strings.Fields(`to_grpc_push to_remoting_push cross_offsets`)
	signedThroughProxy = strings.Fields(`send_receive_ack push fifo delay transaction transaction_check lite`)
)

// RocketMQ's proxy serves its clients in front of Goddard as in front of RocketMQ.
func TestProxy(t *testing.T) {
	makers(t, func(t *testing.T, m against.Maker) {
		cluster := m.Cluster(t)
		first, last := wanted(throughProxy), wanted(acrossProxy)
		prepareAll(t, cluster, slices.Concat(first, last))
		proxied := against.Proxied(t, kit, cluster, "")
		c := grpcClient(t, proxyClient, m.Name(), proxied)
		if c == nil {
			return
		}
		var looking sync.WaitGroup
		defer looking.Wait()
		for _, scenarios := range [][]string{first, last} {
			c.run(t, scenarios...)
			for _, s := range scenarios {
				if preparations[s].dead > 0 {
					looking.Go(func() { look(c, s, proxied) })
				}
			}
			for _, s := range scenarios {
				c.report(t, m.Name(), s)
			}
		}
	})
}

// With access control RocketMQ's proxy finds out who its clients are, and what they
// may do, from the broker's users and policies. What is not allowed it refuses
// itself, always with one code.
func TestProxyWithAccessControl(t *testing.T) {
	makers(t, func(t *testing.T, m against.Maker) {
		cluster := m.With(signedConf).Cluster(t)
		user, scenarios := prefixes.Replace(proxyClient), wanted(signedThroughProxy)
		root := operate(t, cluster, rpc.Credentials{AccessKey: "root", SecretKey: secretOf("root")})
		giveUser(t, root, cluster, user, prepareAll(t, cluster, scenarios)...)
		giveUser(t, root, cluster, "stranger")
		proxied := against.Proxied(t, kit, cluster, proxyAccess)
		for _, s := range whoSigns {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				s.user = cmp.Or(s.user, user)
				c := grpcClient(t, proxyClient, m.Name(), proxied, "ROCKETMQ_ACCESS_KEY="+s.user, "ROCKETMQ_SECRET_KEY="+cmp.Or(s.secret, secretOf(s.user)))
				switch {
				case c == nil:
				case s.says == "":
					c.run(t, scenarios...)
					for _, scenario := range scenarios {
						c.report(t, m.Name(), scenario)
					}
				default:
					c.run(t, scenarios[0])
					s.code = "40100"
					s.refused(t, c.failure(t, scenarios[0]))
				}
			})
		}
	})
}

// prepareAll creates the topics and groups of scenarios and returns the topics.
func prepareAll(t *testing.T, cluster *against.Cluster, scenarios []string) (topics []string) {
	t.Helper()
	prefix := prefixes.Replace(proxyClient)
	for _, s := range scenarios {
		prepare(t, cluster, prefix, s)
		topics = append(topics, prefix+"_"+s)
	}
	return topics
}
