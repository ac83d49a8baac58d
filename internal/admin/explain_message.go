package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/explain"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// maxTopicsSearched bounds the topics that a message is looked for in when
// nobody says which one it is of.
const maxTopicsSearched = 1000

// ExplainMessage finds a message by its offset message id or its unique key, and
// says where it is and what every group has done with it. topic may be empty:
// a unique key is then looked for everywhere. Of RocketMQ's brokers some things
// cannot be known, which the account says. The error wraps mq.ErrNotFound if
// there is no such message.
func (c *Cluster) ExplainMessage(ctx context.Context, id, topic string) (explain.Account, error) {
	found, err := c.anywhere(ctx, id, topic)
	if err != nil {
		return explain.Account{}, err
	}
	found = c.original(ctx, found)
	m := explained(found)
	e := explorer{c: c, m: &m, at: Broker{Name: found.Broker, Addr: found.Addr}, props: mq.PropertyMap(found.Record.Properties)}
	if err := e.look(ctx); err != nil {
		return explain.Account{}, err
	}
	return explain.Tell(m, time.Now()), nil
}

// explained is what a stored message says of itself.
func explained(f FoundMessage) explain.Message {
	props := mq.PropertyMap(f.Record.Properties)
	return explain.Message{
		Place: placeOf(f), Key: props[mq.PropUniqueKey], Tags: props[mq.PropTags], Keys: props[mq.PropKeys],
		Group: props[mq.PropShardingKey], Properties: f.Record.Properties,
	}
}

func placeOf(f FoundMessage) explain.Place {
	r := &f.Record
	return explain.Place{
		Topic: string(r.Topic), Broker: f.Broker, Queue: r.QueueID, Offset: int64(r.QueueOffset),
		Stored: moment(r.StoreTime), OffsetID: r.OffsetID(), Tries: r.ReconsumeTimes,
	}
}

// anywhere finds a message in a topic, or in any, or among those that are not
// delivered yet.
func (c *Cluster) anywhere(ctx context.Context, id, topic string) (FoundMessage, error) {
	if _, _, err := mq.ParseOffsetID(id); err == nil || topic != "" {
		found, err := c.Message(ctx, id, topic)
		if err == nil || topic == "" {
			return found, err
		}
	}
	masters, err := c.allMasters(ctx, Target{})
	if err != nil {
		return FoundMessage{}, err
	}
	topics := []string{topic}
	if topic == "" {
		if topics, err = c.UserTopics(ctx); err != nil {
			return FoundMessage{}, err
		}
	}
	searched := min(len(topics), maxTopicsSearched)
	for _, in := range slices.Concat(topics[:searched], []string{mq.TopicTimer, mq.TopicSchedule, mq.TopicTransHalf}) {
		for _, b := range masters {
			found, err := c.findUnique(ctx, b, in, id)
			if err != nil {
				return FoundMessage{}, err
			}
			if len(found) > 0 {
				return found[0], nil
			}
		}
	}
	if searched < len(topics) {
		return FoundMessage{}, fmt.Errorf("%s is in none of the first %d topics; name its topic with --topic: %w", id, searched, mq.ErrNotFound)
	}
	return FoundMessage{}, fmt.Errorf("no broker has a message with the id or unique key %s: %w; it may be older than the retention, or never have been stored", id, mq.ErrNotFound)
}

