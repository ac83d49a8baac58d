package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
	"github.com/goddardmq/goddard/internal/timer"
)

// Options says how a Broker behaves. The zero value of every field is its
// default. Fields tagged live may be changed while the broker runs.
type Options struct {
	// Store says where and how messages are kept. Appended is the broker's.
	Store store.Options

	// Cluster is the name of the cluster the broker belongs to. Default
	// DefaultCluster.
	Cluster string `conf:"cluster" rocketmq:"brokerClusterName"`

	// Name is the broker's name, which a master shares with its slaves. Default
	// the host's name.
	Name string `conf:"broker-name" rocketmq:"brokerName"`

	// ID tells the brokers of one name apart; 0 is the master. Default 0.
	ID int64 `conf:"broker-id" rocketmq:"brokerId"`

	// Permission is what clients may do: 4 read, 2 write, 6 both. Default 6.
	Permission *int32 `conf:"broker-permission" rocketmq:"brokerPermission" live:"true"`

	// AutoCreateTopic says whether sending to a topic that does not exist
	// creates it. Default true.
	AutoCreateTopic *bool `conf:"auto-create-topic" rocketmq:"autoCreateTopicEnable" live:"true"`

	// TopicQueues is how many queues a topic created by sending has at most; the
	// client may ask for fewer. Default 8.
	TopicQueues int32 `conf:"default-topic-queues" rocketmq:"defaultTopicQueueNums"`

	// MixedMessageType says whether a topic may have the message.type MIXED, which
	// takes messages of every type. Default false.
	MixedMessageType bool `conf:"mixed-message-type" rocketmq:"enableMixedMessageType" live:"true"`

	// LightQueues says whether messages may name light queues (topics %LMQ%…) that
	// they shall lie in too, and whether those can be read. RocketMQ's default is
	// false, for there each costs a file; here it costs rows. Default true.
	LightQueues *bool `conf:"light-queues" rocketmq:"enableLmq" live:"true"`

	// MaxLightOffsets bounds the pairs of a group and a topic whose offsets are
	// kept and of which one has a light name (%LMQ%…), for such names need no
	// configuration; each takes some 600 bytes of memory, and a row. One more is
	// refused. Default 1000000.
	MaxLightOffsets int `conf:"max-light-offsets" live:"true"`

	// MessageTypeCheck says whether a message must be of the type that its topic's
	// attribute message.type says, NORMAL if there is none. RocketMQ's proxy does
	// this by default, its broker never. Default false.
	MessageTypeCheck bool `conf:"message-type-check" live:"true"`

	// AutoCreateGroup says whether a consumer group that does not exist is
	// created when a client first uses it. Default true.
	AutoCreateGroup *bool `conf:"auto-create-group" rocketmq:"autoCreateSubscriptionGroup" live:"true"`

	// MaxMessageSize bounds a message's body, and the sum of a batch's, in
	// bytes. Default 4 MiB.
	MaxMessageSize int `conf:"max-message-size" rocketmq:"maxMessageSize" live:"true"`

	// MaxTopicLength bounds the names of topics, in bytes. Default and limit 127.
	MaxTopicLength int `conf:"max-topic-length" rocketmq:"maxTopicLength"`

	// DelayLevels are the rests that a message's delay level chooses from,
	// counted from 1. Default "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m
	// 30m 1h 2h".
	DelayLevels string `conf:"delay-levels" rocketmq:"messageDelayLevel"`

	// MaxDelay bounds the time that a message may choose for itself, from now on;
	// a message that wants more is refused. RocketMQ's default is three days.
	// Default 87600h, ten years.
	MaxDelay time.Duration `conf:"max-delay" rocketmq:"timerMaxDelaySec" unit:"s"`

	// RecallMessages says whether producers may call back messages that wait
	// for a time of their own. RocketMQ's default is false. Default true.
	RecallMessages *bool `conf:"recall-messages" rocketmq:"recallMessageEnable" live:"true"`
	// TransactionTimeout is how old a transactional message is when its producer
	// is first asked what became of it. Default 6s.
	TransactionTimeout time.Duration `conf:"transaction-timeout" rocketmq:"transactionTimeOut" unit:"ms" live:"true"`

	// TransactionCheckInterval is the time between rounds of such questions.
	// Default 30s.
	TransactionCheckInterval time.Duration `conf:"transaction-check-interval" rocketmq:"transactionCheckInterval" unit:"ms" live:"true"`

	// TransactionCheckMax is how often a producer is asked before a transaction
	// is given up. Default 15.
	TransactionCheckMax int `conf:"transaction-check-max" rocketmq:"transactionCheckMax" live:"true"`

	// MaxPendingTransactions bounds the transactions that are neither committed
	// nor rolled back; each takes some 150 bytes of memory. Default 1000000.
	MaxPendingTransactions int `conf:"max-pending-transactions" live:"true"`

	// RejectTransactions says whether transactional messages are refused.
	// Default false.
	RejectTransactions bool `conf:"reject-transactions" rocketmq:"rejectTransactionMessage" live:"true"`

	// MaxDedupKeys bounds the unique keys that are remembered for topics with the
	// attribute dedup.window.seconds; each takes up to 40 bytes of memory, and 16
	// in a row of the key store. At the limit such topics take no new messages. Default 4000000.
	MaxDedupKeys int `conf:"max-dedup-keys" live:"true"`

	// LongPolling says whether a pull that finds nothing waits as long as the
	// client wishes; otherwise it waits for ShortPolling. Default true.
	LongPolling *bool `conf:"long-polling" rocketmq:"longPollingEnable" live:"true"`

	// ShortPolling is how long a pull waits without LongPolling. Default 1s.
	ShortPolling time.Duration `conf:"short-polling" rocketmq:"shortPollingTimeMills" live:"true"`

	// MaxPullMessages bounds the messages of one pull. Default 160.
	MaxPullMessages int `conf:"max-pull-messages" rocketmq:"pullBatchMaxMessageCount" live:"true"`

	// MaxWaitingPulls bounds the pulls that wait for messages; one more is
	// answered at once. Default 100000.
	MaxWaitingPulls int `conf:"max-waiting-pulls"`

	// MaxWaitingPullsPerQueue bounds those that wait on the same queue. Default
	// 10000.
	MaxWaitingPullsPerQueue int `conf:"max-waiting-pulls-per-queue"`

	// RetryFirst is the percentage of pops that begin with what comes back to
	// the group because it was not acknowledged in time. Default 20.
	RetryFirst *int `conf:"pop-from-retry-probability" rocketmq:"popFromRetryProbability" live:"true"`

	// RetryFirstPriority is the same percentage for pops that visit the queues of
	// a topic in the order of their priorities (message.type PRIORITY). Default 0.
	RetryFirstPriority int `conf:"pop-from-retry-probability-for-priority" rocketmq:"popFromRetryProbabilityForPriority" live:"true"`

	// PriorityOrderAsc says whether a higher queue holds messages of a higher
	// priority; otherwise queue 0 holds the highest. Default true.
	PriorityOrderAsc *bool `conf:"priority-order-asc" rocketmq:"priorityOrderAsc" live:"true"`

	// RetryTopicV2 says whether what comes back lies in a topic of the newer
	// name, %RETRY%group+topic, which cannot be mistaken for another group's.
	// What lies under either name is popped. Default false.
	RetryTopicV2 bool `conf:"retry-topic-v2" rocketmq:"enableRetryTopicV2" live:"true"`

	// LimitPopped says whether MaxPoppedPerQueue holds. Default false.
	LimitPopped bool `conf:"limit-popped" rocketmq:"enablePopMessageThreshold" live:"true"`

	// MaxPoppedPerQueue bounds the messages of a queue that a group may have
	// popped and not acknowledged; over it the queue gives none. Default 10000.
	MaxPoppedPerQueue int `conf:"max-popped-per-queue" rocketmq:"popInflightMessageThreshold" live:"true"`

	// MaxPopped bounds the messages that all groups together have popped and not
	// acknowledged; each takes some 100 bytes of disk, and none of memory. Over
	// it pops are refused. Default 10000000.
	MaxPopped int `conf:"max-popped" live:"true"`

	// MaxWaitingPops bounds the pops that wait for messages; one more is told
	// so. Default 100000.
	MaxWaitingPops int `conf:"max-waiting-pops" rocketmq:"maxPopPollingSize" live:"true"`

	// MaxWaitingPopsPerQueue bounds those of a group that wait on the same queue,
	// or on any queue of the same topic. Default 1024.
	MaxWaitingPopsPerQueue int `conf:"max-waiting-pops-per-queue" rocketmq:"popPollingSize" live:"true"`

	// MaxLiteSubscriptions bounds the lite topics that clients want, each
	// counted for every client that wants it; one takes some 320 bytes of memory.
	// RocketMQ's default is 100000. Default 1000000.
	MaxLiteSubscriptions int `conf:"max-lite-subscriptions" rocketmq:"maxLiteSubscriptionCount" live:"true"`

	// RequestMode is how clients that ask get the messages of a topic, PULL or
	// POP, unless that was set for topic and group. Default PULL.
	RequestMode string `conf:"default-request-mode" rocketmq:"defaultMessageRequestMode" live:"true"`

	// PopShareQueues is how many other clients of a group pop from the queues of
	// each, with RequestMode POP; -1 lets all pop from all. Default -1.
	PopShareQueues int32 `conf:"default-pop-share-queues" rocketmq:"defaultPopShareQueueNum" live:"true"`

	// RegionID is written into every message. Default DefaultRegion.
	RegionID string `conf:"region-id" rocketmq:"regionId"`

	// TraceOn tells clients, with every message, whether traces of it are
	// wanted. Default true.
	TraceOn *bool `conf:"trace-on" rocketmq:"traceOn"`

	// TraceTopic says whether the topic that clients write traces of messages to
	// is made at the start; otherwise it is made when somebody sends to it, if
	// auto-create-topic allows that. Default false.
	TraceTopic bool `conf:"trace-topic" rocketmq:"traceTopicEnable"`

	// TraceTopicName is the name of that topic, which clients have to be told
	// unless it is the default. Default RMQ_SYS_TRACE_TOPIC.
	TraceTopicName string `conf:"trace-topic-name" rocketmq:"msgTraceTopicName"`

	// PropertyFilter says whether consumers may subscribe by SQL-92 expressions
	// over message properties. Default true; RocketMQ's is false.
	PropertyFilter *bool `conf:"property-filter" rocketmq:"enablePropertyFilter"`

	// ServerSideReset says whether a group's offsets are reset in the broker
	// and clients learn of it by their next pull; otherwise connected clients
	// are told to reset themselves. Default true.
	ServerSideReset *bool `conf:"server-side-reset" rocketmq:"useServerSideResetOffset" live:"true"`

	// StoreReplies says whether the reply to a request is also stored, in the
	// topic the client names (CLUSTER_REPLY_TOPIC). Default true.
	StoreReplies *bool `conf:"store-replies" rocketmq:"storeReplyMessageEnable" live:"true"`

	// LogLevel is the least that is logged. It follows the setting log-level.
	LogLevel slog.Level `conf:"log-level" live:"true"`

	// Level is told of changes of LogLevel. Nil refuses them.
	Level *slog.LevelVar

	// Tracer, if set, is told what happens to messages. Nil costs a look at it
	// for each request.
	Tracer Tracer

	// Version is our own. Default "goddard".
	Version string

	// RocketMQVersion is the version of RocketMQ that this broker behaves as,
	// which operators' tools show. Default V5_5_0.
	RocketMQVersion string

	// TopicRoute finds how many queues of a topic can be read, by broker; nil
	// or an error leaves it at this broker's own.
	TopicRoute func(ctx context.Context, topic string) (map[string]int32, error)

	// OnTopicChanged, if set, is called with the name of a topic that was
	// created, changed or deleted, so that name servers can be told. It runs
	// while whoever changed the topic waits, and may ask for the topic.
	OnTopicChanged func(name string)

	// Log receives what an operator should read. Nil discards it.
	Log *slog.Logger
}

