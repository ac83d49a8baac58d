package admin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// A DeadLetter is a message that a consumer group gave up.
type DeadLetter struct {
	Broker    string    `json:"broker"`
	Group     string    `json:"group"`
	Queue     int32     `json:"queue"`
	Offset    int64     `json:"offset"`
	ID        string    `json:"id"`        // offset message id in the dead-letter topic
	UniqueKey string    `json:"unique_id"` // of its producer
	Origin    string    `json:"origin"`    // topic that it was sent to first
	OriginID  string    `json:"origin_id,omitempty"`
	Born      time.Time `json:"born"`
	Died      time.Time `json:"died"`
	Tries     int32     `json:"tries"` // that failed
	Tags      string    `json:"tags,omitempty"`
	Keys      string    `json:"keys,omitempty"`
	Redriven  string    `json:"redriven_from,omitempty"` // id of the dead letter that it was sent again from
	State     string    `json:"state"`

	// Record is the stored message; From the broker that has it.
	Record mq.Record `json:"-"`
	From   Broker    `json:"-"`
	// retry is the retry topic that its group popped it from, if it did.
	retry string
}

// newDeadLetter reads a record of a group's dead-letter topic.
func newDeadLetter(b Broker, group string, r mq.Record, state string) *DeadLetter {
	props := mq.PropertyMap(r.Properties)
	first, retry := origin(group, props, string(r.Topic))
	return &DeadLetter{
		Broker: cmp.Or(b.Name, b.Addr), Group: group, Queue: r.QueueID, Offset: int64(r.QueueOffset), ID: r.OffsetID(),
		UniqueKey: props[mq.PropUniqueKey], Origin: first, OriginID: cmp.Or(props[mq.PropOriginMessageID], props[mq.PropDLQOriginID]),
		Born: time.UnixMilli(r.BornTime), Died: time.UnixMilli(r.StoreTime), Tries: r.ReconsumeTimes,
		Tags: props[mq.PropTags], Keys: props[mq.PropKeys], Redriven: props[mq.PropRedrivenFrom], State: state,
		Record: r, From: b, retry: retry,
	}
}

// Why says why a message died, as far as its record and the limit of its group
// (mq.Group.RetryMax) tell.
func (l *DeadLetter) Why(limit int32) string {
	switch {
	case l.Tries > limit:
		return fmt.Sprintf("it failed %d times, and its group lets it be tried %d times more after the first", l.Tries, limit)
	case l.Tries == limit:
		return fmt.Sprintf("it failed %d times, which its consumer takes for enough", l.Tries)
	default:
		return fmt.Sprintf("its consumer rejected it at try %d, or allows fewer tries than its group (%d)", l.Tries, limit)
	}
}

// A DeadLetterGroup says how many dead letters a group has on one broker.
type DeadLetterGroup struct {
	Group  string    `json:"group"`
	Broker string    `json:"broker"`
	Count  int64     `json:"count"` // that the broker still keeps
	Sent   int64     `json:"sent"`  // of them, sent again
	Purged int64     `json:"purged"`
	Waits  int64     `json:"waiting"` // neither sent again nor purged
	First  time.Time `json:"first,omitzero"`
	Last   time.Time `json:"last,omitzero"`
}

// DeadLetterGroups lists the groups that have dead letters, by name and broker.
func (c *Cluster) DeadLetterGroups(ctx context.Context) ([]DeadLetterGroup, error) {
	topics, err := c.Topics(ctx)
	if err != nil {
		return nil, err
	}
	var all []DeadLetterGroup
	for _, topic := range topics {
		group, dead := strings.CutPrefix(topic, mq.DLQPrefix)
		if !dead {
			continue
		}
		of, err := c.DeadLettersOf(ctx, group)
		if err != nil {
			return nil, err
		}
		all = append(all, of...)
	}
	return all, nil
}

