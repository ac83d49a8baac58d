package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/goddardmq/goddard/internal/load"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

const broker = "floor"

// serve answers producers, and with an address for that calls too, until it is
// killed or one of them fails.
func serve(c *command) (*load.Report, error) {
	h := &answers{addr: c.listen}
	s, err := rpc.Listen(c.listen, h, rpc.ServerOptions{})
	if err != nil {
		return nil, err
	}
	if c.calls == "" {
		return nil, s.Run(context.Background())
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() { cancel(serveCalls(c.calls, c.size)) }()
	return nil, errors.Join(s.Run(ctx), context.Cause(ctx))
}

// answers knows every topic and says of every message that it is stored. The
// header of a send is decoded, as a broker has to.
type answers struct {
	addr string
	next atomic.Int64 // offset
}

func (*answers) Opened(*rpc.Conn) {}
func (*answers) Flush(*rpc.Conn)  {}
func (*answers) Closed(*rpc.Conn) {}

func (a *answers) Serve(c *rpc.Conn, cmd *wire.Command) {
	answer := a.answer(cmd)
	if !cmd.Oneway() {
		c.Reply(answer)
	}
}

func (a *answers) answer(cmd *wire.Command) *wire.Command {
	switch cmd.Code {
	case wire.GetRouteInfoByTopic:
		r := wire.TopicRouteData{
			Brokers: []wire.BrokerData{{Addrs: map[int64]string{0: a.addr}, BrokerName: broker, Cluster: broker}},
			Queues:  []wire.QueueData{{BrokerName: broker, Perm: mq.PermRead | mq.PermWrite, ReadQueueNums: 4, WriteQueueNums: 4}},
		}
		reply := cmd.Reply(wire.CodeSuccess, nil)
		reply.Body = r.Encode(true)
		return reply
	case wire.SendMessageV2, wire.SendBatchMessage:
		var h wire.SendMessageV2Request
		if err := h.DecodeFields(cmd.Fields); err != nil {
			return cmd.ReplyError(wire.CodeSystemError, err.Error())
		}
		at := a.next.Add(1)
		return cmd.Reply(wire.CodeSuccess, &wire.SendMessageResponse{MsgID: "7F00000100002A9F0000000000000000", QueueID: h.QueueID, QueueOffset: at})
	default:
		return cmd.ReplyError(wire.CodeRequestCodeNotSupported, fmt.Sprintf("this server answers routes and sends only, not %d", cmd.Code))
	}
}
