package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/goddardmq/goddard/internal/explain"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// A FoundMessage is a stored message and the broker that has it.
type FoundMessage struct {
	Broker string // its name; its address if that is all that is known
	Addr   string
	Record mq.Record
}

// A Search says which messages of a topic to find.
type Search struct {
	Topic string
	Key   string
	Kind  mq.LookupKind
	// From and To bound the store time. Zero leaves a side open.
	From, To time.Time
	Max      int // of each broker; at most 64
	// After, if not nil, asks for the oldest messages behind a log position
	// instead of the newest.
	After *int64
}

// FindMessages finds messages by key, unique key or tag on all brokers that
// have the topic, in the order of storing.
func (c *Cluster) FindMessages(ctx context.Context, s Search) ([]FoundMessage, error) {
	masters, err := c.routeMasters(ctx, s.Topic)
	if err != nil {
		return nil, err
	}
	h := wire.QueryMessageRequest{
		Topic: s.Topic, Key: s.Key, MaxNum: int32(s.Max), BeginTimestamp: max(0, s.From.UnixMilli()), EndTimestamp: math.MaxInt64,
		IndexType: map[mq.LookupKind]string{mq.LookupKey: "K", mq.LookupUnique: "U", mq.LookupTag: "T"}[s.Kind], UniqueKeyQuery: s.Kind == mq.LookupUnique,
	}
	if !s.To.IsZero() {
		h.EndTimestamp = s.To.UnixMilli()
	}
	if s.After != nil {
		h.LastKey = fmt.Sprint(*s.After)
	}
	var all []FoundMessage
	for _, b := range masters {
		resp, err := c.call(ctx, b.Addr, wire.NewRequest(wire.QueryMessage, &h))
		if refusedWith(err, wire.CodeQueryNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if all, err = addRecords(all, b, resp.Body); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(all, func(a, b FoundMessage) int { return cmp.Compare(a.Record.StoreTime, b.Record.StoreTime) })
	return all, nil
}

// addRecords adds the records of an answer to all.
func addRecords(all []FoundMessage, b Broker, body []byte) ([]FoundMessage, error) {
	for len(body) > 0 {
		r, rest, err := mq.DecodeRecord(body)
		if err != nil {
			return nil, fmt.Errorf("%s answered with a message that cannot be read: %w", b.Addr, err)
		}
		all, body = append(all, FoundMessage{Broker: cmp.Or(b.Name, b.Addr), Addr: b.Addr, Record: r}), rest
	}
	return all, nil
}

// Message finds one message: by offset message id, which names the broker, or
// by unique key, for which the topic is needed. The error wraps mq.ErrNotFound
// if there is none.
func (c *Cluster) Message(ctx context.Context, id, topic string) (FoundMessage, error) {
	if host, pos, err := mq.ParseOffsetID(id); err == nil {
		b := Broker{Addr: host.String()}
		brokers, err := c.Brokers(ctx)
		if err != nil {
			return FoundMessage{}, err
		}
		known := slices.IndexFunc(brokers, func(k Broker) bool { return k.Addr == b.Addr })
		if known >= 0 {
			b = brokers[known]
		}
		// A unique key may look like an offset id by chance.
		if known >= 0 || topic == "" {
			return c.messageAt(ctx, b, pos)
		}
	}
	if topic == "" {
		return FoundMessage{}, fmt.Errorf("%s is no offset message id; to find it as a unique key, name the topic with --topic", id)
	}
	found, err := c.FindMessages(ctx, Search{Topic: topic, Key: id, Kind: mq.LookupUnique, Max: 32})
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("topic %s has no message with the unique key %s: %w", topic, id, mq.ErrNotFound)
	}
	if err != nil {
		return FoundMessage{}, err
	}
	return found[0], nil
}

func (c *Cluster) messageAt(ctx context.Context, b Broker, pos mq.LogPos) (FoundMessage, error) {
	resp, err := c.call(ctx, b.Addr, wire.NewRequest(wire.ViewMessageByID, &wire.ViewMessageByIDRequest{Offset: int64(pos)}))
	if err != nil {
		return FoundMessage{}, err
	}
	found, err := addRecords(nil, b, resp.Body)
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%s answered with %d messages instead of one", b.Addr, len(found))
	}
	if err != nil {
		return FoundMessage{}, err
	}
	return found[0], nil
}

// A Track says whether a group has consumed a message, in RocketMQ's words.
type Track struct {
	Group string `json:"group"`
	State string `json:"state"` // CONSUMED, CONSUMED_BUT_FILTERED, NOT_CONSUME_YET, NOT_ONLINE, CONSUME_BROADCASTING, PULL
}

