package metrics

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// Labels of rocketmq-exporter's families.
var (
	byRuntime = []string{"cluster", "brokerIP", "brokerHost", "des", "boottime", "broker_version"}
	byOf      = []string{"cluster", "broker", "topic"}
	byGroup   = []string{"cluster", "broker", "group"}
	byUse     = []string{"cluster", "broker", "topic", "group"}
	byDiff    = []string{"group", "topic", "countOfOnlineConsumers", "msgModel"}
	byBroker  = []string{"cluster", "brokerIP", "broker"}
)

func exported(name string, labels []string, help string) *definition {
	return &definition{name: "rocketmq_" + name, kind: Gauge, labels: labels, help: help, origin: ofExporter}
}

// Families of rocketmq-exporter.
var (
	xProducerOffset = exported("producer_offset", byOf, "Where a topic's queues end, summed.")
	xRetryOffset    = exported("topic_retry_offset", byOf, "Where a retry topic's queues end, summed.")
	xDeadOffset     = exported("topic_dlq_offset", byGroup, "Where the queues of a group's dead letters end, summed.")
	xProducerTPS    = exported("producer_tps", byOf, "Messages stored per second, over a minute.")
	xProducerSize   = exported("producer_message_size", byOf, "Bytes stored per second, over a minute.")
	xProducers      = exported("producer_count", byGroup, "Connected producers of a group.")
	xDiff           = exported("group_diff", byDiff, "Messages that a group has not consumed.")
	xRetryDiff      = exported("group_retrydiff", byDiff, "The same in its retry topic.")
	xConsumers      = exported("group_count", []string{"caddr", "localaddr", "group"}, "Connected consumers of a group; the labels name 16 of them at most.")
	xConsumerTPS    = exported("consumer_tps", byUse, "Messages handed out per second, over a minute.")
	xConsumerSize   = exported("consumer_message_size", byUse, "Bytes handed out per second, over a minute.")
	xConsumed       = exported("consumer_offset", byUse, "A group's offsets, summed.")
	xSentBack       = exported("send_back_nums", byUse, "Messages sent back per second, over a minute.")
	xLatency        = exported("group_get_latency_by_storetime", byUse, "Age of the first message that is not consumed, in milliseconds.")
	xTPS            = exported("broker_tps", byBroker, "Messages stored per second, over a minute.")
	xQPS            = exported("broker_qps", byBroker, "Messages handed out per second, over a minute.")
)

// runtimeKeys are the families rocketmq_brokeruntime_* that are a number of
// RuntimeInfo, with its key and, of three numbers, which.
var runtimeKeys = []struct {
	name, key string
	index     int
}{
	{"put_tps10", "putTps", 0}, {"put_tps60", "putTps", 1}, {"put_tps600", "putTps", 2},
	{"getmiss_tps10", "getMissTps", 0}, {"getmiss_tps60", "getMissTps", 1}, {"getmiss_tps600", "getMissTps", 2},
	{"getfound_tps10", "getFoundTps", 0}, {"getfound_tps60", "getFoundTps", 1}, {"getfound_tps600", "getFoundTps", 2},
	{"gettotal_tps10", "getTotalTps", 0}, {"gettotal_tps60", "getTotalTps", 1}, {"gettotal_tps600", "getTotalTps", 2},
	{"gettransfered_tps10", "getTransferredTps", 0}, {"gettransfered_tps60", "getTransferredTps", 1},
	{"gettransfered_tps600", "getTransferredTps", 2},
	{"msg_put_total_today_now", "msgPutTotalTodayNow", 0}, {"msg_gettotal_today_now", "msgGetTotalTodayNow", 0},
	{"msg_puttotal_todaymorning", "msgPutTotalTodayMorning", 0}, {"msg_gettotal_todaymorning", "msgGetTotalTodayMorning", 0},
	{"msg_puttotal_yesterdaymorning", "msgPutTotalYesterdayMorning", 0},
	{"msg_gettotal_yesterdaymorning", "msgGetTotalYesterdayMorning", 0},
	{"dispatch_behind_bytes", "dispatchBehindBytes", 0}, {"put_message_size_total", "putMessageSizeTotal", 0},
	{"put_message_average_size", "putMessageAverageSize", 0}, {"putmessage_times_total", "putMessageTimesTotal", 0},
	{"putmessage_entire_time_max", "putMessageEntireTimeMax", 0},
	{"send_threadpool_queue_size", "sendThreadPoolQueueSize", 0}, {"pull_threadpoolqueue_size", "pullThreadPoolQueueSize", 0},
	{"send_threadpoolqueue_headwait_timemills", "sendThreadPoolQueueHeadWaitTimeMills", 0},
	{"pull_threadpoolqueue_headwait_timemills", "pullThreadPoolQueueHeadWaitTimeMills", 0},
	{"commitlog_minoffset", "commitLogMinOffset", 0}, {"commitlog_maxoffset", "commitLogMaxOffset", 0},
	{"commitlog_disk_ratio", "commitLogDiskRatio", 0}, {"consumequeue_disk_ratio", "consumeQueueDiskRatio", 0},
	{"pagecache_lock_time_mills", "pageCacheLockTimeMills", 0},
	{"earliest_message_timestamp", "earliestMessageTimeStamp", 0}, {"start_accept_sendrequest_time", "bootTimestamp", 0},
}

