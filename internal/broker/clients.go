package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// clientTimeout is how long a client that says nothing counts as connected.
const clientTimeout = 120 * time.Second

// maxSubscriptions bounds the topics that a consumer group subscribes to.
const maxSubscriptions = 10_000

// maxGroupsPerClient bounds the groups that one heartbeat names.
const maxGroupsPerClient = 10_000

// clients is who is connected. Everything here is forgotten with the process
// and comes back with the next heartbeats.
type clients struct {
	// mu guards all of it. No peer is called while it is held.
	mu struct {
		sync.Mutex
		producers map[string]map[mq.Peer]*mq.Connection
		// byID finds a producer's connection; of several with one id the one
		// that spoke last, as long as they are the same user's.
		byID      map[string]*mq.Connection
		consumers map[string]*consumers
	}
}

// consumers are the members of a consumer group and what they have in common.
// Where members differ in type, model and the like, who spoke last is right.
type consumers struct {
	mq.Consumer
	members map[mq.Peer]*member
	// subscriptions has every topic that a member wants, each with the newest of
	// what the members say about it. It is what operators see; a member's pulls
	// go by its own.
	subscriptions map[string]mq.Subscription
	// differing are the topics of which members want different messages.
	differing map[string]bool
}

// A member is one client's part in a consumer group.
type member struct {
	mq.Connection
	subscriptions map[string]mq.Subscription
}

// A notice is to be given to the members of a group.
type notice struct {
	group string
	peers []mq.Peer
}

func (n notice) give() {
	for _, p := range n.peers {
		p.ConsumersChanged(n.group)
	}
}

func newClients() *clients {
	c := &clients{}
	c.mu.producers = map[string]map[mq.Peer]*mq.Connection{}
	c.mu.byID = map[string]*mq.Connection{}
	c.mu.consumers = map[string]*consumers{}
	return c
}

// Join records that a client is alive and what it produces and consumes.
func (b *Broker) Join(_ context.Context, m mq.Member) (changed bool, err error) {
	if m.ClientID == "" || m.Peer == nil {
		return false, fmt.Errorf("%w: a heartbeat without a client id", mq.ErrInvalid)
	}
	if len(m.Producers)+len(m.Consumers) > maxGroupsPerClient {
		return false, fmt.Errorf("%w: a heartbeat for more than %d groups", mq.ErrInvalid, maxGroupsPerClient)
	}
	now := time.Now()
	b.clients.produce(m, now)
	var errs []error
	for _, c := range m.Consumers {
		g, err := b.readyToConsume(c)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		news, n, odd := b.clients.consume(m, c, now, g.NotifyConsumerIDsChange)
		n.give()
		if odd != nil {
			odd.warn(b.opts().Log)
		}
		changed = changed || news
	}
	return changed, errors.Join(errs...)
}

// readyToConsume makes sure that a consumer's group and its retry topic exist.
func (b *Broker) readyToConsume(c mq.Consumer) (*mq.Group, error) {
	if len(c.Subscriptions) > maxSubscriptions {
		return nil, fmt.Errorf("%w: group %s subscribes to %d topics, at most %d are allowed",
			mq.ErrInvalid, c.Group, len(c.Subscriptions), maxSubscriptions)
	}
	g, err := b.group(c.Group)
	if err != nil {
		return nil, err
	}
	retry := innerTopic(mq.RetryTopic(c.Group), max(1, g.RetryQueues))
	if c.UnitMode {
		retry.SysFlag = topicUnitSub
	}
	// There may be very many light groups; theirs is made when it is needed.
	if b.topics.table.get(retry.Name) == nil && !mq.IsLight(c.Group) {
		_, err = b.createTopic(retry)
	}
	return g, err
}

func (c *clients) produce(m mq.Member, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, group := range m.Producers {
		peers := c.mu.producers[group]
		if peers == nil {
			peers = map[mq.Peer]*mq.Connection{}
			c.mu.producers[group] = peers
		}
		peers[m.Peer] = connection(m, now)
	}
	if len(m.Producers) == 0 {
		return
	}
	if known := c.mu.byID[m.ClientID]; known == nil || known.Peer == m.Peer || known.User == m.User {
		c.mu.byID[m.ClientID] = connection(m, now)
	}
}

