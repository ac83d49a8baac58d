package metrics

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
)

// A fake is a broker with as many topics and groups as it is told to have.
type fake struct {
	topics, uses int
	counts       []meter.Counts
	finish       *meter.Histogram
	slow         chan struct{} // backlogs wait for it; nil if they do not
	searches     int
	likeRest     bool // the first topic and group have the name of the rest
}

func newFake(topics, uses int) *fake {
	f := &fake{topics: topics, uses: uses, counts: make([]meter.Counts, topics), finish: meter.NewHistogram(meter.FinishBounds)}
	f.finish.Observe(1)
	for i := range f.counts {
		f.counts[i].Count(meter.KindNormal, int64(100+i%5000), 1)
		f.counts[i].Count(meter.KindDelay, 2000, 1)
	}
	return f
}

func (f *fake) topic(i int) string {
	if f.likeRest && i == 0 {
		return other
	}
	return fmt.Sprintf("orders-of-region-%06d", i)
}

func (f *fake) group(i int) string {
	if f.likeRest && i == 0 {
		return other
	}
	return fmt.Sprintf("billing-group-%06d", i)
}

func (f *fake) Figures() meter.Figures {
	return meter.Figures{
		Rejected: map[string]int64{"busy": 1}, DiskTotal: 100, DiskFree: 40, LogEnd: 10, LogSynced: 7, Earliest: time.Now(),
		Syncs: meter.NewHistogram(meter.SyncBounds), Puts: meter.NewHistogram(meter.PutBounds),
	}
}

func (f *fake) EachTopic(each func(*meter.Topic)) {
	for i := range f.counts {
		each(&meter.Topic{
			Name: f.topic(i), In: &f.counts[i], Rate: float64(i),
			Special: meter.Special{Commits: 1, TimerIn: 1, Finish: f.finish, Delay: f.finish},
		})
	}
	each(&meter.Topic{In: new(meter.Counts)})
}

func (f *fake) EachUse(each func(*meter.Use)) {
	each(&meter.Use{})
	for i := range f.uses {
		each(&meter.Use{Group: f.group(i), Topic: f.topic(i), Messages: 3, Bytes: 300, Rate: float64(i)})
	}
}

func (f *fake) EachDead(each func(*meter.Dead)) {
	for i := range f.uses {
		each(&meter.Dead{Group: f.group(i), Topic: f.topic(i), Messages: 1})
	}
}

func (f *fake) EachClients(each func(*meter.Clients)) {
	each(&meter.Clients{Language: "JAVA", Version: 500, Protocol: "remoting", Number: 2})
	for i := range f.uses {
		each(&meter.Clients{Group: f.group(i), Language: "GO", Version: 500, Type: "CONSUME_POP", Model: "CLUSTERING", Protocol: "grpc", Number: 1})
	}
}

func (f *fake) EachBacklog(_ context.Context, each func(*meter.Backlog)) error {
	f.searches++
	if f.slow != nil {
		<-f.slow
	}
	for i := range f.uses {
		each(&meter.Backlog{
			Group: f.group(i), Topic: f.topic(i), Lag: int64(i), InFlight: 1, Ready: 2, Oldest: time.Now().Add(-time.Duration(i) * time.Second),
			End: 10, Committed: 4,
		})
	}
	return nil
}

func (f *fake) EachEnd(each func(string, func() int64)) {
	for i := range f.topics {
		each(f.topic(i), func() int64 { return 7 })
	}
}

func (f *fake) RuntimeInfo(context.Context) map[string]string {
	return map[string]string{"putTps": "1.5 2 3", "bootTimestamp": "12", "brokerVersionDesc": "V5_5_0", "msgPutTotalTodayNow": "9"}
}

func (f *fake) Stats(_ context.Context, name, key string) ([3]mq.RateStat, error) {
	return [3]mq.RateStat{{Rate: 4}}, nil
}

func (f *fake) Consumers(_ context.Context, group string) ([]mq.Connection, mq.Consumer, error) {
	return []mq.Connection{{ClientID: "id", Addr: "10.0.0.1:5"}}, mq.Consumer{}, nil
}

func (f *fake) AllProducers(context.Context) map[string][]mq.Connection {
	return map[string][]mq.Connection{"PG": {{}, {}}}
}

