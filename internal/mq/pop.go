package mq

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MaxPop bounds the messages of one pop.
const MaxPop = 32

// A PopRequest asks for messages of a topic that no member of the group has in
// hand. Those it gets are hidden from the group until they are acknowledged or
// their invisible time is over; then they are delivered again.
type PopRequest struct {
	Group       string
	Topic       string
	Client      string // who pops, for operators to read; empty if that is not known
	QueueID     int32  // -1 for any
	MaxMessages int    // at most MaxPop
	Invisible   time.Duration
	// Wait is how long the request may be parked while there is nothing for it.
	// 0 answers at once.
	Wait time.Duration
	// FromEnd lets a group that has no offset in a queue begin behind the
	// queue's last message instead of at its first, unless the queue is young.
	FromEnd bool
	// Filter says which messages are wanted; nil means all. It must be safe for
	// concurrent use. Messages that are delivered again have passed it already.
	Filter Filter
	// Ordered takes messages of a queue only when all that were taken before
	// are acknowledged or visible again.
	Ordered bool
	// ByGroup, of an ordered pop, lets each message group (PropShardingKey) of a
	// queue go on by itself: a message is taken only when none of its group is
	// in hand. Those without one are a group together.
	ByGroup bool
	// AttemptID, if not empty, names an ordered pop: asked for again under the
	// same name it gets the same messages, although they are in hand.
	AttemptID string
	// Via is as in a PullRequest.
	Via Visit
	// Peek takes nothing: the messages stay visible and have no receipts.
	Peek bool
}

// A PopBatch is the answer to a pop. Release gives its memory back; it must be
// called once.
type PopBatch struct {
	Status    PopStatus
	Messages  []Popped
	Rest      int64 // messages that were left, about; those in other queues than the asked for do not count
	PopTime   int64 // Unix milliseconds
	Invisible int64 // milliseconds
	Release   func()
}

// A PopStatus says what a pop found.
type PopStatus uint8

// What a pop can find.
const (
	PopFound   PopStatus = iota
	PopNothing           // until the time was up
	PopFull              // nothing, and too many requests wait already
)

// A Popped is a message in a consumer's hand.
type Popped struct {
	// Record is in the stored layout. The topic in it is the one that it lies
	// in, which for a message that is delivered again is a retry topic.
	Record  []byte
	Receipt Receipt
	// Lite is the lite topic that the message was taken from, empty if none.
	Lite string
	// Tries is how often the message was delivered before, of an ordered pop.
	// Otherwise the record's ReconsumeTimes say it.
	Tries int32
}

// A MessageGroup is one that a consumer group takes in order and that is parked
// or does not get on.
type MessageGroup struct {
	Key     string // empty for the messages without one
	Queue   int32
	State   GroupState
	Since   time.Time // parked, or first delivered
	Tries   int32     // of the first message, if it is blocked
	Offset  QueueOffset
	InHand  bool
	Waiting int64 // messages aside, or behind the first as far as is known
}

// A GroupState says why a message group does not get on.
type GroupState string

// States of message groups.
const (
	GroupBlocked   GroupState = "BLOCKED"   // its first message was tried and not acknowledged
	GroupParked    GroupState = "PARKED"    // by an operator
	GroupReleasing GroupState = "RELEASING" // and given back
)

// A RetryKind says which of a topic's queues a message was taken from.
type RetryKind uint8

// The kinds of topics that a pop takes messages from, as receipts number them.
const (
	RetryNone RetryKind = iota // the topic itself
	RetryV1                    // RetryTopicPop
	RetryV2                    // RetryTopicPopV2
)

// OrderedRevive is Receipt.Revive of a message that was taken in order.
const OrderedRevive int32 = 999

// ByGroupRevive is Receipt.Revive of a message that was taken in order by
// message group. RocketMQ has no such number.
const ByGroupRevive int32 = 998

// A Receipt names a message that was popped. Clients carry its text, which is
// RocketMQ's POP_CK; some take it apart or build it from an answer's header.
type Receipt struct {
	Start     QueueOffset // of the first message taken together with it from its queue
	PopTime   int64       // Unix milliseconds
	Invisible int64       // milliseconds
	Revive    int32       // OrderedRevive, ByGroupRevive, or 0
	Retry     RetryKind
	Broker    string // its name
	QueueID   int32
	Offset    QueueOffset
}

// An Ack is about one message that was popped: it is done with, or it is to be
// visible at another time.
type Ack struct {
	Group   string
	Topic   string // as in the PopRequest, whatever topic the message lay in
	Lite    string // the lite topic below Topic that it was taken from, if any
	Receipt Receipt
}

// FirstPassing is the offset of the first message that was popped and delivered
// at most once. The others follow, all below -1: they lie in no queue. Those
// who read numbers as floating point can still tell them apart.
const FirstPassing QueueOffset = -1 << 50

