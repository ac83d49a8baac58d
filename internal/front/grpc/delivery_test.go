package grpc

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// parts takes a piece of a stream apart.
func parts(t *testing.T, b []byte) (all []*rmq.ReceiveMessageResponse) {
	t.Helper()
	for len(b) > 0 {
		end := prefixLength + int(binary.BigEndian.Uint32(b[1:]))
		m := new(rmq.ReceiveMessageResponse)
		if err := proto.Unmarshal(b[prefixLength:end], m); err != nil || b[0] != 0 {
			t.Fatalf("part %d: %v, compressed %d", len(all), err, b[0])
		}
		all, b = append(all, m), b[end:]
	}
	return all
}

// anyTaken is a message with whatever properties messages have.
func anyTaken(dice *rand.Rand) taken {
	names := []string{
		mq.PropTags, mq.PropKeys, mq.PropUniqueKey, mq.PropShardingKey, mq.PropTraceContext, mq.PropBornHost, mq.PropLiteTopic,
		mq.PropTimerDeliverMs, mq.PropPriority, mq.PropDLQOriginTopic, mq.PropDLQOriginID, mq.PropTransaction, mq.PropDelay,
		mq.PropTimerDelaySec, mq.PropTimerDelayMs, mq.PropMinOffset, mq.PropTransientPrefix + "x", "colour", "größe", "a", "b",
	}
	values := []string{"1", "true", " a  b ", "-7", "2026", "99999999999999", "ü", "x"}
	var props []byte
	for range dice.IntN(12) {
		props = mq.AppendProperty(props, names[dice.IntN(len(names))], values[dice.IntN(len(values))])
	}
	body := make([]byte, dice.IntN(3)*dice.IntN(2000))
	for i := range body {
		body[i] = byte(dice.Uint32())
	}
	hosts := []netip.AddrPort{{}, netip.MustParseAddrPort("10.0.0.1:4711"), netip.MustParseAddrPort("[2001:db8::1]:80"), netip.MustParseAddrPort("[::ffff:1.2.3.4]:80")}
	return taken{
		record: mq.Record{
			QueueID: dice.Int32N(3), QueueOffset: mq.QueueOffset(dice.Int64N(2) * dice.Int64()), Pos: mq.LogPos(dice.Int64()),
			SysFlag: mq.SysFlag(dice.IntN(2)) * mq.FlagCompressed, BornTime: dice.Int64N(1e14) - 1e12, StoreTime: dice.Int64N(1e14) / 1000 * 1000,
			BornHost: hosts[dice.IntN(len(hosts))], StoreHost: hosts[dice.IntN(len(hosts))], ReconsumeTimes: dice.Int32N(3) - 1,
			Body: body, Properties: props,
		},
		receipt: mq.Receipt{PopTime: dice.Int64N(1e14), Invisible: dice.Int64N(1e6), Broker: "b1", QueueID: dice.Int32N(8), Offset: 7},
	}
}

func TestADeliveredMessageIsTheOneThatIsMadeAsAStruct(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	for _, topic := range []*rmq.Resource{res("T"), {Name: "T", ResourceNamespace: "space"}, {}, nil} {
		var wanted []*rmq.ReceiveMessageResponse
		d := newDelivery(topic)
		for range 300 {
			one := anyTaken(dice)
			m := outgoing(&one.record, topic)
			m.SystemProperties.ReceiptHandle = proto.String(one.handle().String())
			m.SystemProperties.InvisibleDuration = durationpb.New(time.Duration(one.receipt.Invisible) * time.Millisecond)
			wanted = append(wanted, &rmq.ReceiveMessageResponse{Content: &rmq.ReceiveMessageResponse_Message{Message: m}})
			d.message(&one)
		}
		d.status(okay())
		wanted = append(wanted, &rmq.ReceiveMessageResponse{Content: &rmq.ReceiveMessageResponse_Status{Status: okay()}})
		d.time(1234567)
		wanted = append(wanted, &rmq.ReceiveMessageResponse{Content: &rmq.ReceiveMessageResponse_DeliveryTimestamp{DeliveryTimestamp: millis(1234567)}})
		piece := d.take()
		got := parts(t, piece.ReadOnlyData())
		piece.Free()
		d.end()
		if len(got) != len(wanted) {
			t.Fatalf("%d parts, want %d", len(got), len(wanted))
		}
		for i := range got {
			if !proto.Equal(got[i], wanted[i]) {
				t.Fatalf("part %d is\n%v\nwant\n%v", i, got[i].GetMessage().GetSystemProperties(), wanted[i].GetMessage().GetSystemProperties())
			}
		}
	}
}

func TestAStoredTextThatIsNoUTF8IsReplaced(t *testing.T) {
	d := newDelivery(res("T"))
	defer d.end()
	d.message(&taken{record: mq.Record{Properties: []byte("TAGS\x01a\xffb\x02\xfe\x01\xfd\x02")}})
	m := parts(t, *d.piece)[0].GetMessage()
	if m.SystemProperties.GetTag() != "a\uFFFDb" || m.UserProperties["\uFFFD"] != "\uFFFD" {
		t.Errorf("the message is %v", m)
	}
}

func TestAMessageIsDeliveredWithoutGarbage(t *testing.T) {
	props := mq.AppendProperty(nil, mq.PropUniqueKey, "0A000001")
	props = mq.AppendProperty(mq.AppendProperty(props, mq.PropTags, "red"), "colour", "blue")
	one := taken{record: mq.Record{Body: make([]byte, 1024), Properties: props, BornHost: netip.MustParseAddrPort("10.0.0.1:4711")}}
	d := newDelivery(res("T"))
	defer d.end()
	most := testing.AllocsPerRun(100, func() {
		d.message(&one)
		if d.size() > deliveryPiece {
			*d.piece = (*d.piece)[:0]
		}
	})
	if most > 0 {
		t.Errorf("a message takes %v allocations", most)
	}
}

func TestMessagesAreCompressedForAClientThatCompresses(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "NORMAL")
	r.fake.gives(stored("T", 0, "first", nil, 0, 0), stored("T", 1, "second", nil, 0, 0))
	d := r.receive(r.ctx("c"), wanted(), grpc.UseCompressor(gzip.Name))
	r.want(rmq.Code_OK, d.status, nil)
	if len(d.messages) != 2 || string(d.messages[0].Body) != "first" || string(d.messages[1].Body) != "second" || d.at.IsZero() {
		t.Errorf("it received %v at %v", d.messages, d.at)
	}
}

// A breaking stream takes so many messages and no more.
type breaking struct {
	grpc.ServerStream
	takes int
}

func (b *breaking) SendMsg(m any) error {
	if b.takes--; b.takes < 0 {
		return errors.New("broken")
	}
	return nil
}

func TestWhatAStreamTookBeforeItBrokeIsNotGivenBack(t *testing.T) {
	for takes, want := range map[int]int{0: 5, 1: 5, 2: 4, 5: 1, 6: 0, 7: 0} {
		all := make([]taken, 5)
		d := newDelivery(res("T"))
		d.status(okay())
		for i := range all {
			d.message(&all[i])
		}
		d.time(1)
		c := &call{ServerStream: &breaking{takes: takes}}
		err := c.deliver(d)
		if got := len(d.unsent(all)); got != want || (err == nil) != (takes == 7) {
			t.Errorf("of a stream that took %d parts %d messages are given back, want %d; %v", takes, got, want, err)
		}
		d.end()
	}
}
