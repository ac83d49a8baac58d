//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/goddardmq/goddard/internal/test/against"
)

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
diskMaxUsedSpaceRatio=95
`

const javaProxyConf = `{"rocketMQClusterName": "DefaultCluster", "proxyMode": "local", "namesrvAddr": "127.0.0.1:9876", "localServeAddr": "127.0.0.1"}
`

// javaServer is a name server and a broker; with the proxy broker and proxy in
// one process, which is how it is smallest and fastest.
func javaServer(kit *against.Kit, dir string, g *group) *server {
	class, args := "org.apache.rocketmq.broker.BrokerStartup", []string{"-c", "broker.conf"}
	name := "RocketMQ " + against.OriginalVersion
	if g.proxy {
		name += " with its proxy"
		class, args = "org.apache.rocketmq.proxy.ProxyStartup", []string{"-pm", "local", "-n", nameServer, "-bc", "broker.conf", "-pc", "rmq-proxy.json"}
	}
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
		name: name, addr: nameServer,
		commands: func() ([]*exec.Cmd, error) {
			err := writeFiles(dir, map[string]string{
				"broker.conf":    fmt.Sprintf(javaConf, dir) + g.conf + g.javaConf,
				"rmq-proxy.json": javaProxyConf,
				"namesrv.conf":   "listenPort=9876\nbindAddress=127.0.0.1\n",
			})
			return []*exec.Cmd{
				jvm("512m", []string{"-XX:+UseG1GC"}, "org.apache.rocketmq.namesrv.NamesrvStartup", "-c", filepath.Join(dir, "namesrv.conf")),
				jvm("2g", g1, class, args...),
			}, err
		},
		load: goddardBench(kit),
	}
}

func writeFiles(dir string, files map[string]string) error {
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
