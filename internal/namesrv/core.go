package namesrv

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"time"

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