// runtimeSizes are those in bytes, which RuntimeInfo rounds.
var runtimeSizes = []struct {
	name string
	of   func(*meter.Figures) int64
}{
	{"commitlogdir_capacity_total", func(f *meter.Figures) int64 { return f.DiskTotal }},
	{"commitlogdir_capacity_free", func(f *meter.Figures) int64 { return f.DiskFree }},
	{"remain_howmanydata_toflush", func(f *meter.Figures) int64 { return max(0, f.LogEnd-f.LogSynced) }},
}

// putTimes are the families rocketmq_brokeruntime_pmdt_*, one for each bucket
// of meter.PutBounds.
var putTimes = []string{
	"0ms", "0to10ms", "10to50ms", "50to100ms", "100to200ms", "200to500ms", "500to1s", "1to2s", "2to3s", "3to4s", "4to5s", "5to10s", "10stomore",
}

// runtimeFamilies are the definitions of rocketmq_brokeruntime_*, by what
// follows that.
var runtimeFamilies = func() map[string]*definition {
	all := map[string]*definition{}
	add := func(name, help string) { all[name] = exported("brokeruntime_"+name, byRuntime, help) }
	for _, k := range runtimeKeys {
		add(k.name, k.key+" of `mqadmin brokerStatus`.")
	}
	for _, s := range runtimeSizes {
		add(s.name, "In bytes.")
	}
	for _, name := range putTimes {
		add("pmdt_"+name, "Batches that took so long to be stored.")
	}
	return all
}()

// exporterDefinitions are the families of /metrics/exporter, in the order of
// docs/METRICS.md.
func exporterDefinitions() []*definition {
	all := []*definition{
		xProducerOffset, xRetryOffset, xDeadOffset, xProducerTPS, xProducerSize, xProducers, xDiff, xRetryDiff, xConsumers,
		xConsumerTPS, xConsumerSize, xConsumed, xSentBack, xLatency, xTPS, xQPS,
	}
	for _, k := range runtimeKeys {
		all = append(all, runtimeFamilies[k.name])
	}
	for _, s := range runtimeSizes {
		all = append(all, runtimeFamilies[s.name])
	}
	for _, name := range putTimes {
		all = append(all, runtimeFamilies["pmdt_"+name])
	}
	return all
}

// exporterAbsences are the exporter's families that are not there.
var exporterAbsences = []absence{
	{"rocketmq_client_consume_fail_msg_count rocketmq_client_consume_fail_msg_tps rocketmq_client_consume_ok_msg_tps rocketmq_client_consume_rt rocketmq_client_consumer_pull_rt rocketmq_client_consumer_pull_tps", "the exporter asks every client for them each minute, and a scrape does not; `mqadmin consumerStatus` asks one"},
	{"rocketmq_group_dlqdiff rocketmq_group_consume_tps rocketmq_group_consume_total_offset", "the exporter defines them and fills them with nothing"},
	{"rocketmq_broker_commitlog_diff", "there are no followers to be behind"},
	{"rocketmq_brokeruntime_query_threadpoolqueue_size rocketmq_brokeruntime_query_threadpoolqueue_headwait_timemills rocketmq_brokeruntime_send_threadpoolqueue_capacity rocketmq_brokeruntime_pull_threadpoolqueue_capacity rocketmq_brokeruntime_query_threadpool_queue_capacity", "there are no thread pools; the sizes that brokerStatus has are 0"},
	{"rocketmq_brokeruntime_remain_transientstore_buffer_numbs rocketmq_brokeruntime_dispatch_maxbuffer", "there are no such buffers"},
	{"rocketmq_brokeruntime_getmessage_entire_time_max rocketmq_brokeruntime_put_latency_99 rocketmq_brokeruntime_put_latency_999", "not measured; rocketmq_rpc_latency_milliseconds has the distribution"},
}

