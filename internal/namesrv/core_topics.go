package namesrv

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// putTopics stores what a broker holds. Topics it held before are left as they
// are unless changed is set, so that a wiped permission stays wiped.
func (t *table) putTopics(name string, topics map[string]wire.TopicConfig, changed, readOnly bool) {
	for topic, c := range topics {
		if !changed && t.serves(name, topic) {
			continue
		}
		q := queueData(name, c)
		if readOnly {
			q.Perm &^= mq.PermWrite
		}
		t.putQueues(topic, q)
	}
}

// queueData is what a route says of a topic on a broker.
func queueData(broker string, c wire.TopicConfig) wire.QueueData {
	return wire.QueueData{
		BrokerName: broker, Perm: c.Perm, ReadQueueNums: c.ReadQueueNums,
		TopicSysFlag: c.TopicSysFlag, WriteQueueNums: c.WriteQueueNums,
	}
}

// putQueues replaces what one broker holds of a topic.
func (t *table) putQueues(topic string, q wire.QueueData) {
	qs := t.topics[topic]
	i, ok := slices.BinarySearchFunc(qs, q.BrokerName, func(e wire.QueueData, name string) int { return strings.Compare(e.BrokerName, name) })
	if ok {
		qs[i] = q
		return
	}
	t.topics[topic] = slices.Insert(qs, i, q)
}

func (t *table) serves(name, topic string) bool {
	return slices.ContainsFunc(t.topics[topic], func(q wire.QueueData) bool { return q.BrokerName == name })
}

func (t *table) putStatic(mappings map[string]wire.TopicQueueMapping) {
	for topic, m := range mappings {
		if t.static[topic] == nil {
			t.static[topic] = map[string]wire.TopicQueueMapping{}
		}
		t.static[topic][m.BrokerName] = m
	}
}

func (t *table) dropTopicsNotIn(name string, topics map[string]wire.TopicConfig) {
	for topic := range t.topics {
		if _, ok := topics[topic]; !ok {
			t.dropQueues(topic, name)
		}
	}
}

// dropQueues removes a broker from a topic, and the topic with its last one.
func (t *table) dropQueues(topic, name string) {
	qs := t.topics[topic]
	left := slices.DeleteFunc(qs, func(q wire.QueueData) bool { return q.BrokerName == name })
	delete(t.static[topic], name)
	switch {
	case len(left) == 0:
		delete(t.topics, topic)
		delete(t.static, topic)
	case len(left) != len(qs):
		t.topics[topic] = left
	}
}

// wipeWrite takes the permission to write from every topic of a broker and
// returns how many topics the broker has.
func (t *table) wipeWrite(name string) int {
	return t.changePerm(name, func(perm int32) int32 { return perm &^ mq.PermWrite })
}

// addWrite makes every topic of a broker readable and writable.
func (t *table) addWrite(name string) int {
	return t.changePerm(name, func(int32) int32 { return mq.PermRead | mq.PermWrite })
}

func (t *table) changePerm(name string, f func(int32) int32) int {
	n := 0
	for _, qs := range t.topics {
		for i := range qs {
			if qs[i].BrokerName == name {
				qs[i].Perm = f(qs[i].Perm)
				n++
			}
		}
	}
	return n
}

// deleteTopic forgets a topic, in one cluster or (cluster empty) altogether.
func (t *table) deleteTopic(topic, cluster string) {
	if cluster == "" {
		delete(t.topics, topic)
		delete(t.static, topic)
		return
	}
	for name, b := range t.brokers {
		if b.cluster == cluster {
			t.dropQueues(topic, name)
		}
	}
}

// putTopic adds queues of a topic; all brokers named must be registered.
func (t *table) putTopic(topic string, qs ...wire.QueueData) error {
	for _, q := range qs {
		if t.brokers[q.BrokerName] == nil {
			return fmt.Errorf("broker %q is not registered", q.BrokerName)
		}
	}
	for _, q := range qs {
		t.putQueues(topic, q)
	}
	return nil
}
