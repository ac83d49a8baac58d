package txn

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
)

var rewrite = flag.Bool("rewrite", false, "write what the core does into testdata")

// Each file of testdata is a script: a command and its arguments in a line,
// then "----", what the core then asks for and knows, and an empty line. The
// commands are the core's methods; times are milliseconds.
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

// A player runs a script.
type player struct {
	t    *testing.T
	core *core
	r    rules
	out  strings.Builder
}

// play runs a script and returns it with what the core really did.
func play(t *testing.T, script string) string {
	p := &player{t: t, core: newCore(0), r: rules{timeout: 6000, interval: 30000, maxChecks: 3, retention: 1_000_000}}
	for block := range strings.SplitSeq(strings.TrimSpace(script), "\n\n") {
		var said []string
		for line := range strings.SplitSeq(block, "\n") {
			if line == "----" {
				break
			}
			fmt.Fprintln(&p.out, line)
			if !strings.HasPrefix(line, "#") {
				said = append(said, p.command(strings.Fields(line))...)
			}
		}
		fmt.Fprintln(&p.out, "----")
		for _, line := range said {
			fmt.Fprintln(&p.out, line)
		}
		p.state()
	}
	return strings.TrimSuffix(p.out.String(), "\n")
}

// state writes what the core knows and what it would write to the key store.
func (p *player) state() {
	c := p.core
	fmt.Fprintf(&p.out, "read %d and %d;", c.next, c.op)
	for _, at := range slices.Sorted(maps.Keys(c.halves)) {
		h := c.halves[at]
		fmt.Fprintf(&p.out, " %d", at)
		if h.checks > 0 {
			fmt.Fprintf(&p.out, " asked %d", h.checks)
		}
		if h.givenUp {
			fmt.Fprint(&p.out, " given up")
		}
		if c.ending[at] {
			fmt.Fprint(&p.out, " ending")
		}
		fmt.Fprint(&p.out, ",")
	}
	fmt.Fprintf(&p.out, " rows")
	for _, at := range slices.Sorted(maps.Keys(c.dirty)) {
		if _, ok := c.halves[at]; ok {
			fmt.Fprintf(&p.out, " +%d", at)
		} else if c.dirty[at] {
			fmt.Fprintf(&p.out, " -%d", at)
		}
	}
	early := slices.Collect(maps.Keys(c.early))
	for i, place := range c.ahead {
		if place&placeEnded != 0 {
			early = append(early, c.next+mq.QueueOffset(i))
		}
	}
	if slices.Sort(early); len(early) > 0 {
		fmt.Fprintf(&p.out, ", early %v", early)
	}
	fmt.Fprint(&p.out, "\n\n")
}

func (p *player) command(words []string) (said []string) {
	n := func(i int) int64 {
		if i >= len(words) {
			return 0
		}
		v, err := strconv.ParseInt(words[i], 10, 64)
		if err != nil {
			p.t.Fatalf("%q: %v", words, err)
		}
		return v
	}
	at := mq.QueueOffset(0)
	if len(words) > 1 && words[0] != "tick" {
		at = mq.QueueOffset(n(1))
	}
	switch c := p.core; words[0] {
	case "half": // offset born [rest]
		c.add(at, half{born: n(2), rest: n(3)})
	case "again": // offset born key checks
		c.add(at, half{born: n(2), key: uint64(n(3)), checks: int32(n(4))})
	case "row": // offset born checks
		c.load(at, half{born: n(2), checks: int32(n(3))})
	case "ended": // offset
		c.ended(at, earlyEnd)
		c.read(c.op)
	case "givenup": // offset
		c.ended(at, earlyGivenUp)
		c.read(c.op)
	case "noted": // op offset, the only half message
		c.note(at, opNote{halves: []mq.QueueOffset{mq.QueueOffset(n(2))}})
	case "recall":
		for {
			if _, found := c.recall(); !found {
				break
			}
		}
	case "pass": // end
		passed, read := c.pass(at, 3)
		said = append(said, fmt.Sprintf("passed %v, read %d", passed, read))
	case "end": // offset
		_, v := c.end(at)
		said = append(said, [...]string{"may end", "is being ended", "is ended"}[v])
	case "failed": // offset
		c.failed(at)
	case "restart": // offset
		c.restart(at)
	case "forget": // start
		said = append(said, fmt.Sprintf("%d expired", c.forget(at)))
	case "late": // offset now
		said = append(said, fmt.Sprintf("late %v", late(c.halves[at], n(2), p.r)))
	case "tick": // now [how many]
		if !c.tick(n(1), p.r) {
			said = append(said, "no round")
		}
		for left := n(2); len(words) < 3 || left > 0; left-- {
			a, ok := c.take(n(1), p.r)
			if !ok {
				break
			}
			said = append(said, fmt.Sprintf("%s %d (%d)", [...]string{"ask about", "give up"}[a.op], a.offset, a.checks))
		}
	default:
		p.t.Fatalf("unknown command %q", words)
	}
	return said
}
