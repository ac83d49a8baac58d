package mq

import (
	"context"
	"time"
)

// A Broker answers for the topics it holds. Every protocol is written against
// this interface. All methods are safe for concurrent use.
type Broker interface {
	// Connect counts a client's connection, unless that is one too many: ErrBusy
	// wraps which limit refuses it and what to do.
	Connect(by Caller) (Visit, error)

	// Join records that a client is alive and what it produces and consumes;
	// clients call it again as a heartbeat. changed says whether a consumer
	// group gained a member or a member's subscription changed.
	Join(ctx context.Context, m Member) (changed bool, err error)
	// Leave removes a client from the groups named, or, if both are empty and
	// all is set, from every group it is in through this peer.
	Leave(ctx context.Context, clientID, producerGroup, consumerGroup string, peer Peer, all bool)
	// Members lists the client ids of a consumer group, sorted.
	Members(ctx context.Context, group string) ([]string, error)
	// Subscription is what the group's member that joined through peer said
	// about a topic. If peer is nil or no member, it is the newest of what the
	// members said.
	Subscription(ctx context.Context, group, topic string, peer Peer) (Subscription, bool)

	// Send stores messages; see SendBatch for how the results come back.
	// Ordering: messages of one queue handed over by successive calls of one
	// goroutine are stored in that order.
	Send(b *SendBatch)
	// SendBack hands a message that a consumer failed on back, to be delivered
	// again later or, when it was tried too often, to the dead-letter topic.
	SendBack(ctx context.Context, r SendBackRequest) error
	// Recall takes a delayed message of a topic back, named by the handle that
	// SendResult held, and returns its unique key. ErrInvalid wraps what is
	// wrong with the handle, ErrNotFound says that the message does not wait
	// any more. When it returns nil the message will not be delivered.
	Recall(ctx context.Context, topic, handle string) (key string, err error)

	// EndTransactions commits half messages, which makes them ordinary ones of
	// the topics they are meant for, or rolls them back; see EndBatch for how the
	// results come back. It does not wait for the disk. The messages of one batch
	// are stored in its order, those of successive calls in any.
	EndTransactions(b *EndBatch)

	// Pull calls done exactly once: before it returns if there is an answer,
	// otherwise later from another goroutine. done must not block. A request
	// whose ctx has ended may be dropped without calling done.
	Pull(ctx context.Context, r PullRequest, done func(Batch, error))

	// Pop calls done exactly once, as Pull does: before it returns if there is
	// an answer, otherwise later from another goroutine.
	Pop(ctx context.Context, r PopRequest, done func(PopBatch, error))
	// Notify is Pop that takes nothing: done learns whether there is something
	// to take, without messages.
	Notify(ctx context.Context, r PopRequest, done func(PopStatus, error))
	// SyncLite changes which lite topics a client wants. ErrLiteTopic if a name
	// is none, ErrLiteQuota if the client, or all together, want too many.
	SyncLite(ctx context.Context, s LiteSubscription) error
	// PopLite calls done exactly once, as Pop does, with messages of lite topics
	// that the client wants.
	PopLite(ctx context.Context, r LitePopRequest, done func(PopBatch, error))
	// Ack says that popped messages are done with. It returns an error for each
	// message, or nil if all went well. What is not in hand any more is no
	// error. It survives the process when it returns.
	Ack(ctx context.Context, acks []Ack) []error
	// ChangeInvisible makes a popped message visible again after d from now on,
	// and returns the receipt that replaces its old one. ErrNotFound if the
	// message is not in hand any more. suspend counts no try.
	ChangeInvisible(ctx context.Context, a Ack, d time.Duration, suspend bool) (Receipt, error)
	// Bury moves a popped message to the dead letters of its group.
	// ErrNotFound if it is not in hand any more.
	Bury(ctx context.Context, a Ack) error
	// Assign says which queues a member of a group shall consume and how.
	Assign(ctx context.Context, r AssignmentRequest) ([]Assignment, error)

	// Offset is a group's committed offset; ErrNotFound if it has none.
	Offset(ctx context.Context, group string, q Queue) (QueueOffset, error)
	// SetOffset commits an offset. It survives the process when it returns.
	SetOffset(ctx context.Context, group string, q Queue, to QueueOffset) error
	// Bounds are the queue's first offset and the one after its last.
	Bounds(ctx context.Context, q Queue) (lo, hi QueueOffset, err error)
	// Locate finds the offset of the first message stored at or after at, or,
	// with upper set, the last one stored at or before it.
	Locate(ctx context.Context, q Queue, at time.Time, upper bool) (QueueOffset, error)
	// EarliestTime is when the queue's first message was stored; zero if empty.
	EarliestTime(ctx context.Context, q Queue) (time.Time, error)
	// Find returns the stored record at a log position.
	Find(ctx context.Context, at LogPos) ([]byte, error)
	// Lookup finds stored records by key; none is no error.
	Lookup(ctx context.Context, r LookupRequest) (LookupResult, error)
	// Reply hands s, the reply to a request, to the client that asked: the one
	// named by the property REPLY_TO_CLIENT. It fills in Err, or Result if the
	// reply was also stored.
	Reply(ctx context.Context, s *Send)

	// Lock gives the client exclusive use of queues within its group for the
	// next minute and returns those it holds; Unlock gives them back.
	Lock(ctx context.Context, group, clientID string, qs []Queue) ([]Queue, error)
	Unlock(ctx context.Context, group, clientID string, qs []Queue) error
}

