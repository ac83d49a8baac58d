//go:build !race

package node

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// A wired is a socket to a broker that makes no garbage itself: it writes bytes
// that were made before and reads answers into memory that it has.
type wired struct {
	t    *testing.T
	conn net.Conn
	buf  []byte
}

// ask writes frames and waits for n answers; it returns the last, which is
// valid until the next call.
func (w *wired) ask(frames []byte, n int) []byte {
	if _, err := w.conn.Write(frames); err != nil {
		w.t.Fatal(err)
	}
	var frame []byte
	for range n {
		if _, err := io.ReadFull(w.conn, w.buf[:4]); err != nil {
			w.t.Fatal(err)
		}
		frame = w.buf[:binary.BigEndian.Uint32(w.buf)]
		if _, err := io.ReadFull(w.conn, frame); err != nil {
			w.t.Fatal(err)
		}
	}
	return frame
}

// codeOf is the code of an answer with a binary header.
func codeOf(frame []byte) wire.Code { return wire.Code(binary.BigEndian.Uint16(frame[4:])) }

// frameOf is a request as clients of 5.x write it.
func frameOf(opaque int, code wire.Code, h wire.Header, body string) []byte {
	req := wire.NewRequest(code, h)
	req.Opaque, req.Body, req.Serialization = int32(opaque), []byte(body), wire.Binary
	return req.AppendTo(nil)
}

// Between the bytes that arrive and those that leave, sending a message and
// pulling it makes no garbage but for the goroutines that are started: what is
// counted here is per 32 messages, of the whole process, with all that goes on
// beside.
func TestMessagesMakeNoGarbageOnTheirWay(t *testing.T) {
	c := inMemory(RoleAll)
	c.FS, c.Data = nil, t.TempDir()
	n, _ := started(t, c)
	createTopic(t, n.BrokerAddr(), "T")
	conn, err := net.Dial("tcp", n.BrokerAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w := &wired{t: t, conn: conn, buf: make([]byte, 1<<20)}
	var sends []byte
	for i := range 32 {
		props := fmt.Sprintf("UNIQ_KEY\x017F0000011E1C1DBD16A667DCAF8B%04X\x02WAIT\x01true\x02TAGS\x01a\x02", i)
		sends = append(sends, frameOf(i, wire.SendMessageV2, &wire.SendMessageV2Request{
			ProducerGroup: "P", Topic: "T", DefaultTopic: mq.TopicDefault, DefaultTopicQueueNums: 8,
			QueueID: int32(i % 2), BornTimestamp: 1, Properties: []byte(props),
		}, strings.Repeat("x", 128))...)
	}
	var batch []byte
	for i := range 32 {
		batch = wire.AppendBatchMessage(batch, wire.BatchMessage{
			Body: []byte(strings.Repeat("x", 128)), Properties: fmt.Appendf(nil, "UNIQ_KEY\x017F0000011E1C1DBD16A667DCAF8B%04X\x02WAIT\x01true\x02", i),
		})
	}
	batched := frameOf(1, wire.SendBatchMessage, &wire.SendMessageV2Request{
		ProducerGroup: "P", Topic: "T", DefaultTopic: mq.TopicDefault, DefaultTopicQueueNums: 8, QueueID: 1, BornTimestamp: 1, Batch: true,
	}, string(batch))
	pull := func(expression string) []byte {
		return frameOf(1, wire.PullMessage, &wire.PullMessageRequest{
			ConsumerGroup: "G", Topic: "T", QueueID: 1, QueueOffset: 100, MaxMsgNums: 32, SysFlag: 6,
			SuspendTimeoutMillis: 1000, Subscription: expression, ExpressionType: "TAG",
		}, "")
	}
	for _, path := range []struct {
		name    string
		request []byte
		answers int
		most    float64
	}{
		// The clock of the flush, the checkpoint and the index by keys allocate
		// beside this, by time and not by message.
		{"32 sends", sends, 32, 2},
		{"a batch of 32", batched, 1, 0},
		{"a pull of 32", pull("*"), 1, 1},
		{"a pull of 32 by tag", pull("a"), 1, 1},
	} {
		allocs := math.Inf(1)
		for range 5 { // what is left of other tests makes some of them dearer
			allocs = min(allocs, testing.AllocsPerRun(100, func() {
				if code := codeOf(w.ask(path.request, path.answers)); code != wire.CodeSuccess {
					t.Fatalf("%s: %s", path.name, code.ResponseString())
				}
			}))
		}
		t.Logf("%s: %.1f allocations", path.name, allocs)
		if allocs > path.most {
			t.Errorf("%s: %.1f allocations, at most %.0f are allowed", path.name, allocs, path.most)
		}
	}
}
