package mq

import "time"

// A PullRequest asks for messages of one queue.
type PullRequest struct {
	Group       string
	Queue       Queue
	From        QueueOffset
	MaxMessages int
	MaxBytes    int // 0 leaves it to the broker
	// Wait is how long the request may be parked while the queue has nothing
	// new that matches. 0 answers at once.
	Wait time.Duration
	// Filter says which messages are wanted; nil means all. It must be safe
	// for concurrent use.
	Filter Filter
	// Via is the connection whose limits the request keeps; nil if the process
	// itself asks.
	Via Visit
	// NoDisk makes the request fail with ErrNeedsDisk rather than wait for a disk;
	// the answer, or that error, is there when Pull returns, unless it is parked.
	NoDisk bool
	// Raw says that whoever gets the records hands them to the kernel and does not look
	// at them: then they may lie where looking at them can fail.
	Raw bool
	// Commit, if not nil, is stored as the group's offset of the queue first.
	Commit *QueueOffset
}

// A Filter decides by a message's tag code, which the queue index holds. Filters
// can be compared; those that are equal decide alike.
type Filter interface {
	// Match reports whether a message with this tag code may be wanted. False
	// positives are allowed (the client compares the tag itself), false
	// negatives are not.
	Match(tagCode int64) bool
}

// A PropertyFilter decides by a message's properties as well. Match is asked
// first; what it lets through is read from the log and MatchProperties has the
// last word, without error either way.
type PropertyFilter interface {
	Filter
	// MatchProperties reports whether a message with these stored properties is
	// wanted. It does not keep props.
	MatchProperties(props []byte) bool
	// Quick reports whether MatchProperties is done within microseconds, so
	// that it may be asked while senders wait.
	Quick() bool
}

// A PullStatus says what a pull found.
type PullStatus uint8

// What a pull can find.
const (
	PullFound         PullStatus = iota
	PullNoNew                    // From is the queue's end: nothing yet
	PullNoMatch                  // messages were passed over, none matched; go on at Next
	PullOffsetIllegal            // From lies outside the queue; go on at Next
	PullNoQueue                  // the queue has never held a message
)

// A Batch is the answer to a pull: messages in the stored layout, one after
// the other. Release gives its memory back; it must be called once.
type Batch struct {
	Status   PullStatus
	Count    int
	Next     QueueOffset // where to go on
	Min, Max QueueOffset // bounds of the queue at that time; Max is exclusive
	Data     [][]byte    // whole records, concatenated
	Release  func()
}
