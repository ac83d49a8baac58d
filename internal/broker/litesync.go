package broker

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/goddardmq/goddard/internal/lite"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/pop"
)

const (
	// maxLiteSync bounds the lite topics that one request names.
	maxLiteSync = 100_000
	// defaultLiteQuota is how many lite topics a client of a group without the
	// attribute wants at most.
	defaultLiteQuota = 2000
)

// liteRules are what a group's attributes say about lite topics.
type liteRules struct {
	exclusive    bool
	all          bool // clients want all lite topics of the parent, whatever they name
	resetEvicted bool // what another client takes over begins at the first message
	resetLeft    bool // what a client does not want any more does
	limits       lite.Limits
}

// SyncLite changes which lite topics a client wants; see mq.Broker.
func (b *Broker) SyncLite(_ context.Context, s mq.LiteSubscription) error {
	rules, err := b.liteGroup(s.ClientID, s.Group, s.Topic)
	if err != nil {
		return err
	}
	if n := len(s.Lites); n > maxLiteSync {
		return fmt.Errorf("%w: the request names %d lite topics, at most %d are allowed", mq.ErrInvalid, n, maxLiteSync)
	}
	names := make([]string, 0, len(s.Lites))
	for _, one := range s.Lites {
		if err := mq.CheckLite(one); err != nil {
			return err
		}
		names = append(names, mq.LiteQueue(s.Topic, one))
	}
	m := lite.Member{Group: s.Group, Client: s.ClientID}
	switch s.Action {
	case mq.LiteAdd, mq.LiteSet:
		if rules.all {
			return b.wantAllLites(m, &s, rules)
		}
	case mq.LiteRemove, mq.LiteClear:
	}
	switch s.Action {
	case mq.LiteAdd:
		return b.addLites(m, &s, names, rules)
	case mq.LiteSet:
		return b.setLites(m, &s, names, rules)
	case mq.LiteRemove:
		var removed []string
		b.changeLites(func(r *lite.Registry[*waiting]) []*waiting {
			removed = r.Remove(m, names)
			return nil
		})
		return b.leftLites(s.Group, removed, rules.resetLeft)
	case mq.LiteClear:
		var removed []string
		b.changeLites(func(r *lite.Registry[*waiting]) (waits []*waiting) {
			removed, waits = r.Clear(m)
			return waits
		})
		return b.leftLites(s.Group, removed, rules.resetLeft)
	}
	return fmt.Errorf("%w: the action %d is unknown", mq.ErrInvalid, s.Action)
}

// liteGroup says what is wrong with a client's wish for lite topics of a topic,
// and otherwise which rules are its group's.
func (b *Broker) liteGroup(client, group, topic string) (rules liteRules, err error) {
	live := b.opts()
	if b.closing.Load() {
		return rules, mq.ErrClosed
	}
	if client == "" || len(client) > mq.MaxLightName {
		return rules, fmt.Errorf("%w: the client id has %d bytes, want 1 to %d", mq.ErrInvalid, len(client), mq.MaxLightName)
	}
	t := b.findTopic(topic)
	if t == nil {
		return rules, missingTopic(topic)
	}
	if err := checkLiteTopic(live, t); err != nil {
		return rules, err
	}
	if t.Perm&mq.PermRead == 0 {
		return rules, fmt.Errorf("%w: the topic[%s] pop message is forbidden", mq.ErrDenied, topic)
	}
	g := b.findGroup(group)
	if g == nil {
		return rules, missingGroup(group)
	}
	if !g.ConsumeEnable {
		return rules, fmt.Errorf("%w: subscription group no permission, %s (consumeEnable)", mq.ErrDenied, group)
	}
	if bound := g.Attributes[attrLiteBind]; bound != topic {
		return rules, fmt.Errorf("%w: group %s is bound to topic %q and not to %s; set its attribute %s=%s", mq.ErrInvalid, group, bound, topic, attrLiteBind, topic)
	}
	return liteRulesOf(g, live), nil
}

func liteRulesOf(g *mq.Group, live *live) liteRules {
	quota := defaultLiteQuota
	if n, err := strconv.ParseInt(g.Attributes[attrLiteQuota], 10, 64); err == nil {
		quota = int(max(0, min(n, maxLiteSync))) // below 0 there is none
	}
	yes := func(attribute string) bool { v, _ := strconv.ParseBool(g.Attributes[attribute]); return v }
	return liteRules{
		exclusive: g.Attributes[attrLiteModel] == "Exclusive", resetEvicted: yes(attrLiteResetEvicted), resetLeft: yes(attrLiteResetLeft),
		all: g.Attributes[attrLiteWildcard] != "", limits: lite.Limits{Client: quota, All: live.MaxLiteSubscriptions},
	}
}

