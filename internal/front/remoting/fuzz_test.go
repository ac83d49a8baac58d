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
	r.fake.pop = func(p mq.PopRequest) (mq.PopBatch, error) {
		if p.Filter != nil {
			p.Filter.Match(1)
		}
		return popBatch(mq.Receipt{Retry: mq.RetryV1}), nil
	}
	r.fake.topics["T"], r.fake.hi = mq.Topic{Name: "T", ReadQueues: 4, Perm: mq.PermRead}, 100
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
	f.bursts, f.joined, f.backs, f.pulls, f.pops, f.byHand = nil, nil, nil, nil, nil, nil
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
	acks := wire.NewRequest(wire.BatchAckMessage, nil)
	acks.Body = []byte(batchOf(`"b":"CQ==","r":"1"`))
	seeds = append(seeds, acks,
		wire.NewRequest(wire.PopMessage, popOf("a || b")),
		wire.NewRequest(wire.AckMessage, ackOf("%RETRY%G_T", 1, 5, mq.RetryV1)),
		wire.NewRequest(wire.ChangeMessageInvisibleTime, changeOf(5)),
		wire.NewRequest(wire.Notification, &wire.NotificationRequest{ConsumerGroup: "G", Topic: "T"}),
	)
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

// FuzzBatchAck decodes whatever is JSON of the right shape: no more messages
// come out than there are bits, and each lies behind the start.
func FuzzBatchAck(f *testing.F) {
	f.Add([]byte(batchOf(`"b":"CQ==","r":"0"`)))
	f.Add([]byte(batchOf(`"b":"//8=","r":"2"`)))
	f.Add([]byte(`{"acks":[{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var body wire.BatchAckBody
		if wire.DecodeBody(text, &body) != nil {
			return
		}
		all, err := decodeBatchAck(&body)
		if err != nil {
			return
		}
		if len(all) > 8*len(text) {
			t.Fatalf("%d messages from %d bytes", len(all), len(text))
		}
		for _, a := range all {
			if a.Receipt.Offset < a.Receipt.Start || a.Receipt.Start < 0 || a.Receipt.Due() < 0 {
				t.Fatalf("acknowledges %+v", a)
			}
		}
	})
}
