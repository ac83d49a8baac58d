package remoting

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// sendV2 is a request with a compact header.
func sendV2(topic, body string) *wire.Command {
	req := wire.NewRequest(wire.SendMessageV2, &wire.SendMessageV2Request{
		ProducerGroup: "P", Topic: topic, DefaultTopic: "TBW102", DefaultTopicQueueNums: 4, QueueID: 2,
		SysFlag: 1, BornTimestamp: 1234567, Flag: 7, Properties: []byte("UNIQ_KEY\x01ABC\x02TAGS\x01a\x02"),
	})
	req.Body = []byte(body)
	return req
}

func TestSendCarriesEverythingToTheBrokerAndAnswersWithTheMessagesPlace(t *testing.T) {
	for _, code := range []wire.Code{wire.SendMessage, wire.SendMessageV2} {
		t.Run(code.String(), func(t *testing.T) {
			r := newRig(t)
			req := sendV2("T", "hello")
			if code == wire.SendMessage {
				req = wire.NewRequest(code, &wire.SendMessageRequest{
					ProducerGroup: "P", Topic: "T", DefaultTopic: "TBW102", DefaultTopicQueueNums: 4, QueueID: 2,
					SysFlag: 1, BornTimestamp: 1234567, Flag: 7, Properties: []byte("UNIQ_KEY\x01ABC\x02TAGS\x01a\x02"),
				})
				req.Body = []byte("hello")
			}
			resp := r.send(req)
			r.want(wire.CodeSuccess, resp)
			for key, want := range map[string]string{
				"msgId": mq.OffsetID(storeHost, 1000), "queueId": "2", "queueOffset": "100", "transactionId": "ABC",
				"MSG_REGION": "DefaultRegion", "TRACE_ON": "true",
			} {
				if got := field(resp, key); got != want {
					t.Errorf("%s is %q, want %q", key, got, want)
				}
			}
			s := r.fake.sends[0]
			got := fmt.Sprintf("%s %s %s %d %d %#x %d %d %s %q %v", s.Group, s.Topic, s.DefaultTopic, s.DefaultQueues,
				s.QueueID, int(s.SysFlag), s.BornTime, s.Flag, s.Body, s.Properties, s.MaxReconsumes)
			want := `P T TBW102 4 2 0x1 1234567 7 hello "UNIQ_KEY\x01ABC\x02TAGS\x01a\x02" <nil>`
			if got != want {
				t.Errorf("the broker got %s, want %s", got, want)
			}
			if s.BornHost != r.client.LocalAddr() {
				t.Errorf("born host is %v, want %v", s.BornHost, r.client.LocalAddr())
			}
		})
	}
}

func TestSendToARetryTopicSaysHowOftenItMayBeTried(t *testing.T) {
	r := newRig(t)
	req := wire.NewRequest(wire.SendMessageV2, &wire.SendMessageV2Request{
		ProducerGroup: "P", Topic: "%RETRY%G", ReconsumeTimes: 3, MaxReconsumeTimes: wire.Some[int32](5),
	})
	r.want(wire.CodeSuccess, r.send(req))
	s := r.fake.sends[0]
	if s.ReconsumeTimes != 3 || s.MaxReconsumes == nil || *s.MaxReconsumes != 5 {
		t.Errorf("reconsume times %d, most %v; want 3 and 5", s.ReconsumeTimes, s.MaxReconsumes)
	}
}

func TestSendStatusBecomesTheResponseCode(t *testing.T) {
	for status, want := range map[mq.SendStatus]wire.Code{
		mq.SendOK: wire.CodeSuccess, mq.SendFlushTimeout: wire.CodeFlushDiskTimeout,
		mq.SendReplicaTimeout: wire.CodeFlushSlaveTimeout, mq.SendReplicaUnavailable: wire.CodeSlaveNotAvailable,
	} {
		if got := sendCodes[status]; got != want {
			t.Errorf("status %d answers %s, want %s", status, got.ResponseString(), want.ResponseString())
		}
	}
}

// batchBody is messages as SEND_BATCH_MESSAGE has them.
func batchBody(bodies ...string) []byte {
	var b []byte
	be := binary.BigEndian
	for i, body := range bodies {
		props := fmt.Sprintf("UNIQ_KEY\x01%d\x02", i)
		b = be.AppendUint32(b, uint32(22+len(body)+len(props)))
		b = be.AppendUint32(b, 0)
		b = be.AppendUint32(b, 0)
		b = be.AppendUint32(b, uint32(i))
		b = be.AppendUint32(b, uint32(len(body)))
		b = append(b, body...)
		b = be.AppendUint16(b, uint16(len(props)))
		b = append(b, props...)
	}
	return b
}

