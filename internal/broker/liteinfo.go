package broker

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/lite"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/pop"
)

// maxLiteList bounds what lists of lite topics hold.
const maxLiteList = 10_000

// LiteFigures are figures about all lite topics; see mq.Admin.
func (b *Broker) LiteFigures(context.Context) mq.LiteFigures {
	b.offsets.mu.RLock()
	offsets := len(b.offsets.mu.uses)
	b.offsets.mu.RUnlock()
	b.lites.mu.Lock()
	s := b.lites.mu.registry.Stats()
	b.lites.mu.Unlock()
	st := b.store.Stats()
	f := mq.LiteFigures{
		Lights: int64(st.LightQueues), MaxLights: b.opts().Store.MaxLightQueues, Queues: st.Queues, Offsets: offsets,
		Subscriptions: s.Subscriptions, Held: s.Held, Ready: s.Ready, Lifetimes: map[string]int32{}, Groups: b.liteGroups(),
	}
	for _, t := range b.topics.table.all() {
		if t.messageType() == kindLite {
			f.Lifetimes[t.Name] = liteMinutes(t)
		}
	}
	return f
}

// liteGroups are the groups that are bound to a parent, by parent.
func (b *Broker) liteGroups() map[string][]string {
	groups := map[string][]string{}
	for name, g := range b.groups.table.all() {
		if parent := g.Attributes[attrLiteBind]; parent != "" {
			groups[parent] = append(groups[parent], name)
		}
	}
	for _, names := range groups {
		slices.Sort(names)
	}
	return groups
}

// liteMinutes is how long lite topics of a parent live, in minutes.
func liteMinutes(t *topic) int32 {
	n, err := strconv.ParseInt(t.Attributes[attrLiteExpiration], 10, 32)
	if err != nil {
		return -1
	}
	return int32(n)
}

// liteParent finds a topic that has lite topics.
func (b *Broker) liteParent(name string) (*topic, error) {
	t := b.findTopic(name)
	if t == nil {
		return nil, missingTopic(name)
	}
	return t, checkLiteTopic(b.opts(), t)
}

// LiteParent is about the lite topics of one parent, which are counted one by
// one.
func (b *Broker) LiteParent(ctx context.Context, name string) (mq.LiteParent, error) {
	p := mq.LiteParent{Topic: name}
	t, err := b.liteParent(name)
	if err != nil {
		return p, err
	}
	p.Lifetime, p.Groups, p.Lights = liteMinutes(t), b.liteGroups()[name], int64(b.store.Stats().LightQueues)
	prefix := mq.LiteQueue(name, "")
	for from := []byte(nil); ; {
		rows, next, err := b.dueRows(from, nil, liteSweepStep)
		if err != nil {
			return p, err
		}
		for _, row := range rows {
			if strings.HasPrefix(liteOf(row), prefix) {
				p.Lites++
			}
		}
		if from = next; next == nil {
			return p, ctx.Err()
		}
	}
}

// LiteTopic is about one lite topic; see mq.Admin.
func (b *Broker) LiteTopic(_ context.Context, parent, name string) (t mq.LiteTopic, err error) {
	if _, err := b.liteParent(parent); err != nil {
		return t, err
	}
	if err := mq.CheckLite(name); err != nil {
		return t, err
	}
	light := mq.LiteQueue(parent, name)
	b.lites.mu.Lock()
	for _, m := range b.lites.mu.registry.Subscribers(light, parent) {
		t.Subscribers = append(t.Subscribers, mq.LiteSubscriber{Group: m.Group, Client: m.Client})
	}
	b.lites.mu.Unlock()
	q := mq.Queue{Topic: light}
	if t.Min, t.Max, err = b.store.Bounds(q); err == nil && t.Min < t.Max {
		t.Last, err = b.store.TimeAt(q, t.Max-1)
	}
	return t, err
}

// LiteClient is about what a client wants; see mq.Admin.
func (b *Broker) LiteClient(_ context.Context, parent, group, client string, limit int) (c mq.LiteClient, err error) {
	if _, err := b.liteParent(parent); err != nil {
		return c, err
	}
	if err := b.boundTo(group, parent); err != nil {
		return c, err
	}
	b.lites.mu.Lock()
	defer b.lites.mu.Unlock()
	names, count, seen, ok := b.lites.mu.registry.Wants(lite.Member{Group: group, Client: client}, min(limit, maxLiteList))
	if !ok {
		return c, nil
	}
	return mq.LiteClient{Known: true, Seen: time.UnixMilli(seen), Count: count, Queues: names}, nil
}

