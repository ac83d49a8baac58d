package admin

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// Traffic is what came and went of a topic and one of the groups that read it.
type Traffic struct {
	Topic string  `json:"topic"`
	Group string  `json:"group,omitempty"` // empty if nobody reads the topic
	Lag   int64   `json:"lag"`
	In    float64 `json:"in"`  // messages a second, over the last minute
	Out   float64 `json:"out"` // likewise
	InDay int64   `json:"in_day"`
	// OutDay is of the last 24 hours as far as the broker has counted them.
	OutDay int64 `json:"out_day"`
}

// TrafficOf is the traffic of a topic, a row for each group that reads it.
func (c *Cluster) TrafficOf(ctx context.Context, topic string) ([]Traffic, error) {
	masters, err := c.routeMasters(ctx, topic)
	if err != nil {
		return nil, err
	}
	in, inDay, err := c.count(ctx, masters, "TOPIC_PUT_NUMS", topic)
	if err != nil {
		return nil, err
	}
	groups, err := c.GroupsOfTopic(ctx, topic)
	if err != nil {
		return nil, err
	}
	if len(groups) == 0 {
		return []Traffic{{Topic: topic, In: in, InDay: inDay}}, nil
	}
	var all []Traffic
	for _, group := range groups {
		t := Traffic{Topic: topic, Group: group, In: in, InDay: inDay}
		if t.Out, t.OutDay, err = c.count(ctx, masters, "GROUP_GET_NUMS", topic+"@"+group); err != nil {
			return nil, err
		}
		for _, b := range masters {
			progress, _, err := c.GroupProgress(ctx, Target{Addr: b.Addr}, group, topic)
			if err != nil {
				continue // a group that has consumed nothing is refused by some
			}
			for _, p := range progress {
				t.Lag += max(0, p.Lag)
			}
		}
		all = append(all, t)
	}
	return all, nil
}

// count adds up a counter of some brokers: a rate, and the sum of the longest
// span that it has been counted for. What was never counted is 0.
func (c *Cluster) count(ctx context.Context, brokers []Broker, name, key string) (rate float64, sum int64, err error) {
	for _, b := range brokers {
		var data wire.BrokerStatsData
		err := c.ask(ctx, b.Addr, wire.NewRequest(wire.ViewBrokerStatsData, &wire.ViewBrokerStatsDataRequest{StatsName: name, StatsKey: key}), &data)
		if refusedWith(err, wire.CodeSystemError) {
			continue
		}
		if err != nil {
			return 0, 0, err
		}
		rate += data.Minute.TPS
		for _, n := range []int64{data.Day.Sum, data.Hour.Sum, data.Minute.Sum} {
			if n != 0 {
				sum += n
				break
			}
		}
	}
	return rate, sum, nil
}

// A GroupStats is how far a group is in one queue of a broker.
type GroupStats struct {
	Group string `json:"group"`
	Progress
}

// BrokerProgress is how far all groups of one broker are, and how many messages
// they are behind together; ordered restricts it to ordered topics.
func (c *Cluster) BrokerProgress(ctx context.Context, addr string, ordered bool) ([]GroupStats, int64, error) {
	var list wire.ConsumeStatsList
	if err := c.ask(ctx, addr, wire.NewRequest(wire.GetBrokerConsumeStats, &wire.GetBrokerConsumeStatsRequest{IsOrder: ordered}), &list); err != nil {
		return nil, 0, err
	}
	var all []GroupStats
	for _, groups := range list.Stats {
		for group, stats := range groups {
			for _, s := range stats {
				for _, p := range progressOf(&s) {
					all = append(all, GroupStats{group, p})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b GroupStats) int {
		if n := strings.Compare(a.Group, b.Group); n != 0 {
			return n
		}
		return byPlace(a.Progress, b.Progress)
	})
	return all, list.TotalDiff, nil
}

// Undone is what a group has not consumed yet of a topic.
type Undone struct {
	Group string `json:"group"`
	Topic string `json:"topic,omitempty"`
	Total int64  `json:"total"`
	Worst int64  `json:"worst"` // of one queue
	// DelayMs is how long the next message has waited, of the queue where that is longest.
	DelayMs int64 `json:"delay_ms"`
	Online  bool  `json:"online"` // whether the group has a client
}

// UndoneOf says what a group has not consumed yet, by topic.
func (c *Cluster) UndoneOf(ctx context.Context, group string) ([]Undone, error) {
	_, err := c.Consumers(ctx, Target{}, group)
	online := !errors.Is(err, mq.ErrNotOnline)
	if err != nil && online {
		return nil, err
	}
	progress, _, err := c.GroupProgress(ctx, Target{}, group, "")
	if err != nil {
		return nil, err
	}
	var all []Undone
	for _, p := range progress {
		if len(all) == 0 || all[len(all)-1].Topic != p.Topic {
			all = append(all, Undone{Group: group, Topic: p.Topic, Online: online})
		}
		u := &all[len(all)-1]
		u.Total += p.Lag
		u.Worst = max(u.Worst, p.Lag)
	}
	for i := range all {
		if all[i].Total == 0 {
			continue
		}
		if all[i].DelayMs, err = c.delayOf(ctx, group, all[i].Topic); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// delayOf is how long a group's next message has waited, in milliseconds.
func (c *Cluster) delayOf(ctx context.Context, group, topic string) (int64, error) {
	masters, err := c.routeMasters(ctx, topic)
	if err != nil {
		return 0, err
	}
	var longest int64
	for _, b := range masters {
		var spans wire.ConsumeTimeSpans
		err := c.ask(ctx, b.Addr, wire.NewRequest(wire.QueryConsumeTimeSpan, &wire.QueryConsumeTimeSpanRequest{Topic: topic, Group: group}), &spans)
		if err != nil {
			return 0, err
		}
		for _, s := range spans.Spans {
			longest = max(longest, s.Delay)
		}
	}
	return longest, nil
}

// HAStatus is how far the slaves of a broker are.
func (c *Cluster) HAStatus(ctx context.Context, addr string) (*wire.HAStatus, error) {
	status := new(wire.HAStatus)
	if err := c.ask(ctx, addr, wire.NewRequest(wire.GetBrokerHAStatus, nil), status); err != nil {
		return nil, err
	}
	return status, nil
}

// ExportPopRecords has a broker move what is popped from its key-value store to
// files, which only RocketMQ's brokers have.
func (c *Cluster) ExportPopRecords(ctx context.Context, addr string) error {
	_, err := c.call(ctx, addr, wire.NewRequest(wire.PopRollback, nil))
	return err
}