// producer is the way to a producer; nil if none of this id is connected.
func (c *clients) producer(clientID string) mq.Peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.mu.byID[clientID]; known != nil {
		return known.Peer
	}
	return nil
}

func connection(m mq.Member, now time.Time) *mq.Connection {
	return &mq.Connection{
		ClientID: m.ClientID, Addr: m.Peer.RemoteAddr(), Language: m.Language, Version: m.Version,
		LastUpdate: now, Peer: m.Peer, Protocol: m.Protocol, User: m.User, May: m.May,
	}
}

// consume records a member of a consumer group. The notice is for all members,
// if the client is one more or the topics of the group are others. odd is set
// when the members of the group begin to differ.
func (c *clients) consume(m mq.Member, in mq.Consumer, now time.Time, notify bool) (changed bool, n notice, odd *difference) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.mu.consumers[in.Group]
	if g == nil {
		g = &consumers{
			members: map[mq.Peer]*member{}, subscriptions: map[string]mq.Subscription{}, differing: map[string]bool{},
		}
		c.mu.consumers[in.Group] = g
	}
	who := g.members[m.Peer]
	joined := who == nil
	if joined {
		who = &member{}
		g.members[m.Peer] = who
	}
	who.Connection = *connection(m, now)
	topics, details := false, false
	if in.Subscriptions != nil {
		alike := len(g.differing) == 0
		topics, details = g.subscribe(who, in.Subscriptions)
		if alike && len(g.differing) > 0 {
			odd = g.difference(in.Group)
		}
	}
	in.Subscriptions = nil
	g.Consumer = in
	if notify && (joined || topics) && in.Model != "BROADCASTING" {
		n = notice{in.Group, slices.Collect(maps.Keys(g.members))}
	}
	return joined || topics || details, n, odd
}

// Leave removes a client from the groups named, or, if both are empty and all
// is set, from every group it is in through this peer.
func (b *Broker) Leave(_ context.Context, clientID, producerGroup, consumerGroup string, peer mq.Peer, all bool) {
	every := all && producerGroup == "" && consumerGroup == ""
	notices := b.clients.remove(func(group string, consumer bool, c *mq.Connection) bool {
		if c.Peer != peer || clientID != "" && c.ClientID != clientID {
			return false
		}
		return every || consumer && group == consumerGroup || !consumer && group == producerGroup
	})
	b.tell(notices)
}

// expire removes the clients that have said nothing for too long.
func (b *Broker) expireClients(now time.Time) {
	b.tell(b.clients.remove(func(_ string, _ bool, c *mq.Connection) bool {
		return now.Sub(c.LastUpdate) > clientTimeout
	}))
}

// tell gives the notices of groups that want them.
func (b *Broker) tell(notices []notice) {
	for _, n := range notices {
		if g := b.groups.table.get(n.group); g == nil || g.NotifyConsumerIDsChange {
			n.give()
		}
	}
}

// remove takes out the connections that match and returns the notices for
// those who stay.
func (c *clients) remove(match func(group string, consumer bool, c *mq.Connection) bool) []notice {
	c.mu.Lock()
	defer c.mu.Unlock()
	var gone []*mq.Connection
	for group, peers := range c.mu.producers {
		for peer, conn := range peers {
			if match(group, false, conn) {
				delete(peers, peer)
				gone = append(gone, conn)
			}
		}
		if len(peers) == 0 {
			delete(c.mu.producers, group)
		}
	}
	for _, conn := range gone {
		if known := c.mu.byID[conn.ClientID]; known != nil && known.Peer == conn.Peer && !c.producesLocked(conn.Peer) {
			delete(c.mu.byID, conn.ClientID)
		}
	}
	var notices []notice
	for group, g := range c.mu.consumers {
		before := len(g.members)
		for peer, who := range g.members {
			if match(group, true, &who.Connection) {
				delete(g.members, peer)
				g.unsubscribe(who)
			}
		}
		switch {
		case len(g.members) == 0:
			delete(c.mu.consumers, group)
		case len(g.members) < before && g.Model != "BROADCASTING":
			notices = append(notices, notice{group, slices.Collect(maps.Keys(g.members))})
		}
	}
	return notices
}

