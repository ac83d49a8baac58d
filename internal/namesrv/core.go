package namesrv

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// silentAfter is how long a broker may be silent that did not say how long.
const silentAfter = 120 * time.Second

// masterID is the broker id of a master.
const masterID = 0

// Bits of a topic's system flags.
const (
	flagUnit    = 1
	flagUnitSub = 2
)

// memberTopic starts the system topics through which brokers of one name
// speak; they never see an acting master.
const memberTopic = "rmq_sys_SYNC_BROKER_MEMBER_"

// Reasons to refuse a registration.
var (
	errFirstWithOneTopic = errors.New("the first registration of a broker carries one topic only and is taken for an update of that topic; send the whole topic table")
	errOlderMaster       = errors.New("another broker with this name and id is registered and newer")
	errOtherCluster      = errors.New("brokers of this name are registered in another cluster; a broker name belongs to one cluster")
	errTaken             = errors.New("a broker with this name and id runs inside this name server's process; give one of the two another brokerName")
)

// A connID names the connection a broker registered over; 0 means none.
type connID uint64

// rules are the settings the table decides by.
type rules struct {
	actingMaster bool // show the first slave of a masterless broker as master
	dropTopics   bool // a registration takes away the topics it does not name
	notifyMin    bool // tell brokers when the lowest id of their name changes
}

// A table says which broker serves which topic. It holds no lock and asks for
// no time; Server guards it.
type table struct {
	rules   rules
	brokers map[string]*broker
	topics  map[string][]wire.QueueData // sorted by broker
	// static is where the queues of static topics are: by topic, then broker.
	static map[string]map[string]wire.TopicQueueMapping
	live   map[liveKey]*liveness
}

// A broker is the set of processes that share a broker name.
type broker struct {
	name, cluster, zone string
	acting              bool
	members             []member // sorted by id
}

// A member is one process of a broker. One without an address runs in this
// process and is reached where the asking client reached the name server.
type member struct {
	id   int64
	addr string
	port uint16 // only without addr
	here bool   // runs in this process: never expires, cannot be displaced
}

// A liveKey is whom a heartbeat speaks for.
type liveKey struct{ cluster, addr string }

// liveness is what is known of a registered process elsewhere.
type liveness struct {
	broker  string
	seen    time.Time
	timeout time.Duration
	version wire.DataVersion
	ha      string
	conn    connID
}

// A registration is what a broker says of itself.
type registration struct {
	cluster, name, addr, ha, zone string
	id                            int64
	timeout                       time.Duration // 0 means silentAfter
	acting                        bool          // shows an acting master
	old                           bool          // from before 5.0: does not know acting masters
	version                       wire.DataVersion
	topics                        map[string]wire.TopicConfig
	static                        map[string]wire.TopicQueueMapping // by topic
	conn                          connID
	here                          bool   // in this process
	port                          uint16 // with here and no addr
}

// registered is the answer to a registration: where the broker's master is, if
// it is a slave and has one. A master without an address runs in this process.
type registered struct {
	master   *member
	ha       string
	notices  []notice
	firstFor bool // the process was not registered before
}

// A notice tells brokers that the lowest broker id of their name changed.
type notice struct {
	broker  string
	id      int64
	addr    string
	port    uint16 // if there is no addr
	ha      string
	offline string // address of the process that left, if one did
	to      []string
}

// A departure is a process that the table dropped by itself.
type departure struct {
	key    liveKey
	broker string
	conn   connID
	silent time.Duration
}

func newTable(r rules) *table {
	return &table{
		rules:   r,
		brokers: map[string]*broker{},
		topics:  map[string][]wire.QueueData{},
		static:  map[string]map[string]wire.TopicQueueMapping{},
		live:    map[liveKey]*liveness{},
	}
}

