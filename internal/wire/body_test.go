package wire

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// golden reads what RocketMQ 5.5.0 wrote.
func golden(t testing.TB, parts ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// bodies maps RocketMQ's class names to ours.
func bodies() map[string]any {
	return map[string]any{
		"BatchAckMessageRequestBody":            new(BatchAckBody),
		"BrokerStatsData":                       new(BrokerStatsData),
		"CheckClientRequestBody":                new(CheckClientBody),
		"ClusterInfo":                           new(ClusterInfo),
		"ConsumeMessageDirectlyResult":          new(ConsumeDirectlyResult),
		"ConsumeStats":                          new(ConsumeStats),
		"ConsumeStatsList":                      new(ConsumeStatsList),
		"ConsumerConnection":                    new(ConsumerConnection),
		"ConsumerOffsetSerializeWrapper":        new(ConsumerOffsets),
		"ConsumerRunningInfo":                   new(ConsumerRunningInfo),
		"CreateTopicListRequestBody":            new(TopicConfigList),
		"DataVersion":                           new(DataVersion),
		"GetBrokerMemberGroupResponseBody":      new(BrokerMemberGroupResult),
		"GetConsumerListByGroupResponseBody":    new(ConsumerList),
		"GetConsumerStatusBody":                 new(ConsumerStatus),
		"GroupList":                             new(GroupList),
		"HeartbeatData":                         new(HeartbeatData),
		"KVTable":                               new(KVTable),
		"LockBatchRequestBody":                  new(LockBody),
		"LockBatchResponseBody":                 new(LockResult),
		"ProducerConnection":                    new(ProducerConnection),
		"ProducerTableInfo":                     new(ProducerTableInfo),
		"QueryAssignmentRequestBody":            new(QueryAssignmentBody),
		"QueryAssignmentResponseBody":           new(QueryAssignmentResult),
		"QueryConsumeQueueResponseBody":         new(ConsumeQueueBody),
		"QueryConsumeTimeSpanBody":              new(ConsumeTimeSpans),
		"QueryCorrectionOffsetBody":             new(CorrectionOffsets),
		"QuerySubscriptionResponseBody":         new(QuerySubscriptionResult),
		"RegisterBrokerBody":                    new(RegisterBrokerBody),
		"ResetOffsetBody":                       new(ResetOffsetBody),
		"ResetOffsetBodyForC":                   new(ResetOffsetListBody),
		"SetMessageRequestModeRequestBody":      new(RequestModeBody),
		"SubscriptionGroupConfig":               new(SubscriptionGroupConfig),
		"SubscriptionGroupList":                 new(SubscriptionGroupList),
		"SubscriptionGroupWrapper":              new(SubscriptionGroups),
		"TopicConfig":                           new(TopicConfig),
		"TopicConfigAndMappingSerializeWrapper": new(TopicConfigs),
		"TopicList":                             new(TopicList),
		"TopicRouteData":                        new(TopicRouteData),
		"TopicStatsTable":                       new(TopicStatsTable),
	}
}

// derived are members that Java's getters make up and its setters do not take.
var derived = regexp.MustCompile(`,"\w+TimeStampStr":"[^"]*"`)

func TestBodiesOfRocketMQAreReadAndWrittenAgain(t *testing.T) {
	all := bodies()
	for class, v := range all {
		text := derived.ReplaceAll(golden(t, "bodies", class+".json"), nil)
		if err := DecodeBody(text, v); err != nil {
			t.Errorf("%s: %v", class, err)
			continue
		}
		if got := EncodeBody(v); !bytes.Equal(got, text) {
			t.Errorf("%s: wrote\n%s, want\n%s", class, got, text)
		}

		std := EncodeStandardBody(v)
		if !json.Valid(std) {
			t.Errorf("%s: not standard: %s", class, std)
		}
		again := reflect.New(reflect.TypeOf(v).Elem()).Interface()
		if err := DecodeBody(std, again); err != nil || !reflect.DeepEqual(again, v) {
			t.Errorf("%s: from standard JSON: %v\n%+v, want\n%+v", class, err, again, v)
		}
	}
	files, err := filepath.Glob(filepath.Join("testdata", "bodies", "*.json"))
	if err != nil || len(files) != len(all) {
		t.Errorf("%d recorded bodies, %d types, %v", len(files), len(all), err)
	}
}

func TestRouteHasTwoForms(t *testing.T) {
	r := TopicRouteData{
		Brokers: []BrokerData{{Addrs: map[int64]string{10: "b", 0: "a", 2: "c"}, BrokerName: "n", Cluster: "c"}},
		Queues:  []QueueData{{BrokerName: "n", Perm: 6, ReadQueueNums: 4, WriteQueueNums: 4}},
	}
	tail := `,"brokerName":"n","cluster":"c","enableActingMaster":false}],"filterServerTable":{},"queueDatas":[{"brokerName":"n","perm":6,"readQueueNums":4,"topicSysFlag":0,"writeQueueNums":4}]}`
	if got, want := string(r.Encode(true)), `{"brokerDatas":[{"brokerAddrs":{"0":"a","10":"b","2":"c"}`+tail; got != want {
		t.Errorf("standard %s\nwant     %s", got, want)
	}
	if got, want := string(r.Encode(false)), `{"brokerDatas":[{"brokerAddrs":{0:"a",10:"b",2:"c"}`+tail; got != want {
		t.Errorf("java %s\nwant %s", got, want)
	}
}

func TestCollectionsAndNumbersAreWrittenForJava(t *testing.T) {
	if got := string(EncodeBody(ConsumeStats{})); got != `{"consumeTps":0.0,"offsetTable":{}}` {
		t.Error(got)
	}
	if got := string(EncodeBody(&ResetOffsetListBody{})); got != `{"offsetTable":[]}` {
		t.Error(got)
	}
	if got := string(EncodeBody(KVTable{map[string]string{"b\"\n": "<&>", "a": "ü"}})); got != `{"table":{"a":"ü","b\"\n":"<&>"}}` {
		t.Error(got)
	}
}

func TestJavaFormsOfJSONAreUnderstood(t *testing.T) {
	for in, want := range map[string]string{
		`{0:"a",-1:"b"}`:                        `{"0":"a","-1":"b"}`,
		`{{"topic":"t\"x","queueId":0}:1}`:      `{"{\"topic\":\"t\\\"x\",\"queueId\":0}":1}`,
		`{ {'a' : {1:[2]}} : {} , k : null , }`: `{"{\"a\":{\"1\":[2]}}":{},"k":null}`,
		"['it\\'s \"q\"', \"a\tb\", true,]":     `["it's \"q\"","a\tb",true]`,
		`  1.5e3 `:                              `1.5e3`,
		`"a\u0001\\"`:                           `"a\u0001\\"`,
	} {
		got, err := appendStandardJSON(nil, []byte(in))
		if err != nil || string(got) != want || !json.Valid(got) {
			t.Errorf("%s: %s, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{``, ` `, `{`, `}`, `[1,`, `{"a"}`, `{"a":}`, `{a b:1}`, `"x`, `'x`, `[1 2]`, `{}{}`, `[;]`, `"\`,
		`[,1]`, `{{{1:2}:3}:4}`, `{"a":0,`, strings.Repeat("[", 1000), strings.Repeat("{", 1000)} {
		if got, err := appendStandardJSON(nil, []byte(in)); err == nil {
			t.Errorf("%.20q became %q", in, got)
		}
	}
}

func TestMalformedBodiesAreRefused(t *testing.T) {
	for _, in := range []string{"", "[]", `{"offsetTable":{"x":1}}`, `{"offsetTable":{{"queueId":"y"}:1}}`, `{"offsetTable":{{}:"z"}}`} {
		if err := DecodeBody([]byte(in), new(ResetOffsetBody)); err == nil {
			t.Errorf("%q was accepted", in)
		}
	}
}

func TestGroupDefaultsFillWhatIsMissing(t *testing.T) {
	g := DefaultSubscriptionGroupConfig()
	if err := DecodeBody([]byte(`{"groupName":"g","consumeEnable":false}`), &g); err != nil {
		t.Fatal(err)
	}
	if g.ConsumeEnable || !g.ConsumeFromMinEnable || g.RetryMaxTimes != 16 || g.GroupName != "g" {
		t.Errorf("%+v", g)
	}
}

func TestFramesOfRocketMQAreReadAndWrittenAgain(t *testing.T) {
	for _, s := range []Serialization{JSON, Binary} {
		name := []string{"JSON", "ROCKETMQ"}[s]
		frame := golden(t, "frames", "send_v2."+name)
		c := decode(t, frame)
		var h SendMessageV2Request
		if err := h.DecodeFields(c.Fields); err != nil {
			t.Fatal(err)
		}
		want := SendMessageV2Request{
			ProducerGroup: "producers", Topic: "orders", DefaultTopic: "TBW102", DefaultTopicQueueNums: 4, QueueID: 3,
			BornTimestamp: 1763697600000, BrokerName: "broker-a",
			Properties: []byte("UNIQ_KEY\x017F000001000012345678\x02WAIT\x01true\x02TAGS\x01ä\"\\😀\x02"),
		}
		if !reflect.DeepEqual(h, want) {
			t.Errorf("%s: %+v, want %+v", name, h, want)
		}
		if c.Code != SendMessageV2 || c.Opaque != 77 || c.Version != 513 || c.Language != LanguageJava || string(c.Body) != "hello" {
			t.Errorf("%s: %+v", name, c)
		}
		if got := c.AppendTo(nil); !bytes.Equal(got, frame) {
			t.Errorf("%s: wrote\n%q, want\n%q", name, got, frame)
		}

		frame = golden(t, "frames", "error."+name)
		c = decode(t, frame)
		if c.Remark != "first line\n\tsecond \"quoted\" \x01 ü" || !c.Response() || !c.Oneway() || c.Opaque != -3 {
			t.Errorf("%s: %+v", name, c)
		}
		if got := c.AppendTo(nil); !bytes.Equal(got, frame) {
			t.Errorf("%s: wrote\n%q, want\n%q", name, got, frame)
		}
	}
}

func TestRegistrationIsReadInBothForms(t *testing.T) {
	plain, err := DecodeRegisterBroker(golden(t, "frames", "register.json"), false)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := DecodeRegisterBroker(golden(t, "frames", "register.zlib"), true)
	if err != nil {
		t.Fatal(err)
	}
	plain.Topics.MappingDetails, plain.Topics.MappingDataVersion = nil, DataVersion{}
	if !reflect.DeepEqual(plain, compact) {
		t.Errorf("plain\n%+v, compressed\n%+v", plain, compact)
	}
	if n := len(compact.Topics.Topics); n != 2 || compact.Topics.Topics["orders"].Attributes["message.type"] != "FIFO" {
		t.Errorf("%+v", compact.Topics.Topics)
	}
	if _, err := DecodeRegisterBroker([]byte("no zlib"), true); err == nil {
		t.Error("no zlib stream, no error")
	}
}

func TestBatchOfRocketMQIsReadAndMadeAgain(t *testing.T) {
	body := golden(t, "frames", "batch.bin")
	ms, err := cutBatch(body)
	if err != nil || len(ms) != 3 {
		t.Fatal(err, len(ms))
	}
	var again []byte
	for i, m := range ms {
		if string(m.Body) != "body"+string('0'+rune(i)) || m.Flag != int32(i) || !strings.Contains(string(m.Properties), "TAGS\x01tag") {
			t.Errorf("%d: %+v", i, m)
		}
		again = AppendBatchMessage(again, m)
	}
	if !bytes.Equal(again, body) {
		t.Errorf("made %x, want %x", again, body)
	}
	for n := range body {
		if ms, err := cutBatch(body[:n]); err == nil && n%57 != 0 {
			t.Errorf("cut at %d: %d messages", n, len(ms))
		}
	}
}

func TestPropertiesTextOfJavaIsReadAndOursIsReadBack(t *testing.T) {
	want := map[string]string{"a b": "x=y", "path": `C:\dir`, "u": "ü😀", "s": "  lead", "n": "l1\nl2"}
	got, err := decodedProperties(golden(t, "frames", "java.properties"))
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	got, err = decodedProperties(EncodeProperties(want))
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("read back %q, %v", got, err)
	}
	text := "# comment \\\n  ! another\r\n\r\n k1 : v1\rk2=a\\\n   b\\\\\nk3\nk4 v 4 \nü=é\nempty=\n\\u0061=\\u00e4\ntail\\"
	got, err = decodedProperties([]byte(text))
	want = map[string]string{"k1": "v1", "k2": `ab\`, "k3": "", "k4": "v 4 ", "ü": "é", "empty": "", "a": "ä", "tail": ""}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err = DecodeProperties([]byte("a=1\nb=\\u12")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Error(err)
	}
}

func FuzzNormalizer(f *testing.F) {
	for class := range bodies() {
		f.Add(golden(f, "bodies", class+".json"))
	}
	f.Add([]byte(`{{'a':1}:[0,],}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		out, err := appendStandardJSON(nil, in)
		if err != nil {
			if json.Valid(in) && !strings.Contains(err.Error(), "nested") {
				t.Fatalf("valid JSON was refused: %v", err)
			}
			return
		}
		if json.Valid(in) {
			var a, b any
			if json.Unmarshal(in, &a) != nil {
				return // a number that no float64 holds
			}
			if json.Unmarshal(out, &b) != nil || !reflect.DeepEqual(a, b) {
				t.Fatalf("%q became %q", in, out)
			}
		}
		for _, v := range bodies() {
			_ = DecodeBody(in, v)
		}
	})
}

func FuzzRegisterBroker(f *testing.F) {
	raw, err := inflate(golden(f, "frames", "register.zlib"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var r RegisterBrokerBody
		if r.decodeCompact(raw) != nil {
			return
		}
		var again RegisterBrokerBody
		if err := DecodeBody(EncodeBody(r), &again); err != nil {
			t.Fatalf("%v in %s", err, EncodeBody(r))
		}
	})
}

func FuzzInflate(f *testing.F) {
	f.Add(golden(f, "frames", "register.zlib"))
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = DecodeRegisterBroker(b, true) })
}

