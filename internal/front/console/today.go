package console

import (
	"context"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
)

const (
	// maxToday bounds the queues of a topic whose messages of today are counted.
	maxToday = 256
	// maxTodays bounds the topics of which it is remembered where today begins.
	maxTodays = 1000
)

// todays remember where the day begins in the queues of topics.
type todays struct {
	mu  sync.Mutex // guards what follows
	day time.Time
	all map[string]map[queueKey]int64
}

// of are the offsets at which a day begins in a topic's queues, as far as they
// were found. The map is the caller's.
func (t *todays) of(day time.Time, topic string) map[queueKey]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	found := map[queueKey]int64{}
	if t.day.Equal(day) {
		for key, offset := range t.all[topic] {
			found[key] = offset
		}
	}
	return found
}

func (t *todays) put(day time.Time, topic string, found map[queueKey]int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.day.Equal(day) || len(t.all) >= maxTodays {
		t.day, t.all = day, map[string]map[queueKey]int64{}
	}
	t.all[topic] = found
}

// midnight is when the day of a time begins, where the console runs.
func midnight(now time.Time) time.Time {
	y, m, d := now.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, now.Location())
}

// today counts the messages of a topic that were stored since a day began; nil if
// there are too many queues, or a broker does not say.
func (s *site) today(ctx context.Context, day time.Time, topic string, queues []admin.QueueStatus, masters []admin.Broker) *int64 {
	if len(queues) > maxToday {
		return nil
	}
	addrs := map[string]string{}
	for _, b := range masters {
		addrs[b.Name] = b.Addr
	}
	found := s.todays.of(day, topic)
	var open []admin.QueueStatus // that have messages of today, from where on is not known
	for _, q := range queues {
		if _, known := found[queueKey{topic, q.Broker, q.Queue}]; !known && !q.LastUpdate.Before(day) {
			open = append(open, q)
		}
	}
	starts := make([]int64, len(open))
	err := each(ctx, len(open), func(ctx context.Context, i int) error {
		var err error
		at := admin.PlacedQueue{Broker: admin.Broker{Name: open[i].Broker, Addr: addrs[open[i].Broker]}, Queue: mq.Queue{Topic: topic, ID: open[i].Queue}}
		starts[i], err = s.admin.Locate(ctx, at, day)
		return err
	})
	if err != nil {
		return nil
	}
	for i, q := range open {
		found[queueKey{topic, q.Broker, q.Queue}] = starts[i]
	}
	if len(open) > 0 {
		s.todays.put(day, topic, found)
	}
	sum := int64(0)
	for _, q := range queues {
		if start, known := found[queueKey{topic, q.Broker, q.Queue}]; known {
			sum += max(0, q.Max-start)
		}
	}
	return &sum
}