// shelves are those of the exporter's families.
type shelves struct {
	offsets, topics, producers, groups *shelf[string]
	uses, lags                         *shelf[useKey]
}

func newShelves(limit int) shelves {
	return shelves{
		newShelf[string](limit, tenure), newShelf[string](limit, tenure), newShelf[string](limit, 0), newShelf[string](limit, 0),
		newShelf[useKey](limit, tenure), newShelf[useKey](limit, 0),
	}
}

// showExporter is what /metrics/exporter shows. What has no place is left out:
// nothing there is a sum of others.
func (m *Metrics) showExporter() []*dto.MetricFamily {
	var all []*dto.MetricFamily
	families := m.gatherExporter(context.Background(), time.Now())
	for i := range families {
		all = append(all, families[i].proto(nil))
	}
	return all
}

func (m *Metrics) gatherExporter(ctx context.Context, now time.Time) []family {
	if m.parts.Broker == nil || m.parts.Admin == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	x := exporting{m.newGathering(now), m.parts.Admin, m.exporter, m.o.Cluster, m.o.Broker}
	x.runtime(ctx)
	x.topicFamilies(ctx)
	x.handed(ctx)
	online := x.consumers(ctx)
	x.behind(ctx, online)
	x.producers(ctx)
	slices.SortFunc(x.families, func(a, b family) int { return strings.Compare(a.name, b.name) })
	return x.families
}

// exporting is a gathering of the exporter's families.
type exporting struct {
	*gathering
	admin Admin
	shelves
	cluster, broker string
}

// set adds a value.
func (x *exporting) set(d *definition, value float64, labels ...string) {
	f := x.family(d)
	f.points = append(f.points, point{labels: labels, value: value})
}

// runtime is what brokerStatus tells.
func (x *exporting) runtime(ctx context.Context) {
	info, figures := x.admin.RuntimeInfo(ctx), x.m.parts.Broker.Figures()
	addr := x.m.o.Addr.String()
	labels := []string{x.cluster, addr, "", info["brokerVersionDesc"], info["bootTimestamp"], strconv.Itoa(int(wire.VersionCurrent))}
	for _, k := range runtimeKeys {
		if numbers := strings.Fields(info[k.key]); k.index < len(numbers) {
			if v, err := strconv.ParseFloat(numbers[k.index], 64); err == nil {
				x.set(runtimeFamilies[k.name], v, labels...)
			}
		}
	}
	for _, s := range runtimeSizes {
		x.set(runtimeFamilies[s.name], float64(s.of(&figures)), labels...)
	}
	puts := figures.Puts.Read()
	for i, name := range putTimes {
		x.set(runtimeFamilies["pmdt_"+name], float64(puts.Counts[i]), labels...)
	}
	x.set(xTPS, x.rate(ctx, "BROKER_PUT_NUMS", x.cluster), x.cluster, addr, x.broker)
	x.set(xQPS, x.rate(ctx, "BROKER_GET_NUMS", x.cluster), x.cluster, addr, x.broker)
}

// rate is one of the counters of `mqadmin brokerStats`, per second over a minute.
func (x *exporting) rate(ctx context.Context, name, key string) float64 {
	rates, err := x.admin.Stats(ctx, name, key)
	if err != nil {
		return 0
	}
	return rates[0].Rate
}