// register takes a broker process in or renews it. It refuses without a trace.
func (t *table) register(r registration, now time.Time) (registered, error) {
	if err := t.admits(t.brokers[r.name], r); err != nil {
		return registered{}, err
	}
	key := liveKey{r.cluster, r.addr}
	if l := t.live[key]; l != nil && l.broker != r.name {
		t.unregister(r.cluster, l.broker, r.addr) // the process was renamed
	}
	b := t.brokers[r.name]
	if b == nil {
		b = &broker{name: r.name, cluster: r.cluster}
		t.brokers[r.name] = b
	}
	b.cluster = r.cluster
	before, hadAny := b.lowest()
	first := b.put(member{id: r.id, addr: r.addr, port: r.port, here: r.here})
	b.acting, b.zone = r.acting && !r.old, r.zone
	out := registered{firstFor: first}

	prime := !r.old && r.id != masterID && b.members[0].id == r.id
	if r.id == masterID || prime {
		prev := t.live[key]
		changed := first || r.here || prev == nil || prev.version != r.version
		if t.rules.dropTopics && len(r.static) == 0 || r.here {
			t.dropTopicsNotIn(r.name, r.topics)
		}
		t.putTopics(r.name, r.topics, changed, prime && b.acting)
		if changed {
			t.putStatic(r.static)
		}
	}
	if !r.here {
		t.live[key] = &liveness{
			broker: r.name, seen: now, timeout: cmp.Or(r.timeout, silentAfter),
			version: r.version, ha: r.ha, conn: r.conn,
		}
	}
	if r.id != masterID {
		out.master, out.ha = t.masterOf(b)
	}
	if hadAny && r.id < before.id && t.rules.notifyMin {
		out.notices = append(out.notices, t.notice(b, "", r.ha))
	}
	return out, nil
}

// admits says whether a registration may change the table.
func (t *table) admits(b *broker, r registration) error {
	var old member
	known := false
	if b != nil {
		old, known = b.member(r.id)
	}
	switch {
	case b != nil && b.cluster != r.cluster && !b.only(r.addr):
		return errOtherCluster
	case known && old.here && !r.here:
		return errTaken
	case known && old.addr != r.addr && !old.here:
		if l := t.live[liveKey{r.cluster, old.addr}]; l != nil && l.version.StateVersion > r.version.StateVersion {
			return errOlderMaster
		}
	case !known && !r.here && len(r.topics) == 1:
		return errFirstWithOneTopic
	}
	return nil
}

// masterOf is the master of b and its replication address, if it is known to
// be alive.
func (t *table) masterOf(b *broker) (*member, string) {
	m, ok := b.member(masterID)
	if !ok {
		return nil, ""
	}
	if m.here {
		return &m, ""
	}
	l := t.live[liveKey{b.cluster, m.addr}]
	if l == nil {
		return nil, ""
	}
	return &m, l.ha
}

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

// unregister takes a process out, by its address.
func (t *table) unregister(cluster, name, addr string) []notice {
	delete(t.live, liveKey{cluster, addr})
	b := t.brokers[name]
	if b == nil || addr == "" || b.cluster != cluster {
		return nil
	}
	low, _ := b.lowest()
	at := slices.IndexFunc(b.members, func(m member) bool { return !m.here && m.addr == addr })
	if at < 0 {
		return nil
	}
	b.members = slices.Delete(b.members, at, at+1)
	if len(b.members) == 0 {
		t.forget(name)
		return nil
	}
	if b.acting && b.members[0].id != masterID {
		t.changePerm(name, func(perm int32) int32 { return perm &^ mq.PermWrite })
	}
	if now, _ := b.lowest(); now.id != low.id && t.rules.notifyMin {
		return []notice{t.notice(b, addr, "")}
	}
	return nil
}

// remove takes a process out that runs in this process.
func (t *table) remove(name string, id int64) {
	b := t.brokers[name]
	if b == nil {
		return
	}
	b.members = slices.DeleteFunc(b.members, func(m member) bool { return m.here && m.id == id })
	if len(b.members) == 0 {
		t.forget(name)
	}
}

func (t *table) forget(name string) {
	delete(t.brokers, name)
	for topic := range t.topics {
		t.dropQueues(topic, name)
	}
}

// notice is addressed to the members that did not cause it: all that are left
// when one went, all but the lowest when one came.
func (t *table) notice(b *broker, offline, ha string) notice {
	low := b.members[0]
	n := notice{broker: b.name, id: low.id, addr: low.addr, port: low.port, ha: ha, offline: offline}
	for i, m := range b.members {
		if offline == "" && len(b.members) > 1 && i == 0 {
			continue
		}
		if !m.here {
			n.to = append(n.to, m.addr)
		}
	}
	return n
}

