package load

import (
	"bytes"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/wire"
)

// A delayed message that is written in the memory of the one before is as one that is
// made anew, and costs no memory.
func TestADraftIsUsedAgain(t *testing.T) {
	q := remote.Queue{Queue: mq.Queue{Topic: "T", ID: 3}}
	load := Delay{Produce: Produce{Size: 100}, After: time.Second, Level: 2}
	write := load.drafts(time.Now())
	var d draft
	for range 2 {
		write(&d, 0)
		got, err := d.sendTo(q)
		if err != nil {
			t.Fatal(err)
		}
		if level, _ := mq.Property(d.props, mq.PropDelay); string(level) != "2" || len(d.key) != 32 {
			t.Errorf("the properties are %q", d.props)
		}
		m := mq.Message{Topic: "T", QueueID: 3, BornTime: d.born, Properties: bytes.Clone(d.props), Body: bytes.Clone(d.body)}
		want, err := remote.SendRequest(q, "goddard-bench", &m)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.AppendTo(nil), want.AppendTo(nil)) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	for _, level := range []int{0, 2} {
		load.Level = level
		write := load.drafts(time.Now())
		var cmd *wire.Command
		if n := testing.AllocsPerRun(100, func() {
			write(&d, 0)
			cmd, _ = d.sendTo(q)
		}); n > 0 || cmd == nil {
			t.Errorf("level %d: %.1f allocations", level, n)
		}
	}
}
