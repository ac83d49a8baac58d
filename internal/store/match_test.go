package store

import (
	"fmt"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
)

// wants is a property filter for messages whose property n is one of a list.
type wants []string

func (f wants) Match(code int64) bool { return code == mq.TagCode("tag") }
func (f wants) Quick() bool           { return true }
func (f wants) MatchProperties(props []byte) bool {
	for _, n := range f {
		if v, ok := mq.Property(props, "n"); ok && string(v) == n {
			return true
		}
	}
	return false
}

// numbered has the property n and a tag.
func numbered(i int, tag string, body string) mq.Message {
	m := tagged("T", 0, tag, body)
	m.Properties = mq.AppendProperty(m.Properties, "n", fmt.Sprint(i))
	return m
}

func TestReadMatchesProperties(t *testing.T) {
	s := mustOpen(t, testOptions(nil))
	defer mustClose(t, s)
	q := mq.Queue{Topic: "T"}
	for i := range 40 {
		mustSend(t, s, numbered(i%10, "tag", fmt.Sprint("body ", i)))
		mustSend(t, s, numbered(i%10, "other tag", "never seen"))
	}
	size := len(mustReadAt(t, s, 0))
	for _, c := range []struct {
		name   string
		from   mq.QueueOffset
		f      wants
		o      ReadOptions
		status mq.PullStatus
		bodies string
		next   mq.QueueOffset
	}{
		{"one in ten", 0, wants{"3"}, ReadOptions{}, mq.PullFound, "body 3,body 13,body 23,body 33", 80},
		{"two of them", 0, wants{"3"}, ReadOptions{MaxMessages: 2}, mq.PullFound, "body 3,body 13", 27},
		{"from within", 27, wants{"3"}, ReadOptions{MaxMessages: 2}, mq.PullFound, "body 23,body 33", 67},
		{"fewer bytes than a message", 0, wants{"3", "4"}, ReadOptions{MaxBytes: 1}, mq.PullFound, "body 3", 8},
		{"two messages of bytes", 0, wants{"3", "4", "5"}, ReadOptions{MaxBytes: 2*size + 1}, mq.PullFound, "body 3,body 4", 10},
		{"none", 5, wants{"x"}, ReadOptions{}, mq.PullNoMatch, "", 80},
		{"behind the last", 68, wants{"3"}, ReadOptions{}, mq.PullNoMatch, "", 80},
		{"the end", 80, wants{"3"}, ReadOptions{}, mq.PullNoNew, "", 80},
	} {
		c.o.Filter = c.f
		b, err := s.Read(q, c.from, c.o)
		if err != nil {
			t.Fatal(err)
		}
		var bodies []string
		for _, r := range records(t, b) {
			bodies = append(bodies, string(r.Body))
		}
		b.Release()
		if b.Status != c.status || strings.Join(bodies, ",") != c.bodies || b.Next != c.next || b.Max != 80 {
			t.Errorf("%s: got %+v with %q", c.name, b, bodies)
		}
	}
}

// One read does not look at more of the log than matchBytes.
func TestMatchingStopsAfterAWhile(t *testing.T) {
	o := testOptions(nil)
	o.SegmentSize = 16 << 20
	s := mustOpen(t, o)
	defer mustClose(t, s)
	body := strings.Repeat("x", 100<<10)
	const count = 2 * matchBytes / (100 << 10)
	for range count {
		mustSend(t, s, numbered(1, "tag", body))
	}
	b := status(t, s, mq.Queue{Topic: "T"}, 0, ReadOptions{Filter: wants{"x"}})
	if b.Status != mq.PullNoMatch || b.Next < count/3 || b.Next > count*2/3 {
		t.Errorf("got %+v of %d", b, count)
	}
}

// BenchmarkReadMatching reads 1 KiB messages of which one in ten is wanted. One
// operation is one message passed over.
func BenchmarkReadMatching(b *testing.B) {
	s := mustOpen(b, Options{Dir: b.TempDir()})
	defer mustClose(b, s)
	const count = 2000
	for i := range count {
		s.Append(&mq.SendBatch{Sends: []mq.Send{{Message: numbered(i%10, "tag", strings.Repeat("x", 1024))}}})
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += count {
		for from := mq.QueueOffset(0); from < count; {
			batch, err := s.Read(mq.Queue{Topic: "T"}, from, ReadOptions{Filter: wants{"3"}})
			if err != nil {
				b.Fatal(err)
			}
			from = batch.Next
			batch.Release()
		}
	}
}