func TestSendBatchTakesTheBatchApartAndAnswersWithAllIds(t *testing.T) {
	r := newRig(t)
	req := sendV2("T", string(batchBody("one", "two", "three")))
	req.Code = wire.SendBatchMessage
	resp := r.send(req)
	r.want(wire.CodeSuccess, resp)
	want := strings.Join([]string{mq.OffsetID(storeHost, 1000), mq.OffsetID(storeHost, 2000), mq.OffsetID(storeHost, 2001)}, ",")
	if got := field(resp, "msgId"); got != want {
		t.Errorf("msgId is %q, want %q", got, want)
	}
	if _, there := resp.Fields.Get("batchUniqId"); there {
		t.Error("batchUniqId is set; clients take that for an inner batch")
	}
	s := r.fake.sends[0]
	got := fmt.Sprintf("%s/%d/%q", s.Body, s.Flag, s.Properties)
	for _, m := range s.More {
		got += fmt.Sprintf(" %s/%d/%q", m.Body, m.Flag, m.Properties)
	}
	if want := `one/0/"UNIQ_KEY\x010\x02" two/1/"UNIQ_KEY\x011\x02" three/2/"UNIQ_KEY\x012\x02"`; got != want {
		t.Errorf("the broker got %s, want %s", got, want)
	}
}

func TestSendBatchThatIsMalformedSays13(t *testing.T) {
	r := newRig(t)
	whole := batchBody("one", "two")
	negative := batchBody("one")
	binary.BigEndian.PutUint32(negative[16:], 0xFFFFFFFF)
	for name, body := range map[string][]byte{"empty": nil, "cut": whole[:len(whole)-1], "negative length": negative, "rubbish": []byte("rubbish")} {
		req := sendV2("T", string(body))
		req.Code = wire.SendBatchMessage
		if resp := r.send(req); resp.Code != wire.CodeMessageIllegal {
			t.Errorf("%s: answered %s: %s", name, resp.Code.ResponseString(), resp.Remark)
		}
	}
	retry := sendV2("%RETRY%G", string(whole))
	retry.Code = wire.SendBatchMessage
	r.want(wire.CodeMessageIllegal, r.send(retry))
	if len(r.fake.sends) != 0 {
		t.Errorf("%d malformed batches reached the broker", len(r.fake.sends))
	}
}

func TestSendWithAHeaderThatLacksAFieldNamesItAndTheConnectionGoesOn(t *testing.T) {
	r := newRig(t)
	req := sendV2("T", "x")
	for i, f := range req.Fields {
		if string(f.Key) == "e" {
			req.Fields = append(req.Fields[:i], req.Fields[i+1:]...)
			break
		}
	}
	resp := r.send(req)
	r.want(wire.CodeSystemError, resp)
	if !strings.Contains(resp.Remark, "queueId (e)") {
		t.Errorf("the remark %q does not name queueId", resp.Remark)
	}
	bad := sendV2("T", "x")
	bad.Fields = bad.Fields.Add("j", "many")
	r.want(wire.CodeSystemError, r.send(bad))
	r.want(wire.CodeSuccess, r.send(sendV2("T", "x")))
}

func TestSendOnewayIsStoredAndNotAnswered(t *testing.T) {
	r := newRig(t)
	if err := r.client.Oneway(sendV2("T", "quiet")); err != nil {
		t.Fatal(err)
	}
	r.want(wire.CodeSuccess, r.send(sendV2("T", "loud"))) // an answer to the first would be one too many
	if len(r.fake.sends) != 2 || string(r.fake.sends[0].Body) != "quiet" {
		t.Fatalf("the broker got %d messages", len(r.fake.sends))
	}
}

// serverConn is the server's end of the rig's connection, for tests that play
// its reading goroutine. The client must be silent meanwhile.
func serverConn(r *rig) *session {
	r.call(wire.GetBrokerRuntimeInfo, nil, "")
	return sessionOf(<-r.server)
}

func TestSendsThatArriveTogetherGoToTheBrokerTogetherAndBeforeWhatFollows(t *testing.T) {
	r := newRig(t)
	s := serverConn(r)
	for i := range 3 {
		s.serve(sendV2("T", fmt.Sprint(i)))
	}
	if len(r.fake.bursts) != 0 {
		t.Fatal("sends were handed over one by one")
	}
	s.serve(wire.NewRequest(wire.GetMaxOffset, &wire.GetMaxOffsetRequest{Topic: "T"}))
	if len(r.fake.bursts) != 1 || r.fake.bursts[0] != 3 {
		t.Fatalf("before the other request was served the broker had bursts of %v, want one of 3", r.fake.bursts)
	}
	s.serve(sendV2("T", "4"))
	r.handler.Flush(s.conn)
	if len(r.fake.bursts) != 2 {
		t.Fatal("Flush did not hand over")
	}
}

