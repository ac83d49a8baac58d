package mq

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestNamesOfLightQueuesAreChecked(t *testing.T) {
	for _, name := range []string{"%LMQ%a", "%LMQ%$parent$child", "%LMQ%ünnü/a+#", "%LMQ%" + strings.Repeat("a", MaxLightName-5)} {
		if err := CheckLight(name); err != nil {
			t.Errorf("%.20s: %v", name, err)
		}
		if err := CheckTopic(name); err != nil {
			t.Errorf("as a topic, %.20s: %v", name, err)
		}
	}
	for _, name := range []string{"", "a", "%LMQ%", "%LMQ%a b", "%LMQ%a,b", "%LMQ%a@b", "%LMQ%a\x01", "%LMQ%a\x00", "%LMQ%\xff", "%LMQ%" + strings.Repeat("a", MaxLightName-4)} {
		if err := CheckLight(name); !errors.Is(err, ErrInvalid) {
			t.Errorf("%.20q: %v", name, err)
		}
	}
	for name, good := range map[string]bool{"%RETRY%g+%LMQ%b/c": true, "%DLQ%%LMQ%$p$l": true, "%RETRY%g_T/": false, "%RETRY%g_%LMQ%a b": false} {
		if err := CheckTopic(name); (err == nil) != good {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, value := range []string{"T", "%LMQ%a,", ",%LMQ%a", "%LMQ%a,%LMQ%a", "%LMQ%a,b", many(MaxLightQueues + 1)} {
		if err := CheckLightQueues([]byte(value)); !errors.Is(err, ErrMessageIllegal) {
			t.Errorf("%.40q: %v", value, err)
		}
	}
	if err := CheckLightQueues([]byte(many(MaxLightQueues))); err != nil {
		t.Error(err)
	}
}

// many is the value of PropMultiDispatch with n light queues.
func many(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("%%LMQ%%%d", i))
	}
	return strings.Join(all, ",")
}

func TestOffsetsOfLightQueuesAreFilledIn(t *testing.T) {
	for _, n := range []int{1, 2, MaxLightQueues} {
		props := []byte("TAGS\x01x\x02INNER_MULTI_QUEUE_OFFSET\x017\x02INNER_MULTI_DISPATCH\x01" + many(n))
		record := AppendLightOffsets([]byte{}, props, n)
		own := AppendWithoutProperty(nil, props, PropMultiQueueOffset)
		if got, room := len(record)-len(own), LightOffsetsSize([]byte(many(n))); got > room || got < room-1 {
			t.Errorf("%d light queues took %d bytes, want %d", n, got, room)
		}
		for i := range n {
			PatchLightOffset(record, i, n, QueueOffset(1<<62-i))
		}
		i := 0
		for name, offset := range LightQueues(record) {
			if string(name) != fmt.Sprintf("%%LMQ%%%d", i) || offset != QueueOffset(1<<62-i) {
				t.Fatalf("%d of %d is %s at %d", i, n, name, offset)
			}
			if !InLightQueue(record, string(name), offset) || InLightQueue(record, string(name), offset+1) {
				t.Fatalf("%s is not where it is", name)
			}
			i++
		}
		if names := NamesOf(record); i != n || string(names.Tag) != "x" || string(names.LightQueues) != many(n) {
			t.Errorf("%d of %d queues, tag %q in %q", i, n, names.Tag, record)
		}
		if strings.Count(string(record), PropMultiQueueOffset) != 1 {
			t.Errorf("%q", record)
		}
	}
}

func TestWhatAJavaBrokerStoredIsUnderstoodAndNonsenseIsNot(t *testing.T) {
	for props, want := range map[string]string{
		"INNER_MULTI_DISPATCH\x01%LMQ%a,%LMQ%b\x02INNER_MULTI_QUEUE_OFFSET\x010,12\x02":      "%LMQ%a:0 %LMQ%b:12 ",
		"INNER_MULTI_DISPATCH\x01%LMQ%a,%LMQ%a\x02INNER_MULTI_QUEUE_OFFSET\x013,3\x02":       "%LMQ%a:3 ",
		"INNER_MULTI_DISPATCH\x01%LMQ%a,%LMQ%b\x02INNER_MULTI_QUEUE_OFFSET\x014\x02":         "%LMQ%a:4 ",
		"INNER_MULTI_DISPATCH\x01%LMQ%a,T,%LMQ%b\x02INNER_MULTI_QUEUE_OFFSET\x014,,5\x02":    "%LMQ%a:4 ",
		"INNER_MULTI_DISPATCH\x01%LMQ%a\x02INNER_MULTI_QUEUE_OFFSET\x01-1\x02":               "",
		"INNER_MULTI_DISPATCH\x01%LMQ%a\x02INNER_MULTI_QUEUE_OFFSET\x0199999999999999999999": "",
		"INNER_MULTI_DISPATCH\x01%LMQ%a\x02":                                                 "",
		"INNER_MULTI_QUEUE_OFFSET\x010\x02":                                                  "",
		"":                                                                                   "",
	} {
		got := ""
		for name, offset := range LightQueues([]byte(props)) {
			got += fmt.Sprintf("%s:%d ", name, offset)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", props, got, want)
		}
	}
}

func TestOnlyDeliveredMessagesHaveLightQueues(t *testing.T) {
	for topic, want := range map[string]bool{
		"T": true, "CLUSTER_REPLY_TOPIC": true, "%RETRY%g": false, "%DLQ%g": false, "%LMQ%a": false,
		TopicSchedule: false, TopicTimer: false, TopicTransHalf: false, TopicTransOp: false, TopicTransCheckMax: false,
	} {
		if HasLightQueues(topic) != want {
			t.Error(topic)
		}
	}
}

func FuzzLightQueues(f *testing.F) {
	f.Add([]byte("INNER_MULTI_DISPATCH\x01%LMQ%a,%LMQ%b\x02INNER_MULTI_QUEUE_OFFSET\x010,12\x02"))
	f.Add([]byte("INNER_MULTI_DISPATCH\x01,,\x02INNER_MULTI_QUEUE_OFFSET\x01,,"))
	f.Fuzz(func(t *testing.T, props []byte) {
		seen := map[string]bool{}
		for name, offset := range LightQueues(props) {
			if CheckLight(string(name)) != nil || offset < 0 || seen[string(name)] || len(seen) >= MaxLightQueues {
				t.Fatalf("%q at %d", name, offset)
			}
			seen[string(name)] = true
		}
	})
}
