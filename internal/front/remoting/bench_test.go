package remoting

import (
	"slices"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/limit"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// BenchmarkSend is the front end's share of a send: from decoded command to
// encoded answer, in bursts of 32 over a broker that does nothing.
func BenchmarkSend(b *testing.B) {
	r := newRig(b)
	s := serverConn(r)
	r.fake.silent = true
	req := sendV2("T", strings.Repeat("x", 1024))
	frame := req.AppendTo(nil)[4:]
	var d wire.Decoder
	cmds := make([]wire.Command, 32)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		i := n % len(cmds)
		cmds[i] = wire.Command{}
		if err := d.Decode(frame, &cmds[i]); err != nil {
			b.Fatal(err)
		}
		s.serve(&cmds[i])
		if i == len(cmds)-1 {
			r.handler.Flush(s.conn)
			r.fake.bursts = r.fake.bursts[:0]
			d.Reset()
		}
	}
}

// BenchmarkAck is the front end's share of an acknowledgement, in bursts of 32
// of one queue over a broker that does nothing.
func BenchmarkAck(b *testing.B) {
	r := newRig(b)
	s := serverConn(r)
	r.fake.topics["T"], r.fake.hi, r.fake.silent = mq.Topic{Name: "T", ReadQueues: 4}, 100, true
	frame := wire.NewRequest(wire.AckMessage, ackOf("T", 1, 5, mq.RetryNone)).AppendTo(nil)[4:]
	var d wire.Decoder
	cmds := make([]wire.Command, 32)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		i := n % len(cmds)
		cmds[i] = wire.Command{}
		if err := d.Decode(frame, &cmds[i]); err != nil {
			b.Fatal(err)
		}
		s.serve(&cmds[i])
		if i == len(cmds)-1 {
			r.handler.Flush(s.conn)
			d.Reset()
		}
	}
}

// BenchmarkPop is the front end's share of a pop of 32 messages, from decoded
// command to the answer.
func BenchmarkPop(b *testing.B) {
	r := newRig(b)
	s := serverConn(r)
	receipts := make([]mq.Receipt, 32)
	for i := range receipts {
		receipts[i] = mq.Receipt{QueueID: int32(i / 16), Offset: mq.QueueOffset(i)}
	}
	batch := popBatch(receipts...)
	req := wire.NewRequest(wire.PopMessage, popOf("*"))
	b.ReportAllocs()
	for b.Loop() {
		p := newPop(s, req)
		if _, err := p.decode(req); err != nil {
			b.Fatal(err)
		}
		p.found(batch).Release()
	}
}

// signedSend is a session that limits are on, and alice's signed send to T, which
// she may.
func signedSend(tb testing.TB) (*session, *wire.Command, *operation) {
	r := newGuardedRig(tb)
	r.allow("Topic:T", "Pub")
	limits := limit.New(limit.Broker)
	for _, rule := range []mq.LimitRule{
		{Scope: mq.LimitBroker, Requests: 1 << 40}, {Scope: mq.LimitUser, Name: "*", Requests: 1 << 40}, {Scope: mq.LimitAddress, Name: "*", Requests: 1 << 40},
	} {
		if err := limits.Put(rule); err != nil {
			tb.Fatal(err)
		}
	}
	visit, err := limits.Connect(mq.Caller{Addr: storeHost})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(visit.End)
	s := &session{h: &Handler{guard: newGuard(r.access, "C")}, bornHost: storeHost, visit: visit}
	req := request(wire.SendMessageV2, nil, strings.Repeat("x", 1024))
	req.Fields = req.Fields.Add("a", "P").Add("b", "T").Add("e", "0").Add("i", "KEYS\x01k")
	asAlice.Hook()(req)
	return s, req, &operations[slices.IndexFunc(operations, func(o operation) bool { return o.code == wire.SendMessageV2 })]
}

// BenchmarkEnter is what a signed send of 1 KiB costs before anything is done with
// it, where access control and limits on all, users and addresses are on.
func BenchmarkEnter(b *testing.B) {
	s, req, op := signedSend(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.enter(req, op); err != nil {
			b.Fatal(err)
		}
	}
}
