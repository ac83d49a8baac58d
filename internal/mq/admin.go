package mq

import (
	"context"
	"time"
)

// Permission bits of a topic, as RocketMQ numbers them.
const (
	PermInherit  int32 = 1
	PermWrite    int32 = 2
	PermRead     int32 = 4
	PermPriority int32 = 8
)

// A Topic is the configuration of a topic on one broker.
type Topic struct {
	Name        string            `json:"topicName"`
	ReadQueues  int32             `json:"readQueueNums"`
	WriteQueues int32             `json:"writeQueueNums"`
	Perm        int32             `json:"perm"`
	FilterType  string            `json:"topicFilterType"` // SINGLE_TAG, MULTI_TAG
	SysFlag     int32             `json:"topicSysFlag"`
	Order       bool              `json:"order"`
	Attributes  map[string]string `json:"attributes"`
}

// A Group is the configuration of a consumer group. The names on the wire are
// RocketMQ's SubscriptionGroupConfig's.
type Group struct {
	Name                    string            `json:"groupName"`
	ConsumeEnable           bool              `json:"consumeEnable"`
	ConsumeFromMin          bool              `json:"consumeFromMinEnable"`
	ConsumeBroadcast        bool              `json:"consumeBroadcastEnable"`
	ConsumeOrderly          bool              `json:"consumeMessageOrderly"`
	RetryQueues             int32             `json:"retryQueueNums"`
	RetryMax                int32             `json:"retryMaxTimes"`
	RetryPolicy             *RetryPolicy      `json:"groupRetryPolicy,omitempty"`
	BrokerID                int64             `json:"brokerId"`
	WhichBrokerWhenSlow     int64             `json:"whichBrokerWhenConsumeSlowly"`
	NotifyConsumerIDsChange bool              `json:"notifyConsumerIdsChangedEnable"`
	SysFlag                 int32             `json:"groupSysFlag"`
	ConsumeTimeoutMinutes   int32             `json:"consumeTimeoutMinute"`
	Attributes              map[string]string `json:"attributes"`
}

// A RetryPolicy says how long a failed message rests before the next try.
type RetryPolicy struct {
	Type        string             `json:"type"` // CUSTOMIZED, EXPONENTIAL
	Exponential *ExponentialPolicy `json:"exponentialRetryPolicy,omitempty"`
	Customized  *CustomizedPolicy  `json:"customizedRetryPolicy,omitempty"`
}

// ExponentialPolicy doubles (or multiplies) the rest, in milliseconds.
type ExponentialPolicy struct {
	Initial    int64 `json:"initial"`
	Max        int64 `json:"max"`
	Multiplier int64 `json:"multiplier"`
}

// CustomizedPolicy lists the rests, in milliseconds.
type CustomizedPolicy struct {
	Next []int64 `json:"next"`
}

// A DataVersion tells two states of a table apart.
type DataVersion struct {
	StateVersion int64 `json:"stateVersion"`
	Timestamp    int64 `json:"timestamp"`
	Counter      int64 `json:"counter"`
}