// DeadLettersOf says how many dead letters a group has, by broker; those that
// have none are left out.
func (c *Cluster) DeadLettersOf(ctx context.Context, group string) ([]DeadLetterGroup, error) {
	queues, err := c.deadQueues(ctx, group)
	if err != nil {
		return nil, err
	}
	var all []DeadLetterGroup
	for _, q := range queues {
		g, err := c.deadLetterGroup(ctx, q)
		if err != nil {
			return nil, err
		}
		if g.Count > 0 {
			all = append(all, g)
		}
	}
	return all, nil
}

func (c *Cluster) deadLetterGroup(ctx context.Context, q *deadQueue) (DeadLetterGroup, error) {
	g := DeadLetterGroup{Group: q.group, Broker: cmp.Or(q.broker.Name, q.broker.Addr), Count: q.max - q.min}
	for _, count := range []struct {
		of  offsets
		sum *int64
	}{{q.ledger.sent, &g.Sent}, {q.ledger.gone, &g.Purged}} {
		for _, s := range count.of {
			*count.sum += max(0, min(s[1], q.max)-max(s[0], q.min))
		}
	}
	g.Waits = max(0, g.Count-g.Sent-g.Purged)
	for at, when := range map[int64]*time.Time{q.min: &g.First, q.max - 1: &g.Last} {
		err := c.scan(ctx, q.broker, q.queue(), at, min(at+1, q.max), func(r *mq.Record) (bool, error) {
			*when = time.UnixMilli(r.StoreTime)
			return false, nil
		})
		if err != nil {
			return g, err
		}
	}
	return g, nil
}

// A deadQueue is one queue of a dead-letter topic, as it was when it was looked
// at, and what has become of the letters in it.
type deadQueue struct {
	group    string
	id       int32
	broker   Broker
	min, max int64
	oldest   int64 // store time of the first letter, in Unix milliseconds; 0 if there is none
	ledger   ledger
	read     int64 // offset in the ledger's topic up to which ledger knows it
	busy     int   // letters that were passed over, because a run has claimed them
}

func (q *deadQueue) queue() mq.Queue { return mq.Queue{Topic: mq.DLQTopic(q.group), ID: q.id} }

// deadQueues are the queues of a group's dead-letter topic on all brokers.
func (c *Cluster) deadQueues(ctx context.Context, group string) ([]*deadQueue, error) {
	route, err := c.Route(ctx, mq.DLQTopic(group))
	if err != nil {
		return nil, fmt.Errorf("group %s has no dead letters: %w", group, err)
	}
	var all []*deadQueue
	for _, b := range route.Brokers {
		addr, ok := b.Addrs[0]
		if !ok {
			return nil, fmt.Errorf("broker %s, which has dead letters of %s, has no master at the moment", b.BrokerName, group)
		}
		for _, data := range route.Queues {
			if data.BrokerName != b.BrokerName {
				continue
			}
			for id := range max(data.ReadQueueNums, data.WriteQueueNums) {
				q := &deadQueue{group: group, id: id, broker: Broker{Cluster: b.Cluster, Name: b.BrokerName, Addr: addr}}
				if q.min, q.max, err = c.bounds(ctx, q.broker, q.queue()); err != nil {
					return nil, err
				}
				if err := c.findOldest(ctx, q); err != nil {
					return nil, err
				}
				if err := c.readLedger(ctx, q); err != nil {
					return nil, err
				}
				all = append(all, q)
			}
		}
	}
	slices.SortFunc(all, func(a, b *deadQueue) int {
		return cmp.Or(cmp.Compare(a.broker.Name, b.broker.Name), cmp.Compare(a.id, b.id))
	})
	return all, nil
}

// deadQueuesOf are the queues of a group's dead-letter topic in which a filter
// can choose something: one letter of one queue, if it names a letter.
func (c *Cluster) deadQueuesOf(ctx context.Context, group string, f DeadLetterFilter) ([]*deadQueue, error) {
	queues, err := c.deadQueues(ctx, group)
	if err != nil || f.ID == "" {
		return queues, err
	}
	l, err := c.DeadLetter(ctx, f.ID)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(queues, func(q *deadQueue) bool { return q.broker.Addr == l.From.Addr && q.id == l.Queue })
	if at < 0 || l.Group != group {
		return nil, fmt.Errorf("message %s is a dead letter of group %s, not of %s: %w", f.ID, l.Group, group, mq.ErrNotFound)
	}
	queues[at].min, queues[at].max = l.Offset, l.Offset+1
	return queues[at : at+1], nil
}