// Default and limit of Options.MaxDelay.
const (
	defaultMaxDelay = 10 * 365 * 24 * time.Hour
	limitMaxDelay   = 200 * 365 * 24 * time.Hour
)

// maxQueues bounds the queues of one topic.
const maxQueues = 65536

// WithDefaults fills in what was left open; no pointer is nil afterwards.
func (o Options) WithDefaults() Options {
	if o.Name == "" {
		o.Name = hostName()
	}
	setDefault(&o.Cluster, "DefaultCluster")
	setPointer(&o.Permission, mq.PermRead|mq.PermWrite)
	setPointer(&o.AutoCreateTopic, true)
	setDefault(&o.TopicQueues, 8)
	setPointer(&o.LightQueues, true)
	setDefault(&o.MaxLightOffsets, 1_000_000)
	setPointer(&o.AutoCreateGroup, true)
	setDefault(&o.MaxMessageSize, 4<<20)
	setDefault(&o.MaxTopicLength, mq.MaxTopicName)
	setDefault(&o.DelayLevels, timer.DefaultLevels)
	setDefault(&o.MaxDelay, defaultMaxDelay)
	setPointer(&o.RecallMessages, true)
	setDefault(&o.TransactionTimeout, 6*time.Second)
	setDefault(&o.TransactionCheckInterval, 30*time.Second)
	setDefault(&o.TransactionCheckMax, 15)
	setDefault(&o.MaxPendingTransactions, 1_000_000)
	setDefault(&o.MaxDedupKeys, 4_000_000)
	setPointer(&o.LongPolling, true)
	setDefault(&o.ShortPolling, time.Second)
	setDefault(&o.MaxPullMessages, 160)
	setDefault(&o.MaxWaitingPulls, 100_000)
	setDefault(&o.MaxWaitingPullsPerQueue, 10_000)
	setPointer(&o.RetryFirst, 20)
	setPointer(&o.PriorityOrderAsc, true)
	setDefault(&o.MaxPoppedPerQueue, 10_000)
	setDefault(&o.MaxPopped, 10_000_000)
	setDefault(&o.MaxWaitingPops, 100_000)
	setDefault(&o.MaxWaitingPopsPerQueue, 1024)
	setDefault(&o.MaxLiteSubscriptions, 1_000_000)
	setDefault(&o.RequestMode, mq.ModePull)
	setDefault(&o.PopShareQueues, -1)
	setDefault(&o.RegionID, "DefaultRegion")
	setPointer(&o.TraceOn, true)
	setDefault(&o.TraceTopicName, mq.TopicTrace)
	setPointer(&o.PropertyFilter, true)
	setPointer(&o.ServerSideReset, true)
	setPointer(&o.StoreReplies, true)
	setDefault(&o.Version, "goddard")
	setDefault(&o.RocketMQVersion, "V5_5_0")
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func setPointer[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

// Names are the names of the cluster and the broker, with their defaults.
func (o Options) Names() (cluster, name string) {
	o = o.WithDefaults()
	return o.Cluster, o.Name
}

// hostName is the host's name, cut down to what a topic may be called, for the
// broker has a topic of its name.
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	clean := []byte(name)
	for i := range clean {
		if mq.CheckTopic(string(clean[i])) != nil {
			clean[i] = '-'
		}
	}
	if mq.CheckTopic(string(clean)) != nil {
		return "localhost"
	}
	return string(clean)
}

// Validate reports every bad field at once, each by the name the operator typed.
func (o Options) Validate() error {
	o = o.WithDefaults()
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(mq.CheckTopic(o.Cluster) == nil, "cluster = %q: want letters, digits, _ or -, at most 127", o.Cluster)
	check(mq.CheckTopic(o.Name) == nil, "broker-name = %q: want letters, digits, _ or -, at most 127", o.Name)
	check(o.ID >= 0, "broker-id = %d: want 0 or more", o.ID)
	check(*o.Permission&^(mq.PermRead|mq.PermWrite) == 0, "broker-permission = %d: want 2, 4 or 6", *o.Permission)
	check(o.TopicQueues >= 1 && o.TopicQueues <= maxQueues, "default-topic-queues = %d: want 1 to %d", o.TopicQueues, maxQueues)
	check(o.MaxMessageSize >= 1 && o.MaxMessageSize <= 64<<20, "max-message-size = %d: want 1 to %d", o.MaxMessageSize, 64<<20)
	check(o.MaxTopicLength >= 1 && o.MaxTopicLength <= mq.MaxTopicName, "max-topic-length = %d: want 1 to %d", o.MaxTopicLength, mq.MaxTopicName)
	check(o.MaxDelay >= time.Second && o.MaxDelay <= limitMaxDelay, "max-delay = %v: want 1s to %v", o.MaxDelay, limitMaxDelay)
	check(o.TransactionTimeout > 0, "transaction-timeout = %v: want more than 0", o.TransactionTimeout)
	check(o.TransactionCheckInterval >= time.Second, "transaction-check-interval = %v: want 1s or more", o.TransactionCheckInterval)
	check(o.TransactionCheckMax >= 1 && o.TransactionCheckMax <= 1_000_000, "transaction-check-max = %d: want 1 to 1000000", o.TransactionCheckMax)
	check(o.MaxPendingTransactions >= 1, "max-pending-transactions = %d: want 1 or more", o.MaxPendingTransactions)
	check(o.MaxDedupKeys >= 1, "max-dedup-keys = %d: want 1 or more", o.MaxDedupKeys)
	check(o.MaxLightOffsets >= 1, "max-light-offsets = %d: want 1 or more", o.MaxLightOffsets)
	check(o.ShortPolling > 0, "short-polling = %v: want more than 0", o.ShortPolling)
	check(o.MaxPullMessages >= 1, "max-pull-messages = %d: want 1 or more", o.MaxPullMessages)
	check(o.MaxWaitingPulls >= 1, "max-waiting-pulls = %d: want 1 or more", o.MaxWaitingPulls)
	check(o.MaxWaitingPullsPerQueue >= 1, "max-waiting-pulls-per-queue = %d: want 1 or more", o.MaxWaitingPullsPerQueue)
	check(o.RetryFirstPriority >= 0 && o.RetryFirstPriority <= 100, "pop-from-retry-probability-for-priority = %d: want 0 to 100", o.RetryFirstPriority)
	check(*o.RetryFirst >= 0 && *o.RetryFirst <= 100, "pop-from-retry-probability = %d: want 0 to 100", *o.RetryFirst)
	check(o.MaxPoppedPerQueue >= 1, "max-popped-per-queue = %d: want 1 or more", o.MaxPoppedPerQueue)
	check(o.MaxPopped >= 1, "max-popped = %d: want 1 or more", o.MaxPopped)
	check(o.MaxWaitingPops >= 1, "max-waiting-pops = %d: want 1 or more", o.MaxWaitingPops)
	check(o.MaxLiteSubscriptions >= 1, "max-lite-subscriptions = %d: want 1 or more", o.MaxLiteSubscriptions)
	check(o.MaxWaitingPopsPerQueue >= 1, "max-waiting-pops-per-queue = %d: want 1 or more", o.MaxWaitingPopsPerQueue)
	check(o.RequestMode == mq.ModePull || o.RequestMode == mq.ModePop, "default-request-mode = %q: want %s or %s", o.RequestMode, mq.ModePull, mq.ModePop)
	check(o.PopShareQueues >= -1, "default-pop-share-queues = %d: want -1 or more", o.PopShareQueues)
	check(mq.CheckTopic(o.TraceTopicName) == nil, "trace-topic-name = %q: want letters, digits, _ or -, at most 127", o.TraceTopicName)
	check(mq.ValidProperty("k", o.RegionID), "region-id = %q: want text without control characters", o.RegionID)
	if _, err := timer.ParseLevels(o.DelayLevels); err != nil {
		errs = append(errs, fmt.Errorf("delay-levels = %q: %w", o.DelayLevels, err))
	}
	return errors.Join(errs...)
}
