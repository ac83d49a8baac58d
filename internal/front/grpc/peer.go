package grpc

// What the broker asks of a client, on the client's telemetry stream:
// RecoverOrphanedTransaction and, on behalf of an operator of either protocol,
// PrintThreadStackTrace and VerifyMessage.

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// The questions that operators of the remoting protocol ask of clients, by the
// codes of that protocol.
const (
	askRunningInfo     = 307
	askConsumeDirectly = 309
)

var _ mq.Peer = (*client)(nil)

// RemoteAddr implements mq.Peer.
func (c *client) RemoteAddr() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.caller.remote.String()
}

// ConsumersChanged implements mq.Peer. These clients share no queues out.
func (*client) ConsumersChanged(string) {}

// ResetOffsets implements mq.Peer. These clients keep no offsets.
func (*client) ResetOffsets(string, string, time.Time, bool, map[mq.Queue]mq.QueueOffset) {}

// Reply implements mq.Peer.
func (*client) Reply(context.Context, *mq.Send) error {
	return fmt.Errorf("%w: the gRPC protocol has no replies; ask with a client of the remoting protocol", mq.ErrNotSupported)
}

// LiteEnded implements mq.Peer.
func (c *client) LiteEnded(_, lite, _ string) {
	c.tell(&rmq.TelemetryCommand{Command: &rmq.TelemetryCommand_NotifyUnsubscribeLiteCommand{
		NotifyUnsubscribeLiteCommand: &rmq.NotifyUnsubscribeLiteCommand{LiteTopic: lite},
	}})
}

// CheckTransaction implements mq.Peer. While clients have too much to read
// already nobody is asked; the broker asks again.
func (c *client) CheckTransaction(t mq.TransactionCheck) {
	if c.server.unread.Load() >= c.server.o.MaxUnread {
		return
	}
	record, _, err := mq.DecodeRecord(t.Record)
	if err != nil {
		c.server.log.Error("a half message cannot be read, so its producer is not asked", "key", t.UniqueKey, "error", err)
		return
	}
	m := outgoing(&record, &rmq.Resource{Name: t.Topic})
	m.SystemProperties.MessageType = rmq.MessageType_TRANSACTION
	c.tell(&rmq.TelemetryCommand{Command: &rmq.TelemetryCommand_RecoverOrphanedTransactionCommand{
		RecoverOrphanedTransactionCommand: &rmq.RecoverOrphanedTransactionCommand{
			Message: m, TransactionId: transactionID{t.Offset, t.Pos, t.UniqueKey, c.server.o.Name}.String(),
		},
	}})
}

// Ask implements mq.Peer: of what operators ask of remoting clients, what a
// client of this protocol can answer, with bodies in the form of theirs.
func (c *client) Ask(ctx context.Context, code int32, fields map[string]string, body []byte) ([]byte, error) {
	switch code {
	case askRunningInfo:
		trace, err := c.stackTrace(ctx)
		if err != nil {
			return nil, err
		}
		return json.Marshal(map[string]any{
			"jstack": trace, "properties": map[string]string{}, "subscriptionSet": []any{}, "mqTable": map[string]any{}, "statusTable": map[string]any{},
		})
	case askConsumeDirectly:
		state, took, err := c.verify(ctx, fields["topic"], body)
		if err != nil {
			return nil, err
		}
		return json.Marshal(map[string]any{
			"order": false, "autoCommit": true, "consumeResult": consumeResult(state.GetCode()),
			"remark": state.GetMessage(), "spentTimeMills": took.Milliseconds(),
		})
	}
	return nil, fmt.Errorf("%w: client %s speaks the gRPC protocol, which has no such question (%d)", mq.ErrNotSupported, c.id, code)
}

// consumeResult is RocketMQ's word for what became of a message.
func consumeResult(code rmq.Code) string {
	switch code {
	case rmq.Code_OK:
		return "CR_SUCCESS"
	case rmq.Code_FAILED_TO_CONSUME_MESSAGE:
		return "CR_LATER"
	case rmq.Code_MESSAGE_CORRUPTED:
		return "CR_RETURN_NULL"
	}
	return "CR_THROW_EXCEPTION"
}

// stackTrace asks what the client's threads do.
func (c *client) stackTrace(ctx context.Context) (string, error) {
	answer, err := c.ask(ctx, func(nonce string) *rmq.TelemetryCommand {
		return &rmq.TelemetryCommand{Command: &rmq.TelemetryCommand_PrintThreadStackTraceCommand{
			PrintThreadStackTraceCommand: &rmq.PrintThreadStackTraceCommand{Nonce: nonce},
		}}
	})
	if err != nil {
		return "", err
	}
	if s := answer.GetStatus(); s != nil && s.Code != rmq.Code_OK && s.Code != rmq.Code_CODE_UNSPECIFIED {
		return "", fmt.Errorf("%w: client %s: %s", mq.ErrUnavailable, c.id, s.Message)
	}
	return answer.GetThreadStackTrace().GetThreadStackTrace(), nil
}

// verify has the client consume one message, whose stored record it is given,
// and returns what became of it.
func (c *client) verify(ctx context.Context, topic string, stored []byte) (*rmq.Status, time.Duration, error) {
	record, _, err := mq.DecodeRecord(stored)
	if err != nil {
		return nil, 0, err
	}
	if topic == "" {
		topic = string(record.Topic)
	}
	begun := time.Now()
	answer, err := c.ask(ctx, func(nonce string) *rmq.TelemetryCommand {
		return &rmq.TelemetryCommand{Command: &rmq.TelemetryCommand_VerifyMessageCommand{
			VerifyMessageCommand: &rmq.VerifyMessageCommand{Nonce: nonce, Message: outgoing(&record, &rmq.Resource{Name: topic})},
		}}
	})
	if err != nil {
		return nil, 0, err
	}
	return answer.GetStatus(), time.Since(begun), nil
}
