package pop

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
)

// Scripts like those of Order, in testdata/lanes: the commands are Lanes'
// methods, and what is put aside waits in a list. A message is a key and an
// offset.
func TestLanesFollowTheirScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/lanes/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d scripts, error %v", len(files), err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := playLanes(t, string(text))
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

// A laneScript is the state between commands.
type laneScript struct {
	*testing.T
	l     Lanes
	names map[uint64]string
	aside []laned
}

// playLanes runs a script and returns it with what the core really did. The
// state goes through its row between commands.
func playLanes(t *testing.T, script string) string {
	var out strings.Builder
	p := &laneScript{T: t, names: map[uint64]string{}}
	for block := range strings.SplitSeq(strings.TrimSpace(script), "\n\n") {
		var said []string
		for line := range strings.SplitSeq(block, "\n") {
			if line == "----" {
				break
			}
			fmt.Fprintln(&out, line)
			if strings.HasPrefix(line, "#") {
				continue
			}
			said = append(said, p.command(strings.Fields(line))...)
			p.keep()
		}
		fmt.Fprintln(&out, "----")
		for _, line := range said {
			fmt.Fprintln(&out, line)
		}
		fmt.Fprintf(&out, "%s\n\n", p.state())
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// keep does what KeepLanes and a later load do.
func (p *laneScript) keep() {
	for _, m := range p.l.back {
		p.aside = without(p.aside, m.offset)
	}
	for _, m := range p.l.out {
		row, err := decodeAside(asideKey(Use{"G", "T", 0}, m.key, m.offset), asideValue(&m))
		if err != nil {
			p.Fatal(err)
		}
		p.aside = append(p.aside, row)
	}
	slices.SortFunc(p.aside, func(a, b laned) int { return cmp.Compare(a.offset, b.offset) }) // as rows are
	l, err := decodeLanes(p.l.encode())
	if err != nil {
		p.Fatal(err)
	}
	p.l = l
}

func without(all []laned, at mq.QueueOffset) (rest []laned) {
	for _, m := range all {
		if m.offset != at {
			rest = append(rest, m)
		}
	}
	return rest
}

func (p *laneScript) state() string {
	var all []string
	for _, m := range p.l.items {
		text := p.names[m.key] + strconv.FormatInt(int64(m.offset), 10)
		if m.popTime > 0 {
			text += fmt.Sprintf(" visible %d", m.visible)
		}
		if m.tries > 0 {
			text += fmt.Sprintf(" tried %d", m.tries)
		}
		all = append(all, text)
	}
	for _, m := range p.aside {
		all = append(all, fmt.Sprintf("aside %s%d", p.names[m.key], m.offset))
	}
	for _, k := range p.l.parked {
		text := "parked " + k.Name
		if k.Releasing {
			text = "releasing " + k.Name
		}
		all = append(all, text)
	}
	if len(all) == 0 {
		all = []string{"nothing"}
	}
	return fmt.Sprintf("%s; floor %d", strings.Join(all, ", "), p.l.floor)
}

func (p *laneScript) number(word string) int64 {
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		p.Fatal(err)
	}
	return n
}

// name notes the name of a key.
func (p *laneScript) name(key string) string {
	p.names[HashKey(key)] = key
	return key
}

func (p *laneScript) command(words []string) []string {
	attempt := ""
	n := make([]int64, len(words))
	for i, w := range words[1:] {
		n[i+1], _ = strconv.ParseInt(w, 10, 64)
	}
	switch words[0] {
	case "learn": // keys of the next offsets; "." does not match
		for _, key := range words[1:] {
			if key == "." {
				p.l.Pass(p.l.Known() + 1)
				continue
			}
			p.l.Learn(p.l.Known(), HashKey(p.name(key)))
		}
		return nil
	case "pop": // attempt now invisible most
		if words[1] != "-" {
			attempt = words[1]
		}
		p.l.Sweep(p.number(words[2]))
		free, _ := p.l.Choose(attempt, n[2], int(p.number(words[4])))
		var got []string
		tries := p.l.Take(attempt, n[2], p.number(words[3]), free)
		for i, at := range free {
			got = append(got, fmt.Sprintf("%s%d tried %d", p.names[p.l.find(at).key], at, tries[i]))
		}
		if len(got) == 0 {
			return []string{fmt.Sprintf("nothing; until %d", p.l.Until(n[2]))}
		}
		return []string{strings.Join(got, ", ")}
	case "ack": // offset poptime
		return []string{[...]string{"taken", "stale", "unknown"}[p.l.Ack(mq.QueueOffset(n[1]), n[2])]}
	case "change", "suspend": // offset poptime visible
		return []string{fmt.Sprint(p.l.Change(mq.QueueOffset(n[1]), n[2], n[3], words[0] == "suspend"))}
	case "move":
		p.l.Move(mq.QueueOffset(n[1]))
		return nil
	case "restart":
		p.l.Restart(mq.QueueOffset(n[1]))
		return nil
	case "trim":
		p.l.trim(mq.QueueOffset(n[1]))
		return nil
	}
	return p.operator(words, n)
}

// operator is a command about parked keys.
func (p *laneScript) operator(words []string, n []int64) []string {
	switch words[0] {
	case "park": // key now
		return []string{fmt.Sprint(p.l.Park(p.name(words[1]), n[2]))}
	case "release": // key
		return []string{fmt.Sprint(p.l.Unpark(words[1]))}
	case "return": // at most so many of each key
		for _, key := range p.l.returns() {
			var first []laned
			for _, m := range p.aside {
				if m.key == key && len(first) < int(n[1]) {
					first = append(first, m)
				}
			}
			p.l.Return(key, first)
		}
		return nil
	case "stuck": // now
		var all []string
		for _, s := range p.l.Stuck(n[1], 10) {
			all = append(all, fmt.Sprintf("%d since %d, tries %d, in hand %v, %d behind", s.Offset, s.Since, s.Tries, s.InHand, s.Behind))
		}
		return all
	}
	p.Fatalf("unknown command %q", words)
	return nil
}

func FuzzLanes(f *testing.F) {
	l := Lanes{}
	for i, key := range []string{"a", "b", "a", "c"} {
		l.Learn(mq.QueueOffset(i), HashKey(key))
	}
	l.Take("x", 5, 6, []mq.QueueOffset{0, 1})
	l.Park("c", 7)
	f.Add(l.encode(), asideKey(Use{"G", "T", 1}, l.out[0].key, 3), asideValue(&l.out[0]))
	f.Fuzz(func(t *testing.T, row, key, value []byte) {
		if l, err := decodeLanes(row); err == nil {
			if again := l.encode(); string(again) != string(row) {
				t.Errorf("%x is written as %x", row, again)
			}
		}
		if m, err := decodeAside(key, value); err == nil && string(asideValue(&m)) != string(value) {
			t.Errorf("%x is read as %+v", value, m)
		}
	})
}