// producesLocked reports whether a connection is in any producer group.
func (c *clients) producesLocked(peer mq.Peer) bool {
	for _, peers := range c.mu.producers {
		if peers[peer] != nil {
			return true
		}
	}
	return false
}

// Members lists the client ids of a consumer group, sorted.
func (b *Broker) Members(_ context.Context, group string) ([]string, error) {
	c := b.clients
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.mu.consumers[group]
	if g == nil {
		return nil, offline(group)
	}
	var ids []string
	for _, m := range g.members {
		ids = append(ids, m.ClientID)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

func offline(group string) error {
	return fmt.Errorf("%w: no consumer of group %s is connected", mq.ErrNotOnline, group)
}

// Subscription is what the member connected through peer said about a topic,
// or, if peer is no member of the group, the newest of what its members said.
func (b *Broker) Subscription(_ context.Context, group, topic string, peer mq.Peer) (mq.Subscription, bool) {
	c := b.clients
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.mu.consumers[group]
	if g == nil {
		return mq.Subscription{}, false
	}
	if who := g.members[peer]; who != nil && who.subscriptions != nil {
		s, ok := who.subscriptions[topic]
		return s, ok
	}
	s, ok := g.subscriptions[topic]
	return s, ok
}

// Consumers is who is connected of a consumer group, and what they want.
func (b *Broker) Consumers(_ context.Context, group string) ([]mq.Connection, mq.Consumer, error) {
	c := b.clients
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.mu.consumers[group]
	if g == nil {
		return nil, mq.Consumer{}, offline(group)
	}
	all := g.Consumer
	for _, topic := range slices.Sorted(maps.Keys(g.subscriptions)) {
		all.Subscriptions = append(all.Subscriptions, g.subscriptions[topic])
	}
	conns := make(map[mq.Peer]*mq.Connection, len(g.members))
	for peer, who := range g.members {
		conns[peer] = &who.Connection
	}
	return connections(conns), all, nil
}

// broadcasts reports whether every member of a group gets every message.
func (c *clients) broadcasts(group string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.mu.consumers[group]
	return g != nil && g.Model == "BROADCASTING"
}

// pullsItself reports whether a group's application asks for messages, instead
// of being handed them by its client.
func (c *clients) pullsItself(group string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.mu.consumers[group]
	return g == nil || g.Type == "CONSUME_ACTIVELY"
}

// groupsOfTopic is the set of the groups that subscribe to a topic.
func (c *clients) groupsOfTopic(topic string) map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := map[string]bool{}
	for group, g := range c.mu.consumers {
		if _, ok := g.subscriptions[topic]; ok {
			names[group] = true
		}
	}
	return names
}

// Producers is who is connected of a producer group.
func (b *Broker) Producers(_ context.Context, group string) ([]mq.Connection, error) {
	c := b.clients
	c.mu.Lock()
	defer c.mu.Unlock()
	if peers := c.mu.producers[group]; peers != nil {
		return connections(peers), nil
	}
	return nil, fmt.Errorf("%w: no producer of group %s is connected", mq.ErrNotOnline, group)
}

// AllProducers is who is connected, by producer group.
func (b *Broker) AllProducers(context.Context) map[string][]mq.Connection {
	c := b.clients
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[string][]mq.Connection{}
	for group, peers := range c.mu.producers {
		all[group] = connections(peers)
	}
	return all
}

// connections copies, sorted by client id.
func connections(peers map[mq.Peer]*mq.Connection) []mq.Connection {
	var all []mq.Connection
	for _, c := range peers {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(x, y mq.Connection) int {
		if x.ClientID != y.ClientID {
			return strings.Compare(x.ClientID, y.ClientID)
		}
		return strings.Compare(x.Addr, y.Addr)
	})
	return all
}
