package load_test

import (
	"context"
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

// busy is a name server and broker that refuses every third message.
type busy struct {
	addr             string
	asked, accepted  atomic.Int64
	namedLightQueues sync.Map
}

func (*busy) Opened(*rpc.Conn) {}
func (*busy) Flush(*rpc.Conn)  {}
func (*busy) Closed(*rpc.Conn) {}

func (b *busy) Serve(c *rpc.Conn, cmd *wire.Command) {
	switch cmd.Code {
	case wire.GetRouteInfoByTopic:
		route := wire.TopicRouteData{
			Brokers: []wire.BrokerData{{Addrs: map[int64]string{0: b.addr}, BrokerName: "busy", Cluster: "busy"}},
			Queues:  []wire.QueueData{{BrokerName: "busy", Perm: mq.PermRead | mq.PermWrite, ReadQueueNums: 2, WriteQueueNums: 2}},
		}
		reply := cmd.Reply(wire.CodeSuccess, nil)
		reply.Body = route.Encode(true)
		c.Reply(reply)
	case wire.SendMessageV2:
		if b.asked.Add(1)%3 == 0 {
			c.Reply(cmd.ReplyError(wire.CodeSystemBusy, "busy for a while"))
			return
		}
		b.accepted.Add(1)
		var h wire.SendMessageV2Request
		if err := h.DecodeFields(cmd.Fields); err == nil {
			if queues := mq.NamesOf(h.Properties).LightQueues; queues != nil {
				b.namedLightQueues.Store(string(queues), true)
			}
		}
		c.Reply(cmd.Reply(wire.CodeSuccess, &wire.SendMessageResponse{}))
	}
}

func TestACountedLoadSendsAgainWhatIsRefused(t *testing.T) {
	b := new(busy)
	s, err := rpc.Listen("127.0.0.1:0", b, rpc.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b.addr = s.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	defer wg.Wait()
	defer stop()
	r, err := load.Produce{
		Common: load.Common{Topic: "light", Duration: time.Minute}, Size: 10, Connections: 2, InFlight: 8, Batch: 1, Count: 300, Light: 300,
	}.Run(t.Context(), remote.Options{NameServers: []string{b.addr}})
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	b.namedLightQueues.Range(func(any, any) bool { named++; return true })
	if r.Messages != 300 || b.accepted.Load() != 300 || r.Errors == 0 || named != 300 {
		t.Errorf("%d stored of 300, %d light queues, reported %+v", b.accepted.Load(), named, r)
	}
}
