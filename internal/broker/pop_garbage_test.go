//go:build !race

package broker

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
)

// Popping 32 messages and acknowledging them together writes and deletes a row
// for each. The key store makes garbage for each that is looked for while it
// remembers that a range was deleted; the broker does not.
func TestPopAndAckMakeLittleGarbage(t *testing.T) {
	r := start(t, Options{}, vfs.NewMem())
	defer r.stop()
	const rounds = 100
	batch := make([]mq.Send, 32*(rounds+1))
	for i := range batch {
		batch[i] = message("T", "body")
	}
	r.send(batch...)
	var acks []mq.Ack
	reply := func(p mq.PopBatch, err error) {
		if err != nil || len(p.Messages) != 32 {
			t.Fatal(len(p.Messages), err)
		}
		acks = acks[:0]
		for i := range p.Messages {
			acks = append(acks, mq.Ack{Group: "G", Topic: "T", Receipt: p.Messages[i].Receipt})
		}
		p.Release()
	}
	got := testing.AllocsPerRun(rounds, func() {
		r.Pop(t.Context(), mq.PopRequest{Group: "G", Topic: "T", QueueID: -1, MaxMessages: 32, Invisible: time.Minute}, reply)
		if errs := r.Ack(t.Context(), acks); errs != nil {
			t.Fatal(errs)
		}
	})
	t.Logf("%.0f allocations", got)
	if got > 64 {
		t.Errorf("popping and acknowledging 32 messages allocates %.0f times", got)
	}
}
