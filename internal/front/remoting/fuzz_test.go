package remoting

import (
	"io"
	"net"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// FuzzServe serves whatever the decoder lets through. Nothing may panic, and
// the session must answer a good request afterwards.
func FuzzServe(f *testing.F) {
	for _, seed := range fuzzSeeds() {
		f.Add(seed.AppendTo(nil)[4:])
		seed.Serialization = wire.Binary
		f.Add(seed.AppendTo(nil)[4:])
	}
	r := newRig(f)
	s := serverConn(r)
	r.fake.silent = true
	r.fake.pull = func(p mq.PullRequest) (mq.Batch, error, bool) {
		if p.Filter != nil {
			p.Filter.Match(1)
		}
		return mq.Batch{Status: mq.PullFound, Data: [][]byte{[]byte("record")}}, nil, true
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		r.t = t
		var d wire.Decoder
		var cmd wire.Command
		if d.Decode(frame, &cmd) != nil || cmd.Response() {
			return
		}
		s.serve(&cmd)
		s.h.Flush(s.conn)
		resp := r.call(wire.GetMaxOffset, &wire.GetMaxOffsetRequest{Topic: "T"}, "")
		if resp.Code != wire.CodeSuccess {
			t.Fatalf("afterwards the session answers %s: %s", resp.Code.ResponseString(), resp.Remark)
		}
		r.fake.forget()
	})
}

// forget drops what the fake remembers.
func (f *fake) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bursts, f.joined, f.backs, f.pulls = nil, nil, nil, nil
	clear(f.offsets)
	for len(f.left) > 0 {
		<-f.left
	}
}

// fuzzSeeds is one request of every kind.
func fuzzSeeds() []*wire.Command {
	batch := sendV2("T", string(batchBody("one", "two")))
	batch.Code = wire.SendBatchMessage
	old := wire.NewRequest(wire.SendMessage, &wire.SendMessageRequest{Topic: "T", Properties: []byte("A\x01b\x02")})
	beat := wire.NewRequest(wire.HeartBeat, nil)
	beat.Body = []byte(fullBeat(3))
	lock := wire.NewRequest(wire.LockBatchMQ, nil)
	lock.Body = []byte(`{"consumerGroup":"G","clientId":"c","mqSet":[{"brokerName":"b","queueId":3,"topic":"T"}]}`)
	seeds := []*wire.Command{
		sendV2("T", "x"), sendV2("%RETRY%G", "x"), batch, old, beat, lock,
		wire.NewRequest(wire.PullMessage, pullOf(7, 7, "a || b")),
		wire.NewRequest(wire.QueryConsumerOffset, &wire.QueryConsumerOffsetRequest{ConsumerGroup: "G", Topic: "T"}),
		wire.NewRequest(wire.UpdateConsumerOffset, &wire.UpdateConsumerOffsetRequest{ConsumerGroup: "G", Topic: "T"}),
		wire.NewRequest(wire.UpdateAndCreateTopic, &wire.UpdateAndCreateTopicRequest{Topic: "T", Attributes: "+a=b,-c"}),
	}
	for _, op := range operations {
		seeds = append(seeds, wire.NewRequest(op.code, nil))
	}
	return seeds
}

// FuzzConnection throws bytes at a connection: it may be closed, but it takes
// nobody else down.
func FuzzConnection(f *testing.F) {
	f.Add(sendV2("T", "x").AppendTo(nil))
	f.Add([]byte{0, 0, 0, 4, 0, 0, 0, 0})
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	r := newRig(f)
	addr := (<-r.server).LocalAddr().String()
	f.Fuzz(func(t *testing.T, data []byte) {
		r.t = t
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		c.Write(data)
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, c)
		c.Close()
		drain(r.server)
		r.good(wire.GetBrokerRuntimeInfo, nil, "")
		r.fake.forget()
	})
}

// drain empties the channel of connections.
func drain(conns chan *rpc.Conn) {
	for {
		select {
		case <-conns:
		default:
			return
		}
	}
}
