package against

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// javaFlags opens what RocketMQ reaches into on a JDK 17.
var javaFlags = []string{
	"--add-opens=java.base/java.nio=ALL-UNNAMED",
	"--add-exports=java.base/sun.nio.ch=ALL-UNNAMED",
	"--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
	"--add-opens=java.base/jdk.internal.ref=ALL-UNNAMED",
}

// The original's settings for a test on a small and busy machine: ports that
// listen on loopback, short back-off, and no refusals merely because the
// machine was slow for a moment.
const javaBrokerConf = `
brokerClusterName=%[1]s
brokerName=%[2]s
brokerId=0
namesrvAddr=%[3]s
brokerIP1=127.0.0.1
brokerIP2=127.0.0.1
bindAddress=127.0.0.1
listenPort=%[4]d
haListenPort=%[5]d
storePathRootDir=%[6]s
storePathCommitLog=%[6]s/commitlog
mappedFileSizeCommitLog=134217728
autoCreateTopicEnable=true
enablePropertyFilter=true
messageDelayLevel=%[7]s
recallMessageEnable=true
enableLmq=true
enableMultiDispatch=true
diskMaxUsedSpaceRatio=95
waitTimeMillsInSendQueue=5000
waitTimeMillsInHeartbeatQueue=5000
osPageCacheBusyTimeOutMills=5000
transactionOpBatchInterval=200
` + transactionConf

// The proxy's settings, which tell clients an address on loopback and make
// producers known before their transactions are given up (see transactionConf).
// Whether it runs in one process with the broker is said when it is started.
const javaProxyConf = `{
  "rocketMQClusterName": "%[1]s",
  "namesrvAddr": "%[2]s",
  "localServeAddr": "127.0.0.1",
  "grpcServerPort": %[3]d,
  "remotingListenPort": %[4]d,
  "tlsTestModeEnable": false,
  "tlsCertPath": "%[5]s",
  "tlsKeyPath": "%[6]s",
  "transactionHeartbeatPeriodSecond": 1,
  "enablePrintJstack": false
}
`

// transactionConf makes checks of transactions quick, with both servers.
const transactionConf = "transactionCheckInterval=3000\ntransactionTimeOut=1000\ntransactionCheckMax=3\n"

type java struct {
	kit  *Kit
	more string // lines of broker.conf
}

// Java is RocketMQ, as published. It skips the test where that cannot be had.
func Java(tb testing.TB, kit *Kit) Maker {
	tb.Helper()
	if kit.OriginalMissing != "" {
		tb.Skip("RocketMQ " + OriginalVersion + ": " + kit.OriginalMissing)
	}
	return java{kit: kit}
}

// Name implements Maker.
func (java) Name() string { return "rocketmq-" + OriginalVersion }

// With implements Maker.
func (j java) With(conf string) Maker { return java{j.kit, j.more + conf} }

// Cluster implements Maker.
func (j java) Cluster(tb testing.TB) *Cluster {
	tb.Helper()
	ns := j.NameServer(tb)
	b := j.Broker(tb, ns.Addr, BrokerName)
	return &Cluster{NameServer: ns.Addr, Broker: b.Addr, servers: []*Server{ns, b}}
}

// NameServer implements Maker.
func (j java) NameServer(tb testing.TB) *Server {
	tb.Helper()
	dir := tb.TempDir()
	port := freePorts(tb, 1)
	conf := filepath.Join(dir, "namesrv.conf")
	mustWrite(tb, conf, fmt.Sprintf("listenPort=%d\nbindAddress=127.0.0.1\n", port))
	s := &Server{
		Addr:  fmt.Sprintf("127.0.0.1:%d", port),
		name:  j.Name() + " name server",
		limit: time.Minute,
	}
	s.command = func() *process {
		return j.main(dir, 192, "org.apache.rocketmq.namesrv.NamesrvStartup", "-c", conf)
	}
	s.ready = func() error { return serving(s.Addr) }
	return started(tb, s)
}

