package console

import (
	"context"
	"sync"
	"time"
)

const (
	// ratedRows is of how many topics of a page the rate is asked for, ratesFor
	// how long an answer is good, ratesTime how long a page waits for them.
	ratedRows, ratesFor, ratesTime = 100, 10 * time.Second, 500 * time.Millisecond
	// maxRates bounds the topics whose rate is remembered.
	maxRates = 2000
)

// A rate is how many messages a second came in over the last minute.
type rate struct {
	at  time.Time
	tps float64
}

// rates are the last ones of the topics that somebody has on a page.
type rates struct {
	mu  sync.Mutex // guards all
	all map[string]rate
}

func newRates() rates { return rates{all: map[string]rate{}} }

// get is a topic's rate, and whether it is of use still.
func (r *rates) get(topic string) (rate, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x, known := r.all[topic]
	return x, known && time.Since(x.at) < ratesFor
}

func (r *rates) put(topic string, tps float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) >= maxRates {
		clear(r.all)
	}
	r.all[topic] = rate{time.Now(), tps}
}

// rate asks the brokers for the rates of the first rows of a page that are not
// known any more, a few at a time; those that take too long stay unknown.
func (s *site) rate(ctx context.Context, l *lists, rows []*topicRow) {
	ctx, cancel := context.WithTimeout(ctx, ratesTime)
	defer cancel()
	room := make(chan struct{}, recorders)
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, row := range cut(rows, 0, ratedRows) {
		if _, good := s.rates.get(row.name); good {
			continue
		}
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return
		}
		wg.Go(func() {
			defer func() { <-room }()
			tps := 0.0
			for _, b := range l.masters {
				st, err := s.admin.Stat(ctx, b.Addr, "TOPIC_PUT_NUMS", row.name)
				if err != nil {
					return
				}
				tps += st.Minute.TPS
			}
			s.rates.put(row.name, tps)
		})
	}
}

// lags are the messages that groups are behind in topics that somebody reads,
// as far as is known.
func (w *watched) lags() map[string]int64 {
	all := map[string]int64{}
	w.states.each(func(_ string, g *groupState) {
		for topic, lag := range g.topics {
			all[topic] += lag
		}
	})
	return all
}