// checkLiteTopic says why a topic has no lite topics.
func checkLiteTopic(live *live, t *topic) error {
	switch {
	case t.messageType() != kindLite:
		return fmt.Errorf("%w: topic %s is of type %s and has no lite topics; give it the attribute %s=%s", mq.ErrInvalid, t.Name, t.messageType(), attrMessageType, kindLite)
	case !*live.LightQueues:
		return fmt.Errorf("%w: lite topics are light queues, and they are switched off (light-queues, enableLmq)", mq.ErrInvalid)
	case len(t.Name) > mq.MaxLightName-mq.MaxLiteTopic-len("%LMQ%$$"):
		return fmt.Errorf("%w: the name of topic %s is too long to have lite topics", mq.ErrInvalid, t.Name)
	}
	return nil
}

// addLites lets a client want more lite topics. Places move before it does.
func (b *Broker) addLites(m lite.Member, s *mq.LiteSubscription, names []string, rules liteRules) (err error) {
	var added []string
	var ended []lite.Ended
	b.changeLites(func(r *lite.Registry[*waiting]) []*waiting {
		added, ended, err = r.Add(m, s.Peer, names, rules.exclusive, time.Now().UnixMilli(), rules.limits)
		return r.More(m)
	})
	if err != nil {
		return err
	}
	b.tellEnded(ended)
	if rules.resetEvicted && s.Begin.From == mq.LiteLast {
		for _, e := range ended {
			if err := b.moveLite(pop.Use{Group: m.Group, Topic: e.Name}, mq.LiteBegin{From: mq.LiteMin}); err != nil {
				return err
			}
		}
	}
	if s.Begin.From == mq.LiteLast {
		return nil
	}
	for _, name := range added {
		if err := b.moveLite(pop.Use{Group: m.Group, Topic: name}, s.Begin); err != nil {
			return err
		}
	}
	return nil
}

// setLites makes names all that a client wants.
func (b *Broker) setLites(m lite.Member, s *mq.LiteSubscription, names []string, rules liteRules) (err error) {
	var ended []lite.Ended
	b.changeLites(func(r *lite.Registry[*waiting]) []*waiting {
		ended, err = r.Set(m, s.Peer, names, s.Version, rules.exclusive, time.Now().UnixMilli(), rules.limits)
		return r.More(m)
	})
	b.tellEnded(ended)
	return err
}

// wantAllLites lets a client want all lite topics of the parent.
func (b *Broker) wantAllLites(m lite.Member, s *mq.LiteSubscription, rules liteRules) (err error) {
	if s.Action == mq.LiteAdd {
		return fmt.Errorf("%w: clients of group %s get all lite topics and cannot name one; take its attribute %s away to let them", mq.ErrInvalid, m.Group, attrLiteWildcard)
	}
	b.changeLites(func(r *lite.Registry[*waiting]) []*waiting {
		err = r.All(m, s.Peer, s.Topic, time.Now().UnixMilli(), rules.limits)
		return nil
	})
	notify(b.lites.sooner)
	return err
}

// tellEnded tells clients which of their subscriptions ended.
func (b *Broker) tellEnded(ended []lite.Ended) {
	for _, e := range ended {
		if _, name, ok := mq.SplitLite(e.Name); ok && e.Peer != nil {
			e.Peer.LiteEnded(e.Group, name, e.Client)
		}
	}
}

// leftLites lets a group begin anew in what a client does not want any more, if
// its attribute says so.
func (b *Broker) leftLites(group string, names []string, reset bool) error {
	if !reset {
		return nil
	}
	for _, name := range names {
		if err := b.moveLite(pop.Use{Group: group, Topic: name}, mq.LiteBegin{From: mq.LiteMin}); err != nil {
			return err
		}
	}
	return nil
}

// moveLite lets a group go on elsewhere in a lite topic; what it has in hand
// there is not in its hand any more.
func (b *Broker) moveLite(u pop.Use, to mq.LiteBegin) error {
	lock := b.lites.stripe(u)
	lock.Lock()
	err := b.moveLiteLocked(u, to)
	lock.Unlock()
	if err == nil {
		b.freeLite(u, true)
	}
	return err
}

func (b *Broker) moveLiteLocked(u pop.Use, to mq.LiteBegin) error {
	q := mq.Queue{Topic: u.Topic}
	lo, hi, err := b.store.Bounds(q)
	if err != nil {
		return err
	}
	at := lo
	switch to.From {
	case mq.LiteMax:
		at = hi
	case mq.LiteOffset:
		at = min(max(lo, mq.QueueOffset(to.Value)), hi)
	case mq.LiteTail:
		at = max(lo, hi-mq.QueueOffset(min(max(0, to.Value), int64(hi))))
	case mq.LiteTime:
		if lo == hi {
			break
		}
		if at, err = b.store.Locate(q, time.UnixMilli(to.Value), false); err != nil {
			return err
		}
	}
	return b.keepLite(u, at, &pop.Order{})
}
