package mq

import "net/netip"

// A LogPos is a byte position in the commit log of one broker.
type LogPos int64

// A QueueOffset numbers the messages of one queue, from 0.
type QueueOffset int64

// YoungQueue is how many messages a young queue holds at most.
const YoungQueue = 1 << 20

// Young reports whether a queue that holds lo to hi has few messages and has lost
// none, so that a group without an offset begins at its first message whatever it
// is set to. RocketMQ asks whether that is in memory. Of a light queue it cannot
// be told by the first offset, for few begin at 0, and offsets of groups go when
// it is empty: what it has is taken for all it ever had.
func Young(topic string, lo, hi QueueOffset) bool {
	return (lo <= 0 || IsLight(topic)) && hi-lo <= YoungQueue
}

// A Queue is one queue of a topic on one broker.
type Queue struct {
	Topic string
	ID    int32
}

// A SysFlag is the bit set that travels with each message (docs/FORMAT.md).
type SysFlag int32

// Bits of SysFlag, as RocketMQ numbers them.
const (
	FlagCompressed   SysFlag = 0x1
	FlagMultiTags    SysFlag = 0x2
	FlagPrepared     SysFlag = 0x4
	FlagCommitted    SysFlag = 0x8
	FlagRollback     SysFlag = 0xC
	FlagTransaction  SysFlag = 0xC // mask
	FlagBornHostV6   SysFlag = 0x10
	FlagStoreHostV6  SysFlag = 0x20
	FlagNeedUnwrap   SysFlag = 0x40
	FlagInnerBatch   SysFlag = 0x80
	FlagCompressType SysFlag = 0x700 // mask; 0 and 0x300 zlib, 0x100 lz4, 0x200 zstd
)

// A Message is a message on its way in. Its byte slices may alias a buffer of
// the front end; nobody keeps them beyond the call that received the message.
type Message struct {
	Topic          string
	QueueID        int32 // -1 lets the broker choose
	Flag           int32 // the application's own, carried untouched
	SysFlag        SysFlag
	BornTime       int64 // Unix milliseconds, by the producer's clock
	BornHost       netip.AddrPort
	ReconsumeTimes int32
	PreparedPos    int64  // log position of the half message, 0 if none
	Properties     []byte // key \x01 value \x02, repeated (see Property)
	Body           []byte
	// Names are those of Properties if somebody has looked for them already,
	// otherwise nil.
	Names *Names
	// Due is when a message that waits for a time of its own is to be delivered, as
	// its properties say, in Unix milliseconds. 0 if it does not, if it calls another
	// back, or if nobody has looked.
	Due int64
}

// A Send is one message, or one batch for one queue, handed to Broker.Send.
// The front end fills the upper part, the broker the lower.
type Send struct {
	Message
	// More follow Message in the same queue, directly behind it and all or
	// none. Only Body, Flag and Properties of each are read.
	More []Message

	Group         string // producer group
	DefaultTopic  string // template for topic creation, normally TBW102
	DefaultQueues int32  // queues the client wishes for a created topic
	// MaxReconsumes is how often a message for a retry topic may be tried
	// before it goes to the dead letters; nil leaves it to the group.
	MaxReconsumes *int32

	// Opaque belongs to the front end, to find its request again.
	Opaque int64

	Err    error
	Result SendResult
}

// A SendResult says where a message was stored.
type SendResult struct {
	Status    SendStatus
	QueueID   int32
	Offset    QueueOffset // of the first message
	Pos       LogPos      // of the first message
	StoreTime int64       // Unix milliseconds
	// MorePos holds the log positions of Send.More, in order. A front end may
	// hand a send over with room for them here.
	MorePos []LogPos
	// Handle calls the message back while it waits for a time of its own; see
	// RecallHandle. Empty for all others.
	Handle string
}

// A SendStatus tells how safe a stored message is.
type SendStatus uint8

// The stati of a stored message. Everything but SendOK means: stored, but not
// as safely as asked for.
const (
	SendOK SendStatus = iota
	SendFlushTimeout
	SendReplicaTimeout
	SendReplicaUnavailable
)

// A SendBatch is what a front end had at hand when it called Broker.Send.
// It belongs to the broker until Done is called.
type SendBatch struct {
	Sends []Send
	// From is the connection that the messages came over, for limits; nil
	// exempts them.
	From Visit
	// Whole stores all messages or none: the error of one is that of all.
	Whole bool
	// Spare lets the batch use the disk space that is kept free: it makes room
	// for more than it takes.
	Spare bool
	// Accepted says that all messages were stored before, in another topic: the
	// limit of light queues, which is for senders, refuses none of them.
	Accepted bool
	// Done is called exactly once, when Err or Result of every Send is final,
	// on whatever goroutine finished the last of them; often before Send
	// returns. It must not block.
	Done func(*SendBatch)
}
