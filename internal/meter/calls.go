package meter

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// maxCalls bounds the different calls that are told apart: all that there are,
// many times over.
const maxCalls = 4096

// A Result says what became of an answer.
type Result uint8

// The results, which String names as RocketMQ's metrics do.
const (
	ResultSuccess     Result = iota // handed to the connection
	ResultOneway                    // nobody waits for it
	ResultWriteFailed               // the connection has ended
)

// String is the result as RocketMQ's metrics name it.
func (r Result) String() string {
	return [...]string{"success", "oneway", "write_channel_failed"}[r]
}

// A Call is a kind of request and how it was answered, in the numbers of its
// protocol.
type Call struct {
	Request, Response int32
	Waited            bool // for something to come
	Result            Result
}

// Calls are histograms of how long answers took, in milliseconds, by Call. The
// zero value is ready for use; adding to what is there already takes no lock.
type Calls struct {
	byCall atomic.Pointer[map[Call]*Histogram]
	mu     sync.Mutex // held while the map is replaced
}

// Observe counts n answers that took as long each. A nil Calls counts nothing.
func (c *Calls) Observe(call Call, took time.Duration, n int64) {
	if c == nil {
		return
	}
	if m := c.byCall.Load(); m != nil {
		if h := (*m)[call]; h != nil {
			h.ObserveMany(took.Milliseconds(), n)
			return
		}
	}
	c.histogram(call).ObserveMany(took.Milliseconds(), n)
}

// histogram makes the histogram of a call. When there are too many they share
// that of the zero Call.
func (c *Calls) histogram(call Call) *Histogram {
	c.mu.Lock()
	defer c.mu.Unlock()
	made := map[Call]*Histogram{}
	if m := c.byCall.Load(); m != nil {
		made = maps.Clone(*m)
	}
	if len(made) >= maxCalls {
		call = Call{}
	}
	h := made[call]
	if h == nil {
		h = NewHistogram(RPCBounds)
		made[call] = h
		c.byCall.Store(&made)
	}
	return h
}

// All are the histograms now; the map must not be changed.
func (c *Calls) All() map[Call]*Histogram {
	if m := c.byCall.Load(); m != nil {
		return *m
	}
	return nil
}