// Readers are the groups, by name, that read a message's topic on its broker.
func (c *Cluster) Readers(ctx context.Context, m FoundMessage) ([]string, error) {
	var groups wire.GroupList
	h := &wire.QueryTopicConsumeByWhoRequest{Topic: string(m.Record.Topic)}
	err := c.ask(ctx, m.Addr, wire.NewRequest(wire.QueryTopicConsumeByWho, h), &groups)
	slices.Sort(groups.Groups)
	return groups.Groups, err
}

// Tracks says of each group that reads a message's topic whether it has
// consumed the message.
func (c *Cluster) Tracks(ctx context.Context, m FoundMessage) ([]Track, error) {
	groups, err := c.Readers(ctx, m)
	if err != nil {
		return nil, err
	}
	tracks := []Track{}
	for _, group := range groups {
		members, err := c.Consumers(ctx, Target{Addr: m.Addr}, group)
		if err != nil && !errors.Is(err, mq.ErrNotOnline) {
			return nil, err
		}
		t, err := c.Track(ctx, m, group, members)
		if err != nil {
			return nil, err
		}
		tracks = append(tracks, t)
	}
	return tracks, nil
}

// Track says whether a group has consumed a message; members are who is in the
// group, nil if nobody is.
func (c *Cluster) Track(ctx context.Context, m FoundMessage, group string, members *Consumers) (Track, error) {
	switch {
	case members == nil || len(members.Clients) == 0:
		return Track{group, "NOT_ONLINE"}, nil
	case members.Type == "CONSUME_ACTIVELY":
		return Track{group, "PULL"}, nil
	case members.Model == "BROADCASTING":
		return Track{group, "CONSUME_BROADCASTING"}, nil
	}
	at, err := c.committed(ctx, m.Addr, group, mq.Queue{Topic: string(m.Record.Topic), ID: m.Record.QueueID})
	if err != nil {
		return Track{group, "UNKNOWN"}, err
	}
	if at > int64(m.Record.QueueOffset) {
		return Track{group, passed(m, members)}, nil
	}
	return Track{group, "NOT_CONSUME_YET"}, nil
}

// passed tells a message that was consumed from one that the group does not
// want.
func passed(m FoundMessage, members *Consumers) string {
	tag, _ := mq.Property(m.Record.Properties, mq.PropTags)
	for _, s := range members.Subscriptions {
		if s.Topic == string(m.Record.Topic) && s.Type == "TAG" && !explain.TakesTag(s.Expression, string(tag)) {
			return "CONSUMED_BUT_FILTERED"
		}
	}
	return "CONSUMED"
}

// A QueueIndexEntry says where a message of a queue lies.
type QueueIndexEntry struct {
	Offset  int64 `json:"offset"`
	Pos     int64 `json:"position"`
	Size    int32 `json:"size"`
	TagCode int64 `json:"tag_code"`
	Match   *bool `json:"match,omitempty"` // whether the group wants it
}

// A QueueIndex is a part of the index of a queue.
type QueueIndex struct {
	Broker  string            `json:"broker"`
	Min     int64             `json:"min"`
	Max     int64             `json:"max"` // behind the last entry
	Entries []QueueIndexEntry `json:"entries"`
}

// QueueIndex reads count entries of a queue's index from an offset on, on each
// broker of a target that has the topic; group may be empty.
func (c *Cluster) QueueIndex(ctx context.Context, of Target, topic string, queue int32, from int64, count int, group string) ([]QueueIndex, error) {
	masters, err := c.Masters(ctx, of)
	if of == (Target{}) {
		masters, err = c.routeMasters(ctx, topic)
	}
	if err != nil {
		return nil, err
	}
	var all []QueueIndex
	for _, b := range masters {
		var body wire.ConsumeQueueBody
		h := wire.QueryConsumeQueueRequest{Topic: topic, QueueID: queue, Index: from, Count: int32(count), ConsumerGroup: group}
		if err := c.ask(ctx, b.Addr, wire.NewRequest(wire.QueryConsumeQueue, &h), &body); err != nil {
			return nil, err
		}
		index := QueueIndex{Broker: cmp.Or(b.Name, b.Addr), Min: body.MinIndex, Max: body.MaxIndex}
		first := max(from, body.MinIndex)
		for i, e := range body.Entries {
			entry := QueueIndexEntry{Offset: first + int64(i), Pos: e.PhysicOffset, Size: e.PhysicSize, TagCode: e.TagsCode}
			if body.Subscription != nil {
				entry.Match = new(e.Eval)
			}
			index.Entries = append(index.Entries, entry)
		}
		all = append(all, index)
	}
	return all, nil
}
