package against

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Proxied starts RocketMQ's proxy in cluster mode, a process apart, and returns
// the cluster that it is in front of with the proxy's address for clients of the
// gRPC protocol. settings are further fields of its JSON, each with a comma behind
// it. It skips the test where the proxy cannot be had.
func Proxied(tb testing.TB, kit *Kit, c *Cluster, settings string) *Cluster {
	tb.Helper()
	j, ok := Java(tb, kit).(java)
	if !ok {
		tb.Fatal("Java makes something else")
	}
	dir := tb.TempDir()
	conf, grpc, cert := proxyConf(tb, dir, c.NameServer, settings)
	s := &Server{Addr: grpc, name: "RocketMQ's proxy", limit: 2 * time.Minute}
	s.command = func() *process {
		return j.main(dir, 384, "org.apache.rocketmq.proxy.ProxyStartup", "-pm", "cluster", "-n", c.NameServer, "-pc", conf)
	}
	s.ready = func() error { return listening(grpc) }
	started(tb, s)
	proxied := *c
	proxied.GRPC, proxied.Authority = grpc, cert.authority
	return &proxied
}

// proxyConf writes a proxy's settings and returns their file, the proxy's
// address for clients of the gRPC protocol, and its certificate.
func proxyConf(tb testing.TB, dir, nameServer, settings string) (conf, grpc string, cert certificate) {
	tb.Helper()
	port := freePorts(tb, 2)
	cert = newCertificate(tb, dir)
	conf = filepath.Join(dir, "rmq-proxy.json")
	text := fmt.Sprintf(javaProxyConf, ClusterName, nameServer, port, port+1, cert.chain, cert.key)
	mustWrite(tb, conf, "{"+settings+strings.TrimPrefix(text, "{"))
	return conf, fmt.Sprintf("127.0.0.1:%d", port), cert
}