// boundTo says what is wrong with a group that is to be bound to a parent, or to
// any if that is empty.
func (b *Broker) boundTo(group, parent string) error {
	g := b.findGroup(group)
	if g == nil {
		return missingGroup(group)
	}
	if bound := g.Attributes[attrLiteBind]; bound == "" || parent != "" && bound != parent {
		return fmt.Errorf("%w: group %s is bound to topic %q; its attribute %s says to which it is", mq.ErrInvalid, group, bound, attrLiteBind)
	}
	return nil
}

// LookForLites has everything looked at that clients want; see mq.Admin.
func (b *Broker) LookForLites(_ context.Context, group, client string) error {
	if err := b.boundTo(group, ""); err != nil {
		return err
	}
	b.changeLites(func(r *lite.Registry[*waiting]) []*waiting { return r.LookAgain(group, client) })
	notify(b.lites.sooner)
	return nil
}

// LiteLag is how far a group is behind. It looks at each lite topic that the
// group has begun with.
func (b *Broker) LiteLag(ctx context.Context, group, name string, limit int) (lag mq.LiteLag, err error) {
	if err := b.boundTo(group, ""); err != nil {
		return lag, err
	}
	lag.Parent = b.findGroup(group).Attributes[attrLiteBind]
	if name != "" {
		err = b.liteLagIn(&lag, group, name)
		return lag, err
	}
	limit = min(max(limit, 0), maxLiteList)
	prefix := liteAtRows + mq.LiteQueue(lag.Parent, "")
	err = b.store.Keys().Scan([]byte(prefix), func(key, value []byte) error {
		lite, of, _ := strings.Cut(string(key[len(prefix):]), "\x00")
		if of != group || len(value) != 16 {
			return ctx.Err()
		}
		return b.addLiteLag(&lag, lite, mq.QueueOffset(binary.BigEndian.Uint64(value)), limit)
	})
	slices.SortFunc(lag.ByTime, byLiteTime)
	slices.SortFunc(lag.ByCount, byLiteCount)
	lag.ByTime, lag.ByCount = lag.ByTime[:min(limit, len(lag.ByTime))], lag.ByCount[:min(limit, len(lag.ByCount))]
	return lag, err
}

func byLiteTime(a, b mq.LiteBehind) int  { return a.Earliest.Compare(b.Earliest) }
func byLiteCount(a, b mq.LiteBehind) int { return cmp.Compare(b.Behind, a.Behind) }

// addLiteLag adds one lite topic to what a group is behind in. Its lists are cut
// to the limit when they are twice as long.
func (b *Broker) addLiteLag(lag *mq.LiteLag, name string, at mq.QueueOffset, limit int) error {
	q := mq.Queue{Topic: mq.LiteQueue(lag.Parent, name)}
	lo, hi, err := b.store.Bounds(q)
	if at = max(at, lo); err != nil || at >= hi {
		return err
	}
	one := mq.LiteBehind{Lite: name, Behind: int64(hi - at)}
	if one.Earliest, err = b.store.TimeAt(q, at); err != nil {
		return err
	}
	lag.Behind += one.Behind
	if lag.Earliest.IsZero() || one.Earliest.Before(lag.Earliest) {
		lag.Earliest = one.Earliest
	}
	lag.ByTime = keepFirst(append(lag.ByTime, one), limit, byLiteTime)
	lag.ByCount = keepFirst(append(lag.ByCount, one), limit, byLiteCount)
	return nil
}

func keepFirst(all []mq.LiteBehind, limit int, order func(a, b mq.LiteBehind) int) []mq.LiteBehind {
	if len(all) <= 2*limit {
		return all
	}
	slices.SortFunc(all, order)
	return all[:limit]
}

// liteLagIn is how far a group is behind in one lite topic.
func (b *Broker) liteLagIn(lag *mq.LiteLag, group, name string) error {
	if err := mq.CheckLite(name); err != nil {
		return err
	}
	u := pop.Use{Group: group, Topic: mq.LiteQueue(lag.Parent, name)}
	at, err := b.liteAt(u)
	if err != nil || at < 0 {
		return err
	}
	if err := b.addLiteLag(lag, name, at, 1); err != nil {
		return err
	}
	q := mq.Queue{Topic: u.Topic}
	lo, hi, err := b.store.Bounds(q)
	if err != nil || lo == hi {
		return err
	}
	order, err := b.holds.Order(u)
	if err != nil {
		return err
	}
	lag.One = &mq.LitePlace{End: hi, At: at, InHand: int64(order.CountInHand(time.Now().UnixMilli()))}
	if before := at - 1; before >= lo && before < hi {
		lag.One.Last, err = b.store.TimeAt(q, before)
	}
	return err
}
