package remote

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// DefaultQueues is how many queues a producer asks for when its first message
// creates a topic.
const DefaultQueues = 4

// A Sent says where a broker stored a message.
type Sent struct {
	Queue  Queue
	Offset mq.QueueOffset
	MsgID  string // unique key, made by the sender
	// OffsetMsgID names broker and log position.
	OffsetMsgID string
	Status      mq.SendStatus
}

// Send stores one message in a queue and waits for the answer.
func (c *Cluster) Send(ctx context.Context, q Queue, group string, m *mq.Message) (Sent, error) {
	cmd, err := SendRequest(q, group, m)
	if err != nil {
		return Sent{}, err
	}
	resp, err := c.rpc.Call(ctx, q.Addr, cmd)
	if err != nil {
		return Sent{}, err
	}
	sent, err := DecodeSent(q, resp)
	if err != nil {
		return Sent{}, err
	}
	id, _ := mq.Property(m.Properties, mq.PropUniqueKey)
	sent.MsgID = string(id)
	return sent, nil
}

// SendRequest is the request that stores m in q.
func SendRequest(q Queue, group string, m *mq.Message) (*wire.Command, error) {
	cmd := &wire.Command{}
	return cmd, PutSendRequest(cmd, q, group, m)
}

// PutSendRequest makes of cmd the request that stores m in q. What memory its
// fields have is used again.
func PutSendRequest(cmd *wire.Command, q Queue, group string, m *mq.Message) error {
	if len(m.Properties) > mq.MaxPropertiesSize {
		return fmt.Errorf("properties have %d bytes, at most %d fit", len(m.Properties), mq.MaxPropertiesSize)
	}
	h := SendHeader(q, group, m)
	*cmd = wire.Command{
		Code: wire.SendMessageV2, Language: wire.LanguageGo, Version: wire.VersionCurrent,
		Fields: h.AppendFields(cmd.Fields[:0]), Body: m.Body,
	}
	return nil
}

// SendHeader is the header of the request that stores m in q; it aliases m. Its
// properties have at most mq.MaxPropertiesSize bytes.
func SendHeader(q Queue, group string, m *mq.Message) wire.SendMessageV2Request {
	return wire.SendMessageV2Request{
		ProducerGroup: group, Topic: q.Topic, DefaultTopic: mq.TopicDefault, DefaultTopicQueueNums: DefaultQueues,
		QueueID: q.ID, SysFlag: int32(m.SysFlag), BornTimestamp: m.BornTime, Flag: m.Flag,
		Properties: m.Properties, ReconsumeTimes: m.ReconsumeTimes,
	}
}

// SendBatchRequest is the request that stores messages in q, all or none. Topic,
// flags and times of the first count for all.
func SendBatchRequest(q Queue, group string, ms []mq.Message) (*wire.Command, error) {
	first := &ms[0]
	var body []byte
	for i := range ms {
		if len(ms[i].Properties) > mq.MaxPropertiesSize {
			return nil, fmt.Errorf("properties of message %d have %d bytes, at most %d fit", i, len(ms[i].Properties), mq.MaxPropertiesSize)
		}
		body = wire.AppendBatchMessage(body, wire.BatchMessage{Flag: ms[i].Flag, Body: ms[i].Body, Properties: ms[i].Properties})
	}
	cmd := wire.NewRequest(wire.SendBatchMessage, &wire.SendMessageV2Request{
		ProducerGroup: group, Topic: q.Topic, DefaultTopic: mq.TopicDefault, DefaultTopicQueueNums: DefaultQueues,
		QueueID: q.ID, SysFlag: int32(first.SysFlag), BornTimestamp: first.BornTime, Batch: true,
	})
	cmd.Body = body
	return cmd, nil
}

// DecodeSent reads the answer to a send.
func DecodeSent(q Queue, resp *wire.Command) (Sent, error) {
	var status mq.SendStatus
	switch resp.Code {
	case wire.CodeSuccess:
		status = mq.SendOK
	case wire.CodeFlushDiskTimeout:
		status = mq.SendFlushTimeout
	case wire.CodeFlushSlaveTimeout:
		status = mq.SendReplicaTimeout
	case wire.CodeSlaveNotAvailable:
		status = mq.SendReplicaUnavailable
	default:
		return Sent{}, &ResponseError{Addr: q.Addr, Request: wire.SendMessageV2, Code: resp.Code, Remark: resp.Remark}
	}
	var h wire.SendMessageResponse
	if err := h.DecodeFields(resp.Fields); err != nil {
		return Sent{}, fmt.Errorf("answer of %s to a send: %w", q.Addr, err)
	}
	q.ID = h.QueueID
	return Sent{Queue: q, Offset: mq.QueueOffset(h.QueueOffset), OffsetMsgID: h.MsgID, Status: status}, nil
}

// Keys makes unique message keys in the form of RocketMQ's clients: 32 upper
// case hex digits that no other process and no other call makes.
type Keys struct {
	prefix  [10]byte
	started time.Time
	count   atomic.Uint32
}

// NewKeys draws the part that tells processes apart at random.
func NewKeys() *Keys {
	k := &Keys{started: time.Now()}
	rand.Read(k.prefix[:])
	binary.BigEndian.PutUint16(k.prefix[4:], uint16(os.Getpid()))
	return k
}

// Next returns a key that was never returned before.
func (k *Keys) Next() string { return string(k.AppendNext(make([]byte, 0, 32))) }

// AppendNext adds the next key to b.
func (k *Keys) AppendNext(b []byte) []byte {
	const digits = "0123456789ABCDEF"
	var id [16]byte
	copy(id[:], k.prefix[:])
	binary.BigEndian.PutUint32(id[10:], uint32(time.Since(k.started)/time.Second))
	// The last two bytes of RocketMQ's ids are a counter of 16 bits; its
	// upper half rides in the seconds' place when many are made.
	n := k.count.Add(1)
	binary.BigEndian.PutUint16(id[14:], uint16(n))
	binary.BigEndian.PutUint16(id[8:], uint16(n>>16)^binary.BigEndian.Uint16(k.prefix[8:]))
	for _, c := range id {
		b = append(b, digits[c>>4], digits[c&15])
	}
	return b
}
