package broker

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
)

func TestTopicsAndGroupsSurviveARestart(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		want := mq.Topic{
			Name: "T", ReadQueues: 3, WriteQueues: 2, Perm: 4, FilterType: multiTag, Order: true,
			Attributes: map[string]string{"+message.type": "NORMAL"},
		}
		r.must(r.PutTopic(t.Context(), want))
		g := newGroup("G")
		g.RetryMax, g.ConsumeOrderly = 5, true
		r.must(r.PutGroup(t.Context(), g))
		_, topics := r.Topics(t.Context())
		_, groups := r.Groups(t.Context())
		r.restart(Options{})
		got, err := r.Topic(t.Context(), "T")
		r.must(err)
		if got.ReadQueues != 3 || got.WriteQueues != 2 || got.Perm != 4 || got.FilterType != multiTag || !got.Order || got.Attributes["message.type"] != "NORMAL" {
			t.Errorf("topic is %+v", got)
		}
		if g, err := r.Group(t.Context(), "G"); err != nil || g.RetryMax != 5 || !g.ConsumeOrderly {
			t.Errorf("group is %+v, %v", g, err)
		}
		if _, v := r.Topics(t.Context()); v != topics || v.Counter == 0 {
			t.Errorf("version of the topics is %+v, was %+v", v, topics)
		}
		if _, v := r.Groups(t.Context()); v != groups || v.Counter == 0 {
			t.Errorf("version of the groups is %+v, was %+v", v, groups)
		}
		r.must(r.DeleteGroup(t.Context(), "G", true))
		r.restart(Options{})
		if all, _ := r.Groups(t.Context()); slices.ContainsFunc(all, func(g mq.Group) bool { return g.Name == "G" }) {
			t.Error("the deleted group is back")
		}
	})
}

func TestSystemTopicsAreThereAndStay(t *testing.T) {
	bubble(t, Options{Cluster: "C"}, func(t *testing.T, r *rig) {
		all, _ := r.Topics(t.Context())
		queues := map[string]int32{}
		for _, x := range all {
			queues[x.Name] = x.WriteQueues
		}
		for name, want := range map[string]int32{
			"TBW102": 8, "C": 16, "broker-a": 1, "SCHEDULE_TOPIC_XXXX": 18, "SELF_TEST_TOPIC": 1, "BenchmarkTest": 1024,
			"OFFSET_MOVED_EVENT": 1, "C_REPLY_TOPIC": 1, "RMQ_SYS_TRANS_HALF_TOPIC": 1, "rmq_sys_REVIVE_LOG_C": 8,
		} {
			if queues[name] != want {
				t.Errorf("%s has %d queues, want %d", name, queues[name], want)
			}
		}
		for _, name := range []string{"TBW102", "C", "broker-a", "SCHEDULE_TOPIC_XXXX", "rmq_sys_x"} {
			r.wantErr(r.DeleteTopic(t.Context(), name), mq.ErrInvalid)
		}
		r.wantErr(r.PutTopic(t.Context(), mq.Topic{Name: "SCHEDULE_TOPIC_XXXX", ReadQueues: 1, WriteQueues: 1, Perm: 6}), mq.ErrInvalid)
	})
}

func TestPutTopicRefuses(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		good := mq.Topic{Name: "T", ReadQueues: 1, WriteQueues: 1, Perm: 6}
		for name, change := range map[string]func(*mq.Topic){
			"no name":            func(t *mq.Topic) { t.Name = "" },
			"a bad name":         func(t *mq.Topic) { t.Name = "a/b" },
			"a long name":        func(t *mq.Topic) { t.Name = strings.Repeat("x", 128) },
			"negative queues":    func(t *mq.Topic) { t.ReadQueues = -1 },
			"too many queues":    func(t *mq.Topic) { t.WriteQueues = 1 << 20 },
			"a bad permission":   func(t *mq.Topic) { t.Perm = 64 },
			"a bad filter type":  func(t *mq.Topic) { t.FilterType = "MANY" },
			"a long retry topic": func(t *mq.Topic) { t.Name = "%RETRY%" + strings.Repeat("x", 255) },
		} {
			bad := good
			change(&bad)
			if err := r.PutTopic(t.Context(), bad); err == nil {
				t.Errorf("PutTopic took %s", name)
			}
		}
		r.must(r.PutTopic(t.Context(), good))
	})
}

