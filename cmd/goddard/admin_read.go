package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/spf13/cobra"
)

// A reading says which messages of queues to print.
type reading struct {
	topic, route string
	expression   string
	from, to     string // times
	charset      string
	body         bool
}

func (r *reading) register(o *operation, expression bool) {
	f := o.Flags()
	if expression {
		f.StringVarP(&r.expression, "expression", "s", "*", "only these `TAGS`, such as TagA || TagB")
		f.StringVarP(&r.charset, "charsetName", o.letter("c"), "", "the bodies' `CHARSET`: only UTF-8")
		f.Lookup("charsetName").Hidden = !o.old
		f.StringVarP(&r.from, "from", "b", "", "stored at this `TIME` or later: 2026-01-31T08:00:00Z, or 10m for ten minutes ago")
	} else {
		r.expression = "*"
		f.StringVarP(&r.from, "from", "s", "", "stored at this `TIME` or later: 2026-01-31T08:00:00Z, or 10m for ten minutes ago")
	}
	f.StringVarP(&r.to, "to", "e", "", "stored before this `TIME`")
}

// bounds are the offsets of a queue between which the messages lie.
func (r *reading) bounds(ctx context.Context, c *admin.Cluster, q admin.PlacedQueue) (lo, hi int64, err error) {
	if lo, hi, err = c.Bounds(ctx, q); err != nil {
		return 0, 0, err
	}
	for _, bound := range []struct {
		text string
		at   *int64
	}{{r.from, &lo}, {r.to, &hi}} {
		if bound.text == "" {
			continue
		}
		at, latest, err := parseMoment(bound.text, time.Now())
		if err != nil {
			return 0, 0, err
		}
		if latest || at.IsZero() {
			continue
		}
		if *bound.at, err = c.Locate(ctx, q, at); err != nil {
			return 0, 0, err
		}
	}
	return lo, hi, nil
}

// scan hands the messages of a queue that are wanted to do.
func (r *reading) scan(ctx context.Context, c *admin.Cluster, q admin.PlacedQueue, lo, hi int64, do func(*admin.FoundMessage) (bool, error)) error {
	return c.Scan(ctx, q, lo, hi, func(m admin.FoundMessage) (bool, error) {
		if !remote.Wanted(r.expression, &m.Record) {
			return true, nil
		}
		return do(&m)
	})
}

// messagePrint is mqadmin's printMsg.
func messagePrint(s spelling) *cobra.Command {
	o := s.operation("Print the messages of a topic", "goddard admin message print orders --expression paid",
		"goddard admin printMsg -n 127.0.0.1:9876 -t orders")
	r := reading{body: true}
	r.register(o, true)
	o.truth(&r.body, "body", o.letter("d"), "also the bodies")
	o.Flags().StringVarP(&r.route, "route-topic", o.letter("l"), "", "find the brokers by this `TOPIC`, for light queues")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if err := onlyUTF8("--charsetName", r.charset); err != nil {
			return err
		}
		queues, err := c.ReadQueues(ctx, r.topic, r.route)
		if err != nil {
			return err
		}
		all := []shownMessage{}
		for _, q := range queues {
			lo, hi, err := r.bounds(ctx, c, q)
			if err != nil {
				return err
			}
			fmt.Fprintf(o.heading(), "minOffset=%d, maxOffset=%d, %v\n", lo, hi, q)
			if err := r.scan(ctx, c, q, lo, hi, func(m *admin.FoundMessage) (bool, error) { return o.emit(m, r.body, &all) }); err != nil {
				return err
			}
			fmt.Fprintln(o.heading(), "--------------------------------------------------------")
		}
		return o.emitted(all)
	}, wanted{"topic", "t", "TOPIC", &r.topic})
}

// emit prints a message at once, or keeps it for JSON.
func (o *operation) emit(m *admin.FoundMessage, body bool, all *[]shownMessage) (bool, error) {
	if o.out == asJSON {
		shown, err := show(*m)
		*all = append(*all, shown)
		return true, err
	}
	text, err := messageText(m, body)
	if err != nil {
		return false, err
	}
	_, err = fmt.Fprintln(o.OutOrStdout(), text)
	return true, err
}

// emitted prints what was kept.
func (o *operation) emitted(all []shownMessage) error {
	if o.out != asJSON {
		return nil
	}
	return o.print(all, nil)
}

// queuePrint is mqadmin's printMsgByQueue.
func queuePrint(s spelling) *cobra.Command {
	o := s.operation("Print or count the messages of one queue", "goddard admin message queue orders --broker-name broker-a --queue 0 --print true",
		"goddard admin printMsgByQueue -n 127.0.0.1:9876 -t orders -a broker-a -i 0 -p true")
	var r reading
	var broker string
	var queue int32
	var printed, count bool
	f := o.Flags()
	f.StringVarP(&broker, "broker-name", "a", "", "the `BROKER` that has the queue")
	f.Int32VarP(&queue, "queue", "i", 0, "the queue's number")
	r.register(o, true)
	f.BoolVarP(&printed, "print", "p", false, "print the messages")
	f.BoolVarP(&r.body, "body", "d", false, "with their bodies")
	f.BoolVarP(&count, "calculate", "f", false, "count them by tag")
	for _, name := range []string{"print", "body", "calculate"} {
		f.Lookup(name).NoOptDefVal = ""
	}
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if err := onlyUTF8("--charsetName", r.charset); err != nil {
			return err
		}
		q, err := c.QueueOf(ctx, r.topic, "", broker, queue)
		if err != nil {
			return err
		}
		lo, hi, err := r.bounds(ctx, c, q)
		if err != nil {
			return err
		}
		all, tags := []shownMessage{}, map[string]int{}
		err = r.scan(ctx, c, q, lo, hi, func(m *admin.FoundMessage) (bool, error) {
			if tag, ok := mq.Property(m.Record.Properties, mq.PropTags); ok {
				tags[string(tag)]++
			}
			if !printed {
				return true, nil
			}
			return o.emit(m, r.body, &all)
		})
		if err != nil {
			return err
		}
		if !count {
			return o.emitted(all)
		}
		t := o.sheet()
		for _, tag := range slices.SortedFunc(maps.Keys(tags), func(a, b string) int {
			return cmp.Or(cmp.Compare(tags[b], tags[a]), cmp.Compare(a, b))
		}) {
			t.line("Tag: %-30s Count: %d", tag, tags[tag])
		}
		return o.print(map[string]any{"tags": tags, "messages": all}, t)
	}, wanted{"topic", "t", "TOPIC", &r.topic})
}

