package meter

import (
	"sync/atomic"
	"time"
)

// A Kind is a type of messages.
type Kind uint8

// The types of messages, of which Kinds is how many there are.
const (
	KindUnspecified Kind = iota
	KindNormal
	KindFIFO
	KindDelay
	KindTransaction
	KindPriority
	KindLite
	Kinds
)

// String is the type as RocketMQ's metrics name it.
func (k Kind) String() string {
	return [...]string{"unspecified", "normal", "fifo", "delay", "transaction", "priority", "lite"}[k]
}

// Bounds of the histograms that are kept by topic.
var (
	SizeBounds   = []int64{1 << 10, 4 << 10, 512 << 10, 1 << 20, 2 << 20, 4 << 20}                         // bytes
	FinishBounds = []int64{5, 60, 600, 3600, 43200, 86400}                                                 // seconds
	DelayBounds  = []int64{60, 600, 3600, 43200, 86400, 259200}                                            // seconds
	PutBounds    = []int64{0, 10, 50, 100, 200, 500, 1000, 2000, 3000, 4000, 5000, 10000}                  // milliseconds
	CreateBounds = []int64{10, 100, 1000, 3000, 5000}                                                      // milliseconds
	RPCBounds    = []int64{1, 3, 5, 7, 10, 100, 1000, 2000, 3000}                                          // milliseconds
	SyncBounds   = []int64{100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000} // microseconds
)

// Counts is what came into a topic: the sizes in bytes of the messages stored,
// by their types. A type that never came has no histogram.
type Counts struct {
	sizes [Kinds]atomic.Pointer[Histogram]
}

// Count counts n messages of a type that have one size.
func (c *Counts) Count(k Kind, size, n int64) {
	h := c.sizes[k].Load()
	if h == nil {
		h = c.histogram(k)
	}
	h.ObserveMany(size, n)
}

func (c *Counts) histogram(k Kind) *Histogram {
	c.sizes[k].CompareAndSwap(nil, NewHistogram(SizeBounds))
	return c.sizes[k].Load()
}

// Merge adds what other counts.
func (c *Counts) Merge(other *Counts) {
	for k := range Kinds {
		if h := other.Sizes(k); h != nil {
			c.histogram(k).Merge(h)
		}
	}
}

// Sizes are those of the messages of a type; nil if there were none.
func (c *Counts) Sizes(k Kind) *Histogram { return c.sizes[k].Load() }

// A Topic is what a broker counts of a topic.
type Topic struct {
	Name   string  // empty for all together that are gone
	System bool    // the broker's own
	Rate   float64 // messages per second, over the last minute
	In     *Counts
	Special
}

// Special counts what few topics have: ends of transactions, and messages with
// a time of their own.
type Special struct {
	Commits, Rollbacks int64
	Finish             *Histogram // seconds from birth to commit; nil if there was none
	TimerIn, TimerOut  int64
	Delay              *Histogram // seconds that a message asked for; nil if there was none
}

// A Use is what a broker counts of a group's use of a topic.
type Use struct {
	Group, Topic    string  // empty for all together that are gone
	Rate            float64 // messages per second, over the last minute
	Retry           bool    // delivered again, or dead; Topic is the first if that is known
	System          bool
	Messages, Bytes int64 // handed out
}

// A Dead counts the messages of a topic that a group gave up.
type Dead struct {
	Group, Topic string
	System       bool
	Messages     int64
}

// A Backlog is how far a group is behind in a topic.
type Backlog struct {
	Group, Topic string
	Retry        bool // what came back to the group; Topic is the first if that is known
	System       bool
	Lag          int64 // messages that are not consumed, those in hand included
	InFlight     int64 // of them those in hand
	Ready        int64 // of them those that nobody has
	// Oldest is when the first that is not consumed was stored, Unread that of
	// the first that nobody has; zero if there is none.
	Oldest, Unread time.Time
	// End and Committed are sums over the queues.
	End, Committed int64
}

// Clients are connections that have something in common.
type Clients struct {
	Group    string // empty for producers
	Language string
	Version  int32
	Type     string // CONSUME_ACTIVELY, …; empty for producers
	Protocol string // remoting, grpc
	Model    string // CLUSTERING, BROADCASTING; empty for producers
	Number   int64
}

// A Change is what became of creating or changing something.
type Change struct{ OK, System bool }

// Figures are those of a broker as a whole.
type Figures struct {
	Permission                  int32
	Topics, Groups, LightQueues int
	Rejected                    map[string]int64 // messages refused, by reason
	WaitingPulls, WaitingPops   int64
	ThrottledPulls              int64
	ThrottledPops               int64
	InHand                      int64 // messages popped
	Halves                      int64 // transactions that are not ended
	DedupKeys, DedupDuplicates  int64
	Dropped                     int64 // spans

	LogStart, LogEnd, LogSynced, Indexed int64 // positions in the log
	LogFiles                             int
	DiskTotal, DiskFree                  int64      // bytes
	Earliest                             time.Time  // when the oldest message was stored; zero if there is none
	Puts                                 *Histogram // milliseconds that storing a batch took
	Syncs                                *Histogram // microseconds

	TimerLag     int64                 // messages with a time of their own that are not indexed
	TimerBehind  time.Duration         // since the first of them was stored
	TimerOverdue time.Duration         // since what is due next was due
	Expired      int64                 // popped messages that were not acknowledged in time and stored again
	TopicPuts    map[Change]*Histogram // milliseconds that creating or changing a topic took
	GroupPuts    map[Change]*Histogram // likewise of groups
}
