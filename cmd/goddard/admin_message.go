package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
)

// A shownMessage is a message as the admin commands print it in JSON.
type shownMessage struct {
	printed
	OffsetMsgID string        `json:"offset_msg_id"`
	Position    mq.LogPos     `json:"position"`
	StoreHost   string        `json:"store_host"`
	Groups      []admin.Track `json:"groups,omitempty"`
}

func show(m admin.FoundMessage) (shownMessage, error) {
	r := &m.Record
	body, err := remote.Body(r)
	if err != nil {
		return shownMessage{}, err
	}
	props := mq.PropertyMap(r.Properties)
	return shownMessage{
		printed: printed{
			Topic: string(r.Topic), Broker: m.Broker, Queue: r.QueueID, Offset: r.QueueOffset, MsgID: props[mq.PropUniqueKey],
			Tags: props[mq.PropTags], Keys: props[mq.PropKeys],
			Born: time.UnixMilli(r.BornTime).UTC(), Stored: time.UnixMilli(r.StoreTime).UTC(),
			BornHost: r.BornHost.String(), Reconsumed: r.ReconsumeTimes, Properties: props, Body: string(body),
		},
		OffsetMsgID: r.OffsetID(), Position: r.Pos, StoreHost: r.StoreHost.String(),
	}, nil
}

func messageGet(s spelling) *cobra.Command {
	o := s.operation("Show one message and which groups have consumed it", "goddard admin message get 7F00000100002A9F0000000000000000")
	o.Long = `Show one message, by its offset message id or, with --topic, by the unique id
that its producer gave it, and which groups have consumed it.`
	var id, topic string
	var again handedOut
	wants := []wanted{{"id", "i", "ID", &id}}
	if s.old {
		wants = append(wants, wanted{"topic", "t", "TOPIC", &topic})
		again.register(o, s.use)
	} else {
		o.Flags().StringVarP(&topic, "topic", "t", "", "the `TOPIC` of the message, to find it by unique id")
	}
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if o.old {
			return again.print(ctx, o, c, id, topic)
		}
		found, err := c.Message(ctx, id, topic)
		if err != nil {
			return err
		}
		m, err := show(found)
		if err != nil {
			return err
		}
		if m.Groups, err = c.Tracks(ctx, found); err != nil {
			return err
		}
		return o.print(m, m.table())
	}, wants...)
}

// table is the message for a person, a line for each thing about it.
func (m shownMessage) table() *table {
	t := newTable()
	t.add("topic", m.Topic)
	t.add("id", m.MsgID)
	t.add("offset id", m.OffsetMsgID)
	t.add("broker", m.Broker)
	t.add("queue", fmt.Sprintf("%d, offset %d, log position %d", m.Queue, m.Offset, m.Position))
	t.add("tags", m.Tags)
	t.add("keys", m.Keys)
	t.add("born", when(m.Born), "at "+m.BornHost)
	t.add("stored", when(m.Stored), "at "+m.StoreHost)
	t.add("tries before", m.Reconsumed)
	for _, key := range slices.Sorted(maps.Keys(m.Properties)) {
		t.add("property", key+" = "+m.Properties[key])
	}
	for _, g := range m.Groups {
		t.add("group", g.Group, g.State)
	}
	t.add("body", m.Body)
	return t
}

func messageFind(s spelling) *cobra.Command {
	o := s.operation("Find the messages of a topic by key, unique id or tag", "goddard admin message find orders --key order-4711 --from 2026-01-31T08:00:00Z")
	o.Long = `Find the messages of a topic by key, unique id or tag, within a span of the time
at which they were stored: the newest, or the oldest behind the log position
that --after names, so that all can be seen page by page.`
	q := admin.Search{Max: 32}
	var key, unique, tag, kind, from, to, after string
	f := o.Flags()
	f.StringVarP(&key, "key", o.letter("k"), "", "one of the message's `KEYS`")
	f.StringVarP(&from, "from", o.letter("b"), "", "stored at this `TIME` or later: 2026-01-31T08:00:00Z, or 10m for ten minutes ago")
	f.StringVarP(&to, "to", o.letter("e"), "", "stored at this `TIME` or earlier")
	f.IntVarP(&q.Max, "max", o.letter("m"), q.Max, "how many messages of each broker, at most 64")
	f.StringVarP(&after, "after", o.letter("l"), "", "the oldest behind this log `POSITION`, instead of the newest")
	if s.old {
		f.StringVarP(&kind, "keyType", "p", "K", "K for keys, T for tags")
		f.StringVarP(&o.target.Cluster, "cluster", "c", "", "the cluster, which the topic says already")
	} else {
		f.StringVar(&unique, "unique", "", "the unique `ID` that the producer gave it")
		f.StringVar(&tag, "tag", "", "the message's `TAG`")
	}
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if kind == "T" {
			key, tag = "", key
		}
		if err := choose(&q, key, unique, tag); err != nil {
			return err
		}
		if err := limit(&q, from, to, after, time.Now()); err != nil {
			return err
		}
		return o.find(ctx, c, q)
	}, wanted{"topic", "t", "TOPIC", &q.Topic})
}

