package broker

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// denier is who denied a pull, 0 if nobody did.
func denier(err error) mq.DenyingParty {
	if d, ok := errors.AsType[*mq.PullDeniedError](err); ok && errors.Is(err, mq.ErrDenied) {
		return d.By
	}
	return 0
}

func TestATopicForbiddenToAGroupStaysForbiddenOverARestart(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.topic("U", 1)
		ask := func(topic, group string) mq.DenyingParty {
			return denier((<-r.pull(mq.PullRequest{Group: group, Queue: mq.Queue{Topic: topic}})).err)
		}
		r.must(r.Forbid(t.Context(), "G", "T", true))
		r.must(r.Forbid(t.Context(), "G", "T", true))
		if a, b, c := ask("T", "G"), ask("U", "G"), ask("T", "H"); a != mq.DeniedBySubscription || b != 0 || c != 0 {
			t.Errorf("denied by %d, %d, %d", a, b, c)
		}
		r.restart(Options{})
		if got := fmt.Sprint(r.Forbiddances(t.Context())); got != "map[G:[T]]" || ask("T", "G") != mq.DeniedBySubscription {
			t.Errorf("after a restart: %s", got)
		}
		r.must(r.Forbid(t.Context(), "G", "T", false))
		r.must(r.Forbid(t.Context(), "G", "T", false))
		if got := ask("T", "G"); got != 0 || len(r.Forbiddances(t.Context())) != 0 {
			t.Errorf("allowed again, and denied by %d", got)
		}
		r.must(r.Forbid(t.Context(), "H", "T", true))
		r.must(r.DeleteGroup(t.Context(), "H", false))
		r.restart(Options{})
		if r.Forbidden(t.Context(), "H", "T") || r.Forbidden(t.Context(), "G", "T") {
			t.Error("a group that was deleted is still kept from its topic")
		}
		r.wantErr(r.Forbid(t.Context(), "a b", "T", true), mq.ErrInvalid)
		r.wantErr(r.Forbid(t.Context(), "G", "a b", true), mq.ErrInvalid)
	})
}

// A pull that waits when its topic is forbidden gets nothing of it any more.
func TestAPullThatWaitsIsDeniedOnceItsTopicIsForbidden(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		waiting := r.pull(waitFor(0, time.Minute))
		synctest.Wait()
		r.must(r.Forbid(t.Context(), "G", "T", true))
		r.sent(message("T", "x"))
		if p := <-waiting; denier(p.err) != mq.DeniedBySubscription {
			t.Errorf("got %+v", p)
		}
	})
}

func TestADenialSaysWhoDenies(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		ask := func() mq.DenyingParty { return denier((<-r.pull(waitFor(0, 0))).err) }
		r.must(r.SetSettings(t.Context(), map[string]string{"brokerPermission": "2"}))
		if got := ask(); got != mq.DeniedByBroker {
			t.Errorf("broker: %d", got)
		}
		r.must(r.SetSettings(t.Context(), map[string]string{"brokerPermission": "6"}))
		g := newGroup("G")
		g.ConsumeEnable = false
		r.must(r.PutGroup(t.Context(), g))
		if got := ask(); got != mq.DeniedByGroup {
			t.Errorf("group: %d", got)
		}
		g.ConsumeEnable = true
		r.must(r.PutGroup(t.Context(), g))
		r.must(r.PutTopic(t.Context(), mq.Topic{Name: "T", ReadQueues: 1, WriteQueues: 1, Perm: mq.PermWrite}))
		if got := ask(); got != mq.DeniedByTopic {
			t.Errorf("topic: %d", got)
		}
	})
}
