package namesrv

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// route finds a topic for a client that reached this process at host; false if
// no registered broker serves it.
func (t *table) route(topic string, host netip.Addr) (wire.TopicRouteData, bool) {
	qs := t.topics[topic]
	r := wire.TopicRouteData{Queues: slices.Clone(qs), Mappings: maps.Clone(t.static[topic])}
	for i := range qs {
		if b := t.brokers[qs[i].BrokerName]; b != nil {
			r.Brokers = append(r.Brokers, t.shown(b, topic, qs[i].Perm, host))
		}
	}
	return r, len(r.Brokers) > 0
}

// shown is b as a route shows it: with the lowest slave in place of a lost
// master, if the topic cannot be written there anyway.
func (t *table) shown(b *broker, topic string, perm int32, host netip.Addr) wire.BrokerData {
	d := b.data(host)
	low := b.members[0]
	if t.rules.actingMaster && b.acting && low.id != masterID && perm&mq.PermWrite == 0 && !strings.HasPrefix(topic, memberTopic) {
		delete(d.Addrs, low.id)
		d.Addrs[masterID] = low.at(host)
	}
	return d
}

// inZone leaves the brokers of other zones out, except those without a master.
func inZone(r wire.TopicRouteData, zone string) wire.TopicRouteData {
	dropped := map[string]bool{}
	r.Brokers = slices.DeleteFunc(r.Brokers, func(b wire.BrokerData) bool {
		_, master := b.Addrs[masterID]
		dropped[b.BrokerName] = master && !strings.EqualFold(b.ZoneName, zone)
		return dropped[b.BrokerName]
	})
	r.Queues = slices.DeleteFunc(r.Queues, func(q wire.QueueData) bool { return dropped[q.BrokerName] })
	return r
}

// clusterInfo is all brokers, for a client that reached this process at host.
func (t *table) clusterInfo(host netip.Addr) wire.ClusterInfo {
	info := wire.ClusterInfo{Brokers: make(map[string]wire.BrokerData, len(t.brokers)), Clusters: t.clusters()}
	for name, b := range t.brokers {
		info.Brokers[name] = b.data(host)
	}
	return info
}

// clusters are the broker names of each cluster, sorted.
func (t *table) clusters() map[string][]string {
	out := map[string][]string{}
	for name, b := range t.brokers {
		out[b.cluster] = append(out[b.cluster], name)
	}
	for _, names := range out {
		slices.Sort(names)
	}
	return out
}

// topicNames are the topics for which want holds of any broker's queues.
func (t *table) topicNames(want func(wire.QueueData) bool) []string {
	names := make([]string, 0, len(t.topics))
	for name, qs := range t.topics {
		if want == nil || slices.ContainsFunc(qs, want) {
			names = append(names, name)
		}
	}
	return names
}

// sortedBrokers are all brokers by name.
func (t *table) sortedBrokers() []*broker {
	return slices.SortedFunc(maps.Values(t.brokers), func(a, b *broker) int { return strings.Compare(a.name, b.name) })
}