// serve makes metrics of a fake, whose backlogs are looked for until the test ends.
func serve(t testing.TB, o Options, f *fake) *Metrics {
	t.Helper()
	o.Cluster, o.Broker, o.Version = "DefaultCluster", "broker-a", "1"
	calls := new(meter.Calls)
	calls.Observe(meter.Call{Request: 310}, 4*time.Millisecond, 2)
	m, err := New(o, Parts{Broker: f, Admin: f, Calls: calls, GRPC: func(each func(string, int64, int64, *meter.Histogram)) {
		each("SendMessage", 3, 1, meter.NewHistogram(meter.RPCBounds))
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := m.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return m
}

func scrape(t testing.TB, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("a scrape answers %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestAScrapeSaysWhatRocketMQsWould(t *testing.T) {
	text := scrape(t, serve(t, Options{Label: "instance_id:i1, zone:z"}, newFake(1, 1)))
	const tail = `cluster="DefaultCluster",instance_id="i1",is_system="false",message_type="normal",node_id="broker-a",node_type="broker",otel_scope_name="broker-meter",topic="orders-of-region-000000",zone="z"`
	for _, want := range []string{
		`rocketmq_messages_in_total{` + tail + `} 1`,
		`rocketmq_throughput_in_total{` + tail + `} 100`,
		`rocketmq_message_size_bucket{` + tail + `,le="1024"} 1`,
		`rocketmq_consumer_lag_messages{cluster="DefaultCluster",consumer_group="billing-group-000000",instance_id="i1",is_retry="false",is_system="false",node_id="broker-a",node_type="broker",otel_scope_name="broker-meter",topic="orders-of-region-000000",zone="z"} 0`,
		`request_code="send_message_v2",response_code="success",result="success",zone="z",le="5"} 2`,
		`rocketmq_storage_size_bytes{cluster="DefaultCluster",instance_id="i1",node_id="broker-a",node_type="broker",otel_scope_name="broker-meter",storage_medium="disk",storage_type="local",zone="z"} 60`,
		`rocketmq_proxy_up{cluster="DefaultCluster",instance_id="i1",node_id="broker-a",node_type="proxy",otel_scope_name="broker-meter",proxy_mode="local",zone="z"} 1`,
		`consume_mode="pop",consumer_group="billing-group-000000",instance_id="i1",is_system="false",language="go",node_id="broker-a",node_type="broker",otel_scope_name="broker-meter",protocol_type="grpc",version="v5_`,
		`goddard_rejected_messages_total{cluster="DefaultCluster",instance_id="i1",node_id="broker-a",node_type="broker",reason="busy",zone="z"} 1`,
		`goddard_grpc_calls_total{call="SendMessage",`,
		"target_info{", "go_goroutines ", "process_start_time_seconds ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the scrape lacks %s", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestTheExportersPathSaysWhatTheExporterWould(t *testing.T) {
	m := serve(t, Options{}, newFake(1, 1))
	w := httptest.NewRecorder()
	m.ExporterHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics/exporter", nil))
	text := w.Body.String()
	for _, want := range []string{
		`rocketmq_group_diff{countOfOnlineConsumers="1",group="billing-group-000000",msgModel="1",topic="orders-of-region-000000"} 0`,
		`rocketmq_producer_tps{broker="broker-a",cluster="DefaultCluster",topic="orders-of-region-000000"} 0`,
		`rocketmq_producer_offset{broker="broker-a",cluster="DefaultCluster",topic="orders-of-region-000000"} 7`,
		`rocketmq_consumer_offset{broker="broker-a",cluster="DefaultCluster",group="billing-group-000000",topic="orders-of-region-000000"} 4`,
		`rocketmq_group_count{caddr="10.0.0.1:5",group="billing-group-000000",localaddr="id"} 1`,
		`rocketmq_producer_count{broker="broker-a",cluster="DefaultCluster",group="PG"} 2`,
		`rocketmq_broker_tps{broker="broker-a",brokerIP="invalid AddrPort",cluster="DefaultCluster"} 4`,
		`rocketmq_brokeruntime_put_tps10{boottime="12",brokerHost="",brokerIP="invalid AddrPort",broker_version="513",cluster="DefaultCluster",des="V5_5_0"} 1.5`,
		`rocketmq_brokeruntime_remain_howmanydata_toflush{boottime="12",brokerHost="",brokerIP="invalid AddrPort",broker_version="513",cluster="DefaultCluster",des="V5_5_0"} 3`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the scrape lacks %s", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// maxScrape bounds what a scrape answers, with names as long as the fake's.
const maxScrape = 5 << 20

func TestAScrapeOfAHundredThousandTopicsIsShort(t *testing.T) {
	f := newFake(100_000, 100_000)
	m := serve(t, Options{}, f)
	m.backlogs.search(t.Context()) // so that they are there, however busy the machine is
	text := scrape(t, m)
	if len(text) > maxScrape {
		t.Errorf("a scrape has %d bytes, want at most %d", len(text), maxScrape)
	}
	t.Logf("%d bytes, %d lines", len(text), strings.Count(text, "\n"))
	w := httptest.NewRecorder()
	m.ExporterHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics/exporter", nil))
	if n := w.Body.Len(); n > maxScrape || n < 1<<20 {
		t.Errorf("a scrape of the exporter's path has %d bytes, want at most %d", n, maxScrape)
	}
	for _, want := range []string{
		`topic="_other"} 99000`,
		`goddard_metrics_other{cluster="DefaultCluster",family="topics",node_id="broker-a",node_type="broker"} 99000`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the scrape lacks %s", want)
		}
	}
	if again := scrape(t, m); seriesOf(again, "rocketmq_messages_in_total") != seriesOf(text, "rocketmq_messages_in_total") {
		t.Error("another scrape shows other topics")
	}
}

// seriesOf are the names of a family's series.
func seriesOf(text, name string) string {
	var all strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, name+"{") {
			series, _, _ := strings.Cut(line, "} ")
			all.WriteString(series)
		}
	}
	return all.String()
}

func TestWhatIsNamedAsTheRestBelongsToIt(t *testing.T) {
	f := newFake(3, 3)
	f.likeRest = true
	m := serve(t, Options{MaxSeries: 1}, f)
	m.backlogs.search(t.Context())
	seen := map[string]bool{}
	rest := 0
	for line := range strings.Lines(scrape(t, m)) {
		series, _, ok := strings.Cut(line, "} ")
		if ok && seen[series] {
			t.Errorf("twice: %s", series)
		}
		seen[series] = ok
		if ok && strings.Contains(series, `"_other"`) {
			rest++
		}
	}
	if rest < 5 {
		t.Errorf("the rest has %d series only", rest)
	}
}

func BenchmarkScrapeHundredThousandTopics(b *testing.B) {
	m := serve(b, Options{}, newFake(100_000, 100_000))
	for b.Loop() {
		b.SetBytes(int64(len(scrape(b, m))))
	}
}

// Who scrapes gets what is known if newer figures take long, and nothing is
// looked for while nobody asks.
func TestASlowSearchForBacklogsHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1, 1)
		b := newBacklogs(f)
		ctx, cancel := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer cancel()
		go b.run(ctx)
		if all, age, _ := b.get(ctx, time.Now()); len(all) != 1 || age != 0 {
			t.Fatalf("found %d of age %v, want one that is new", len(all), age)
		}
		time.Sleep(time.Minute)
		if f.searches != 1 {
			t.Errorf("%d searches for one that asked", f.searches)
		}
		f.slow = make(chan struct{})
		began := time.Now()
		all, age, _ := b.get(ctx, time.Now())
		if took := time.Since(began); len(all) != 1 || age < time.Minute || took > time.Second {
			t.Errorf("found %d of age %v after %v, want the old one soon", len(all), age, took)
		}
		close(f.slow)
		synctest.Wait()
		if _, age, _ := b.get(ctx, time.Now()); age > time.Second {
			t.Errorf("the newer one is %v old", age)
		}
	})
}

func TestOptionsSayWhatIsWrongWithThem(t *testing.T) {
	for want, o := range map[string]Options{
		"metrics-exporter-type":         {ExporterType: "JMX"},
		"metrics-grpc-exporter-target":  {ExporterType: "OTLP_GRPC"},
		"metrics-label":                 {Label: "no-value"},
		"metrics-grpc-exporter-header":  {Header: "x"},
		"metrics-max-series":            {MaxSeries: -1},
		"metrics-prom-exporter-port":    {PromPort: 70000},
		"metrics-grpc-exporter-timeout": {Timeout: time.Nanosecond},
	} {
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want something about %s", o, err, want)
		}
	}
	if err := (Options{ExporterType: "OTLP_GRPC", Target: "collector:4317", Header: "x-token:a:b", Label: "a:b"}).Validate(); err != nil {
		t.Error(err)
	}
}
