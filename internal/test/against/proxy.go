package against

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Proxied starts RocketMQ's proxy in cluster mode, a process apart, and returns
// the cluster that it is in front of, of which clients of both protocols see
// nothing but the proxy. settings are further fields of its JSON, each with a
// comma behind it. It skips the test where the proxy cannot be had.
func Proxied(tb testing.TB, kit *Kit, c *Cluster, settings string) *Cluster {
	tb.Helper()
	j, ok := Java(tb, kit).(java)
	if !ok {
		tb.Fatal("Java makes something else")
	}
	dir := tb.TempDir()
	conf, at := proxyConf(tb, dir, c.NameServer, settings)
	s := &Server{Addr: at.GRPC, name: "RocketMQ's proxy", limit: 2 * time.Minute}
	s.command = func() *process {
		return j.main(dir, 384, "org.apache.rocketmq.proxy.ProxyStartup", "-pm", "cluster", "-n", c.NameServer, "-pc", conf)
	}
	// The last to listen is the port of the remoting protocol.
	s.ready = func() error { return listening(at.NameServer) }
	started(tb, s)
	at.Broker, at.servers = c.Broker, c.servers
	return &at
}

// proxyConf writes a proxy's settings and returns their file, and where the proxy
// will be for clients of either protocol.
func proxyConf(tb testing.TB, dir, nameServer, settings string) (conf string, at Cluster) {
	tb.Helper()
	port, cert := freePorts(tb, 2), newCertificate(tb, dir)
	conf = filepath.Join(dir, "rmq-proxy.json")
	text := fmt.Sprintf(javaProxyConf, ClusterName, nameServer, port, port+1, cert.chain, cert.key)
	mustWrite(tb, conf, "{"+settings+strings.TrimPrefix(text, "{"))
	at.GRPC, at.NameServer, at.Authority = fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("127.0.0.1:%d", port+1), cert.authority
	return conf, at
}