// A burst's answers may come long after the read buffer it came from was
// reused, and the next bursts do not wait for it.
func TestSendIsAnsweredFromItsOwnMemoryWhenTheBrokerTakesItsTime(t *testing.T) {
	r := newRig(t)
	r.fake.later = true
	answers := make(chan *wire.Command, 2)
	ask := func(key string) {
		req := sendV2("T", "x")
		req.Fields = nil
		req.Fields = (&wire.SendMessageV2Request{Topic: "T", Properties: []byte("UNIQ_KEY\x01" + key + "\x02")}).AppendFields(req.Fields)
		r.client.Go(req, 0, func(resp *wire.Command, err error) {
			if err == nil {
				answers <- resp.Clone()
			} else {
				answers <- &wire.Command{Remark: err.Error()}
			}
		})
	}
	ask("first-key-0123456789")
	r.good(wire.GetBrokerRuntimeInfo, nil, "")
	ask("other-key-9876543210")
	r.good(wire.GetBrokerRuntimeInfo, nil, "")
	r.fake.finish()
	got := map[string]bool{field(<-answers, "transactionId"): true, field(<-answers, "transactionId"): true}
	if !got["first-key-0123456789"] || !got["other-key-9876543210"] {
		t.Errorf("answers carry the ids %v", got)
	}
}

func TestSendWaitsWhileTheBrokerHasTooManyBurstsOfTheConnection(t *testing.T) {
	r := newRig(t)
	s := serverConn(r)
	r.fake.later = true
	for range maxBursts {
		s.serve(sendV2("T", "x"))
		s.handOver()
	}
	passed := make(chan struct{})
	s.work.Go(func() {
		s.serve(sendV2("T", "one more"))
		close(passed)
	})
	select {
	case <-passed:
		t.Fatal("one more burst was begun")
	default:
	}
	r.fake.finish()
	<-passed
}

func TestSendMakesNoGarbageInSteadyState(t *testing.T) {
	r := newRig(t)
	s := serverConn(r)
	r.fake.silent = true
	frames := make([][]byte, 32)
	for i := range frames {
		req := sendV2(fmt.Sprintf("T%d", i%4), strings.Repeat("x", 1024))
		req.Flag |= wire.FlagOneway * int32(i&1) // half of them are answered
		req.Serialization = wire.Binary
		frames[i] = req.AppendTo(nil)[4:]
	}
	var d wire.Decoder
	cmds := make([]wire.Command, len(frames))
	allocs := testing.AllocsPerRun(200, func() {
		r.fake.bursts = r.fake.bursts[:0]
		d.Reset()
		for i, frame := range frames {
			cmds[i] = wire.Command{}
			if err := d.Decode(frame, &cmds[i]); err != nil {
				t.Fatal(err)
			}
			s.serve(&cmds[i])
		}
		r.handler.Flush(s.conn)
	})
	if allocs > 8 { // the writer's goroutine
		t.Errorf("a burst of %d sends makes %v allocations", len(frames), allocs)
	}
}

// What is filled into a form is to the byte what a command would be encoded to, and
// what is no form's is left to the command.
func TestFormedAnswersAreThoseOfTheCommand(t *testing.T) {
	r := newRig(t)
	s := serverConn(r)
	b := r.handler.bursts.take(s)
	for _, one := range []struct{ id, handle string }{{}, {id: "7F000001"}, {id: `with "quotes"`}, {"7F000001", "djEgVCBicm9rZXI="}} {
		id := one.id
		for _, more := range [][]mq.LogPos{nil, {1300, 1 << 40}} {
			send := &mq.Send{Result: mq.SendResult{QueueID: 3, Offset: 1 << 33, Pos: 1200, MorePos: more, Handle: one.handle}}
			b.ids = append(b.ids[:0], id...)
			a := &asked{opaque: -77, idTo: int32(len(id)), code: wire.SendMessageV2}
			if !b.form(a, send) {
				t.Fatalf("%+v is not answered by a form", send.Result)
			}
			got := string(b.frames)
			b.frames, b.formed = b.frames[:0], b.formed[:0]
			request := a.request()
			b.resp.SetReply(&request, wire.CodeSuccess, nil)
			b.describe(send, b.ids)
			if want := string(b.resp.AppendTo(nil)); got != want {
				t.Errorf("answered %q, not %q", got, want)
			}
		}
	}
	for name, send := range map[string]mq.Send{
		"refused":       {Err: mq.ErrBusy},
		"not flushed":   {Result: mq.SendResult{Status: mq.SendFlushTimeout}},
		"without an id": {Result: mq.SendResult{Handle: "h"}},
		"a large batch": {Result: mq.SendResult{MorePos: make([]mq.LogPos, maxFormed+1)}},
	} {
		if b.form(&asked{}, &send) {
			t.Errorf("a send that is %s is answered by a form", name)
		}
	}
	if b.form(&asked{serialization: wire.Binary}, &mq.Send{}) || b.form(&asked{oneway: true}, &mq.Send{}) {
		t.Error("a binary header, or no answer, is formed")
	}
}
