package broker

import (
	"errors"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

func TestAMessageInHandSaysUntilWhen(t *testing.T) {
	for what, q := range map[string]mq.PopRequest{
		"out of order":     {QueueID: 0, Invisible: 20 * time.Second},
		"in order":         {QueueID: 0, Invisible: 20 * time.Second, Ordered: true},
		"by message group": {QueueID: 0, Invisible: 20 * time.Second, Ordered: true, ByGroup: true},
	} {
		bubble(t, Options{}, func(t *testing.T, r *rig) {
			r.fill(1, "a", "b", "c")
			queue := mq.Queue{Topic: "T"}
			if _, err := r.InHand(t.Context(), "G", queue, 1); !errors.Is(err, mq.ErrNotFound) {
				t.Errorf("%s: before the pop: %v", what, err)
			}
			at := time.Now()
			p := r.wantPop(q, "a", "b", "c")
			in, err := r.InHand(t.Context(), "G", queue, 1)
			if err != nil || !in.Since.Equal(at) || !in.Until.Equal(at.Add(20*time.Second)) || in.Tries != 0 {
				t.Errorf("%s: in hand %+v, %v; popped at %v", what, in, err, at)
			}
			if _, err := r.InHand(t.Context(), "H", queue, 1); !errors.Is(err, mq.ErrNotFound) {
				t.Errorf("%s: of another group: %v", what, err)
			}
			r.acks(p.acks...)
			if _, err := r.InHand(t.Context(), "G", queue, 1); !errors.Is(err, mq.ErrNotFound) {
				t.Errorf("%s: acknowledged: %v", what, err)
			}
		})
	}
}