// A DeadLetterPage is a part of a group's dead letters.
type DeadLetterPage struct {
	Letters []*DeadLetter `json:"letters"`
	// Next goes on behind the page; empty at the end.
	Next string `json:"next,omitempty"`
}

// DeadLetters lists dead letters of a group, by broker and in the order in
// which they died, at most limit of them, from the place on that an earlier
// page names as its next, or from the first.
func (c *Cluster) DeadLetters(ctx context.Context, group string, f DeadLetterFilter, after string, limit int) (DeadLetterPage, error) {
	page := DeadLetterPage{Letters: []*DeadLetter{}}
	err := c.eachDeadLetter(ctx, group, f, after, func(l *DeadLetter) (bool, error) {
		if len(page.Letters) == limit {
			last := page.Letters[limit-1]
			page.Next = fmt.Sprintf("%s/%d/%d", last.Broker, last.Queue, last.Offset+1)
			return false, nil
		}
		page.Letters = append(page.Letters, l)
		return true, nil
	})
	return page, err
}

// DeadLetter finds one dead letter by its offset message id; the error wraps
// mq.ErrNotFound if it is none.
func (c *Cluster) DeadLetter(ctx context.Context, id string) (*DeadLetter, error) {
	m, err := c.Message(ctx, id, "")
	if err != nil {
		return nil, err
	}
	group, dead := strings.CutPrefix(string(m.Record.Topic), mq.DLQPrefix)
	if !dead {
		return nil, fmt.Errorf("message %s lies in topic %s, which holds no dead letters: %w", id, m.Record.Topic, mq.ErrNotFound)
	}
	q := &deadQueue{group: group, id: m.Record.QueueID, broker: Broker{Name: m.Broker, Addr: m.Addr}, oldest: m.Record.StoreTime}
	if err := c.readLedger(ctx, q); err != nil {
		return nil, err
	}
	return newDeadLetter(q.broker, group, m.Record, q.ledger.state(int64(m.Record.QueueOffset))), nil
}

// eachDeadLetter hands those of a group's dead letters that a filter chooses to
// do, until it wants no more. Letters that die meanwhile are not among them.
func (c *Cluster) eachDeadLetter(ctx context.Context, group string, f DeadLetterFilter, after string, do func(*DeadLetter) (bool, error)) error {
	choose, err := f.chooser()
	if err != nil {
		return err
	}
	queues, err := c.deadQueuesOf(ctx, group, f)
	if err != nil {
		return err
	}
	if queues, err = from(queues, after); err != nil {
		return err
	}
	more := true
	for _, q := range queues {
		err := c.scan(ctx, q.broker, q.queue(), q.min, q.max, func(r *mq.Record) (bool, error) {
			l := newDeadLetter(q.broker, group, *r, q.ledger.state(int64(r.QueueOffset)))
			wanted, err := choose.wants(l, unpack)
			if err == nil && wanted {
				more, err = do(l)
			}
			return more, err
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// from drops what lies before the place that a page named as its next.
func from(queues []*deadQueue, after string) ([]*deadQueue, error) {
	if after == "" {
		return queues, nil
	}
	broker, rest, _ := strings.Cut(after, "/")
	var id int32
	var offset int64
	if n, err := fmt.Sscanf(rest, "%d/%d", &id, &offset); n != 2 || err != nil {
		return nil, fmt.Errorf("%q is no place to go on at; it is printed behind a page, such as broker-a/0/100", after)
	}
	at := slices.IndexFunc(queues, func(q *deadQueue) bool { return cmp.Or(q.broker.Name, q.broker.Addr) == broker && q.id == id })
	if at < 0 {
		return nil, fmt.Errorf("there are no dead letters on broker %s, queue %d, any more", broker, id)
	}
	queues[at].min = max(queues[at].min, offset)
	return queues[at:], nil
}
