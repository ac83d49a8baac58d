package broker

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// Names of the counters that `mqadmin brokerStats` shows.
const (
	statTopicPutNums  = "TOPIC_PUT_NUMS"
	statTopicPutSize  = "TOPIC_PUT_SIZE"
	statGroupGetNums  = "GROUP_GET_NUMS"
	statGroupGetSize  = "GROUP_GET_SIZE"
	statGroupAckNums  = "GROUP_ACK_NUMS"
	statSendBackNums  = "SNDBCK_PUT_NUMS"
	statDeadNums      = "DLQ_PUT_NUMS"
	statBrokerPutNums = "BROKER_PUT_NUMS"
	statBrokerGetNums = "BROKER_GET_NUMS"
	statBrokerAckNums = "BROKER_ACK_NUMS"
)

// Spans over which a counter is shown, and how often it is sampled for each.
const (
	sampleMinute = 10 * time.Second
	sampleHour   = 10 * time.Minute
	sampleDay    = time.Hour
)

// A sample is a counter at a time.
type sample struct {
	at         time.Time
	sum, calls int64
}

// A counter sums something up. Adding to it takes no lock; the samples belong
// to stats. One that stands still has no samples.
type counter struct {
	sum, calls        atomic.Int64
	minute, hour, day []sample // oldest first
	still             sample   // where it stood before the first sample
}

// add counts one call that brought n.
func (c *counter) add(n int64) { c.addMany(n, 1) }

// addMany counts calls that brought n together.
func (c *counter) addMany(n, calls int64) {
	c.sum.Add(n)
	c.calls.Add(calls)
}

// stats holds the counters by name and key, and looks at them now and then.
type stats struct {
	counters sync.Map // of *counter, by name@key
	// Of the whole broker: messages and their bytes stored, messages refused;
	// messages pulled or popped, requests that found some and that found none;
	// popped messages that were acknowledged.
	putTotal, putSize, putFailed  counter
	getTotal, getFound, getMissed counter
	ackTotal                      counter

	// mu guards the samples of all counters.
	mu struct {
		sync.Mutex
		lastHour, lastDay time.Time
		morning, evening  dayTotals
		day               int // of the month; 0 before the first sample
	}
}

// dayTotals are the broker's totals at midnight.
type dayTotals struct{ put, get int64 }

// counter returns the counter of that name and key; the first call makes it.
func (s *stats) counter(name, key string) *counter {
	id := name + "@" + key
	if c, ok := s.counters.Load(id); ok {
		return c.(*counter)
	}
	c, _ := s.counters.LoadOrStore(id, new(counter))
	return c.(*counter)
}

// forget drops a counter.
func (s *stats) forget(name, key string) { s.counters.Delete(name + "@" + key) }

// sample is called every sampleMinute.
func (s *stats) sample(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hour := now.Sub(s.mu.lastHour) >= sampleHour
	day := now.Sub(s.mu.lastDay) >= sampleDay
	if hour {
		s.mu.lastHour = now
	}
	if day {
		s.mu.lastDay = now
	}
	for _, c := range s.counters.Range {
		c.(*counter).sample(now, 7, hour, day)
	}
	for _, c := range []*counter{&s.putTotal, &s.putSize, &s.putFailed, &s.getTotal, &s.getFound, &s.getMissed, &s.ackTotal} {
		c.sample(now, 61, hour, day)
	}
	if today := now.Day(); today != s.mu.day {
		s.mu.day = today
		s.mu.evening = s.mu.morning
		s.mu.morning = dayTotals{put: s.putTotal.sum.Load(), get: s.getTotal.sum.Load()}
	}
}

func (c *counter) sample(now time.Time, minutes int, hour, day bool) {
	x := sample{at: now, sum: c.sum.Load(), calls: c.calls.Load()}
	if len(c.minute) == 0 {
		if c.still.calls == x.calls {
			return
		}
		c.still.at = now.Add(-sampleMinute)
		c.minute = append(c.minute, c.still)
		c.hour, c.day = append(c.hour, c.still), append(c.day, c.still)
	}
	c.minute = appendSample(c.minute, x, minutes)
	if hour {
		c.hour = appendSample(c.hour, x, 7)
	}
	if day {
		c.day = appendSample(c.day, x, 25)
		if len(c.day) == 25 && c.day[0].calls == x.calls {
			c.minute, c.hour, c.day, c.still = nil, nil, nil, x
		}
	}
}

// appendSample adds x and lets go of the oldest beyond limit.
func appendSample(all []sample, x sample, limit int) []sample {
	if len(all) < limit {
		return append(all, x)
	}
	copy(all, all[1:])
	all[limit-1] = x
	return all
}

// get returns a counter's rates; ErrNotFound if it does not exist.
func (s *stats) get(name, key string) ([3]mq.RateStat, error) {
	c, ok := s.counters.Load(name + "@" + key)
	if !ok {
		return [3]mq.RateStat{}, mq.ErrNotFound
	}
	return s.spans(c.(*counter)), nil
}

// spans are a counter's rates over the last minute, hour and day.
func (s *stats) spans(c *counter) [3]mq.RateStat {
	s.mu.Lock()
	defer s.mu.Unlock()
	return [3]mq.RateStat{rateOf(c.minute[max(0, len(c.minute)-7):]), rateOf(c.hour), rateOf(c.day)}
}

// rate is what a counter gains per second, over the last samples of 10 seconds.
func (s *stats) rate(c *counter, samples int) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return rateOf(c.minute[max(0, len(c.minute)-samples-1):]).Rate
}

func rateOf(samples []sample) mq.RateStat {
	if len(samples) < 2 {
		return mq.RateStat{}
	}
	first, last := samples[0], samples[len(samples)-1]
	r := mq.RateStat{Sum: last.sum - first.sum}
	if d := last.at.Sub(first.at).Seconds(); d > 0 {
		r.Rate = float64(r.Sum) / d
	}
	if calls := last.calls - first.calls; calls > 0 {
		r.PerCall = float64(r.Sum) / float64(calls)
	}
	return r
}

// mornings are the totals at the last midnight and the one before.
func (s *stats) mornings() (today, yesterday dayTotals) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.morning, s.mu.evening
}
