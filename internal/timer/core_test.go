package timer

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
)

var rewrite = flag.Bool("rewrite", false, "write what the core does into testdata")

// Each file of testdata is a script: a command and its arguments in a line,
// then "----", what the core then asks for, and an empty line. The commands are
// the core's methods; times are milliseconds, levels count from 0.
func TestCoreFollowsItsScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d scripts, error %v", len(files), err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(text))
			if *rewrite {
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(text) {
				t.Errorf("the script plays as\n%s\nwant\n%s", got, text)
			}
		})
	}
}

// play runs a script and returns it with what the core really did.
func play(t *testing.T, script string) string {
	var out strings.Builder
	var c *core
	for block := range strings.SplitSeq(strings.TrimSpace(script), "\n\n") {
		for line := range strings.SplitSeq(block, "\n") {
			if line == "----" {
				break
			}
			fmt.Fprintln(&out, line)
			if !strings.HasPrefix(line, "#") {
				c = command(t, c, strings.Fields(line))
			}
		}
		if c == nil {
			fmt.Fprintln(&out)
			continue
		}
		fmt.Fprintln(&out, "----")
		for _, a := range c.take() {
			switch a.op {
			case opRead:
				fmt.Fprintf(&out, "level %d: read from %d\n", a.level, a.at)
			case opDeliver:
				fmt.Fprintf(&out, "level %d: deliver %d from %d\n", a.level, a.count, a.at)
			case opSave:
				fmt.Fprintf(&out, "level %d: save %d\n", a.level, a.at)
			}
		}
		fmt.Fprintf(&out, "sleep %d, empty %02b\n\n", c.sleep(), c.empty())
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func command(t *testing.T, c *core, words []string) *core {
	n := func(i int) int64 {
		v, err := strconv.ParseInt(words[i], 10, 64)
		if err != nil {
			t.Fatalf("%q: %v", words, err)
		}
		return v
	}
	var rest []int64
	for i := 4; i < len(words) && words[0] == "read"; i++ {
		rest = append(rest, n(i))
	}
	switch words[0] {
	case "levels":
		var delays []int64
		for i := range words[1:] {
			delays = append(delays, n(i+1))
		}
		return newCore(delays, make([]mq.QueueOffset, len(delays)))
	case "start":
		c.start()
	case "appended":
		c.appended(int(n(1)))
	case "tick":
		c.tick(n(1))
	case "read": // level now from storetime...
		c.read(int(n(1)), n(2), mq.QueueOffset(n(3)), rest)
	case "delivered": // level now count [failed]
		c.delivered(int(n(1)), n(2), int(n(3)), len(words) > 4)
	case "unread": // level now
		c.unread(int(n(1)), n(2))
	default:
		t.Fatalf("unknown command %q", words)
	}
	return c
}