func TestChangesOfTopicsAreAnnounced(t *testing.T) {
	var changed []string
	bubble(t, Options{OnTopicChanged: func(name string) { changed = append(changed, name) }}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.sent(message("U", "x"))
		r.sent(message("U", "x"))
		r.must(r.DeleteTopic(t.Context(), "T"))
		r.join(consumer("c", &peer{}, "G", "U"))
		if want := []string{"T", "U", "T", mq.RetryTopic("G")}; !slices.Equal(changed, want) {
			t.Errorf("announced %v, want %v", changed, want)
		}
	})
}

func TestTopicStats(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 2)
		r.sent(message("T", "x"))
		pass(time.Second)
		stored := time.Now()
		r.sent(message("T", "x"))
		pass(time.Second)
		all, err := r.TopicStats(t.Context(), "T")
		r.must(err)
		if len(all) != 2 || all[0].Max != 2 || !all[0].LastUpdate.Equal(stored) || all[1].Max != 0 || !all[1].LastUpdate.IsZero() {
			t.Errorf("stats are %+v", all)
		}
		_, err = r.TopicStats(t.Context(), "U")
		r.wantErr(err, mq.ErrTopicNotFound)
	})
}

func TestConsumeStats(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 2)
		pass(5 * time.Second)
		for range 10 {
			r.sent(message("T", "x"))
		}
		if p := <-r.pull(mq.PullRequest{Queue: mq.Queue{Topic: "T"}, MaxMessages: 8}); p.Count != 8 {
			t.Fatalf("pulled %d", p.Count)
		}
		r.must(r.SetOffset(t.Context(), "G", mq.Queue{Topic: "T"}, 6))
		pass(56 * time.Second)
		got, err := r.ConsumeStats(t.Context(), "G", nil)
		r.must(err)
		if len(got.Queues) != 2 {
			t.Fatalf("stats are %+v", got)
		}
		if q := got.Queues[0]; q.End != 10 || q.Committed != 6 || q.Pulled != 8 || q.LastConsumed.IsZero() {
			t.Errorf("queue 0 is %+v", q)
		}
		if want := 8.0 / 60; got.Rate != want {
			t.Errorf("rate is %v, want %v", got.Rate, want)
		}
		if got, _ = r.ConsumeStats(t.Context(), "G", []string{"U"}); len(got.Queues) != 0 {
			t.Errorf("stats of a topic that is not there: %+v", got)
		}
	})
}

func TestStatsCoverMinuteHourAndDay(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		pass(65 * time.Second)
		for range 60 {
			r.sent(message("T", "0123456789"))
		}
		pass(56 * time.Second)
		nums, err := r.Stats(t.Context(), statTopicPutNums, "T")
		r.must(err)
		if nums[0].Sum != 60 || nums[0].Rate != 1 || nums[0].PerCall != 1 {
			t.Errorf("the minute is %+v", nums[0])
		}
		pass(70 * time.Minute)
		if nums, _ = r.Stats(t.Context(), statTopicPutNums, "T"); nums[0].Sum != 0 || nums[1].Sum != 0 || nums[2].Sum != 60 {
			t.Errorf("after an hour the stats are %+v", nums)
		}
		if size, _ := r.Stats(t.Context(), statTopicPutSize, "T"); size[2].PerCall < 100 {
			t.Errorf("a message has %v bytes", size[2].PerCall)
		}
		if all, _ := r.Stats(t.Context(), statBrokerPutNums, "DefaultCluster"); all[2].Sum != 60 {
			t.Errorf("the broker's are %+v", all)
		}
		_, err = r.Stats(t.Context(), "NO_SUCH", "T")
		r.wantErr(err, mq.ErrNotFound)
	})
}