// messageRead is mqadmin's consumeMessage.
func messageRead(s spelling) *cobra.Command {
	o := s.operation("Print the first messages of a topic or of one queue", "goddard admin message read orders --count 5",
		"goddard admin consumeMessage -n 127.0.0.1:9876 -t orders -b broker-a -i 0 -c 5")
	o.Long = o.Short + `. No group's progress changes.`
	r := reading{body: true}
	var broker, group string
	var queue int32
	var offset int64
	count := 128
	f := o.Flags()
	f.StringVarP(&broker, "broker-name", "b", "", "only on this `BROKER`")
	f.Int32VarP(&queue, "queue", "i", -1, "only this queue; --broker-name says of which broker")
	f.Int64VarP(&offset, "offset", o.letter("o"), -1, "from this offset of the queue on")
	f.StringVarP(&group, "group", "g", "", "has no effect: messages are read without a group")
	f.IntVarP(&count, "count", "c", count, "how many messages at most")
	r.register(o, false)
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		switch {
		case count <= 0:
			return fmt.Errorf("--count %d: want 1 or more", count)
		case queue >= 0 && broker == "":
			return fmt.Errorf("--queue %d of which broker? name it with --broker-name", queue)
		case offset >= 0 && queue < 0:
			return fmt.Errorf("--offset %d of which queue? name it with --queue", offset)
		}
		queues, err := c.ReadQueues(ctx, r.topic, "")
		if err != nil {
			return err
		}
		if broker != "" {
			queues = slices.DeleteFunc(queues, func(q admin.PlacedQueue) bool { return q.Broker.Name != broker || queue >= 0 && q.ID != queue })
		}
		if len(queues) == 0 {
			return fmt.Errorf("topic %s has no such queue that can be read; `goddard admin topicRoute -t %s` shows those it has", r.topic, r.topic)
		}
		all, left := []shownMessage{}, count
		for _, q := range queues {
			lo, hi, err := r.bounds(ctx, c, q)
			if err != nil {
				return err
			}
			lo = max(lo, offset)
			if hi-lo > int64(left) {
				fmt.Fprintf(o.heading(), "The older %d message of the %d queue will be provided\n", left, q.ID)
				hi = lo + int64(left)
			}
			if lo >= hi {
				continue
			}
			fmt.Fprintln(o.heading(), "Consume ok")
			err = r.scan(ctx, c, q, lo, hi, func(m *admin.FoundMessage) (bool, error) {
				left--
				return o.emit(m, true, &all)
			})
			if err != nil {
				return err
			}
			if left <= 0 {
				break
			}
		}
		return o.emitted(all)
	}, wanted{"topic", "t", "TOPIC", &r.topic})
}

// messageAt is mqadmin's queryMsgByOffset.
func messageAt(s spelling) *cobra.Command {
	o := s.operation("Show the message at an offset of a queue", "goddard admin message at orders --broker-name broker-a --queue 0 --offset 0",
		"goddard admin queryMsgByOffset -n 127.0.0.1:9876 -t orders -b broker-a -i 0 -o 0")
	var topic, route, broker, format string
	var queue int32
	var offset int64
	f := o.Flags()
	f.StringVarP(&broker, "broker-name", "b", "", "the `BROKER` that has the queue")
	f.Int32VarP(&queue, "queue", "i", 0, "the queue's number")
	f.Int64VarP(&offset, "offset", o.letter("o"), 0, "the offset")
	f.StringVarP(&format, "bodyFormat", o.letter("f"), "", "the body's `CHARSET`: only UTF-8")
	f.Lookup("bodyFormat").Hidden = !o.old
	f.StringVarP(&route, "route-topic", o.letter("r"), "", "find the broker by this `TOPIC`, for light queues")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if err := onlyUTF8("--bodyFormat", format); err != nil {
			return err
		}
		q, err := c.QueueOf(ctx, topic, route, broker, queue)
		if err != nil {
			return err
		}
		var found *admin.FoundMessage
		err = c.Scan(ctx, q, offset, offset+1, func(m admin.FoundMessage) (bool, error) {
			found = &m
			return false, nil
		})
		if err != nil {
			return err
		}
		if found == nil {
			return fmt.Errorf("%v has no message at offset %d: %w", q, offset, mq.ErrNotFound)
		}
		t := o.sheet()
		m, err := (&handedOut{}).each(ctx, o, c, *found, t)
		if err != nil {
			return err
		}
		return o.print(m, t)
	}, wanted{"topic", "t", "TOPIC", &topic})
}
