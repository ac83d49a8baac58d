package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

func TestASubscriptionIsForgottenWhenNobodyHasIt(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		ctx, q := t.Context(), mq.Queue{Topic: "T"}
		r.topic("U", 1)
		r.sent(message("T", "a"))
		r.pop("a")
		r.must(r.SetOffset(ctx, "G", mq.Queue{Topic: "U"}, 0))
		r.must(r.SetOffset(ctx, "H", q, 1))
		r.wantErr(r.DeleteSubscription(ctx, "H", "U"), mq.ErrNotFound)
		p := new(peer)
		r.join(mq.Member{ClientID: "c", Peer: p, Consumers: []mq.Consumer{{Group: "G", Subscriptions: []mq.Subscription{{Topic: "T", Expression: "*"}}}}})
		r.wantErr(r.DeleteSubscription(ctx, "G", "T"), mq.ErrInvalid)
		r.Leave(ctx, "c", "", "G", p, false)
		r.must(r.DeleteSubscription(ctx, "G", "T"))
		all := r.Offsets(ctx)
		if all["T@G"] != nil || all["T@H"] == nil || all["U@G"] == nil {
			t.Errorf("offsets are %v", all)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait() // a is not in hand any more, so it does not come back
		if all := r.Offsets(ctx); len(all) != 2 {
			t.Errorf("offsets are %v", all)
		}
		if f := r.Figures(); f.InHand != 0 || f.Expired != 0 {
			t.Errorf("%d are in hand, %d came back", f.InHand, f.Expired)
		}
	})
}
