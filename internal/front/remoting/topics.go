package remoting

// UPDATE_AND_CREATE_TOPIC (17), its list form (18), DELETE_TOPIC_IN_BROKER
// (215), its list form (5002), GET_ALL_TOPIC_CONFIG (21), GET_TOPIC_CONFIG
// (351), GET_SYSTEM_TOPIC_LIST_FROM_BROKER (305): the broker's topics.
//
// Not done: static topics (513).

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// putTopic creates a topic or changes it.
func putTopic(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.UpdateAndCreateTopicRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	attributes, err := parseAttributes(h.Attributes)
	if err != nil {
		return nil, err
	}
	err = s.h.admin.PutTopic(s.ctx, mq.Topic{
		Name: h.Topic, ReadQueues: h.ReadQueueNums, WriteQueues: h.WriteQueueNums, Perm: h.Perm,
		FilterType: h.TopicFilterType, SysFlag: h.TopicSysFlag, Order: h.Order, Attributes: attributes,
	})
	if err != nil {
		return nil, err
	}
	return ok(req, nil, nil), nil
}

// putTopics creates or changes topics, all or up to the first that fails.
func putTopics(s *session, req *wire.Command) (*wire.Command, error) {
	var body struct {
		Topics []json.RawMessage `json:"topicConfigList"`
	}
	if err := wire.DecodeBody(req.Body, &body); err != nil {
		return nil, malformed(req, err)
	}
	if len(body.Topics) == 0 {
		return nil, badRequest("the list of topics is empty")
	}
	for _, text := range body.Topics {
		t := mq.Topic{ReadQueues: 16, WriteQueues: 16, Perm: mq.PermRead | mq.PermWrite} // RocketMQ's defaults
		if err := json.Unmarshal(text, &t); err != nil {
			return nil, malformed(req, err)
		}
		if err := s.h.admin.PutTopic(s.ctx, t); err != nil {
			return nil, err
		}
	}
	return ok(req, nil, nil), nil
}

// parseAttributes reads "+key=value,-key"; the signs stay with the keys.
func parseAttributes(text string) (map[string]string, error) {
	changes := map[string]string{}
	for entry := range strings.SplitSeq(text, ",") {
		key, value, set := strings.Cut(strings.TrimSpace(entry), "=")
		_, twice := changes[key]
		switch {
		case key == "" && !set:
		case twice:
			return nil, badRequest("attribute %.60q is there twice", entry)
		case len(key) > 1 && (key[0] == '+' && set || key[0] == '-' && !set):
			changes[key] = value
		default:
			return nil, badRequest("attribute %.60q is neither +key=value nor -key", entry)
		}
	}
	return changes, nil
}

// deleteTopic deletes one topic.
func deleteTopic(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.DeleteTopicInBrokerRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	if err := s.h.admin.DeleteTopic(s.ctx, h.Topic); err != nil {
		return nil, err
	}
	return ok(req, nil, nil), nil
}

// deleteTopics deletes topics, all or up to the first that fails.
func deleteTopics(s *session, req *wire.Command) (*wire.Command, error) {
	var body struct {
		Topics []string `json:"topicList"`
	}
	if err := wire.DecodeBody(req.Body, &body); err != nil {
		return nil, malformed(req, err)
	}
	for _, topic := range body.Topics {
		if err := s.h.admin.DeleteTopic(s.ctx, topic); err != nil {
			return nil, err
		}
	}
	return ok(req, nil, nil), nil
}

// allTopics answers with all topics, or with a page of them if the asker says
// how many it can take.
func allTopics(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GetAllTopicConfigRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	topics, version := s.h.admin.Topics(s.ctx)
	slices.SortFunc(topics, func(a, b mq.Topic) int { return strings.Compare(a.Name, b.Name) })
	total := len(topics)
	topics = page(topics, h.TopicSeq, h.MaxTopicNum, h.DataVersion, version)
	body := wire.TopicConfigs{DataVersion: dataVersion(version), Topics: make(map[string]wire.TopicConfig, len(topics))}
	for _, t := range topics {
		body.Topics[t.Name] = topicConfig(t)
	}
	return ok(req, &wire.GetAllTopicConfigResponse{TotalTopicNum: int32(total)}, wire.EncodeBody(body)), nil
}

// dataVersion is v as the wire has it.
func dataVersion(v mq.DataVersion) wire.DataVersion {
	return wire.DataVersion{Counter: v.Counter, StateVersion: v.StateVersion, Timestamp: v.Timestamp}
}

// page is the part of a sorted list that an asker wants who has the first
// entries already, as of a version; most <= 0 means all.
func page[T any](all []T, first, most int32, asOf string, version mq.DataVersion) []T {
	if most <= 0 {
		return all
	}
	var has mq.DataVersion
	if first < 0 || asOf != "" && (json.Unmarshal([]byte(asOf), &has) != nil || has != version) {
		first = 0 // the list has changed: begin anew
	}
	all = all[min(int(first), len(all)):]
	return all[:min(int(most), len(all))]
}

// oneTopic answers with one topic.
func oneTopic(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GetTopicConfigRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	t, err := s.h.admin.Topic(s.ctx, h.Topic)
	if err != nil {
		return nil, err
	}
	return ok(req, nil, wire.EncodeBody(topicConfig(t))), nil
}

// topicConfig is t as the wire has it.
func topicConfig(t mq.Topic) wire.TopicConfig {
	return wire.TopicConfig{
		TopicName: t.Name, ReadQueueNums: t.ReadQueues, WriteQueueNums: t.WriteQueues, Perm: t.Perm,
		TopicFilterType: t.FilterType, TopicSysFlag: t.SysFlag, Order: t.Order, Attributes: t.Attributes,
	}
}

// systemTopics answers with the topics that are the broker's own.
func systemTopics(s *session, req *wire.Command) (*wire.Command, error) {
	topics, _ := s.h.admin.Topics(s.ctx)
	var body wire.TopicList
	for _, t := range topics {
		if mq.IsSystemTopic(t.Name) {
			body.Topics = append(body.Topics, t.Name)
		}
	}
	slices.Sort(body.Topics)
	return ok(req, nil, wire.EncodeBody(body)), nil
}
