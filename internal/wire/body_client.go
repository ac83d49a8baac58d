package wire

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// A MessageQueue names a queue in the whole cluster.
type MessageQueue struct {
	BrokerName string `json:"brokerName"`
	QueueID    int32  `json:"queueId"`
	Topic      string `json:"topic"`
}

// UnmarshalText makes a MessageQueue fit to be the key of a map.
func (q *MessageQueue) UnmarshalText(text []byte) error {
	type plain MessageQueue
	return json.Unmarshal(text, (*plain)(q))
}

// UnmarshalJSON reads a MessageQueue, or the text of one if it is a key.
func (q *MessageQueue) UnmarshalJSON(text []byte) error {
	if text[0] != '"' {
		return q.UnmarshalText(text)
	}
	var key string
	if err := json.Unmarshal(text, &key); err != nil {
		return err
	}
	return q.UnmarshalText([]byte(key))
}

// HeartbeatData is the body of HEART_BEAT.
type HeartbeatData struct {
	ClientID             string         `json:"clientID"`
	Consumers            []ConsumerData `json:"consumerDataSet"`
	HeartbeatFingerprint int32          `json:"heartbeatFingerprint"`
	Producers            []ProducerData `json:"producerDataSet"`
	// WithoutSub means that Consumers have no subscriptions, because those
	// with the same fingerprint were sent before.
	WithoutSub bool `json:"withoutSub"`
}

// ProducerData is one producer group of a client.
type ProducerData struct {
	GroupName string `json:"groupName"`
}

// ConsumerData is a client's part in one consumer group.
type ConsumerData struct {
	ConsumeFromWhere string             `json:"consumeFromWhere"` // CONSUME_FROM_LAST_OFFSET, …
	ConsumeType      string             `json:"consumeType"`      // CONSUME_ACTIVELY, CONSUME_PASSIVELY, CONSUME_POP
	GroupName        string             `json:"groupName"`
	MessageModel     string             `json:"messageModel"` // CLUSTERING, BROADCASTING
	Subscriptions    []SubscriptionData `json:"subscriptionDataSet"`
	UnitMode         bool               `json:"unitMode"`
}

// SubscriptionData says which messages of a topic are wanted.
type SubscriptionData struct {
	ClassFilterMode bool     `json:"classFilterMode"`
	CodeSet         HashSet  `json:"codeSet"`
	ExpressionType  string   `json:"expressionType"` // TAG, SQL92
	SubString       string   `json:"subString"`
	SubVersion      int64    `json:"subVersion"` // Unix milliseconds
	TagsSet         []string `json:"tagsSet"`
	Topic           string   `json:"topic"`
}

// A HashSet holds hashes of tags.
type HashSet []int32

// UnmarshalJSON reads numbers, and numbers in quotes as the Go client sends them.
func (h *HashSet) UnmarshalJSON(text []byte) error {
	var numbers []json.Number
	if err := json.Unmarshal(text, &numbers); err != nil {
		return err
	}
	*h = nil
	for _, number := range numbers {
		n, err := strconv.ParseInt(number.String(), 10, 32)
		if err != nil {
			return fmt.Errorf("hash of a tag: %w", err)
		}
		*h = append(*h, int32(n))
	}
	return nil
}

// ConsumerList is the answer to GET_CONSUMER_LIST_BY_GROUP.
type ConsumerList struct {
	ConsumerIDs []string `json:"consumerIdList"`
}

// LockBody is the body of LOCK_BATCH_MQ and UNLOCK_BATCH_MQ.
type LockBody struct {
	ClientID       string         `json:"clientId"`
	ConsumerGroup  string         `json:"consumerGroup"`
	Queues         []MessageQueue `json:"mqSet"`
	OnlyThisBroker bool           `json:"onlyThisBroker"`
}

// LockResult is the answer to LOCK_BATCH_MQ: the queues that are held.
type LockResult struct {
	Queues []MessageQueue `json:"lockOKMQSet"`
}

// CheckClientBody is the body of CHECK_CLIENT_CONFIG.
type CheckClientBody struct {
	ClientID     string            `json:"clientId"`
	Group        string            `json:"group"`
	Namespace    string            `json:"namespace,omitempty"`
	Subscription *SubscriptionData `json:"subscriptionData"`
}

// QueryAssignmentBody is the body of QUERY_ASSIGNMENT.
type QueryAssignmentBody struct {
	ClientID      string `json:"clientId"`
	ConsumerGroup string `json:"consumerGroup"`
	MessageModel  string `json:"messageModel"`
	StrategyName  string `json:"strategyName"`
	Topic         string `json:"topic"`
}

// QueryAssignmentResult is the answer to QUERY_ASSIGNMENT.
type QueryAssignmentResult struct {
	Assignments []Assignment `json:"messageQueueAssignments"`
}

