package pop

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
)

var rewrite = flag.Bool("rewrite", false, "write what the core does into testdata")

// Each file of testdata is a script: a command and its arguments in a line,
// then "----", what the core says and what is in hand then, and an empty line.
// The commands are Order's methods; times are milliseconds, "-" is no attempt.
func TestOrderFollowsItsScripts(t *testing.T) {
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

// play runs a script and returns it with what the core really did. The state
// goes through its row between commands.
func play(t *testing.T, script string) string {
	var out strings.Builder
	var o Order
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
			said = append(said, command(t, &o, strings.Fields(line))...)
			var err error
			if o, err = decodeOrder(o.encode()); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Fprintln(&out, "----")
		for _, line := range said {
			fmt.Fprintln(&out, line)
		}
		fmt.Fprintf(&out, "%s\n\n", state(&o))
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func state(o *Order) string {
	var all []string
	for _, m := range o.items {
		text := fmt.Sprintf("%d visible %d", m.offset, m.visible)
		if m.tries > 0 {
			text += fmt.Sprintf(" tried %d", m.tries)
		}
		if m.done {
			text += " done"
		}
		all = append(all, text)
	}
	next, ok := o.Next()
	if !ok {
		return "nothing was taken"
	}
	return fmt.Sprintf("%s; next %d", strings.Join(all, ", "), next)
}

func command(t *testing.T, o *Order, words []string) (said []string) {
	n := func(i int) int64 {
		v, err := strconv.ParseInt(words[i], 10, 64)
		if err != nil {
			t.Fatalf("%q: %v", words, err)
		}
		return v
	}
	attempt := ""
	if len(words) > 1 && words[1] != "-" {
		attempt = words[1]
	}
	switch words[0] {
	case "pop?": // attempt now
		if until, blocked := o.Blocked(attempt, n(2)); blocked {
			return []string{fmt.Sprintf("blocked until %d", until)}
		}
		return []string{"free"}
	case "take": // attempt now invisible offsets...
		var offsets []mq.QueueOffset
		for i := range words[4:] {
			offsets = append(offsets, mq.QueueOffset(n(4+i)))
		}
		return []string{fmt.Sprint("tries ", o.Take(attempt, n(2), n(3), offsets))}
	case "ack": // offset poptime
		return []string{[...]string{"taken", "stale", "unknown"}[o.Ack(mq.QueueOffset(n(1)), n(2))]}
	case "change", "suspend": // offset poptime visible
		if !o.Change(mq.QueueOffset(n(1)), n(2), n(3), words[0] == "suspend") {
			return []string{"not in hand"}
		}
		return []string{"changed"}
	}
	t.Fatalf("unknown command %q", words)
	return nil
}

func FuzzRows(f *testing.F) {
	h := Hold{Place{Use{"G", "T", 3}, 1000, 7, 7}, 99, 5, true, 2}
	o := Order{}
	o.Take("a", 5, 6, []mq.QueueOffset{1, 2})
	f.Add(h.key(), h.appendValue(nil))
	r := row{rowID: rowID{h.Use, 1000, 7, true}, popTime: 5, left: []Taken{{7, 99}, {9, 500}, {300, 1 << 40}}}
	f.Add(r.appendKey(nil), r.appendValue(nil))
	f.Add(o.encode(), appendSent(nil, &h, 4))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if h, err := decodeHold(key, value); err == nil && (string(h.key()) != string(key) || string(h.appendValue(nil)) != string(value)) {
			t.Errorf("%x %x is read as %+v, which is written otherwise", key, value, h)
		}
		if r, err := decodeRow(key, value); err == nil {
			again, err := decodeRow(r.appendKey(nil), r.appendValue(nil))
			if err != nil || !reflect.DeepEqual(r, again) || string(r.appendKey(nil)) != string(key) {
				t.Errorf("%x %x is read as %+v, and then as %+v, %v", key, value, r, again, err)
			}
		}
		if o, err := decodeOrder(key); err == nil && string(o.encode()) != string(key) {
			t.Errorf("%x is read as %+v, which is written otherwise", key, o)
		}
		var again []byte
		err := decodeSent(value, func(h Hold, copied mq.LogPos) { again = appendSent(again, &h, copied) })
		if err == nil && string(again) != string(value) {
			t.Errorf("%x is written as %x", value, again)
		}
		_, _ = parseOrderKey(key)
	})
}
