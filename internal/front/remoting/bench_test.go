package remoting

import (
	"strings"
	"testing"

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