// choose says what to search by; one of the three must be given.
func choose(q *admin.Search, key, unique, tag string) error {
	given := 0
	for _, by := range []struct {
		text string
		kind mq.LookupKind
	}{{key, mq.LookupKey}, {unique, mq.LookupUnique}, {tag, mq.LookupTag}} {
		if by.text != "" {
			given++
			q.Key, q.Kind = by.text, by.kind
		}
	}
	if given != 1 {
		return errors.New("give one of --key, --unique and --tag")
	}
	return nil
}

// limit sets the span of time and the place to go on from.
func limit(q *admin.Search, from, to, after string, now time.Time) error {
	for _, bound := range []struct {
		text string
		at   *time.Time
	}{{from, &q.From}, {to, &q.To}} {
		if bound.text == "" {
			continue
		}
		at, _, err := parseMoment(bound.text, now)
		if err != nil {
			return err
		}
		*bound.at = at
	}
	if after == "" {
		return nil
	}
	// The keys that mqadmin prints end in the position too.
	pos, err := strconv.ParseInt(after[strings.LastIndexByte(after, '@')+1:], 10, 64)
	if err != nil {
		return fmt.Errorf("--after %q: want a log position, such as the one that is printed", after)
	}
	q.After = &pos
	return nil
}

func (o *operation) find(ctx context.Context, c *admin.Cluster, q admin.Search) error {
	found, err := c.FindMessages(ctx, q)
	if err != nil {
		return err
	}
	all := make([]shownMessage, 0, len(found))
	lines := o.sheet().table("%-50s %4d %40d %s", "#Message ID", "#QID", "#Offset", "#IndexKey")
	t := newTable("STORED", "BROKER", "QUEUE", "OFFSET", "POSITION", "ID", "TAGS", "KEYS")
	for _, f := range found {
		m, err := show(f)
		if err != nil {
			return err
		}
		all = append(all, m)
		t.add(when(m.Stored), m.Broker, m.Queue, m.Offset, int64(m.Position), m.MsgID, m.Tags, m.Keys)
		lines.row(m.MsgID, m.Queue, m.Offset, indexKey(q, m))
	}
	if o.old {
		return o.print(all, lines)
	}
	return o.print(all, t)
}

func messageIndex(s spelling) *cobra.Command {
	o := s.operation("Show the index of a queue", "goddard admin message index orders --queue 3 --from 100 --count 20")
	f := o.Flags()
	var topic, group string
	var queue int32
	var from int64
	count := 10
	f.Int32VarP(&queue, "queue", "q", 0, "the queue's number")
	f.Int64VarP(&from, "from", o.letter("i"), 0, "the first offset")
	f.IntVarP(&count, "count", o.letter("c"), count, "how many entries, at most 1024")
	f.StringVarP(&o.target.Addr, "broker", "b", "", "only the broker at this `ADDRESS`, host:port")
	f.StringVarP(&group, "group", "g", "", "also show what this `GROUP` wants")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		indexes, err := c.QueueIndex(ctx, o.target, topic, queue, from, count, group)
		if err != nil {
			return err
		}
		if o.old {
			return o.print(nonNil(indexes), indexSheet(o, indexes))
		}
		t := newTable("BROKER", "MIN", "MAX", "OFFSET", "POSITION", "SIZE", "TAG CODE", "MATCH")
		for _, index := range indexes {
			for _, e := range index.Entries {
				match := "-"
				if e.Match != nil {
					match = strconv.FormatBool(*e.Match)
				}
				t.add(index.Broker, index.Min, index.Max, e.Offset, e.Pos, e.Size, e.TagCode, match)
			}
		}
		return o.print(nonNil(indexes), t)
	}, wanted{"topic", "t", "TOPIC", &topic})
}
