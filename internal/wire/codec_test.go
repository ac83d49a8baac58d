package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// sendV2 is a request as the Java client makes it.
func sendV2(s Serialization) *Command {
	c := NewRequest(SendMessageV2, &SendMessageV2Request{
		ProducerGroup: "producers", Topic: "orders", DefaultTopic: "TBW102", DefaultTopicQueueNums: 4, QueueID: 3,
		BornTimestamp: 1763697600000, MaxReconsumeTimes: Some[int32](0), BrokerName: "broker-a",
		Properties: []byte("UNIQ_KEY\x017F000001000012345678\x02WAIT\x01true\x02TAGS\x01a\x02"),
	})
	c.Opaque, c.Serialization, c.Body = 77, s, bytes.Repeat([]byte("b"), 1024)
	return c
}

func decode(t testing.TB, frame []byte) *Command {
	t.Helper()
	if int(binary.BigEndian.Uint32(frame)) != len(frame)-4 {
		t.Fatalf("length %d, frame has %d", binary.BigEndian.Uint32(frame), len(frame)-4)
	}
	var d Decoder
	c := new(Command)
	if err := d.Decode(frame[4:], c); err != nil {
		t.Fatal(err)
	}
	return c
}

func same(t testing.TB, got, want *Command) {
	t.Helper()
	g, w := fmt.Sprintf("%+v", describe(got)), fmt.Sprintf("%+v", describe(want))
	if g != w {
		t.Errorf("got  %s\nwant %s", g, w)
	}
}

func describe(c *Command) any {
	var fields [][2]string
	for i := range c.Fields {
		fields = append(fields, [2]string{string(c.Fields[i].Key), string(c.Fields[i].Value)})
	}
	return []any{c.Code, c.Language, c.Version, c.Opaque, c.Flag, c.Remark, fields, fmt.Sprintf("%x", c.Body), c.Serialization}
}

func TestCommandSurvivesEncodingInBothSerializations(t *testing.T) {
	for _, s := range []Serialization{JSON, Binary} {
		c := sendV2(s)
		same(t, decode(t, c.AppendTo(nil)), c)

		c = &Command{Code: CodeSystemError, Flag: FlagResponse | FlagOneway, Opaque: -5, Remark: "über \"all\"\n\x02\\", Serialization: s, Version: 513}
		same(t, decode(t, c.AppendTo([]byte("before"))[len("before"):]), c)
	}
}

func TestLengthCountsChunksThatAreNotAppended(t *testing.T) {
	c := &Command{Body: []byte("12"), Chunks: [][]byte{[]byte("345"), []byte("6")}}
	b := c.AppendTo(nil)
	b = append(b, "3456"...)
	if got := string(decode(t, b).Body); got != "123456" {
		t.Errorf("body %q", got)
	}
	if got := string(c.Clone().Body); got != "123456" {
		t.Errorf("cloned body %q", got)
	}
}

func TestCodesOver16BitsGetJSONHeaders(t *testing.T) {
	c := NewRequest(PopMessage, &PopMessageRequest{ConsumerGroup: "g", Topic: "t"})
	c.Serialization = Binary
	got := decode(t, c.AppendTo(nil))
	if got.Code != PopMessage || got.Serialization != JSON {
		t.Errorf("code %v in serialization %d", got.Code, got.Serialization)
	}
}