// A SendBackRequest names a message in the log and says who failed on it.
type SendBackRequest struct {
	Group         string
	Pos           LogPos
	DelayLevel    int32 // 0: by number of tries; <0: to the dead letters at once
	MaxReconsumes int32 // <0: the group's setting
	OriginTopic   string
	OriginMsgID   string
	UnitMode      bool
}

// A Member is a client as it describes itself in a heartbeat.
type Member struct {
	ClientID  string
	Peer      Peer
	Language  string
	Version   int32
	Protocol  string   // that it speaks: remoting, grpc
	User      string   // who it is; empty where nobody is asked
	Producers []string // producer groups
	// May reports whether the client's user may send to a topic, as of now. Nil
	// means that everybody may.
	May       func(topic string) bool
	Consumers []Consumer
}

// A Consumer is a client's part in one consumer group.
type Consumer struct {
	Group         string
	Type          string // CONSUME_ACTIVELY, CONSUME_PASSIVELY, CONSUME_POP
	Model         string // CLUSTERING, BROADCASTING
	FromWhere     string // CONSUME_FROM_LAST_OFFSET, …
	UnitMode      bool
	Subscriptions []Subscription // nil leaves them as the last Join said
}

// A Subscription says which messages of a topic a consumer wants.
type Subscription struct {
	Topic      string
	Expression string // "*", "a || b", or SQL
	Type       string // TAG (or empty), SQL92
	Tags       []string
	Codes      []int32
	Version    int64
	ClassMode  bool
}

// A Peer is the broker's way back to a client. Its methods do not block and
// fail silently when the client is gone, unless they return an error. Two Peers
// are the same connection if they are equal, so a Peer is a pointer.
type Peer interface {
	// RemoteAddr is where the client's connection comes from.
	RemoteAddr() string
	// ConsumersChanged tells a consumer to share out its queues anew.
	ConsumersChanged(group string)
	// ResetOffsets tells a consumer to go on from other offsets.
	ResetOffsets(group, topic string, at time.Time, force bool, to map[Queue]QueueOffset)
	// Reply hands over the reply to a request of the client's and returns when
	// the client has it.
	Reply(ctx context.Context, s *Send) error
	// CheckTransaction asks a producer what became of a transaction; it answers
	// by EndTransactions, if it knows.
	CheckTransaction(c TransactionCheck)
	// LiteEnded tells a consumer that a lite topic is another client's from now
	// on; clientID is whose subscription ends.
	LiteEnded(group, lite, clientID string)
	// Ask sends a request of the client's own protocol, named by its code,
	// and returns the body of the answer (consumer running info, consumer
	// status, direct consumption).
	Ask(ctx context.Context, code int32, fields map[string]string, body []byte) ([]byte, error)
}

// An Outcome is what became of a transaction.
type Outcome uint8

// The outcomes of a transaction.
const (
	OutcomeUnknown Outcome = iota // the producer does not know yet
	OutcomeCommit
	OutcomeRollback
)

// A TransactionEnd says what became of a half message, in a producer's words.
// The front end fills the upper part, the broker the lower.
type TransactionEnd struct {
	Group   string      // the producer's
	Offset  QueueOffset // of the half message, as the answer to its send said
	Pos     LogPos      // likewise
	Outcome Outcome     // unknown changes nothing
	Checked bool        // the producer was asked (see Peer.CheckTransaction)
	// May refuses the end of a half message that is meant for a topic, or of what
	// else lies there. It is called at most once and must not block. Nil refuses
	// nothing.
	May func(topic string) error

	// Err is what May said; ErrTransaction if the request does not fit a half
	// message that is still open, ErrTransactionLate if only the answer to a
	// check is still accepted.
	Err error
}

// An EndBatch is what a front end had at hand when it called
// Broker.EndTransactions. It belongs to the broker until Done is called.
type EndBatch struct {
	Ends []TransactionEnd
	// Done is called exactly once, when Err of every end is final and what was
	// ended is stored, on whatever goroutine finished the last of them; often
	// before EndTransactions returns. It must not block.
	Done func(*EndBatch)
}

// A TransactionCheck asks a producer what became of a half message.
type TransactionCheck struct {
	Topic     string // that the message is meant for
	Offset    QueueOffset
	Pos       LogPos
	UniqueKey string
	OffsetID  string
	// Record is the half message in the stored layout, under the topic and
	// queue that it is meant for. The peer keeps it.
	Record []byte
}
