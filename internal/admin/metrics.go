package admin

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
)

// Metrics is what brokers of a cluster do, in the form of RocketMQ's
// exportMetrics.
type Metrics struct {
	Brokers map[string]BrokerMetrics `json:"evaluateReport"` // by name
	Total   TotalMetrics             `json:"totalData"`
}

// TotalMetrics sums the brokers up.
type TotalMetrics struct {
	Day   map[string]int64   `json:"totalOneDayNum"`
	Rates map[string]float64 `json:"totalTps"`
}

// BrokerMetrics is what one broker does.
type BrokerMetrics struct {
	Env     map[string]string `json:"runtimeEnv"`
	Quota   Quota             `json:"runtimeQuota"`
	Version ClientVersions    `json:"runtimeVersion"`
}

// Quota is how much a broker holds and moves.
type Quota struct {
	Disk        map[string]string  `json:"diskRatio"`
	Rates       map[string]float64 `json:"tps"` // messages a second
	Day         map[string]int64   `json:"oneDayNum"`
	AverageSize string             `json:"messageAverageSize"`
	Topics      int                `json:"topicSize"`
	Groups      int                `json:"groupSize"`
}

// ClientVersions is which versions talk to each other.
type ClientVersions struct {
	Broker  string   `json:"rocketmqVersion"`
	Clients []string `json:"clientInfo"` // language%version
}

// Metrics collects what the masters of a cluster do.
func (c *Cluster) Metrics(ctx context.Context, cluster string) (*Metrics, error) {
	masters, err := c.Masters(ctx, Target{Cluster: cluster})
	if err != nil {
		return nil, err
	}
	m := &Metrics{Brokers: map[string]BrokerMetrics{}, Total: TotalMetrics{map[string]int64{}, map[string]float64{}}}
	for _, b := range masters {
		one, err := c.brokerMetrics(ctx, b)
		if err != nil {
			return nil, err
		}
		m.Brokers[b.Name] = one
		for key, rate := range one.Quota.Rates {
			m.Total.Rates["total"+strings.ToUpper(key[:1])+key[1:]] += rate
		}
		for key, n := range one.Quota.Day {
			m.Total.Day[key] += n
		}
	}
	return m, nil
}

func (c *Cluster) brokerMetrics(ctx context.Context, b Broker) (BrokerMetrics, error) {
	status, err := c.BrokerStatus(ctx, b.Addr)
	if err != nil {
		return BrokerMetrics{}, err
	}
	settings, err := c.BrokerConfig(ctx, b.Addr)
	if err != nil {
		return BrokerMetrics{}, err
	}
	meta, err := c.Metadata(ctx, Target{Addr: b.Addr}, Export{Topics: true, Groups: true})
	if err != nil {
		return BrokerMetrics{}, err
	}
	half, halfDay, err := c.count(ctx, []Broker{b}, "TOPIC_PUT_NUMS", mq.TopicTransHalf)
	if err != nil {
		return BrokerMetrics{}, err
	}
	delayed, delayedDay, err := c.count(ctx, []Broker{b}, "TOPIC_PUT_NUMS", mq.TopicSchedule)
	if err != nil {
		return BrokerMetrics{}, err
	}
	one := BrokerMetrics{Env: map[string]string{}}
	for key, value := range map[string]string{"cpuNum": settings["clientCallbackExecutorThreads"], "totalMemKBytes": status["totalMemKBytes"]} {
		if value != "" {
			one.Env[key] = value
		}
	}
	one.Quota = Quota{
		Disk: map[string]string{"commitLogDiskRatio": status["commitLogDiskRatio"], "consumeQueueDiskRatio": status["consumeQueueDiskRatio"]},
		Rates: map[string]float64{
			"normalInTps": firstRate(status["putTps"]), "normalOutTps": firstRate(status["getTransferredTps"]), "transInTps": half, "scheduleInTps": delayed,
		},
		Day: map[string]int64{
			"normalOneDayInNum":  whole(status["msgPutTotalTodayMorning"]) - whole(status["msgPutTotalYesterdayMorning"]),
			"normalOneDayOutNum": whole(status["msgGetTotalTodayMorning"]) - whole(status["msgGetTotalYesterdayMorning"]),
			"transOneDayInNum":   halfDay, "scheduleOneDayInNum": delayedDay,
		},
		AverageSize: status["putMessageAverageSize"], Topics: len(meta.Topics), Groups: len(meta.Groups),
	}
	one.Version = ClientVersions{Broker: status["brokerVersionDesc"], Clients: []string{}}
	for group := range meta.Groups {
		members, err := c.Consumers(ctx, Target{Addr: b.Addr}, group)
		if err != nil {
			continue // nobody is there
		}
		for _, client := range members.Clients {
			one.Version.Clients = append(one.Version.Clients, client.Language+"%"+client.Version)
		}
	}
	slices.Sort(one.Version.Clients)
	one.Version.Clients = slices.Compact(one.Version.Clients)
	return one, nil
}

// firstRate is the rate of the last ten seconds; brokers write three spans. It
// is 0 where there is none.
func firstRate(text string) float64 {
	word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	n, err := strconv.ParseFloat(word, 64)
	if err != nil {
		return 0
	}
	return n
}

// whole is a text as a number; 0 if it is none.
func whole(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
