package namesrv

import (
	"bufio"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/wire"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the expected output of the scripts")

// Each file of testdata/table is a history of a table: commands, each followed
// by what it answers, indented by a tab.
func TestTableScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/table/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(t, string(want))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(want) {
				t.Errorf("%s differs; run with -rewrite and look at the difference\n%s", file, got)
			}
		})
	}
}

// runScript returns the script with what its commands answer now.
func runScript(t *testing.T, script string) string {
	s := &tableScript{table: newTable(rules{}), now: time.Unix(0, 0)}
	var out strings.Builder
	for lines := bufio.NewScanner(strings.NewReader(script)); lines.Scan(); {
		line := lines.Text()
		if strings.HasPrefix(line, "\t") {
			continue
		}
		out.WriteString(line + "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		verb, args := parseCommand(line)
		answer, known := s.do(verb, args)
		if !known {
			t.Fatalf("unknown command %q", line)
		}
		for l := range strings.SplitSeq(strings.TrimSuffix(answer, "\n"), "\n") {
			if l != "" {
				out.WriteString("\t" + l + "\n")
			}
		}
	}
	return out.String()
}

func parseCommand(line string) (string, map[string]string) {
	words := strings.Fields(line)
	args := map[string]string{}
	for _, w := range words[1:] {
		k, v, _ := strings.Cut(w, "=")
		args[k] = v
	}
	return words[0], args
}

type tableScript struct {
	table *table
	now   time.Time
}

func (s *tableScript) do(verb string, a map[string]string) (string, bool) {
	t := s.table
	switch verb {
	case "rules":
		t.rules = rules{actingMaster: has(a, "acting"), dropTopics: has(a, "drop"), notifyMin: has(a, "notify")}
		return "", true
	case "register":
		return s.register(a), true
	case "unregister":
		return showNotices(t.unregister(a["cluster"], a["name"], a["addr"])), true
	case "remove":
		t.remove(a["name"], number(a["id"]))
		return "", true
	case "heartbeat":
		return fmt.Sprintln("known:", t.heartbeat(a["cluster"], a["addr"], s.now)), true
	case "pass":
		d, err := time.ParseDuration(a["time"])
		if err != nil {
			return err.Error(), true
		}
		s.now = s.now.Add(d)
		return "", true
	case "expire":
		return showDepartures(t.expire(s.now)), true
	case "disconnect":
		return showDepartures(t.disconnect(connID(number(a["conn"])), s.now)), true
	case "wipe":
		return fmt.Sprintln("topics:", t.wipeWrite(a["name"])), true
	case "add":
		return fmt.Sprintln("topics:", t.addWrite(a["name"])), true
	case "delete":
		t.deleteTopic(a["topic"], a["cluster"])
		return "", true
	case "put":
		if err := t.putTopic(a["topic"], wire.QueueData{BrokerName: a["name"], ReadQueueNums: 3, WriteQueueNums: 3, Perm: 6}); err != nil {
			return err.Error(), true
		}
		return "", true
	case "route":
		return s.route(a), true
	case "show":
		return s.show(), true
	}
	return "", false
}

func (s *tableScript) register(a map[string]string) string {
	r := registration{
		cluster: a["cluster"], name: a["name"], addr: a["addr"], ha: a["ha"], zone: a["zone"], id: number(a["id"]),
		acting: a["acting"] == "true", old: a["acting"] == "old",
		version: wire.DataVersion{Counter: number(a["version"]), StateVersion: number(a["state"])},
		conn:    connID(number(a["conn"])), here: has(a, "here"), port: uint16(number(a["port"])),
	}
	r.topics = map[string]wire.TopicConfig{}
	r.timeout, _ = time.ParseDuration(a["timeout"])
	for name := range strings.SplitSeq(a["topics"], ",") {
		if name != "" {
			r.topics[name] = wire.TopicConfig{TopicName: name, ReadQueueNums: 4, WriteQueueNums: 4, Perm: 6}
		}
	}
	out, err := s.table.register(r, s.now)
	if err != nil {
		return "refused: " + err.Error()
	}
	var b strings.Builder
	if out.firstFor {
		b.WriteString("new\n")
	}
	if out.master != nil {
		fmt.Fprintf(&b, "master %s ha %s\n", out.master.at(host(a)), out.ha)
	}
	return b.String() + showNotices(out.notices)
}

func (s *tableScript) route(a map[string]string) string {
	r, ok := s.table.route(a["topic"], host(a))
	if !ok {
		return "none"
	}
	if zone, ok := a["zone"]; ok {
		r = inZone(r, zone)
	}
	var b strings.Builder
	for _, br := range r.Brokers {
		fmt.Fprintf(&b, "%s of %s:", br.BrokerName, br.Cluster)
		for _, id := range slices.Sorted(maps.Keys(br.Addrs)) {
			fmt.Fprintf(&b, " %d=%s", id, br.Addrs[id])
		}
		b.WriteByte('\n')
	}
	for _, q := range r.Queues {
		fmt.Fprintf(&b, "%s read %d write %d perm %d\n", q.BrokerName, q.ReadQueueNums, q.WriteQueueNums, q.Perm)
	}
	return b.String()
}

func (s *tableScript) show() string {
	var b strings.Builder
	clusters := s.table.clusters()
	for _, c := range sortedKeys(clusters) {
		fmt.Fprintf(&b, "cluster %s: %s\n", c, strings.Join(clusters[c], " "))
	}
	names := s.table.topicNames(nil)
	slices.Sort(names)
	fmt.Fprintf(&b, "topics: %s\n", strings.Join(names, " "))
	return b.String()
}

func showDepartures(ds []departure, ns []notice) string {
	var b strings.Builder
	for _, d := range ds {
		fmt.Fprintf(&b, "gone: %s %s of %s, conn %d, silent for %v\n", d.broker, d.key.addr, d.key.cluster, d.conn, d.silent)
	}
	return b.String() + showNotices(ns)
}

func showNotices(ns []notice) string {
	var b strings.Builder
	for _, n := range ns {
		fmt.Fprintf(&b, "tell %s: lowest of %s is %d at %s ha=%s offline=%s\n", strings.Join(n.to, " "), n.broker, n.id, n.addr, n.ha, n.offline)
	}
	return b.String()
}

func has(a map[string]string, key string) bool { _, ok := a[key]; return ok }

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

func host(a map[string]string) netip.Addr {
	if h, err := netip.ParseAddr(a["host"]); err == nil {
		return h
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}