func TestJSONHeaderIsReadInEveryForm(t *testing.T) {
	tests := []struct {
		name, header string
		want         Command
		fields       string
	}{
		{"empty", `{}`, Command{Language: LanguageOther}, ""},
		{"any order and white space", " {\n\t\"version\" : 1 ,\"code\":10,\r\"opaque\":-1, \"language\" : \"CPP\", \"flag\":\"3\"} ",
			Command{Code: 10, Version: 1, Opaque: -1, Flag: 3, Language: LanguageCpp}, ""},
		{"unknown keys", `{"a":[1,[],{"b":"\"}"}],"c":{"d":{}},"e":true,"f":false,"g":null,"h":-1.5e+3,"code":1}`,
			Command{Code: 1, Language: LanguageOther}, ""},
		{"escapes", `{"extFields":{"\u0061":"x\u0001y\u00e9\uD83D\uDE00\ud800z\/\\\"\n\r\t\b\f"},"remark":"\u4f60"}`,
			Command{Remark: "你", Language: LanguageOther}, "a=x\x01yé😀\uFFFDz/\\\"\n\r\t\b\f;"},
		{"values that are no strings", `{"extFields":{"i":12,"b":true,"n":null,"o":{"x":1},"s":""}}`,
			Command{Language: LanguageOther}, `i=12;b=true;o={"x":1};s=;`},
		{"null fields", `{"extFields": null,"remark":null,"language":9,"code":null}`, Command{Language: LanguageGo}, ""},
		{"not ASCII as it is", `{"extFields":{"k":"é😀"}}`, Command{Language: LanguageOther}, "k=é😀;"},
	}
	for _, test := range tests {
		var c Command
		if err := new(Decoder).Decode(frameOf(test.header), &c); err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		fields := ""
		for _, f := range c.Fields {
			fields += fmt.Sprintf("%s=%s;", f.Key, f.Value)
		}
		if fields != test.fields {
			t.Errorf("%s: fields %q, want %q", test.name, fields, test.fields)
		}
		c.Fields = nil
		if !reflect.DeepEqual(c, test.want) {
			t.Errorf("%s: got %+v, want %+v", test.name, c, test.want)
		}
	}
}

func frameOf(header string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(header))), header...)
}

func TestMalformedFramesAreRefused(t *testing.T) {
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	for _, header := range []string{
		``, ` `, `{`, `[]`, `{"code"}`, `{"code":}`, `{"code":1,}`, `{"code":1}x`, `{"code":1 "flag":2}`, `{"code":1.5}`,
		`{"code":4294967296}`, `{"code":"x"}`, `{code:1}`, `{"a":"\u12"}`, `{"a":"\q"}`, `{"a":"x`, `{"a":tru}`, `{"a":[1`,
		`{"a":` + deep + `}`, `{"extFields":[]}`, `{"extFields":{"a":"b"`, `{"opaque":-}`,
	} {
		if err := new(Decoder).Decode(frameOf(header), new(Command)); err == nil {
			t.Errorf("header %.40q was accepted", header)
		}
	}
	whole := sendV2(Binary).AppendTo(nil)[4:]
	headerEnd := 4 + int(binary.BigEndian.Uint32(whole)&0xFFFFFF)
	for n := range headerEnd {
		if err := new(Decoder).Decode(whole[:n], new(Command)); err == nil {
			t.Fatalf("frame cut at %d of %d was accepted", n, headerEnd)
		}
		cut := bytes.Clone(whole[:n])
		if n >= 4 {
			binary.BigEndian.PutUint32(cut, 1<<24|uint32(n-4))
			if err := new(Decoder).Decode(cut, new(Command)); err == nil {
				t.Fatalf("header cut at %d of %d was accepted", n, headerEnd)
			}
		}
	}
	if err := new(Decoder).Decode([]byte{7, 0, 0, 0}, new(Command)); err == nil {
		t.Error("serialization 7 was accepted")
	}
}

func TestResultsStayValidUntilReset(t *testing.T) {
	var d Decoder
	frame := sendV2(JSON).AppendTo(nil)[4:]
	var all [20]Command
	for i := range all {
		if err := d.Decode(frame, &all[i]); err != nil {
			t.Fatal(err)
		}
	}
	for i := range all {
		same(t, &all[i], sendV2(JSON))
	}
	clone := all[3].Clone()
	d.Reset()
	for range all {
		other := NewRequest(PullMessage, &PullMessageRequest{Topic: "xxxxxxxxxxxxxxxx", Subscription: "\x01\x02\x03\x04\x05"})
		if err := d.Decode(other.AppendTo(nil)[4:], &all[0]); err != nil {
			t.Fatal(err)
		}
	}
	clear(frame)
	same(t, clone, sendV2(JSON))
}

