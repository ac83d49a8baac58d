package namesrv

import (
	"fmt"
	"slices"

	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// GET_ALL_TOPIC_LIST_FROM_NAMESERVER(206), GET_SYSTEM_TOPIC_LIST_FROM_NS(304),
// GET_TOPICS_BY_CLUSTER(224), GET_UNIT_TOPIC_LIST(311),
// GET_HAS_UNIT_SUB_TOPIC_LIST(312), GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST(313),
// DELETE_TOPIC_IN_NAMESRV(216), REGISTER_TOPIC_IN_NAMESRV(217).
//
// Lists are sorted; RocketMQ's have the order of a hash table.

func (s *Server) listTopics(_ *rpc.Conn, cmd *wire.Command) *wire.Command {
	if s.options.Load().HideAllTopics {
		return cmd.ReplyError(wire.CodeSystemError, "disable: set enableAllTopicList of the name server to list all topics")
	}
	return s.topicList(cmd, nil)
}

func (s *Server) listTopicsOfCluster(_ *rpc.Conn, cmd *wire.Command) *wire.Command {
	var h wire.GetTopicsByClusterRequest
	if err := h.DecodeFields(cmd.Fields); err != nil {
		return invalid(cmd, err)
	}
	return s.someTopics(cmd, func(q wire.QueueData) bool {
		b := s.mu.table.brokers[q.BrokerName]
		return b != nil && b.cluster == h.Cluster
	})
}

func (s *Server) listUnitTopics(_ *rpc.Conn, cmd *wire.Command) *wire.Command {
	return s.someTopics(cmd, func(q wire.QueueData) bool { return q.TopicSysFlag&flagUnit != 0 })
}

func (s *Server) listUnitSubTopics(_ *rpc.Conn, cmd *wire.Command) *wire.Command {
	return s.someTopics(cmd, func(q wire.QueueData) bool { return q.TopicSysFlag&flagUnitSub != 0 })
}

func (s *Server) listUnitSubOnlyTopics(_ *rpc.Conn, cmd *wire.Command) *wire.Command {
	return s.someTopics(cmd, func(q wire.QueueData) bool { return q.TopicSysFlag&(flagUnit|flagUnitSub) == flagUnitSub })
}

// someTopics lists the topics for which want holds; it is called under s.mu.
func (s *Server) someTopics(cmd *wire.Command, want func(wire.QueueData) bool) *wire.Command {
	if s.options.Load().HideTopics {
		return cmd.ReplyError(wire.CodeSystemError, "disable: set enableTopicList of the name server to list topics")
	}
	return s.topicList(cmd, want)
}

func (s *Server) topicList(cmd *wire.Command, want func(wire.QueueData) bool) *wire.Command {
	s.mu.RLock()
	names := s.mu.table.topicNames(want)
	s.mu.RUnlock()
	slices.Sort(names)
	return withBody(cmd, nil, wire.EncodeBody(wire.TopicList{Topics: names}))
}

func (s *Server) listSystemTopics(c *rpc.Conn, cmd *wire.Command) *wire.Command {
	s.mu.RLock()
	clusters := s.mu.table.clusters()
	addr := ""
	if brokers := s.mu.table.sortedBrokers(); len(brokers) > 0 {
		addr = brokers[0].members[0].at(hostOf(c))
	}
	s.mu.RUnlock()
	var names []string
	for _, cluster := range sortedKeys(clusters) {
		names = append(append(names, cluster), clusters[cluster]...)
	}
	return withBody(cmd, nil, wire.EncodeBody(wire.TopicList{BrokerAddr: addr, Topics: names}))
}

func (s *Server) deleteTopic(_ *rpc.Conn, cmd *wire.Command) *wire.Command {
	var h wire.DeleteTopicInNamesrvRequest
	if err := h.DecodeFields(cmd.Fields); err != nil {
		return invalid(cmd, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.table.deleteTopic(h.Topic, h.ClusterName)
	return cmd.Reply(wire.CodeSuccess, nil)
}

// registerTopic adds one topic to brokers. Unlike RocketMQ, which reports
// success, it says when a broker is not registered.
func (s *Server) registerTopic(_ *rpc.Conn, cmd *wire.Command) *wire.Command {
	var h wire.RegisterTopicInNamesrvRequest
	if err := h.DecodeFields(cmd.Fields); err != nil {
		return invalid(cmd, err)
	}
	if h.Topic == "" || len(h.Topic) > maxName {
		return invalid(cmd, fmt.Errorf("topic has %d bytes; 1 to %d are allowed", len(h.Topic), maxName))
	}
	var route wire.TopicRouteData
	if err := wire.DecodeBody(cmd.Body, &route); err != nil {
		return invalid(cmd, err)
	}
	s.mu.Lock()
	err := s.mu.table.putTopic(h.Topic, route.Queues...)
	s.mu.Unlock()
	if err != nil {
		return cmd.ReplyError(wire.CodeBrokerNotExist, err.Error())
	}
	return cmd.Reply(wire.CodeSuccess, nil)
}
