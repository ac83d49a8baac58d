package remoting

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

func TestOperatorsSetListAndDeleteLimits(t *testing.T) {
	r := newRig(t)
	r.good(wire.GoddardPutLimit, &wire.GoddardPutLimitRequest{Scope: "ADDRESS", Name: "*", SendMessages: 1, SendBytes: 2, ConsumeMessages: 5, ConsumeBytes: 6, Requests: 3, Connections: 4}, "")
	var list wire.LimitList
	if err := wire.DecodeBody(r.good(wire.GoddardListLimits, nil, "").Body, &list); err != nil {
		t.Fatal(err)
	}
	want := wire.Limit{
		Scope: "ADDRESS", Name: "*", SendMessages: 1, SendBytes: 2, ConsumeMessages: 5, ConsumeBytes: 6, Requests: 3, Connections: 4, Busiest: "x", Subjects: 2,
		Used: wire.LimitAmounts{Requests: 3}, Refused: wire.LimitAmounts{SendBytes: 4},
	}
	if len(list.Limits) != 1 || list.Limits[0] != want {
		t.Errorf("listed %+v", list)
	}
	r.want(wire.CodeQueryNotFound, r.call(wire.GoddardDeleteLimit, &wire.GoddardDeleteLimitRequest{Scope: "USER", Name: "*"}, ""))
	r.good(wire.GoddardDeleteLimit, &wire.GoddardDeleteLimitRequest{Scope: "ADDRESS", Name: "*"}, "")
}

func TestARequestBeyondALimitIsAnsweredUnlessItIsVital(t *testing.T) {
	r := newRig(t)
	r.fake.mu.Lock()
	r.fake.slow = fmt.Errorf("%w: too many requests, wait", mq.ErrBusy)
	r.fake.mu.Unlock()
	resp := r.call(wire.GetMaxOffset, &wire.GetMaxOffsetRequest{Topic: "T"}, "")
	r.want(wire.CodeSystemBusy, resp)
	if !strings.Contains(resp.Remark, "too many requests") {
		t.Errorf("the answer says %q", resp.Remark)
	}
	r.want(wire.CodeSystemBusy, r.send(sendV2("T", "x")))
	if len(r.fake.sends) > 0 {
		t.Error("a refused message was sent")
	}
	r.good(wire.GetBrokerConfig, nil, "")
	r.good(wire.UpdateConsumerOffset, &wire.UpdateConsumerOffsetRequest{ConsumerGroup: "G", Topic: "T"}, "")
}

func TestAConnectionBeyondALimitIsAnsweredAndClosed(t *testing.T) {
	r := newRig(t)
	r.good(wire.GetBrokerConfig, nil, "") // which opens the rig's own connection
	r.fake.mu.Lock()
	r.fake.full = fmt.Errorf("%w: too many connections, close some", mq.ErrBusy)
	r.fake.mu.Unlock()
	client := rpc.NewClient(rpc.ClientOptions{})
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := client.Conn(ctx, r.client.RemoteAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	resp, err := conn.Call(ctx, wire.NewRequest(wire.GetBrokerConfig, nil))
	if err != nil {
		t.Fatal(err)
	}
	r.want(wire.CodeSystemBusy, resp)
	if !strings.Contains(resp.Remark, "too many connections") {
		t.Errorf("the answer says %q", resp.Remark)
	}
	select {
	case <-conn.Done():
	case <-ctx.Done():
		t.Error("the connection stays open")
	}
	r.good(wire.GetBrokerConfig, nil, "") // another one, which was open before
}

func TestAConnectionIsCountedOnceUntilItEnds(t *testing.T) {
	r := newRig(t)
	r.good(wire.GetBrokerConfig, nil, "")
	r.fake.mu.Lock()
	if len(r.fake.callers) != 1 || r.fake.callers[0].Addr != r.client.LocalAddr() {
		t.Errorf("counted %v, the client is at %v", r.fake.callers, r.client.LocalAddr())
	}
	r.fake.mu.Unlock()
	r.client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		r.fake.mu.Lock()
		ended := r.fake.ended
		r.fake.mu.Unlock()
		if ended == 1 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal("the connection counts on")
		case <-time.After(time.Millisecond):
		}
	}
}