// An Assignment is a queue and how to consume it.
type Assignment struct {
	Attachments map[string]string `json:"attachments,omitempty"`
	Queue       MessageQueue      `json:"messageQueue"`
	Mode        string            `json:"mode"` // PULL, POP
}

// RequestModeBody is the body of SET_MESSAGE_REQUEST_MODE.
type RequestModeBody struct {
	ConsumerGroup    string `json:"consumerGroup"`
	Mode             string `json:"mode"` // PULL, POP
	PopShareQueueNum int32  `json:"popShareQueueNum"`
	Topic            string `json:"topic"`
}

// BatchAckBody is the body of BATCH_ACK_MESSAGE.
type BatchAckBody struct {
	Acks       []BatchAck `json:"acks"`
	BrokerName string     `json:"brokerName"`
}

// A BatchAck acknowledges messages that were taken together.
type BatchAck struct {
	Bits          string `json:"b"` // base64 of a little-endian bit set: offsets from StartOffset
	ConsumerGroup string `json:"c"`
	InvisibleTime int64  `json:"it"`
	PopTime       int64  `json:"pt"`
	QueueID       int32  `json:"q"`
	Retry         string `json:"r"` // 0 normal, 1 and 2 retry topic
	ReviveQueueID int32  `json:"rq"`
	StartOffset   int64  `json:"so"`
	Topic         string `json:"t"`
}

// ResetOffsetBody is the body of RESET_CONSUMER_CLIENT_OFFSET and the answer to
// INVOKE_BROKER_TO_RESET_OFFSET.
type ResetOffsetBody struct {
	OffsetTable map[MessageQueue]int64 `json:"offsetTable"`
}

// ResetOffsetListBody is ResetOffsetBody for clients in C++.
type ResetOffsetListBody struct {
	OffsetTable []QueueOffset `json:"offsetTable"`
}

// A QueueOffset is one entry of a ResetOffsetListBody.
type QueueOffset struct {
	BrokerName string `json:"brokerName"`
	Offset     int64  `json:"offset"`
	QueueID    int32  `json:"queueId"`
	Topic      string `json:"topic"`
}

// ConsumerStatus is the answer to GET_CONSUMER_STATUS_FROM_CLIENT (Queues) and
// to INVOKE_BROKER_TO_GET_CONSUMER_STATUS (Consumers, by client id).
type ConsumerStatus struct {
	Consumers map[string]map[MessageQueue]int64 `json:"consumerTable"`
	Queues    map[MessageQueue]int64            `json:"messageQueueTable"`
}

// ConsumeDirectlyResult is the answer to CONSUME_MESSAGE_DIRECTLY.
type ConsumeDirectlyResult struct {
	AutoCommit      bool   `json:"autoCommit"`
	ConsumeResult   string `json:"consumeResult"` // CR_SUCCESS, CR_LATER, …
	Order           bool   `json:"order"`
	Remark          string `json:"remark,omitempty"`
	SpentTimeMillis int64  `json:"spentTimeMills"`
}

// ConsumerRunningInfo is the answer to GET_CONSUMER_RUNNING_INFO.
type ConsumerRunningInfo struct {
	Stack         string                               `json:"jstack,omitempty"`
	PopQueues     map[MessageQueue]PopProcessQueueInfo `json:"mqPopTable"`
	Queues        map[MessageQueue]ProcessQueueInfo    `json:"mqTable"`
	Properties    map[string]string                    `json:"properties"`
	Status        map[string]ConsumeStatus             `json:"statusTable"`
	Subscriptions []SubscriptionData                   `json:"subscriptionSet"`
	User          map[string]string                    `json:"userConsumerInfo"`
}

// ConsumeStatus is how a client does with one topic.
type ConsumeStatus struct {
	ConsumeFailedMessages int64   `json:"consumeFailedMsgs"`
	ConsumeFailedTPS      float64 `json:"consumeFailedTPS"`
	ConsumeOKTPS          float64 `json:"consumeOKTPS"`
	ConsumeRT             float64 `json:"consumeRT"`
	PullRT                float64 `json:"pullRT"`
	PullTPS               float64 `json:"pullTPS"`
}

// PopProcessQueueInfo is what a client holds of a queue that it pops from.
type PopProcessQueueInfo struct {
	Dropped          bool  `json:"droped"`
	LastPopTimestamp int64 `json:"lastPopTimestamp"`
	WaitAckCount     int32 `json:"waitAckCount"`
}

