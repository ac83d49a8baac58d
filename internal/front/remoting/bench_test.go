package remoting

import (
	"strings"
	"testing"

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
