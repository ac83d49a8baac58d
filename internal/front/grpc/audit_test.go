package grpc

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
)

// What operators change is in the audit log, as over the remoting protocol: what
// they only look at is not, and what is denied is there once.
func TestWhatOperatorsChangeIsInTheAuditLog(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	r, _ := guarded(t, func(o *auth.Options) { o.AuditLog = file })
	admin := rmq.NewAdminClient(r.conn)
	root, alice := signed(r, "root", "rootsecret", time.Now().UTC()), signed(r, "alice", "alicesecret", time.Now().UTC())
	if _, err := admin.ChangeLogLevel(root, &rmq.ChangeLogLevelRequest{Level: rmq.ChangeLogLevelRequest_WARN}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.DescribeTopicStatus(root, &rmq.DescribeTopicStatusRequest{Topic: &rmq.Resource{Name: "T"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.ChangeLogLevel(alice, &rmq.ChangeLogLevelRequest{Level: rmq.ChangeLogLevelRequest_WARN}); err == nil {
		t.Error("alice changed the level")
	}
	noted, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(noted)), "\n")
	lines = lines[len(lines)-2:]
	if !strings.Contains(lines[0], `"msg":"administered"`) || !strings.Contains(lines[0], `"user":"root"`) || !strings.Contains(lines[0], "ChangeLogLevel") ||
		!strings.Contains(lines[0], "Cluster:C") || !strings.Contains(lines[0], `"result":"ok"`) || !strings.Contains(lines[1], `"msg":"denied"`) || !strings.Contains(lines[1], `"user":"alice"`) {
		t.Errorf("noted:\n%s", noted)
	}
	if strings.Contains(string(noted), "DescribeTopicStatus") {
		t.Errorf("what was looked at is noted:\n%s", noted)
	}
}