// Broker implements Maker.
func (j java) Broker(tb testing.TB, nameServer, brokerName string) *Server {
	tb.Helper()
	dir := tb.TempDir()
	port, conf := j.brokerConf(tb, dir, nameServer, brokerName)
	s := &Server{
		Addr:  fmt.Sprintf("127.0.0.1:%d", port),
		name:  j.Name() + " broker",
		limit: 2 * time.Minute,
	}
	s.command = func() *process {
		return j.main(dir, 512, "org.apache.rocketmq.broker.BrokerStartup", "-c", conf)
	}
	s.ready = func() error { return registered(nameServer, brokerName, s.Addr) }
	return started(tb, s)
}

// brokerConf writes a broker's settings and returns its port and their file.
func (j java) brokerConf(tb testing.TB, dir, nameServer, brokerName string) (port int, conf string) {
	tb.Helper()
	port = freePorts(tb, 4) + 2 // the fast port is two below, the port for followers one above
	conf = filepath.Join(dir, "broker.conf")
	mustWrite(tb, conf, fmt.Sprintf(javaBrokerConf, ClusterName, brokerName, nameServer, port, port+1,
		filepath.Join(dir, "store"), delayLevels)+j.more)
	return port, conf
}

// Endpoints implements Maker, with the proxy in local mode.
func (j java) Endpoints(tb testing.TB) *Cluster {
	tb.Helper()
	return j.endpoints(tb, "", "")
}

// Observed implements Maker.
func (j java) Observed(tb testing.TB) *Cluster {
	tb.Helper()
	port := freePorts(tb, 1)
	c := j.endpoints(tb, fmt.Sprintf("metricsExporterType=PROM\nmetricsPromExporterHost=127.0.0.1\nmetricsPromExporterPort=%d\n", port),
		`"metricsExporterType": "PROM",`)
	c.Metrics = fmt.Sprintf("http://127.0.0.1:%d/metrics", port)
	return c
}

// endpoints starts broker and proxy in one process, with further settings.
func (j java) endpoints(tb testing.TB, brokerSettings, proxySettings string) *Cluster {
	tb.Helper()
	ns := j.NameServer(tb)
	dir := tb.TempDir()
	port, conf := j.brokerConf(tb, dir, ns.Addr, BrokerName)
	text, err := os.ReadFile(conf)
	if err != nil {
		tb.Fatal(err)
	}
	mustWrite(tb, conf, string(text)+brokerSettings)
	proxy, at := proxyConf(tb, dir, ns.Addr, proxySettings)
	s := &Server{
		Addr:  fmt.Sprintf("127.0.0.1:%d", port),
		name:  j.Name() + " broker and proxy",
		limit: 2 * time.Minute,
	}
	s.command = func() *process {
		return j.main(dir, 1024, "org.apache.rocketmq.proxy.ProxyStartup", "-pm", "local", "-n", ns.Addr, "-bc", conf, "-pc", proxy)
	}
	s.ready = func() error {
		if err := registered(ns.Addr, BrokerName, s.Addr); err != nil {
			return err
		}
		return listening(at.GRPC)
	}
	started(tb, s)
	return &Cluster{NameServer: ns.Addr, Broker: s.Addr, GRPC: at.GRPC, Authority: at.Authority, servers: []*Server{ns, s}}
}

// main is a JVM that keeps to its directory and to a heap in MiB.
func (j java) main(dir string, heap int, class string, args ...string) *process {
	argv := append([]string{
		fmt.Sprintf("-Xms%dm", heap), fmt.Sprintf("-Xmx%dm", heap), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Duser.home=" + dir, "-Drocketmq.broker.diskSpaceWarningLevelRatio=0.98", "-Drocketmq.broker.diskSpaceCleanForciblyRatio=0.97",
	}, javaFlags...)
	argv = append(argv, "-cp", j.kit.Original, class)
	cmd := exec.Command(j.kit.Java, append(argv, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "ROCKETMQ_HOME="+dir)
	return &process{cmd: cmd}
}

// started starts a server and has it killed when the test ends.
func started(tb testing.TB, s *Server) *Server {
	tb.Helper()
	s.Start(tb)
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Log(s.Log())
		}
		s.Kill()
	})
	return s
}

func freePorts(tb testing.TB, n int) int {
	tb.Helper()
	port, err := FreePorts(n)
	if err != nil {
		tb.Fatal(err)
	}
	return port
}

func mustWrite(tb testing.TB, path, text string) {
	tb.Helper()
	if err := writeFile(path, text); err != nil {
		tb.Fatal(err)
	}
}
