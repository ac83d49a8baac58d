package mq

import "time"

// A LookupKind says what a lookup goes by.
type LookupKind uint8

// What messages can be looked up by.
const (
	LookupKey    LookupKind = iota // one of KEYS, or the unique key
	LookupUnique                   // the unique key (UNIQ_KEY)
	LookupTag                      // TAGS
)

// A LookupRequest asks for the messages of a topic with a key.
type LookupRequest struct {
	Topic string
	Key   string
	Kind  LookupKind
	// From and To bound the store time, both inclusive. Zero leaves a side open.
	From, To time.Time
	// Max is how many messages are wanted at most; there is a limit, which is
	// also what 0 means.
	Max int
	// After, if not nil, asks for the oldest messages behind a log position
	// instead of the newest, so that all can be had page by page.
	After *LogPos
}

// A LookupResult is what a lookup found.
type LookupResult struct {
	Records   [][]byte // in the stored layout, in the order of the log
	IndexedTo LogPos   // how far the index has followed the log
	IndexedAt int64    // store time of the newest message there, Unix milliseconds
}

// A QueueEntry says where a message of a queue lies.
type QueueEntry struct {
	Offset    QueueOffset
	Pos       LogPos
	Size      int32 // bytes
	TagCode   int64
	StoreTime int64 // Unix milliseconds
}