func TestHeaderFieldsSurvive(t *testing.T) {
	want := SendMessageV2Request{
		ProducerGroup: "p", Topic: "t", DefaultTopic: "d", DefaultTopicQueueNums: 4, QueueID: -1, SysFlag: 8,
		BornTimestamp: -1 << 63, Flag: 1 << 30, Properties: []byte("a\x01b"), ReconsumeTimes: 3, UnitMode: true,
		MaxReconsumeTimes: Some[int32](16), Batch: true, BrokerName: "b",
	}
	for _, s := range []Serialization{JSON, Binary} {
		c := NewRequest(SendMessageV2, &want)
		c.Serialization = s
		var got SendMessageV2Request
		if err := got.DecodeFields(decode(t, c.AppendTo(nil)).Fields); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	same := SendMessageRequest{ProducerGroup: "p"}
	_ = SendMessageV2Request(same) // the two headers have the same fields
}

func TestHeaderErrorsNameTheField(t *testing.T) {
	full := (&PullMessageRequest{ConsumerGroup: "g", Topic: "t"}).AppendFields(nil)
	var h PullMessageRequest
	for i := range full {
		without := append(append(Fields{}, full[:i]...), full[i+1:]...)
		err := h.DecodeFields(without)
		if err == nil || !strings.Contains(err.Error(), string(full[i].Key)) {
			t.Errorf("without %s: %v", full[i].Key, err)
		}
	}
	for _, v := range []string{"x", "1x", "-", "2147483648", "99999999999999999999", " 1"} {
		err := h.DecodeFields(append(append(Fields{}, full...), Fields{}.Add("queueId", v)...))
		if err == nil || !strings.Contains(err.Error(), "queueId") {
			t.Errorf("queueId %q: %v", v, err)
		}
	}
}

func TestDecodingAgainForgetsWhatWasThere(t *testing.T) {
	var h QueryConsumerOffsetRequest
	f := (&QueryConsumerOffsetRequest{ConsumerGroup: "g", Topic: "t", QueueID: 5, SetZeroIfNotFound: Some(false)}).AppendFields(nil)
	if err := h.DecodeFields(f); err != nil || h.SetZeroIfNotFound != Some(false) {
		t.Fatal(err, h)
	}
	f = (&QueryConsumerOffsetRequest{ConsumerGroup: "g2", Topic: "t"}).AppendFields(nil)
	if err := h.DecodeFields(f); err != nil || h != (QueryConsumerOffsetRequest{ConsumerGroup: "g2", Topic: "t"}) {
		t.Errorf("%v %+v", err, h)
	}
}

func TestReplyMirrorsTheRequest(t *testing.T) {
	req := sendV2(Binary)
	r := req.ReplyError(CodeNoPermission, "ask for it")
	want := &Command{Code: 16, Language: LanguageGo, Version: 513, Opaque: 77, Flag: FlagResponse, Remark: "ask for it", Serialization: Binary}
	same(t, r, want)
	if !r.Response() || r.Oneway() {
		t.Error("flags")
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	frame := sendV2(JSON).AppendTo(nil)[4:]
	binFrame := sendV2(Binary).AppendTo(nil)[4:]
	var d Decoder
	var c, r Command
	var h SendMessageV2Request
	answer := SendMessageResponse{MsgID: strings.Repeat("0", 32), QueueID: 3, QueueOffset: 123456, MsgRegion: "DefaultRegion", TraceOn: "true"}
	var out []byte
	path := func(frame []byte) func() {
		return func() {
			d.Reset()
			if err := d.Decode(frame, &c); err != nil {
				t.Fatal(err)
			}
			if err := h.DecodeFields(c.Fields); err != nil {
				t.Fatal(err)
			}
			r.SetReply(&c, CodeSuccess, &answer)
			out = r.AppendTo(out[:0])
		}
	}
	for name, f := range map[string][]byte{"json": frame, "binary": binFrame} {
		if n := testing.AllocsPerRun(100, path(f)); n != 0 {
			t.Errorf("%s: %v allocations per message", name, n)
		}
	}
}

func TestNames(t *testing.T) {
	for c, want := range map[Code]string{10: "SEND_MESSAGE(10)", 200053: "CHANGE_MESSAGE_INVISIBLETIME(200053)", 9999: "9999"} {
		if got := c.String(); got != want {
			t.Errorf("%d: %s", c, got)
		}
	}
	if got := CodeTopicNotExist.ResponseString(); got != "TOPIC_NOT_EXIST(17)" {
		t.Error(got)
	}
	for v, want := range map[int32]string{
		513: "V5_5_0", 512: "V5_5_0_SNAPSHOT", 401: "V4_9_4", 317: "V4_5_2", 121: "V3_4_9", 62: "V3_1_8_SNAPSHOT", 37: "V3_0_11",
		399: "V4_9_3", 475: "V5_3_1", 611: "V5_9_9", 612: "HIGHER_VERSION", 213: "V4_0_0", 45: "V3_0_15", -1: "V3_0_0",
	} {
		if got := VersionName(v); got != want {
			t.Errorf("version %d is %s, want %s", v, got, want)
		}
	}
	if ParseLanguage("GO") != 9 || ParseLanguage("KLINGON") != LanguageOther || Language(200).String() != "OTHER" || LanguageRust.String() != "RUST" {
		t.Error("languages")
	}
}

func FuzzDecodeCommand(f *testing.F) {
	f.Add(sendV2(JSON).AppendTo(nil)[4:])
	f.Add(sendV2(Binary).AppendTo(nil)[4:])
	f.Add(frameOf(`{"code":1,"extFields":{"a":"\u0001\ud83d\ude00"},"remark":"x","unknown":[1,{}]}`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		var c Command
		if err := new(Decoder).Decode(frame, &c); err != nil {
			return
		}
		again := c.AppendTo(nil)
		var c2 Command
		if err := new(Decoder).Decode(again[4:], &c2); err != nil {
			t.Fatalf("%v: %q", err, again)
		}
		if c.Serialization == c2.Serialization {
			same(t, &c2, &c)
		}
		if c.Serialization == JSON {
			h := again[8 : 8+binary.BigEndian.Uint32(again[4:])&0xFFFFFF]
			if !json.Valid(h) && json.Valid(frame[4:4+binary.BigEndian.Uint32(frame)&0xFFFFFF]) {
				t.Fatalf("made bad JSON of good: %q", h)
			}
		}
		var h SendMessageV2Request
		_ = h.DecodeFields(c.Fields)
	})
}

func BenchmarkDecodeSend(b *testing.B) {
	for _, s := range []Serialization{JSON, Binary} {
		b.Run(fmt.Sprint(s), func(b *testing.B) {
			frames := make([][]byte, 50)
			for i := range frames {
				c := sendV2(s)
				c.Opaque = int32(i * 1000)
				c.Fields[4].Value = strconv.AppendInt(nil, int64(i%8), 10)
				c.Fields[6].Value = strconv.AppendInt(nil, 1763697600000+int64(i/10), 10)
				c.Fields[8].Value = fmt.Appendf(nil, "UNIQ_KEY\x017F00000100001234%08X\x02WAIT\x01true", i*i)
				frames[i] = c.AppendTo(nil)[4:]
			}
			var d Decoder
			var c Command
			var h SendMessageV2Request
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				d.Reset()
				if err := d.Decode(frames[n%len(frames)], &c); err != nil {
					b.Fatal(err)
				}
				if err := h.DecodeFields(c.Fields); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncodeSendAnswer(b *testing.B) {
	for _, s := range []Serialization{JSON, Binary} {
		b.Run(fmt.Sprint(s), func(b *testing.B) {
			c := sendV2(s)
			answer := SendMessageResponse{MsgID: strings.Repeat("0", 32), QueueID: 3, QueueOffset: 123456}
			var r Command
			var out []byte
			b.ReportAllocs()
			for b.Loop() {
				r.SetReply(c, CodeSuccess, &answer)
				out = r.AppendTo(out[:0])
			}
		})
	}
}