func FuzzBatch(f *testing.F) {
	f.Add(golden(f, "frames", "batch.bin"))
	f.Fuzz(func(t *testing.T, body []byte) {
		ms, err := cutBatch(body)
		if err != nil {
			return
		}
		var again []byte
		for _, m := range ms {
			again = AppendBatchMessage(again, m)
		}
		back, err := cutBatch(again)
		if err != nil || len(again) != len(body) || !reflect.DeepEqual(back, ms) {
			t.Fatalf("%x became %x: %v", body, again, err)
		}
	})
}

func FuzzPropertiesText(f *testing.F) {
	f.Add(golden(f, "frames", "java.properties"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := decodedProperties([]byte(strings.ToValidUTF8(string(text), "")))
		if err != nil {
			return
		}
		again, err := decodedProperties(EncodeProperties(m))
		if err != nil || !maps.Equal(m, again) {
			t.Fatalf("%q became %q: %v", m, again, err)
		}
	})
}

// cutBatch takes a whole batch apart.
func cutBatch(body []byte) (all []BatchMessage, err error) {
	for len(body) > 0 {
		var m BatchMessage
		if m, body, err = CutBatchMessage(body); err != nil {
			return all, err
		}
		all = append(all, m)
	}
	return all, nil
}

func decodedProperties(text []byte) (map[string]string, error) {
	all, err := DecodeProperties(text)
	if err != nil {
		return nil, err
	}
	return PropertyMap(all), nil
}

func TestPropertiesKeepTheirLines(t *testing.T) {
	text := "\ufeff# c\n! c\n a = 1\nb:2\nc 3\nd=x=y\ne=one\\\n   two\nf=\\u0041\\tz\\\\\n\\=g=7\nempty\n"
	props, err := DecodeProperties([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []Property{
		{"a", "1", 3}, {"b", "2", 4}, {"c", "3", 5}, {"d", "x=y", 6}, {"e", "onetwo", 7},
		{"f", "A\tz\\", 9}, {"=g", "7", 10}, {"empty", "", 11},
	}
	if !slices.Equal(props, want) {
		t.Errorf("got  %v\nwant %v", props, want)
	}
	if _, err := DecodeProperties([]byte("a=1\n=2\n")); err == nil || !strings.HasPrefix(err.Error(), "line 2: no key") {
		t.Errorf("a line without a key gave %v", err)
	}
}