// Admin is what operators ask of a broker, beside what clients ask.
type Admin interface {
	Topics(ctx context.Context) ([]Topic, DataVersion)
	Topic(ctx context.Context, name string) (Topic, error)
	// PutTopic creates a topic or changes it. Its Attributes are changes: "+key"
	// sets one, "-key" removes it. PutGroup does the same for a group.
	PutTopic(ctx context.Context, t Topic) error
	DeleteTopic(ctx context.Context, name string) error

	Groups(ctx context.Context) ([]Group, DataVersion)
	Group(ctx context.Context, name string) (Group, error)
	PutGroup(ctx context.Context, g Group) error
	DeleteGroup(ctx context.Context, name string, cleanOffsets bool) error

	// Forbidden says whether a group may not read a topic, and Forbid sets it.
	Forbidden(ctx context.Context, group, topic string) bool
	Forbid(ctx context.Context, group, topic string, forbidden bool) error
	// Forbiddances are all topics that are forbidden to groups, by group.
	Forbiddances(ctx context.Context) map[string][]string

	// Clean removes messages that retention lets go, at once and at any hour of
	// the day; TrimIndexes what indexes know of messages that are gone.
	Clean(ctx context.Context) error
	TrimIndexes(ctx context.Context) error

	TopicStats(ctx context.Context, topic string) ([]QueueStats, error)
	// QueueEntries are up to count entries of a queue's index from an offset on.
	QueueEntries(ctx context.Context, q Queue, from QueueOffset, count int) ([]QueueEntry, error)
	// ConsumeStats covers every topic the group has offsets of, or those named.
	ConsumeStats(ctx context.Context, group string, topics []string) (ConsumeStats, error)
	// Offsets are all committed offsets, by "topic@group" and queue id.
	Offsets(ctx context.Context) map[string]map[int32]QueueOffset
	GroupsOfTopic(ctx context.Context, topic string) []string
	TopicsOfGroup(ctx context.Context, group string) []string
	// DeleteSubscription forgets where a group is in a topic and what it has in
	// hand of it, but not what waits to come back: it begins anew if it subscribes
	// again. ErrInvalid while clients of it do, ErrNotFound if it never did.
	DeleteSubscription(ctx context.Context, group, topic string) error
	CloneOffsets(ctx context.Context, from, to, topic string) error
	// ResetOffsets moves a group to the messages stored at at, or to offset if
	// it is not nil, in one queue or (id -1) all, and returns the new offsets.
	ResetOffsets(ctx context.Context, group, topic string, queue int32, at time.Time, offset *QueueOffset, force bool) (map[Queue]QueueOffset, error)

	// Limits are all limits and what became of them, those of topics too.
	// PutLimit sets one, in place of one on the same; DeleteLimit takes it away,
	// ErrNotFound if there is none. Those of topics are attributes.
	Limits(ctx context.Context) []LimitUse
	PutLimit(ctx context.Context, r LimitRule) error
	DeleteLimit(ctx context.Context, scope, name string) error

	// MessageGroups are message groups of a topic that are parked for a consumer
	// group, or whose first message was delivered to it before and is not
	// acknowledged; of these at most 100 of each queue.
	MessageGroups(ctx context.Context, group, topic string) ([]MessageGroup, error)
	// ParkMessageGroup has the messages of a message group put aside, those in
	// hand when they are visible again, until ReleaseMessageGroup gives them
	// back, in order and before later ones. BuryMessageGroup moves what is aside
	// to the group's dead letters, then releases, and returns how many it moved.
	ParkMessageGroup(ctx context.Context, group, topic, key string) error
	ReleaseMessageGroup(ctx context.Context, group, topic, key string) error
	BuryMessageGroup(ctx context.Context, group, topic, key string) (int64, error)

	// InHand says until when a group has a message of a queue in hand; ErrNotFound
	// if it has not. It may look at all that is in hand.
	InHand(ctx context.Context, group string, q Queue, at QueueOffset) (InHand, error)

	// LiteFigures are figures about all lite topics; LiteParent is about those of
	// one parent, LiteTopic about one, LiteClient about what a client wants, at
	// most limit names of it.
	LiteFigures(ctx context.Context) LiteFigures
	LiteParent(ctx context.Context, topic string) (LiteParent, error)
	LiteTopic(ctx context.Context, parent, lite string) (LiteTopic, error)
	LiteClient(ctx context.Context, parent, group, client string, limit int) (LiteClient, error)
	// LiteLag is how far a group is behind in one lite topic or, if lite is empty,
	// in all that it has begun with: the limit furthest behind, first those by
	// number of messages and then those by time.
	LiteLag(ctx context.Context, group, lite string, limit int) (LiteLag, error)
	// LookForLites has everything looked at that a group, or (client not empty)
	// one client of it, wants.
	LookForLites(ctx context.Context, group, client string) error

	// Consumers and Producers are who is connected; ErrNotOnline if nobody.
	Consumers(ctx context.Context, group string) ([]Connection, Consumer, error)
	Producers(ctx context.Context, group string) ([]Connection, error)
	AllProducers(ctx context.Context) map[string][]Connection
	// RuntimeInfo is the table behind brokerStatus, in RocketMQ's keys.
	RuntimeInfo(ctx context.Context) map[string]string
	// Stats is one of the counters behind `mqadmin brokerStats`, per minute,
	// hour and day; ErrNotFound if it was never counted.
	Stats(ctx context.Context, name, key string) ([3]RateStat, error)

	// Delayed lists messages that wait for a time of their own, the first due
	// first. Recall takes one back.
	Delayed(ctx context.Context, q DelayedQuery) ([]DelayedMessage, error)
	// Transactions are the half messages that are neither committed nor rolled
	// back, in the order of their offsets, from the first behind after on, at
	// most limit of them.
	Transactions(ctx context.Context, after QueueOffset, limit int) ([]Transaction, error)
	// SettleTransaction commits or rolls back the half message at a log
	// position, whatever its producer says.
	SettleTransaction(ctx context.Context, at LogPos, o Outcome) error
	// CheckTransaction asks a producer about the half message at a log position
	// and counts its checks anew. One that was given up becomes pending again;
	// it may also be named by its copy among the given up.
	CheckTransaction(ctx context.Context, at LogPos) error

	// PutRequestMode sets how a group's clients get a topic's messages;
	// RequestModes are all that were set, sorted by topic and group.
	PutRequestMode(ctx context.Context, m RequestMode) error
	RequestModes(ctx context.Context) []RequestMode
	// Waiting is how many pops of a group wait for messages of a topic, in a
	// queue or (id -1) any.
	Waiting(ctx context.Context, group, topic string, queue int32) int

	// Settings are the broker's settings in RocketMQ's names; Set changes
	// those that may change while running and names the ones that may not.
	Settings(ctx context.Context) map[string]string
	SetSettings(ctx context.Context, kv map[string]string) error
}