// findUnique finds messages of a topic by unique key on one broker, also in
// topics that have no route.
func (c *Cluster) findUnique(ctx context.Context, b Broker, topic, key string) ([]FoundMessage, error) {
	h := wire.QueryMessageRequest{
		Topic: topic, Key: key, MaxNum: 32, EndTimestamp: math.MaxInt64, IndexType: "U", UniqueKeyQuery: true,
	}
	resp, err := c.call(ctx, b.Addr, wire.NewRequest(wire.QueryMessage, &h))
	if refusedWith(err, wire.CodeQueryNotFound, wire.CodeTopicNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found, err := addRecords(nil, b, resp.Body)
	// A broker may answer with what has the same hash.
	found = slices.DeleteFunc(found, func(f FoundMessage) bool {
		unique, _ := mq.Property(f.Record.Properties, mq.PropUniqueKey)
		return string(unique) != key || string(f.Record.Topic) != topic
	})
	slices.SortStableFunc(found, func(a, b FoundMessage) int { return cmp.Compare(a.Record.StoreTime, b.Record.StoreTime) })
	return found, err
}

// original is the message that a copy for another try was made of, if it is
// still there; otherwise the copy itself.
func (c *Cluster) original(ctx context.Context, f FoundMessage) FoundMessage {
	props := mq.PropertyMap(f.Record.Properties)
	origin := props[mq.PropRetryTopic]
	if !mq.IsRetryTopic(string(f.Record.Topic)) || origin == "" || props[mq.PropUniqueKey] == "" {
		return f
	}
	found, err := c.findUnique(ctx, Broker{Name: f.Broker, Addr: f.Addr}, origin, props[mq.PropUniqueKey])
	if err != nil || len(found) == 0 {
		return f
	}
	return found[0]
}

// An explorer asks the broker of a message for all that concerns it.
type explorer struct {
	c      *Cluster
	m      *explain.Message
	at     Broker
	props  map[string]string
	levels []time.Duration
}

// unknown notes what could not be asked, and swallows only refusals.
func (e *explorer) unknown(what string, err error) error {
	if _, refused := errors.AsType[*RefusedError](err); refused {
		e.m.Unknown = append(e.m.Unknown, what+": "+err.Error())
		return nil
	}
	return err
}

func (e *explorer) look(ctx context.Context) error {
	config, err := e.c.BrokerConfig(ctx, e.at.Addr)
	if err := e.unknown("retention and delay levels are not known", err); err != nil {
		return err
	}
	if hours, err := strconv.ParseInt(config["fileReservedTime"], 10, 32); err == nil {
		e.m.Retention = time.Duration(hours) * time.Hour
	}
	e.levels = delayLevels(config["messageDelayLevel"])
	switch e.m.Topic {
	case mq.TopicTimer, mq.TopicSchedule:
		return e.delayed(ctx)
	case mq.TopicTransHalf:
		return e.half(ctx)
	}
	lowest, _, err := e.c.bounds(ctx, e.at, mq.Queue{Topic: e.m.Topic, ID: e.m.Queue})
	if err := e.unknown("where its queue begins is not known", err); err != nil {
		return err
	}
	e.m.Gone = e.m.Offset < lowest
	if strings.HasPrefix(e.m.Topic, mq.DLQPrefix) {
		return nil
	}
	return e.groups(ctx)
}

// delayLevels reads a setting such as "1s 5s 10s"; what it cannot read has no rest.
func delayLevels(text string) []time.Duration {
	var all []time.Duration
	for word := range strings.FieldsSeq(text) {
		if days, ok := strings.CutSuffix(word, "d"); ok {
			n, _ := strconv.Atoi(days)
			all = append(all, time.Duration(n)*24*time.Hour)
			continue
		}
		d, _ := time.ParseDuration(word)
		all = append(all, d)
	}
	return all
}

// due is when a message that waits in the schedule topic is delivered.
func (e *explorer) due(f FoundMessage) time.Time {
	level := int(f.Record.QueueID) + 1 // a queue for each level
	if level < 1 || level > len(e.levels) {
		return time.Time{}
	}
	return moment(f.Record.StoreTime).Add(e.levels[level-1])
}

// delayed is about a message that waits for its time, as far as it still does.
func (e *explorer) delayed(ctx context.Context) error {
	d := &explain.Delayed{Topic: e.props[mq.PropRealTopic]}
	if e.m.Topic == mq.TopicSchedule {
		level := int(e.m.Queue)
		if level >= 0 && level < len(e.levels) {
			d.Due = e.m.Stored.Add(e.levels[level])
		}
	} else if ms, err := strconv.ParseInt(e.props[mq.PropTimerOutMs], 10, 64); err == nil {
		d.Due = moment(ms)
	}
	delivered, err := e.c.findUnique(ctx, e.at, d.Topic, e.m.Key)
	if err != nil {
		return err
	}
	if len(delivered) > 0 && e.m.Key != "" {
		known := e.m.Unknown
		*e.m = explained(delivered[0])
		e.m.Unknown = known
		e.props = mq.PropertyMap(delivered[0].Record.Properties)
		return e.look(ctx)
	}
	e.m.Delayed = d
	if e.m.Topic == mq.TopicSchedule {
		return nil
	}
	list, err := e.c.Delayed(ctx, Target{Addr: e.at.Addr}, DelayedQuery{Topic: d.Topic, From: d.Due.Add(-time.Second), Until: d.Due.Add(time.Second), Limit: 1000})
	if err := e.unknown("whether it was called back is not known", err); err != nil || list == nil {
		return err
	}
	i := slices.IndexFunc(list, func(w Delayed) bool { return w.ID == e.m.Key })
	if i < 0 {
		e.m.Unknown = append(e.m.Unknown, "the broker has it no more among the delayed ones: it was called back, or is being delivered")
		return nil
	}
	d.Due, d.Handle = list[i].Due, list[i].Handle
	return nil
}

// half is about a transactional message.
func (e *explorer) half(ctx context.Context) error {
	h := &explain.Half{ID: e.m.OffsetID, Topic: e.props[mq.PropRealTopic], Group: e.props[mq.PropProducerGroup]}
	committed, err := e.c.findUnique(ctx, e.at, h.Topic, e.m.Key)
	if err != nil {
		return err
	}
	if len(committed) > 0 && e.m.Key != "" {
		*e.m = explained(committed[0])
		e.props = mq.PropertyMap(committed[0].Record.Properties)
		return e.look(ctx)
	}
	checks, _ := strconv.Atoi(e.props[mq.PropCheckTimes])
	h.Checks = int32(checks)
	e.m.Half = h
	found := false
	err = e.c.transactionsOf(ctx, e.at.Addr, func(t wire.Transaction) error {
		if t.UniqueKey != e.m.Key {
			return nil
		}
		h.ID, h.Checks, h.GivenUp, found = t.MsgID, t.Checks, t.GivenUp, true
		return errEnough
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	if err != nil {
		return e.unknown("whether the transaction is still open is not known", err)
	}
	if !found {
		e.m.Unknown = append(e.m.Unknown, "the broker has the transaction no more among the open ones: it was rolled back")
	}
	return nil
}

// groups asks about every group that reads the topic.
func (e *explorer) groups(ctx context.Context) error {
	var list wire.GroupList
	err := e.c.ask(ctx, e.at.Addr, wire.NewRequest(wire.QueryTopicConsumeByWho, &wire.QueryTopicConsumeByWhoRequest{Topic: e.m.Topic}), &list)
	if err := e.unknown("which groups read the topic is not known", err); err != nil {
		return err
	}
	slices.Sort(list.Groups)
	for _, name := range list.Groups {
		g := explain.Group{Name: name, Committed: -1, RetryDone: -1}
		if err := e.group(ctx, &g); err != nil {
			return err
		}
		e.m.Groups = append(e.m.Groups, g)
	}
	return nil
}

func (e *explorer) group(ctx context.Context, g *explain.Group) error {
	members, err := e.c.Consumers(ctx, Target{Addr: e.at.Addr}, g.Name)
	switch {
	case err == nil:
		g.Online, g.Pulls, g.Broadcasts = true, members.Type == "CONSUME_ACTIVELY", members.Model == "BROADCASTING"
		for _, s := range members.Subscriptions {
			if s.Topic == e.m.Topic {
				g.Wants = &explain.Wish{Expression: s.Expression, Type: s.Type}
			}
		}
	case !errors.Is(err, mq.ErrNotOnline):
		return err
	}
	if g.Committed, err = e.c.committed(ctx, e.at.Addr, g.Name, mq.Queue{Topic: e.m.Topic, ID: e.m.Queue}); err != nil {
		return err
	}
	config, err := e.c.Group(ctx, e.at.Addr, g.Name)
	if err == nil {
		g.Disabled = !config.ConsumeEnable
	} else if err := e.unknown("the configuration of group "+g.Name+" is not known", err); err != nil {
		return err
	}
	if g.Forbidden, err = e.c.forbidden(ctx, e.at.Addr, g.Name, e.m.Topic); err != nil {
		return err
	}
	if err := e.copies(ctx, g); err != nil {
		return err
	}
	if len(g.Dead)+len(g.Retries) > 0 {
		return nil
	}
	return e.inHand(ctx, g)
}

// copies finds what was stored of the message for another try of the group, and
// as its dead letter.
func (e *explorer) copies(ctx context.Context, g *explain.Group) error {
	if e.m.Key == "" {
		e.m.Unknown = append(e.m.Unknown, "its producer gave it no unique key, by which copies for group "+g.Name+" would be found")
		return nil
	}
	dead, err := e.c.findUnique(ctx, e.at, mq.DLQTopic(g.Name), e.m.Key)
	if err != nil {
		return err
	}
	for _, f := range dead {
		g.Dead = append(g.Dead, placeOf(f))
	}
	retries := []string{mq.RetryTopic(g.Name), mq.RetryTopicPop(g.Name, e.m.Topic), mq.RetryTopicPopV2(g.Name, e.m.Topic)}
	for _, topic := range retries {
		found, err := e.c.findUnique(ctx, e.at, topic, e.m.Key)
		if err != nil {
			return err
		}
		for _, f := range found {
			g.Retries = append(g.Retries, placeOf(f))
		}
	}
	waits, err := e.c.findUnique(ctx, e.at, mq.TopicSchedule, e.m.Key)
	if err != nil {
		return err
	}
	for _, f := range waits {
		topic, _ := mq.Property(f.Record.Properties, mq.PropRealTopic)
		if !slices.Contains(retries, string(topic)) {
			continue
		}
		p := placeOf(f)
		p.Topic, p.Due = string(topic), e.due(f)
		// Delivered, it lies in the retry topic as well.
		if !slices.ContainsFunc(g.Retries, func(r explain.Place) bool { return r.Tries == p.Tries && r.Due.IsZero() }) {
			g.Retries = append(g.Retries, p)
		}
	}
	slices.SortStableFunc(g.Retries, func(a, b explain.Place) int { return cmp.Or(cmp.Compare(a.Tries, b.Tries), a.Stored.Compare(b.Stored)) })
	if n := len(g.Retries); n > 0 && g.Retries[n-1].Due.IsZero() {
		last := g.Retries[n-1]
		g.RetryDone, err = e.c.committed(ctx, e.at.Addr, g.Name, mq.Queue{Topic: last.Topic, ID: last.Queue})
	}
	return err
}

// committed is a group's offset in a queue; -1 if it has none.
func (c *Cluster) committed(ctx context.Context, addr, group string, q mq.Queue) (int64, error) {
	h := wire.QueryConsumerOffsetRequest{ConsumerGroup: group, Topic: q.Topic, QueueID: q.ID, SetZeroIfNotFound: wire.Some(false)}
	resp, err := c.call(ctx, addr, wire.NewRequest(wire.QueryConsumerOffset, &h))
	if refusedWith(err, wire.CodeQueryNotFound) {
		return -1, nil
	}
	if err != nil {
		return -1, err
	}
	var answer wire.QueryConsumerOffsetResponse
	err = answer.DecodeFields(resp.Fields)
	return answer.Offset, err
}

// forbidden reports whether a group may not read a topic. Brokers that do not
// know the question forbid nothing.
func (c *Cluster) forbidden(ctx context.Context, addr, group, topic string) (bool, error) {
	var answer wire.GroupForbidden
	err := c.ask(ctx, addr, wire.NewRequest(wire.UpdateAndGetGroupForbidden, &wire.UpdateAndGetGroupForbiddenRequest{Group: group, Topic: topic}), &answer)
	if _, refused := errors.AsType[*RefusedError](err); refused {
		return false, nil
	}
	return err == nil && !answer.Readable, err
}

// inHand asks who has the message popped, or its message group parked.
func (e *explorer) inHand(ctx context.Context, g *explain.Group) error {
	if e.m.Group != "" {
		parked, err := e.c.MessageGroups(ctx, Target{Addr: e.at.Addr}, g.Name, e.m.Topic)
		if err := e.unknown("whether its message group is parked is not known", err); err != nil {
			return err
		}
		if slices.ContainsFunc(parked, func(p MessageGroup) bool { return p.Name == e.m.Group && p.State == "PARKED" && p.Queue == e.m.Queue }) {
			g.Parked = e.m.Group
		}
	}
	h := wire.GoddardFindPoppedRequest{ConsumerGroup: g.Name, Topic: e.m.Topic, QueueID: e.m.Queue, Offset: e.m.Offset}
	resp, err := e.c.call(ctx, e.at.Addr, wire.NewRequest(wire.GoddardFindPopped, &h))
	if refusedWith(err, wire.CodeQueryNotFound) {
		return nil
	}
	if err != nil {
		return e.unknown("whether group "+g.Name+" has it in hand is not known", err)
	}
	var found wire.GoddardFindPoppedResponse
	if err := found.DecodeFields(resp.Fields); err != nil {
		return err
	}
	g.InHand = &explain.InHand{Until: moment(found.InvisibleUntil), Popped: moment(found.PopTime), Tries: found.Tries}
	return nil
}
