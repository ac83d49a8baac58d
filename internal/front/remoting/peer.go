package remoting

// What the broker asks of a client, on the client's own connection:
// CHECK_TRANSACTION_STATE (39), NOTIFY_CONSUMER_IDS_CHANGED (40), RESET_CONSUMER_CLIENT_OFFSET (220),
// NOTIFY_UNSUBSCRIBE_LITE (200073) and, on
// behalf of an operator, GET_CONSUMER_STATUS_FROM_CLIENT (221),
// GET_CONSUMER_RUNNING_INFO (307), CONSUME_MESSAGE_DIRECTLY (309).

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

var _ mq.Peer = (*session)(nil)

// RemoteAddr implements mq.Peer.
func (s *session) RemoteAddr() string { return s.remote }

// ConsumersChanged implements mq.Peer.
func (s *session) ConsumersChanged(group string) {
	s.tell(wire.NotifyConsumerIDsChanged, &wire.NotifyConsumerIDsChangedRequest{ConsumerGroup: group}, nil)
}

// ResetOffsets implements mq.Peer.
func (s *session) ResetOffsets(group, topic string, at time.Time, force bool, to map[mq.Queue]mq.QueueOffset) {
	header := &wire.ResetConsumerClientOffsetRequest{Group: group, Topic: topic, Timestamp: at.UnixMilli(), IsForce: force}
	if wire.Language(s.language.Load()) == wire.LanguageCpp {
		s.tell(wire.ResetConsumerClientOffset, header, wire.EncodeBody(s.h.offsetList(to)))
		return
	}
	s.tell(wire.ResetConsumerClientOffset, header, wire.EncodeBody(wire.ResetOffsetBody{OffsetTable: s.h.offsetTable(to)}))
}

// CheckTransaction implements mq.Peer.
func (s *session) CheckTransaction(c mq.TransactionCheck) {
	s.tell(wire.CheckTransactionState, &wire.CheckTransactionStateRequest{
		Topic: c.Topic, TranStateTableOffset: int64(c.Offset), CommitLogOffset: int64(c.Pos),
		MsgID: c.UniqueKey, TransactionID: c.UniqueKey, OffsetMsgID: c.OffsetID,
	}, c.Record)
}

// LiteEnded implements mq.Peer.
func (s *session) LiteEnded(group, lite, clientID string) {
	s.tell(wire.NotifyUnsubscribeLite, &wire.NotifyUnsubscribeLiteRequest{LiteTopic: lite, ConsumerGroup: group, ClientID: clientID}, nil)
}

// tell sends a request that has no answer. A client that cannot be reached is
// about to be noticed by its connection's end.
func (s *session) tell(code wire.Code, header wire.Header, body []byte) {
	req := wire.NewRequest(code, header)
	req.Body = body
	if err := s.conn.Oneway(req); err != nil {
		s.h.log.Debug("client was not told", "code", code.String(), "remote_address", s.remote, "error", err)
	}
}

// Ask implements mq.Peer. An answer that is not a success becomes a refusal
// with the client's own code and remark.
func (s *session) Ask(ctx context.Context, code int32, fields map[string]string, body []byte) ([]byte, error) {
	req := wire.NewRequest(wire.Code(code), nil)
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		req.Fields = req.Fields.Add(key, fields[key])
	}
	req.Body = body
	resp, err := s.conn.Call(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("client %s: %w", s.remote, err)
	}
	if resp.Code != wire.CodeSuccess {
		return nil, refusef(resp.Code, "client %s: %s", s.remote, resp.Remark)
	}
	return resp.Body, nil
}

// queue is q as JSON bodies name it.
func (h *Handler) queue(q mq.Queue) wire.MessageQueue {
	return wire.MessageQueue{BrokerName: h.name, QueueID: q.ID, Topic: q.Topic}
}

// offsetTable is offsets as JSON bodies hold them.
func (h *Handler) offsetTable(to map[mq.Queue]mq.QueueOffset) map[wire.MessageQueue]int64 {
	table := make(map[wire.MessageQueue]int64, len(to))
	for q, offset := range to {
		table[h.queue(q)] = int64(offset)
	}
	return table
}

// offsetList is the same for clients written in C++.
func (h *Handler) offsetList(to map[mq.Queue]mq.QueueOffset) wire.ResetOffsetListBody {
	list := make([]wire.QueueOffset, 0, len(to))
	for q, offset := range to {
		list = append(list, wire.QueueOffset{BrokerName: h.name, QueueID: q.ID, Topic: q.Topic, Offset: int64(offset)})
	}
	return wire.ResetOffsetListBody{OffsetTable: list}
}
