package against

import (
	"context"
	"os"
	"os/exec"
	"strings"
)

// MQAdmin runs one command of the published mqadmin in a process of its own, as
// whoever home/conf/tools.yml names, and returns what it printed. mqadmin ends
// with 0 whatever happened.
func (k *Kit) MQAdmin(ctx context.Context, home, args string) (string, error) {
	argv := append([]string{"-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Duser.home=" + home}, javaFlags...)
	argv = append(argv, "-cp", k.Original, "org.apache.rocketmq.tools.command.MQAdminStartup")
	cmd := exec.CommandContext(ctx, k.Java, append(argv, strings.Fields(args)...)...)
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "ROCKETMQ_HOME="+home)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
