package remoting

// GET_TOPIC_STATS_INFO (202): what a topic's queues hold. GET_CONSUME_STATS
// (208), GET_BROKER_CONSUME_STATS (317): how far groups are.
// QUERY_TOPIC_CONSUME_BY_WHO (300), QUERY_TOPICS_BY_CONSUMER (343): which
// groups read which topics. QUERY_CONSUME_TIME_SPAN (303): the times between
// which a group has to consume.

import (
	"slices"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// topicStats answers with the bounds of a topic's queues.
func topicStats(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GetTopicStatsInfoRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	queues, err := s.h.admin.TopicStats(s.ctx, h.Topic)
	if err != nil {
		return nil, err
	}
	body := wire.TopicStatsTable{Offsets: make(map[wire.MessageQueue]wire.TopicOffset, len(queues))}
	for _, q := range queues {
		body.Offsets[s.h.queue(q.Queue)] = wire.TopicOffset{
			MinOffset: int64(q.Min), MaxOffset: int64(q.Max), LastUpdateTimestamp: max(0, millis(q.LastUpdate)),
		}
	}
	if rates, err := s.h.admin.Stats(s.ctx, "TOPIC_PUT_NUMS", h.Topic); err == nil {
		body.PutTPS = rates[0].Rate
	}
	return ok(req, nil, wire.EncodeBody(body)), nil
}

// consumeStats answers with how far a group is in one topic, some or all.
func consumeStats(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GetConsumeStatsRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	var topics []string
	for topic := range strings.SplitSeq(h.TopicList, ";") {
		if topic = strings.TrimSpace(topic); topic != "" {
			topics = append(topics, topic)
		}
	}
	if h.Topic != "" && len(topics) == 0 {
		topics = append(topics, h.Topic)
	}
	stats, err := s.h.admin.ConsumeStats(s.ctx, h.ConsumerGroup, topics)
	if err != nil {
		return nil, err
	}
	body := s.h.consumeStats(stats.Rate, stats.Queues)
	return ok(req, nil, wire.EncodeBody(body)), nil
}

// consumeStats is a group's progress as the wire has it.
func (h *Handler) consumeStats(rate float64, queues []mq.ConsumeQueueStats) wire.ConsumeStats {
	table := make(map[wire.MessageQueue]wire.OffsetWrapper, len(queues))
	for _, q := range queues {
		table[h.queue(q.Queue)] = wire.OffsetWrapper{
			BrokerOffset: int64(q.End), ConsumerOffset: int64(q.Committed), PullOffset: int64(max(q.Pulled, q.Committed)),
			LastTimestamp: max(0, millis(q.LastConsumed)), Popped: poppedOf(q),
		}
	}
	return wire.ConsumeStats{ConsumeTPS: rate, Offsets: table}
}

// poppedOf is what a group has popped of a queue; nil where it does not pop.
func poppedOf(q mq.ConsumeQueueStats) *wire.PoppedQueue {
	held := q.InHand + q.InOrder
	if held == 0 && q.LastPop.IsZero() {
		return nil
	}
	return &wire.PoppedQueue{InHand: held, LastTimestamp: max(0, millis(q.LastPop)), Client: q.LastPopBy}
}

// allConsumeStats answers with how far every group is in every topic.
func allConsumeStats(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GetBrokerConsumeStatsRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	ordered := s.orderedTopics(h.IsOrder)
	groups, _ := s.h.admin.Groups(s.ctx)
	body := wire.ConsumeStatsList{BrokerAddr: s.h.storeHost.String()}
	for _, g := range groups {
		stats, err := s.h.admin.ConsumeStats(s.ctx, g.Name, nil)
		if err != nil || len(stats.Queues) == 0 {
			continue // deleted meanwhile, or it has no offset
		}
		byTopic := map[string][]mq.ConsumeQueueStats{}
		for _, q := range stats.Queues {
			if h.IsOrder && !ordered[q.Queue.Topic] {
				continue
			}
			byTopic[q.Queue.Topic] = append(byTopic[q.Queue.Topic], q)
			body.TotalDiff += int64(q.End - q.Committed)
			body.TotalInflightDiff += max(0, int64(q.Pulled-q.Committed), q.InOrder) + q.InHand
		}
		var list []wire.ConsumeStats
		for _, queues := range byTopic {
			list = append(list, s.h.consumeStats(stats.Rate, queues))
		}
		body.Stats = append(body.Stats, map[string][]wire.ConsumeStats{g.Name: list})
	}
	return ok(req, nil, wire.EncodeBody(body)), nil
}

// orderedTopics is the set of ordered topics, if it is asked for.
func (s *session) orderedTopics(wanted bool) map[string]bool {
	set := map[string]bool{}
	if wanted {
		topics, _ := s.h.admin.Topics(s.ctx)
		for _, t := range topics {
			if t.Order {
				set[t.Name] = true
			}
		}
	}
	return set
}

// groupsOfTopic answers with the groups that read a topic.
func groupsOfTopic(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.QueryTopicConsumeByWhoRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	body := wire.GroupList{Groups: s.h.admin.GroupsOfTopic(s.ctx, h.Topic)}
	return ok(req, nil, wire.EncodeBody(body)), nil
}

// topicsOfGroup answers with the topics that a group reads.
func topicsOfGroup(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.QueryTopicsByConsumerRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	body := wire.TopicList{BrokerAddr: s.h.storeHost.String(), Topics: s.h.admin.TopicsOfGroup(s.ctx, h.Group)}
	return ok(req, nil, wire.EncodeBody(body)), nil
}

// consumeTimeSpan answers with when each queue's first, last and last consumed
// message was stored.
func consumeTimeSpan(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.QueryConsumeTimeSpanRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	queues, err := s.h.admin.TopicStats(s.ctx, h.Topic)
	if err != nil {
		return nil, err
	}
	stats, err := s.h.admin.ConsumeStats(s.ctx, h.Group, []string{h.Topic})
	if err != nil {
		return nil, err
	}
	body := wire.ConsumeTimeSpans{}
	for _, q := range queues {
		earliest, err := s.h.broker.EarliestTime(s.ctx, q.Queue)
		if err != nil {
			return nil, err
		}
		span := wire.QueueTimeSpan{
			Queue: s.h.queue(q.Queue), MinTimestamp: millis(earliest), MaxTimestamp: millis(q.LastUpdate),
			ConsumeTimestamp: millis(earliest),
		}
		i := slices.IndexFunc(stats.Queues, func(c mq.ConsumeQueueStats) bool { return c.Queue == q.Queue })
		if i >= 0 {
			if c := stats.Queues[i]; !c.LastConsumed.IsZero() {
				span.ConsumeTimestamp = millis(c.LastConsumed)
			}
			if c := stats.Queues[i]; c.Committed < c.End && span.ConsumeTimestamp > 0 {
				span.Delay = time.Since(time.UnixMilli(span.ConsumeTimestamp)).Milliseconds()
			}
		}
		body.Spans = append(body.Spans, span)
	}
	return ok(req, nil, wire.EncodeBody(body)), nil
}
