package remoting

// SEND_REPLY_MESSAGE (324), SEND_REPLY_MESSAGE_V2 (325): a consumer answers a
// request. The broker hands the reply to the client that asked, on that client's
// own connection (PUSH_REPLY_MESSAGE_TO_CLIENT, 326), and answers when it has it.

import (
	"context"
	"net/netip"
	"strconv"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// sendReply hands a reply to who asked.
func sendReply(s *session, req *wire.Command) (*wire.Command, error) {
	var send mq.Send
	// The session's remembered names belong to the reading goroutine.
	if err := s.decodeSend(req, req.Code, &send, new(names), new([]mq.Message)); err != nil {
		return nil, err
	}
	if len(send.More) > 0 {
		return nil, refusef(wire.CodeMessageIllegal, "a reply is one message, not a batch")
	}
	s.h.broker.Reply(s.ctx, &send)
	if send.Err != nil {
		return nil, send.Err
	}
	h := wire.SendMessageResponse{
		MsgID: "0", QueueID: send.QueueID, QueueOffset: int64(send.Result.Offset),
		MsgRegion: string(s.h.region), TraceOn: string(s.h.traceOn),
	}
	if send.Result.StoreTime != 0 {
		h.MsgID, h.QueueID = mq.OffsetID(s.h.storeHost, send.Result.Pos), send.Result.QueueID
	}
	return ok(req, &h, nil), nil
}

// Reply implements mq.Peer.
func (s *session) Reply(ctx context.Context, r *mq.Send) error {
	req := wire.NewRequest(wire.PushReplyMessageToClient, &wire.PushReplyMessageToClientRequest{
		ProducerGroup: r.Group, Topic: r.Topic, DefaultTopic: r.DefaultTopic, DefaultTopicQueueNums: r.DefaultQueues,
		QueueID: r.QueueID, SysFlag: int32(r.SysFlag), BornTimestamp: r.BornTime, Flag: r.Flag, Properties: r.Properties,
		ReconsumeTimes: r.ReconsumeTimes, BornHost: hostText(r.BornHost), StoreHost: hostText(s.h.storeHost),
		StoreTimestamp: time.Now().UnixMilli(),
	})
	req.Body = r.Body
	ctx, cancel := context.WithTimeout(ctx, relayTimeout)
	defer cancel()
	resp, err := s.conn.Call(ctx, req)
	if err != nil {
		return err
	}
	if resp.Code != wire.CodeSuccess {
		return refusef(resp.Code, "the client answered %s: %s", resp.Code.ResponseString(), resp.Remark)
	}
	return nil
}

// hostText is an address as Java clients take it apart: at its last colon, so
// IPv6 stands without brackets.
func hostText(a netip.AddrPort) string {
	return a.Addr().String() + ":" + strconv.Itoa(int(a.Port()))
}