// topicFamilies are of what lies in topics, and what comes in.
func (x *exporting) topicFamilies(ctx context.Context) {
	busy := map[string]float64{}
	x.m.parts.Broker.EachTopic(func(t *meter.Topic) { busy[t.Name] = t.Rate })
	x.offsets.begin(x.now)
	x.shelves.topics.begin(x.now)
	x.m.parts.Broker.EachEnd(func(topic string, end func() int64) {
		if _, ok := x.offsets.add(topic, nil, busy[topic]); ok {
			if group, dead := strings.CutPrefix(topic, mq.DLQPrefix); dead {
				x.set(xDeadOffset, float64(end()), x.cluster, x.broker, group)
			} else if strings.HasPrefix(topic, mq.RetryPrefix) {
				x.set(xRetryOffset, float64(end()), x.cluster, x.broker, topic)
			} else {
				x.set(xProducerOffset, float64(end()), x.cluster, x.broker, topic)
			}
		}
		if rate, known := busy[topic]; known && !strings.HasPrefix(topic, mq.RetryPrefix) && !strings.HasPrefix(topic, mq.DLQPrefix) {
			if _, ok := x.shelves.topics.add(topic, nil, rate); ok {
				x.set(xProducerTPS, rate, x.cluster, x.broker, topic)
				x.set(xProducerSize, x.rate(ctx, "TOPIC_PUT_SIZE", topic), x.cluster, x.broker, topic)
			}
		}
	})
	x.offsets.end()
	x.shelves.topics.end()
}

// handed is what groups get.
func (x *exporting) handed(ctx context.Context) {
	s := x.shelves.uses
	s.begin(x.now)
	x.m.parts.Broker.EachUse(func(u *meter.Use) {
		if u.Group == "" || u.Retry {
			return
		}
		if _, ok := s.add(useKey{u.Group, u.Topic, false}, nil, u.Rate); ok {
			key, labels := u.Topic+"@"+u.Group, []string{x.cluster, x.broker, u.Topic, u.Group}
			x.set(xConsumerTPS, u.Rate, labels...)
			x.set(xConsumerSize, x.rate(ctx, "GROUP_GET_SIZE", key), labels...)
			x.set(xSentBack, x.rate(ctx, "SNDBCK_PUT_NUMS", key), labels...)
		}
	})
	s.end()
}

// An attendance is who of a group is connected.
type attendance struct {
	number       int64
	broadcasting bool
}

// maxNamed is how many consumers of a group the labels of its series name: a
// label is of bounded length.
const maxNamed = 16

// consumers is who is connected, by group.
func (x *exporting) consumers(ctx context.Context) map[string]attendance {
	online := map[string]attendance{}
	x.m.parts.Broker.EachClients(func(c *meter.Clients) {
		if c.Group != "" {
			a := online[c.Group]
			a.number += c.Number
			a.broadcasting = c.Model == "BROADCASTING"
			online[c.Group] = a
		}
	})
	s := x.groups
	s.begin(x.now)
	for group, a := range online {
		if _, ok := s.add(group, nil, float64(a.number)); !ok {
			continue
		}
		clients, _, err := x.admin.Consumers(ctx, group)
		if err != nil {
			continue // it has just left
		}
		var addrs, ids []string
		for _, c := range clients[:min(len(clients), maxNamed)] {
			addrs, ids = append(addrs, c.Addr), append(ids, c.ClientID)
		}
		x.set(xConsumers, float64(a.number), strings.Join(addrs, ","), strings.Join(ids, ","), group)
	}
	s.end()
	return online
}

// behind is what groups have yet to consume.
func (x *exporting) behind(ctx context.Context, online map[string]attendance) {
	all, _, _ := x.m.backlogs.get(ctx, x.now)
	s := x.lags
	s.begin(x.now)
	for i := range all {
		b := &all[i]
		if _, ok := s.add(useKey{b.Group, b.Topic, b.Retry}, nil, float64(b.Lag)); !ok {
			continue
		}
		use := []string{x.cluster, x.broker, b.Topic, b.Group}
		if !b.Retry {
			x.set(xConsumed, float64(b.Committed), use...)
		}
		a := online[b.Group]
		if a.broadcasting {
			continue
		}
		d := xDiff
		if b.Retry {
			d = xRetryDiff
		} else {
			x.set(xLatency, float64(x.age(b.Oldest)), use...)
		}
		x.set(d, float64(b.Lag), b.Group, b.Topic, strconv.FormatInt(a.number, 10), "1")
	}
	s.end()
}

// producers is who is connected.
func (x *exporting) producers(ctx context.Context) {
	s := x.shelves.producers
	s.begin(x.now)
	for group, clients := range x.admin.AllProducers(ctx) {
		if _, ok := s.add(group, nil, float64(len(clients))); ok {
			x.set(xProducers, float64(len(clients)), x.cluster, x.broker, group)
		}
	}
	s.end()
}