// InHand is a message that was popped and is neither acknowledged nor back.
type InHand struct {
	Since time.Time // of the pop
	Until time.Time // when it comes back unless it is acknowledged
	Tries int32     // deliveries before this one
}

// QueueStats is the state of one queue.
type QueueStats struct {
	Queue      Queue
	Min, Max   QueueOffset
	LastUpdate time.Time // of the last message; zero if empty
}

// ConsumeStats says how far a group is.
type ConsumeStats struct {
	Rate   float64 // messages per second, over the last minute
	Queues []ConsumeQueueStats
}

// ConsumeQueueStats is a group's progress in one queue.
type ConsumeQueueStats struct {
	Queue        Queue
	End          QueueOffset
	Committed    QueueOffset
	Pulled       QueueOffset
	InHand       int64     // popped out of order, before Committed, and not acknowledged
	InOrder      int64     // likewise in order, not before Committed
	LastConsumed time.Time // store time of the last consumed message
	LastPop      time.Time // since the start, that took something; zero if there was none
	LastPopBy    string    // the client's id, as far as it is known
}

// RateStat is a sum over a span, its rate per second and average per call.
type RateStat struct {
	Sum     int64
	Rate    float64
	PerCall float64
}

// A Connection is a client as an operator sees it.
type Connection struct {
	ClientID   string
	Addr       string
	Language   string
	Version    int32
	LastUpdate time.Time
	Peer       Peer   `json:"-"`
	Protocol   string `json:"-"` // that it speaks: remoting, grpc
	User       string `json:"-"` // who it is; empty where nobody is asked

	// May reports whether the client's user may send to a topic; nil if everybody
	// may.
	May func(topic string) bool `json:"-"`
}

// A Transaction is a half message as an operator sees it.
type Transaction struct {
	Offset    QueueOffset
	Pos       LogPos
	OffsetID  string
	Topic     string // that it is meant for
	QueueID   int32
	Group     string // of its producer
	UniqueKey string
	Born      time.Time // by the producer's clock
	Stored    time.Time
	Size      int32 // of the stored record, in bytes
	Checks    int32 // how often a producer was to be asked
	GivenUp   bool  // it is asked about no more
}