func TestRuntimeInfo(t *testing.T) {
	bubble(t, Options{Version: "v1"}, func(t *testing.T, r *rig) {
		at := r.sent(message("T", "x"))
		r.sent(message("T", "x", mq.PropDelay, "2"))
		<-r.pull(mq.PullRequest{Queue: mq.Queue{Topic: "T"}})
		pass(3 * time.Second)
		info := r.RuntimeInfo(t.Context())
		for key, want := range map[string]string{
			"brokerVersionDesc": "V5_5_0", "goddardVersion": "v1", "msgPutTotalTodayNow": "2", "msgGetTotalTodayNow": "1", "brokerActive": "true",
			"scheduleMessageOffset_2": "0,1", "commitLogMinOffset": "0", "runtime": "[ 0 days, 0 hours, 0 minutes, 3 seconds ]",
			"earliestMessageTimeStamp": "946684800000", "putMessageFailedTimes": "0",
		} {
			if info[key] != want {
				t.Errorf("%s is %q, want %q", key, info[key], want)
			}
		}
		if at.StoreTime != 946684800000 {
			t.Errorf("stored at %d", at.StoreTime)
		}
		pass(3 * time.Second)
		if got := r.RuntimeInfo(t.Context())["scheduleMessageOffset_2"]; got != "1,1" {
			t.Errorf("the delay level is at %s", got)
		}
	})
}

func TestSettings(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		all := r.Settings(t.Context())
		for key, want := range map[string]string{
			"brokerName": "broker-a", "brokerClusterName": "DefaultCluster", "autoCreateTopicEnable": "true",
			"brokerPermission": "6", "maxMessageSize": "4194304", "shortPollingTimeMills": "1000", "flushDiskType": "ASYNC_FLUSH",
		} {
			if all[key] != want {
				t.Errorf("%s = %q, want %q", key, all[key], want)
			}
		}
		set := func(kv ...string) error {
			m := map[string]string{}
			for i := 0; i < len(kv); i += 2 {
				m[kv[i]] = kv[i+1]
			}
			return r.SetSettings(t.Context(), m)
		}
		r.must(set("maxMessageSize", "10", "shortPollingTimeMills", "50", "brokerName", "broker-a"))
		r.wantErr(r.send(message("T", "more than ten"))[0].Err, mq.ErrMessageTooLarge)
		for _, bad := range [][]string{
			{"brokerName", "other"}, {"noSuchKey", "1"}, {"maxMessageSize", "many"}, {"maxMessageSize", "-1"},
			{"autoCreateTopicEnable", "perhaps"}, {"brokerPermission", "8"}, {"longPollingEnable", "false", "brokerId", "5"},
		} {
			r.wantErr(set(bad...), mq.ErrInvalid)
		}
		after := r.Settings(t.Context())
		if after["maxMessageSize"] != "10" || after["shortPollingTimeMills"] != "50" || after["longPollingEnable"] != "true" {
			t.Errorf("settings are %v", after)
		}
		r.must(set("autoCreateTopicEnable", "false"))
		r.wantErr(r.send(message("T", "x"))[0].Err, mq.ErrTopicNotFound)
		r.must(set("autoCreateTopicEnable", "true"))
		r.sent(message("T", "x"))
	})
}

func TestNewReportsEveryBadField(t *testing.T) {
	perm := int32(9)
	_, err := New(Options{Cluster: "a b", TopicQueues: -1, Permission: &perm, DelayLevels: "1x"})
	if err == nil {
		t.Fatal("New took nonsense")
	}
	for _, part := range []string{"cluster", "default-topic-queues", "broker-permission", "delay-levels"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not name %s", err, part)
		}
	}
}

func TestNewRefusesDamagedRows(t *testing.T) {
	for key, value := range map[string]string{
		topicRows + "T": "{", groupRows + "G": "[]", versionRows + "topic": "x",
		offsetRows + "T": "12345678", offsetRows + "T\x00G\x00\x00\x00\x00\x01": "short",
	} {
		synctest.Test(t, func(t *testing.T) {
			fs := vfs.NewMem()
			r := start(t, Options{}, fs)
			r.must(r.store.Keys().Set([]byte(key), []byte(value), true))
			r.stop()
			o := Options{Name: "broker-a"}
			o.Store.Dir, o.Store.FS, o.Store.SegmentSize = "data", fs, 1<<20
			if b, err := New(o); err == nil {
				b.Close()
				t.Errorf("New took row %q = %q", key, value)
			}
		})
	}
}