// ProcessQueueInfo is what a client holds of a queue that it pulls from.
type ProcessQueueInfo struct {
	CachedMessageCount   int32 `json:"cachedMsgCount"`
	CachedMaxOffset      int64 `json:"cachedMsgMaxOffset"`
	CachedMinOffset      int64 `json:"cachedMsgMinOffset"`
	CachedMiB            int32 `json:"cachedMsgSizeInMiB"`
	CommitOffset         int64 `json:"commitOffset"`
	Dropped              bool  `json:"droped"`
	LastConsumeTimestamp int64 `json:"lastConsumeTimestamp"`
	LastLockTimestamp    int64 `json:"lastLockTimestamp"`
	LastPullTimestamp    int64 `json:"lastPullTimestamp"`
	Locked               bool  `json:"locked"`
	TransactionCount     int32 `json:"transactionMsgCount"`
	TransactionMaxOffset int64 `json:"transactionMsgMaxOffset"`
	TransactionMinOffset int64 `json:"transactionMsgMinOffset"`
	TryUnlockTimes       int64 `json:"tryUnlockTimes"`
}

// BrokerLiteInfo is the answer to GET_BROKER_LITE_INFO.
type BrokerLiteInfo struct {
	CQTableSize       int                 `json:"cqTableSize"`
	CurrentLMQNum     int64               `json:"currentLmqNum"`
	EventMapSize      int                 `json:"eventMapSize"`
	GroupMeta         map[string][]string `json:"groupMeta"` // groups by parent topic
	SubscriptionCount int                 `json:"liteSubscriptionCount"`
	MaxLMQNum         int64               `json:"maxLmqNum"`
	OffsetTableSize   int                 `json:"offsetTableSize"`
	OrderInfoCount    int                 `json:"orderInfoCount"`
	StoreType         string              `json:"storeType"`
	TopicMeta         map[string]int32    `json:"topicMeta"` // minutes to live by parent topic
}

// ParentTopicInfo is the answer to GET_PARENT_TOPIC_INFO.
type ParentTopicInfo struct {
	Groups         []string `json:"groups"`
	LiteTopicCount int      `json:"liteTopicCount"`
	LMQNum         int64    `json:"lmqNum"`
	Topic          string   `json:"topic"`
	TTL            int32    `json:"ttl"` // minutes
}

// LiteTopicInfo is the answer to GET_LITE_TOPIC_INFO.
type LiteTopicInfo struct {
	LiteTopic        string        `json:"liteTopic"`
	ParentTopic      string        `json:"parentTopic"`
	ShardingToBroker bool          `json:"shardingToBroker"`
	Subscribers      []ClientGroup `json:"subscriber"`
	Offsets          TopicOffset   `json:"topicOffset"`
}

// ClientGroup is a client in a group.
type ClientGroup struct {
	ClientID string `json:"clientId"`
	Group    string `json:"group"`
}

// LiteClientInfo is the answer to GET_LITE_CLIENT_INFO.
type LiteClientInfo struct {
	ClientID        string   `json:"clientId"`
	Group           string   `json:"group"`
	LastAccessTime  int64    `json:"lastAccessTime"`
	LastConsumeTime int64    `json:"lastConsumeTime"`
	LiteTopicCount  int      `json:"liteTopicCount"` // -1 if the client is not known
	LiteTopics      []string `json:"liteTopicSet"`   // light queues by their topics
	ParentTopic     string   `json:"parentTopic"`
}

// LiteGroupInfo is the answer to GET_LITE_GROUP_INFO.
type LiteGroupInfo struct {
	EarliestUnconsumed int64          `json:"earliestUnconsumedTimestamp"`
	Group              string         `json:"group"`
	ByCount            []LiteLag      `json:"lagCountTopK"`
	ByTime             []LiteLag      `json:"lagTimestampTopK"`
	LiteTopic          string         `json:"liteTopic,omitempty"`
	Offsets            *OffsetWrapper `json:"liteTopicOffsetWrapper,omitempty"`
	ParentTopic        string         `json:"parentTopic"`
	TotalLagCount      int64          `json:"totalLagCount"`
}

// LiteLag is how far a group is behind in a lite topic.
type LiteLag struct {
	EarliestUnconsumed int64  `json:"earliestUnconsumedTimestamp"`
	LagCount           int64  `json:"lagCount"`
	LiteTopic          string `json:"liteTopic"`
}

// LiteSubscriptionBody is the body of LITE_SUBSCRIPTION_CTL.
type LiteSubscriptionBody struct {
	Subscriptions []LiteSubscription `json:"subscriptionSet"`
}

// LiteSubscription is what changes in the lite topics that a client wants.
type LiteSubscription struct {
	Action       string            `json:"action"` // PARTIAL_ADD, PARTIAL_REMOVE, COMPLETE_ADD, COMPLETE_REMOVE
	ClientID     string            `json:"clientId"`
	Group        string            `json:"group"`
	Topic        string            `json:"topic"`
	LiteTopics   []string          `json:"liteTopicSet"`
	Version      int64             `json:"version"`
	OffsetOption *LiteOffsetOption `json:"offsetOption,omitempty"`
}

// LiteOffsetOption says where a group goes on in lite topics that are new to the
// client.
type LiteOffsetOption struct {
	Type  string `json:"type"` // POLICY, OFFSET, TAIL_N, TIMESTAMP
	Value int64  `json:"value"`
}