// Passing reports whether the message was delivered at most once. It is in
// nobody's hand, so there is nothing to acknowledge.
func (r Receipt) Passing() bool { return passing(r.Start) && passing(r.Offset) }

func passing(at QueueOffset) bool { return FirstPassing <= at && at < -1 }

// Due is when the message becomes visible again, in Unix milliseconds.
func (r Receipt) Due() int64 { return r.PopTime + r.Invisible }

// String is the receipt as clients get it.
func (r Receipt) String() string { return string(r.AppendTo(make([]byte, 0, 96))) }

// AppendTo adds String to b.
func (r Receipt) AppendTo(b []byte) []byte {
	b = strconv.AppendInt(b, int64(r.Start), 10)
	b = strconv.AppendInt(append(b, ' '), r.PopTime, 10)
	b = strconv.AppendInt(append(b, ' '), r.Invisible, 10)
	b = strconv.AppendInt(append(b, ' '), int64(r.Revive), 10)
	b = strconv.AppendInt(append(b, ' '), int64(r.Retry), 10)
	b = append(append(b, ' '), r.Broker...)
	b = strconv.AppendInt(append(b, ' '), int64(r.QueueID), 10)
	return strconv.AppendInt(append(b, ' '), int64(r.Offset), 10)
}

// maxReceipt bounds the text of a receipt: a name and eight numbers.
const maxReceipt = 1024

// ParseReceipt reads what String wrote. Clients that build the text themselves
// may leave the offset out, which leaves -1; a ninth part is passed over. An
// error wraps ErrInvalid.
func ParseReceipt(text string) (Receipt, error) {
	bad := func(why string) (Receipt, error) {
		return Receipt{}, fmt.Errorf("%w: receipt %.100q is not one that a pop was answered with: %s", ErrInvalid, text, why)
	}
	if len(text) > maxReceipt {
		return bad("it is too long")
	}
	var parts [9]string
	count := strings.Count(text, " ") + 1
	if count < 7 || count > len(parts) {
		return bad(fmt.Sprintf("it has %d parts, want 7 to 9", count))
	}
	for i, rest := 0, text; i < count; i++ {
		parts[i], rest, _ = strings.Cut(rest, " ")
	}
	var n [8]int64
	n[7] = -1
	for i, part := range parts[:min(count, 8)] {
		if i == 5 {
			continue
		}
		var err error
		bits := 64
		if i == 3 || i == 4 || i == 6 {
			bits = 32
		}
		n[i], err = strconv.ParseInt(part, 10, bits)
		if offset := i == 0 || i == 7; err != nil || n[i] < 0 && (!offset || !passing(QueueOffset(n[i]))) {
			return bad(fmt.Sprintf("part %d is %.20q", i+1, part))
		}
	}
	if n[4] > int64(RetryV2) || parts[5] == "" {
		return bad("it names no kind of topic, or no broker")
	}
	if n[7] != -1 && (n[0] < 0) != (n[7] < 0) {
		return bad("its offsets are of different kinds")
	}
	// Their sum must not overflow, and no clock is that far ahead.
	if limit := int64(1) << 60; n[1] > limit || n[2] > limit {
		return bad("its times are out of range")
	}
	return Receipt{
		Start: QueueOffset(n[0]), PopTime: n[1], Invisible: n[2], Revive: int32(n[3]), Retry: RetryKind(n[4]),
		Broker: parts[5], QueueID: int32(n[6]), Offset: QueueOffset(n[7]),
	}, nil
}

// RetryTopicPop is where messages of a topic wait that were popped by a group
// and not acknowledged.
func RetryTopicPop(group, topic string) string { return RetryPrefix + group + "_" + topic }

// RetryTopicPopV2 is the same in the newer form, which cannot be mistaken for
// another group's.
func RetryTopicPopV2(group, topic string) string { return RetryPrefix + group + "+" + topic }

// A RequestMode says how a group's clients shall get a topic's messages.
type RequestMode struct {
	Topic       string `json:"topic"`
	Group       string `json:"consumerGroup"`
	Mode        string `json:"mode"` // PULL or POP
	ShareQueues int32  `json:"popShareQueueNum"`
}

// Modes of consumption.
const (
	ModePull = "PULL"
	ModePop  = "POP"
)

// An AssignmentRequest asks which queues a member of a group shall consume.
type AssignmentRequest struct {
	Group, Topic, ClientID string
	Strategy               string // AVG, AVG_BY_CIRCLE; empty for the default
	Broadcasting           bool
}

// An Assignment is a queue that a member of a group shall consume, on whatever
// broker.
type Assignment struct {
	Broker string
	Queue  Queue // ID -1: any queue of the topic on that broker
	Mode   string
}
