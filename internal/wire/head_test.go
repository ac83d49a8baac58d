package wire

import (
	"bytes"

	"testing"
)

func TestTheHeadOfAnAnswerIsReadWithoutTheRest(t *testing.T) {
	answer := sendV2(JSON).Reply(CodeSuccess, &SendMessageResponse{MsgID: "7F000001", QueueID: 3, QueueOffset: 123456})
	answer.Body = []byte("body")
	for name, frame := range map[string][]byte{
		"ours":          answer.AppendTo(nil)[4:],
		"another order": append(frameOf(`{"flag":1,"x":[{"a":"}"},2],"opaque":77,"extFields":{"msgId":"7F","n":null},"code":0}`), "body"...),
	} {
		var c Command
		if !c.DecodeHead(frame) || c.Code != CodeSuccess || c.Opaque != 77 || !c.Response() || string(c.Body) != "body" || c.Fields != nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestUnusualHeadsAreLeftToTheDecoder(t *testing.T) {
	binaryAnswer := Command{Serialization: Binary, Flag: FlagResponse}
	for _, frame := range [][]byte{
		nil, {0, 0, 0}, {0, 0, 0, 9, '{'}, binaryAnswer.AppendTo(nil)[4:],
		frameOf(``), frameOf(`{`), frameOf(`{}`), frameOf(`{"code":0,"flag":1}`), frameOf(`{"code":0,"flag":1,"opaque":}`),
		frameOf(`{"code":0,"flag":1,"opaque":"5"}`), frameOf(`{"code":0,"flag":1,"opaque": 5}`), frameOf(`{"code":0,"flag":1,"opaque":-5}`),
		frameOf(`{"code":0,"flag":1,"opaque":1234567890}`), frameOf(`{"code":0,"flag":1,"opaque":5`), frameOf(`{"code":0,"flag":1,"opaque":5}}`),
		frameOf(`{"code":0,"flag":1,"opaque":5.5}`), frameOf(`{"code":0,"flag":1,"opaque":5,"remark":"say \"no\""}`),
		frameOf(`{"co\u0064e":1,"code":0,"flag":1,"opaque":5}`), frameOf(`{"code":0,"flag":1,"opaque":5,"extFields":{"a":"b"}`),
	} {
		if c := new(Command); c.DecodeHead(frame) {
			t.Errorf("%q was read as %+v", frame, c)
		}
	}
}

func TestAPreparedRequestIsTheSameFrame(t *testing.T) {
	cmd := sendV2(JSON)
	cmd.Remark = "why"
	p := Prepare(cmd)
	for _, opaque := range []int32{0, 7, 123456, 1<<31 - 1} {
		cmd.Opaque = opaque
		got := p.AppendTo([]byte("before"), opaque)
		if want := cmd.AppendTo([]byte("before")); !bytes.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	if p.Code != cmd.Code {
		t.Errorf("code %d", p.Code)
	}
}

// FuzzHead reads whatever a peer sends: where the head alone can be read, it is
// what the decoder reads as well.
func FuzzHead(f *testing.F) {
	f.Add(sendV2(JSON).Reply(CodeSuccess, &SendMessageResponse{MsgID: "7F000001"}).AppendTo(nil)[4:])
	f.Add(frameOf(`{"code":1,"x":[{"a":"}"},2],"opaque":5,"flag":1,"code":0}`))
	f.Add(frameOf(`{"code":1,"opaque":5,"flag":1,"extFields":{"a":"\\"}}`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		var head, whole Command
		if !head.DecodeHead(frame) {
			return
		}
		if new(Decoder).Decode(frame, &whole) != nil {
			return // what was passed over may be anything
		}
		if head.Code != whole.Code || head.Opaque != whole.Opaque || head.Flag != whole.Flag || !bytes.Equal(head.Body, whole.Body) {
			t.Fatalf("%q: the head is %+v, all is %+v", frame, head, whole)
		}
	})
}

func BenchmarkHeadOfSendAnswer(b *testing.B) {
	cmd := sendV2(JSON).Reply(CodeSuccess, &SendMessageResponse{MsgID: "7F00000100002A9F0000000000000000", QueueID: 3, QueueOffset: 123456})
	frame := cmd.AppendTo(nil)[4:]

	var c Command
	b.Run("head", func(b *testing.B) {
		for b.Loop() {
			if !c.DecodeHead(frame) {
				b.Fatal("not read")
			}
		}
	})
	b.Run("whole", func(b *testing.B) {
		var d Decoder
		for b.Loop() {
			d.Reset()
			if err := d.Decode(frame, &c); err != nil {
				b.Fatal(err)
			}
		}
	})
}
