package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/goddardmq/goddard/internal/test/against"
)

// A server is what is measured: the commands that start it and where its name
// server listens.
type server struct {
	name       string
	nameServer string
	dir        string
	// commands are started together; the last one is the broker.
	commands func() []*exec.Cmd
	running  []*exec.Cmd
}

// The settings and flags are the original's own, but for a heap of 2 GiB, as
// the machine is small, and addresses that keep it on loopback.
const javaConf = `brokerClusterName=DefaultCluster
brokerName=broker-a
brokerId=0
namesrvAddr=127.0.0.1:9876
brokerIP1=127.0.0.1
brokerIP2=127.0.0.1
bindAddress=127.0.0.1
listenPort=10911
storePathRootDir=%[1]s/store
storePathCommitLog=%[1]s/store/commitlog
autoCreateTopicEnable=true
flushDiskType=ASYNC_FLUSH
diskMaxUsedSpaceRatio=95
`

func javaServer(kit *against.Kit, base string) *server {
	return javaServers(kit, base, "org.apache.rocketmq.broker.BrokerStartup", "-c", "broker.conf")
}

// javaProxy is RocketMQ with its proxy in local mode: broker and proxy in one
// process, which is how it is smallest and fastest.
func javaProxy(kit *against.Kit, base string) *server {
	s := javaServers(kit, base, "org.apache.rocketmq.proxy.ProxyStartup", "-pm", "local", "-n", "127.0.0.1:9876", "-bc", "broker.conf", "-pc", "rmq-proxy.json")
	s.name += " with its proxy"
	return s
}

const javaProxyConf = `{"rocketMQClusterName": "DefaultCluster", "proxyMode": "local", "namesrvAddr": "127.0.0.1:9876", "localServeAddr": "127.0.0.1"}
`

// javaServers are a name server and what else is named, in one directory.
func javaServers(kit *against.Kit, base, class string, args ...string) *server {
	dir := filepath.Join(base, "java")
	opens := []string{
		"--add-opens=java.base/java.nio=ALL-UNNAMED", "--add-exports=java.base/sun.nio.ch=ALL-UNNAMED",
		"--add-opens=java.base/sun.nio.ch=ALL-UNNAMED", "--add-opens=java.base/jdk.internal.ref=ALL-UNNAMED",
		"-Duser.home=" + dir, "-Drocketmq.broker.diskSpaceWarningLevelRatio=0.98",
	}
	jvm := func(heap string, more []string, class string, args ...string) *exec.Cmd {
		argv := append([]string{"-server", "-Xms" + heap, "-Xmx" + heap}, more...)
		argv = append(append(append(argv, opens...), "-cp", kit.Original, class), args...)
		cmd := exec.Command(kit.Java, argv...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "ROCKETMQ_HOME="+dir)
		return cmd
	}
	g1 := []string{"-XX:+UseG1GC", "-XX:G1HeapRegionSize=16m", "-XX:G1ReservePercent=25",
		"-XX:InitiatingHeapOccupancyPercent=30", "-XX:SoftRefLRUPolicyMSPerMB=0", "-XX:+AlwaysPreTouch", "-XX:MaxDirectMemorySize=4g"}
	return &server{
		name: "RocketMQ " + against.OriginalVersion, nameServer: "127.0.0.1:9876", dir: dir,
		commands: func() []*exec.Cmd {
			must(os.WriteFile(filepath.Join(dir, "broker.conf"), fmt.Appendf(nil, javaConf, dir), 0o644))
			must(os.WriteFile(filepath.Join(dir, "rmq-proxy.json"), []byte(javaProxyConf), 0o644))
			ns := filepath.Join(dir, "namesrv.conf")
			must(os.WriteFile(ns, []byte("listenPort=9876\nbindAddress=127.0.0.1\n"), 0o644))
			return []*exec.Cmd{
				jvm("512m", []string{"-XX:+UseG1GC"}, "org.apache.rocketmq.namesrv.NamesrvStartup", "-c", ns),
				jvm("2g", g1, class, args...),
			}
		},
	}
}

func goddardServer(kit *against.Kit, base string) *server {
	dir := filepath.Join(base, "goddard")
	return &server{
		name: "Goddard", nameServer: "127.0.0.1:9876", dir: dir,
		commands: func() []*exec.Cmd {
			cmd := exec.Command(kit.Goddard, "--data", filepath.Join(dir, "data"))
			cmd.Dir = dir
			return []*exec.Cmd{cmd}
		},
	}
}

func must(err error) {
	if err != nil {
		panic("ratios: " + err.Error())
	}
}

// prepare makes an empty directory, and writes out what is left of servers
// before, so that neither is charged to the start.
func (s *server) prepare() error {
	if err := os.RemoveAll(s.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	syscall.Sync()
	return nil
}

// start runs the commands.
func (s *server) start() error {
	for i, cmd := range s.commands() {
		log, err := os.Create(filepath.Join(s.dir, fmt.Sprintf("out-%d.log", i)))
		if err != nil {
			return err
		}
		cmd.Stdout, cmd.Stderr = log, log
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		err = cmd.Start()
		log.Close()
		if err != nil {
			return err
		}
		s.running = append(s.running, cmd)
		// A Java broker that finds no name server waits for its next
		// registration, 30 s later; so it waits for this one to listen.
		if i == 0 && len(s.running) < 2 {
			waitPort(s.nameServer)
		}
	}
	return nil
}

func waitPort(addr string) {
	for range 3000 {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// stop ends the commands, the broker first.
func (s *server) stop() {
	for i := len(s.running) - 1; i >= 0; i-- {
		s.running[i].Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(30*time.Second, func() { s.running[i].Process.Kill() })
		s.running[i].Wait()
		kill.Stop()
	}
	s.running = nil
}

// resident is the resident memory of all its processes, in MiB.
func (s *server) resident() float64 {
	var sum float64
	for _, cmd := range s.running {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
				kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
				sum += kb / 1024
			}
		}
	}
	return sum
}

// cpu is the processor time of all its processes so far.
func (s *server) cpu() time.Duration {
	var sum time.Duration
	for _, cmd := range s.running {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
		_, rest, _ := strings.Cut(string(b), ") ")
		f := strings.Fields(rest)
		if len(f) < 13 {
			continue
		}
		for _, ticks := range f[11:13] {
			n, _ := strconv.ParseInt(ticks, 10, 64)
			sum += time.Duration(n) * time.Second / 100
		}
	}
	return sum
}