// heartbeat says that a process is alive; false if it is not registered.
func (t *table) heartbeat(cluster, addr string, now time.Time) bool {
	l := t.registered(cluster, addr)
	if l != nil {
		l.seen = now
	}
	return l != nil
}

// registered is what is known of a process that has its place in the table;
// nil if it has none, or has lost it to another that came with its id.
func (t *table) registered(cluster, addr string) *liveness {
	l := t.live[liveKey{cluster, addr}]
	if l == nil {
		return nil
	}
	b := t.brokers[l.broker]
	if b == nil || !slices.ContainsFunc(b.members, func(m member) bool { return !m.here && m.addr == addr }) {
		return nil
	}
	return l
}

// version is the data version a process last registered with.
func (t *table) version(cluster, addr string) (wire.DataVersion, bool) {
	if l := t.registered(cluster, addr); l != nil {
		return l.version, true
	}
	return wire.DataVersion{}, false
}

// expire takes out who has been silent for too long.
func (t *table) expire(now time.Time) ([]departure, []notice) {
	return t.leave(func(l *liveness) bool { return now.Sub(l.seen) > l.timeout }, now)
}

// disconnect takes out who registered last over a connection that is gone.
func (t *table) disconnect(c connID, now time.Time) ([]departure, []notice) {
	return t.leave(func(l *liveness) bool { return l.conn == c }, now)
}

func (t *table) leave(gone func(*liveness) bool, now time.Time) ([]departure, []notice) {
	var ds []departure
	for key, l := range t.live {
		if gone(l) {
			ds = append(ds, departure{key, l.broker, l.conn, now.Sub(l.seen)})
		}
	}
	slices.SortFunc(ds, func(a, b departure) int {
		return cmp.Or(strings.Compare(a.key.cluster, b.key.cluster), strings.Compare(a.key.addr, b.key.addr))
	})
	var ns []notice
	for _, d := range ds {
		ns = append(ns, t.unregister(d.key.cluster, d.broker, d.key.addr)...)
	}
	return ds, ns
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

// data is b as it is, for a client that reached this process at host.
func (b *broker) data(host netip.Addr) wire.BrokerData {
	return wire.BrokerData{
		Addrs: b.addrs(host), BrokerName: b.name, Cluster: b.cluster,
		EnableActingMaster: b.acting, ZoneName: b.zone,
	}
}

func (b *broker) addrs(host netip.Addr) map[int64]string {
	addrs := make(map[int64]string, len(b.members))
	for _, m := range b.members {
		addrs[m.id] = m.at(host)
	}
	return addrs
}

func (b *broker) lowest() (member, bool) {
	if len(b.members) == 0 {
		return member{}, false
	}
	return b.members[0], true
}

// only reports whether b is nothing but the process at addr.
func (b *broker) only(addr string) bool {
	return len(b.members) == 1 && b.members[0].addr == addr
}

func (b *broker) member(id int64) (member, bool) {
	i, ok := b.find(id)
	if !ok {
		return member{}, false
	}
	return b.members[i], true
}

func (b *broker) find(id int64) (int, bool) {
	return slices.BinarySearchFunc(b.members, id, func(m member, id int64) int { return cmp.Compare(m.id, id) })
}

// put adds or replaces a member and reports whether its id was not there. Its
// address leaves any other id: a slave that became master has moved.
func (b *broker) put(m member) (first bool) {
	if m.addr != "" {
		b.members = slices.DeleteFunc(b.members, func(o member) bool { return o.addr == m.addr && o.id != m.id && !o.here })
	}
	i, ok := b.find(m.id)
	if ok {
		b.members[i] = m
		return false
	}
	b.members = slices.Insert(b.members, i, m)
	return true
}

// at is the address to give to a client that reached this process at host.
func (m member) at(host netip.Addr) string {
	if m.addr != "" {
		return m.addr
	}
	return netip.AddrPortFrom(host.Unmap().WithZone(""), m.port).String()
}
