package load_test

import (
	"context"
	"encoding/binary"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/load"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// A strange broker is a name server and broker whose queues end at offset 10; serve
// answers what a test is about.
type strange struct {
	busy
	serve func(*rpc.Conn, *wire.Command)
}

func (s *strange) Serve(c *rpc.Conn, cmd *wire.Command) {
	switch cmd.Code {
	case wire.GetRouteInfoByTopic:
		s.busy.Serve(c, cmd)
	case wire.GetMinOffset:
		c.Reply(cmd.Reply(wire.CodeSuccess, &wire.GetMinOffsetResponse{}))
	case wire.GetMaxOffset:
		c.Reply(cmd.Reply(wire.CodeSuccess, &wire.GetMaxOffsetResponse{Offset: 10}))
	default:
		s.serve(c, cmd)
	}
}

func serveStrange(t *testing.T, serve func(*rpc.Conn, *wire.Command)) remote.Options {
	t.Helper()
	b := &strange{serve: serve}
	s, err := rpc.Listen("127.0.0.1:0", b, rpc.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b.addr = s.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	t.Cleanup(func() { stop(); wg.Wait() })
	return remote.Options{NameServers: []string{b.addr}}
}

func records(offsets ...mq.QueueOffset) (b []byte) {
	host := netip.MustParseAddrPort("127.0.0.1:1")
	for _, at := range offsets {
		m := &mq.Message{Topic: "wrong", Body: []byte("body"), BornHost: host}
		one := mq.AppendRecord(nil, m, host)
		mq.PatchRecord(one, at, 0, 0)
		b = append(b, one...)
	}
	return b
}

func TestAConsumerNoticesWrongMessages(t *testing.T) {
	torn := records(0, 1)
	damaged := records(0, 1)
	binary.BigEndian.PutUint32(damaged[84:], 1<<20) // the size of a body
	for name, test := range map[string]struct {
		body      []byte
		next, min int64
		want      string // of the error; empty if there is to be none
	}{
		"as asked for":          {records(0, 1, 2), 3, 0, ""},
		"the first removed":     {records(2, 3), 4, 2, ""},
		"one is missing":        {records(0, 2), 3, 0, "1 was to come"},
		"the first is missing":  {records(1, 2), 3, 0, "0 was to come"},
		"out of order":          {records(1, 0), 2, 0, "0 was to come"},
		"one twice":             {records(0, 0, 1), 2, 0, "1 was to come"},
		"the last is missing":   {records(0, 1), 3, 0, "next pull"},
		"going back":            {records(0, 1), 1, 0, "next pull"},
		"cut off":               {torn[:len(torn)-1], 2, 0, "cut off"},
		"a body that is longer": {damaged, 2, 0, "corrupt"},
	} {
		o := serveStrange(t, func(c *rpc.Conn, cmd *wire.Command) {
			var h wire.PullMessageRequest
			if err := h.DecodeFields(cmd.Fields); err != nil || h.QueueOffset != 0 {
				c.Reply(cmd.Reply(wire.CodePullNotFound, &wire.PullMessageResponse{MinOffset: 0}))
				return
			}
			r := cmd.Reply(wire.CodeSuccess, &wire.PullMessageResponse{NextBeginOffset: test.next, MinOffset: test.min})
			r.Body = test.body
			c.Reply(r)
		})
		c := common("wrong")
		r, err := load.Consume{Common: c}.Run(t.Context(), o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if test.want == "" && (r.Errors > 0 || r.Messages == 0 || r.Bytes != 4*r.Messages) ||
			test.want != "" && (r.Errors == 0 || r.Messages > 0 || !strings.Contains(r.LastError, test.want)) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestEveryTransactionThatWasBegunIsEnded(t *testing.T) {
	var asked, begun, ended atomic.Int64
	o := serveStrange(t, func(c *rpc.Conn, cmd *wire.Command) {
		switch cmd.Code {
		case wire.SendMessageV2:
			if asked.Add(1)%5 == 0 {
				c.Reply(cmd.ReplyError(wire.CodeSystemBusy, "busy for a while"))
				return
			}
			begun.Add(1)
			c.Reply(cmd.Reply(wire.CodeSuccess, &wire.SendMessageResponse{MsgID: strings.Repeat("0", 31) + "7", QueueOffset: 3}))
		case wire.EndTransaction:
			var h wire.EndTransactionRequest
			if err := h.DecodeFields(cmd.Fields); err != nil || h.CommitLogOffset != 7 || h.TranStateTableOffset != 3 || h.CommitOrRollback != 8 || len(h.MsgID) != 32 {
				t.Errorf("ended with %+v, %v", h, err)
			}
			ended.Add(1)
			c.Reply(cmd.Reply(wire.CodeSuccess, nil))
		}
	})
	r, err := load.Transact{Common: common("half"), Size: 10, Connections: 2, InFlight: 4}.Run(t.Context(), o)
	if err != nil || r.Messages == 0 || r.Errors == 0 || !strings.Contains(r.LastError, "busy for a while") {
		t.Fatalf("%+v, %v", r, err)
	}
	if b, e := begun.Load(), ended.Load(); b != e || e < r.Messages {
		t.Errorf("%d were begun, %d ended, %d reported", b, e, r.Messages)
	}
}

// A run whose requests cannot succeed ends at once with the reason.
func TestALoadThatCannotSucceedEnds(t *testing.T) {
	o := serveStrange(t, func(c *rpc.Conn, cmd *wire.Command) {
		c.Reply(cmd.ReplyError(wire.CodeNoPermission, "you may not"))
	})
	c := common("denied")
	c.Duration = time.Minute
	for name, run := range map[string]func() (*load.Report, error){
		"produce": func() (*load.Report, error) {
			return load.Produce{Common: c, Connections: 1, InFlight: 2, Batch: 1}.Run(t.Context(), o)
		},
		"too large": func() (*load.Report, error) {
			return load.Produce{Common: c, Size: 17 << 20, Connections: 1, InFlight: 2, Batch: 1}.Run(t.Context(), o)
		},
		"transact": func() (*load.Report, error) {
			return load.Transact{Common: c, Connections: 1, InFlight: 2}.Run(t.Context(), o)
		},
		"pop": func() (*load.Report, error) {
			return load.Pop{Common: c, Connections: 1, InFlight: 2}.Run(t.Context(), o)
		},
		"consume": func() (*load.Report, error) { return load.Consume{Common: c}.Run(t.Context(), o) },
	} {
		want := "you may not"
		if name == "too large" {
			want = "too large"
		}
		if r, err := run(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// Messages whose acknowledgement is refused do not count, and popping goes on.
func TestRefusedAcknowledgementsAreErrors(t *testing.T) {
	var acked atomic.Int64
	o := serveStrange(t, func(c *rpc.Conn, cmd *wire.Command) {
		switch cmd.Code {
		case wire.PopMessage:
			r := cmd.Reply(wire.CodeSuccess, &wire.PopMessageResponse{PopTime: 1, InvisibleTime: 60000, StartOffsetInfo: "0 0 0", RestNum: 1})
			r.Body = records(0, 1, 2)
			c.Reply(r)
		case wire.AckMessage:
			var h wire.AckMessageRequest
			if err := h.DecodeFields(cmd.Fields); err != nil || h.Topic != "popped" || h.ExtraInfo == "" {
				t.Errorf("acknowledged with %+v, %v", h, err)
			}
			if h.Offset == 1 {
				c.Reply(cmd.ReplyError(wire.CodeSystemError, "not this one"))
				return
			}
			acked.Add(1)
			c.Reply(cmd.Reply(wire.CodeSuccess, nil))
		case wire.DeleteSubscriptionGroup:
			c.Reply(cmd.Reply(wire.CodeSuccess, nil))
		}
	})
	r, err := load.Pop{Common: common("popped"), Connections: 1, InFlight: 2}.Run(t.Context(), o)
	if err != nil || r.Messages == 0 || r.Errors == 0 || r.Bytes != 4*r.Messages || !strings.Contains(r.LastError, "not this one") || acked.Load() < r.Messages {
		t.Errorf("%+v, %v; %d acknowledged", r, err, acked.Load())
	}
}