func FuzzParseOffsetRow(f *testing.F) {
	f.Add(offsetRow("G", mq.Queue{Topic: "T", ID: 7}))
	f.Add([]byte("broker/offset/"))
	f.Fuzz(func(t *testing.T, key []byte) {
		group, q, err := parseOffsetRow(key)
		if err != nil {
			return
		}
		if again, q2, err := parseOffsetRow(offsetRow(group, q)); err != nil || again != group || q2 != q {
			t.Errorf("%q: %q %v became %q %v, %v", key, group, q, again, q2, err)
		}
	})
}

func FuzzExamineProperties(f *testing.F) {
	f.Add([]byte("DELAY\x015\x02TRAN_MSG\x01true\x02UNIQ_KEY\x01x"))
	f.Fuzz(func(t *testing.T, props []byte) {
		seen := examine(props)
		for key, has := range map[string]bool{mq.PropUniqueKey: seen.unique, mq.PropInnerNum: seen.innerNum} {
			if _, ok := mq.Property(props, key); ok != has {
				t.Errorf("%q: %s is there: %v, seen: %v", props, key, ok, has)
			}
		}
	})
}

// What was changed while the broker ran goes before its configuration at the
// next start, until that says something else than it did.
func TestSettingsThatWereChangedHoldOverARestart(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		set := func(key, value string) { r.must(r.SetSettings(t.Context(), map[string]string{key: value})) }
		want := func(what string, kv map[string]string) {
			t.Helper()
			all := r.Settings(t.Context())
			for key, value := range kv {
				if all[key] != value {
					t.Errorf("%s: %s = %q, want %q", what, key, all[key], value)
				}
			}
		}
		want("at first", map[string]string{mq.SettingsKept: "{}"})
		set("maxMessageSize", "1000")
		set("fileReservedTime", "48")
		set("autoCreateTopicEnable", "false")
		r.restart(Options{})
		want("after a restart", map[string]string{
			"maxMessageSize": "1000", "fileReservedTime": "48", "autoCreateTopicEnable": "false",
			mq.SettingsKept: `{"autoCreateTopicEnable":"true","fileReservedTime":"72","maxMessageSize":"4194304"}`,
		})
		if o := r.store.Options(); o.Retention != 48*time.Hour {
			t.Errorf("the store keeps messages for %v", o.Retention)
		}
		r.wantErr(r.send(message("T", "x"))[0].Err, mq.ErrTopicNotFound)
		set("autoCreateTopicEnable", "true") // as configured
		r.restart(Options{MaxMessageSize: 2000})
		want("after the configuration has changed", map[string]string{
			"maxMessageSize": "2000", "fileReservedTime": "48", mq.SettingsKept: `{"fileReservedTime":"72"}`,
		})
		r.restart(Options{})
		want("and has changed back", map[string]string{"maxMessageSize": "4194304"})
		r.wantErr(r.SetSettings(t.Context(), map[string]string{mq.SettingsKept: "{}"}), mq.ErrInvalid)
	})
}

// What a newer release takes for a mistake does not keep the broker from
// starting.
func TestASettingThatIsNoLongerPossibleGivesWayToTheConfiguration(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		row := `{"maxMessageSize":{"value":"-5","over":"4194304"},"gone":{"value":"1","over":"2"},"shortPollingTimeMills":{"value":"7","over":"1000"}}`
		r.must(r.store.Keys().Set([]byte(keptRow), []byte(row), true))
		var log bytes.Buffer
		r.restart(Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		if text := log.String(); strings.Contains(text, "configuration has changed") || !strings.Contains(text, "setting=maxMessageSize") || !strings.Contains(text, "settings=[gone]") {
			t.Errorf("logged %s", text)
		}
		all := r.Settings(t.Context())
		if all["maxMessageSize"] != "4194304" || all["shortPollingTimeMills"] != "7" || all[mq.SettingsKept] != `{"shortPollingTimeMills":"1000"}` {
			t.Errorf("settings are %v", all)
		}
	})
}
