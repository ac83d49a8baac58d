package grpc

import (
	"strconv"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
)

// enough has room for everything.
func enough(int64) error { return nil }

// ackOf is a request that acknowledges so many messages.
func ackOf(n int) *rmq.AckMessageRequest {
	m := &rmq.AckMessageRequest{Group: &rmq.Resource{Name: "G", ResourceNamespace: "space"}, Topic: res("T")}
	for i := range n {
		m.Entries = append(m.Entries, &rmq.AckMessageEntry{MessageId: strconv.Itoa(i), ReceiptHandle: "größe " + strconv.Itoa(i)})
	}
	return m
}

func FuzzARequestToAcknowledgeIsReadAsProtobufReadsIt(f *testing.F) {
	for _, m := range []*rmq.AckMessageRequest{{}, ackOf(0), ackOf(1), ackOf(3), {Entries: []*rmq.AckMessageEntry{{LiteTopic: proto.String("l")}, {}}}} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(append(b, b...))
		f.Add(append(b, 0xff))
		f.Add(append([]byte{0x0a, 0x03, 0x12, 0x01, 0xff}, b...))
		f.Add(append([]byte{0x08, 0x01}, b...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var got, want rmq.AckMessageRequest
		if done, err := decodeAck(b, &got, enough); !done || err != nil {
			if !proto.Equal(&got, &want) {
				t.Errorf("%x is left to protobuf half read: %v", b, &got)
			}
			return
		}
		if err := proto.Unmarshal(b, &want); err != nil || !proto.Equal(&got, &want) {
			t.Errorf("%x is read as\n%v, protobuf reads\n%v, %v", b, &got, &want, err)
		}
	})
}

func FuzzARequestToSendIsReadAsProtobufReadsIt(f *testing.F) {
	usual := &rmq.Message{
		Topic: res("T"), UserProperties: map[string]string{"a": "b", "größe": ""}, Body: []byte("body"),
		SystemProperties: &rmq.SystemProperties{
			Tag: proto.String("red"), Keys: []string{"k1", "k2"}, MessageId: "01", BodyEncoding: rmq.Encoding_IDENTITY, MessageType: rmq.MessageType_NORMAL,
			BornTimestamp: millis(-1234), BornHost: "h", QueueId: -1, MessageGroup: proto.String("g"), TraceContext: proto.String("t"),
		},
	}
	late := proto.CloneOf(usual)
	late.SystemProperties.DeliveryTimestamp = millis(1234)
	for _, m := range []*rmq.SendMessageRequest{
		{}, {Messages: []*rmq.Message{usual}}, {Messages: []*rmq.Message{{}}}, {Messages: []*rmq.Message{usual, usual}}, {Messages: []*rmq.Message{late}},
		{Messages: []*rmq.Message{{SystemProperties: &rmq.SystemProperties{Tag: proto.String("")}, UserProperties: map[string]string{"": ""}}}},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(append(b, 0xff))
		f.Add(append([]byte{0x08, 0x01}, b...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var got, want rmq.SendMessageRequest
		if !decodeSend(b, &got) {
			if !proto.Equal(&got, &want) {
				t.Errorf("%x is left to protobuf half read: %v", b, &got)
			}
			return
		}
		if err := proto.Unmarshal(b, &want); err != nil || !proto.Equal(&got, &want) {
			t.Errorf("%x is read as\n%v, protobuf reads\n%v, %v", b, &got, &want, err)
		}
	})
}

func TestAnUsualRequestToSendIsReadWithoutACopyOfItsBody(t *testing.T) {
	m := &rmq.SendMessageRequest{Messages: []*rmq.Message{{Topic: res("T"), Body: make([]byte, 1024), SystemProperties: &rmq.SystemProperties{
		MessageId: "01", MessageType: rmq.MessageType_NORMAL, BodyEncoding: rmq.Encoding_IDENTITY, BornTimestamp: millis(1), BornHost: "h", QueueId: 1,
	}}}}
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var got rmq.SendMessageRequest
	most := testing.AllocsPerRun(100, func() {
		if !decodeSend(b, &got) {
			t.Fatal("it is left to protobuf")
		}
	})
	if body := got.Messages[0].Body; most > 4 || &body[0] != &b[len(b)-len(body)] {
		t.Errorf("it takes %v allocations", most)
	}
}

func TestAnUsualRequestToAcknowledgeIsReadWithoutAPieceOfMemoryForEachText(t *testing.T) {
	b, err := proto.Marshal(ackOf(32))
	if err != nil {
		t.Fatal(err)
	}
	most := testing.AllocsPerRun(100, func() {
		if done, err := decodeAck(b, new(rmq.AckMessageRequest), enough); !done || err != nil {
			t.Fatal("it is left to protobuf", err)
		}
	})
	if most > 6 {
		t.Errorf("it takes %v allocations", most)
	}
}
