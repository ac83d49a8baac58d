//go:build linux

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

// serve answers producers and consumers, and with an address for that calls too,
// until it is killed or one of its parts fails.
func serve(c *command) (*load.Report, error) {
	h := &answers{addr: c.listen, synced: make(chan sent, 1<<12)}
	s, err := rpc.Listen(c.listen, h, rpc.ServerOptions{})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() { cancel(synced(c.dir, h.synced)) }()
	if c.calls != "" {
		go func() { cancel(serveCalls(c.calls, c.size)) }()
	}
	return nil, errors.Join(s.Run(ctx), context.Cause(ctx))
}

// answers knows every topic and says of every message that it is stored. The
// header of a request is decoded, as a broker has to.
type answers struct {
	addr   string
	next   atomic.Int64 // offset
	canned canned
	synced chan sent
}

func (*answers) Opened(*rpc.Conn) {}
func (*answers) Flush(*rpc.Conn)  {}
func (*answers) Closed(*rpc.Conn) {}

func (a *answers) Serve(c *rpc.Conn, cmd *wire.Command) {
	answer, syncs := a.answer(cmd)
	switch {
	case syncs:
		a.synced <- sent{c, answer, len(cmd.Body)}
	case !cmd.Oneway():
		c.Reply(answer)
	}
}

// answer is what is to be answered, and whether after a sync.
func (a *answers) answer(cmd *wire.Command) (answer *wire.Command, syncs bool) {
	switch cmd.Code {
	case wire.GetRouteInfoByTopic:
		r := wire.TopicRouteData{
			Brokers: []wire.BrokerData{{Addrs: map[int64]string{0: a.addr}, BrokerName: broker, Cluster: broker}},
			Queues:  []wire.QueueData{{BrokerName: broker, Perm: mq.PermRead | mq.PermWrite, ReadQueueNums: 4, WriteQueueNums: 4}},
		}
		reply := cmd.Reply(wire.CodeSuccess, nil)
		reply.Body = r.Encode(true)
		return reply, false
	case wire.SendMessageV2, wire.SendBatchMessage:
		var h wire.SendMessageV2Request
		if err := h.DecodeFields(cmd.Fields); err != nil {
			return cmd.ReplyError(wire.CodeSystemError, err.Error()), false
		}
		at := a.next.Add(1)
		return cmd.Reply(wire.CodeSuccess, &wire.SendMessageResponse{MsgID: "7F00000100002A9F0000000000000000", QueueID: h.QueueID, QueueOffset: at}), h.Topic == syncedTopic
	case wire.GetMinOffset:
		return cmd.Reply(wire.CodeSuccess, &wire.GetMinOffsetResponse{}), false
	case wire.GetMaxOffset:
		return cmd.Reply(wire.CodeSuccess, &wire.GetMaxOffsetResponse{Offset: cannedEnd}), false
	case wire.PullMessage:
		return a.canned.pull(cmd), false
	default:
		return cmd.ReplyError(wire.CodeRequestCodeNotSupported, fmt.Sprintf("this server answers routes, sends and pulls only, not %d", cmd.Code)), false
	}
}
