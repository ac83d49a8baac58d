package wire

// SubscriptionGroupConfig is a consumer group on one broker.
type SubscriptionGroupConfig struct {
	Attributes                   map[string]string    `json:"attributes"`
	BrokerID                     int64                `json:"brokerId"`
	ConsumeBroadcastEnable       bool                 `json:"consumeBroadcastEnable"`
	ConsumeEnable                bool                 `json:"consumeEnable"`
	ConsumeFromMinEnable         bool                 `json:"consumeFromMinEnable"`
	ConsumeMessageOrderly        bool                 `json:"consumeMessageOrderly"`
	ConsumeTimeoutMinute         int32                `json:"consumeTimeoutMinute"`
	GroupName                    string               `json:"groupName"`
	RetryPolicy                  *GroupRetryPolicy    `json:"groupRetryPolicy"`
	GroupSysFlag                 int32                `json:"groupSysFlag"`
	NotifyConsumerIDsChanged     bool                 `json:"notifyConsumerIdsChangedEnable"`
	RetryMaxTimes                int32                `json:"retryMaxTimes"`
	RetryQueueNums               int32                `json:"retryQueueNums"`
	Subscriptions                []SimpleSubscription `json:"subscriptionDataSet,omitempty"`
	WhichBrokerWhenConsumeSlowly int64                `json:"whichBrokerWhenConsumeSlowly"`
}

// DefaultSubscriptionGroupConfig is what Java's peers take for fields that are
// missing. Decode into it.
func DefaultSubscriptionGroupConfig() SubscriptionGroupConfig {
	return SubscriptionGroupConfig{
		ConsumeBroadcastEnable: true, ConsumeEnable: true, ConsumeFromMinEnable: true, ConsumeTimeoutMinute: 15,
		NotifyConsumerIDsChanged: true, RetryMaxTimes: 16, RetryQueueNums: 1, WhichBrokerWhenConsumeSlowly: 1,
	}
}

// GroupRetryPolicy says how long failed messages rest.
type GroupRetryPolicy struct {
	Customized  *CustomizedRetryPolicy  `json:"customizedRetryPolicy"`
	Exponential *ExponentialRetryPolicy `json:"exponentialRetryPolicy"`
	Type        string                  `json:"type"` // CUSTOMIZED, EXPONENTIAL
}

// CustomizedRetryPolicy lists the rests in milliseconds.
type CustomizedRetryPolicy struct {
	Next []int64 `json:"next"`
}

// ExponentialRetryPolicy multiplies the rest, in milliseconds.
type ExponentialRetryPolicy struct {
	Initial    int64 `json:"initial"`
	Max        int64 `json:"max"`
	Multiplier int64 `json:"multiplier"`
}

// SimpleSubscription is a subscription in a group's configuration.
type SimpleSubscription struct {
	Expression     string `json:"expression"`
	ExpressionType string `json:"expressionType"`
	Topic          string `json:"topic"`
	Version        int64  `json:"version"`
}

// GroupForbidden is the answer to UPDATE_AND_GET_GROUP_FORBIDDEN.
type GroupForbidden struct {
	Group    string `json:"group"`
	Topic    string `json:"topic"`
	Readable bool   `json:"readable"`
}

// SubscriptionGroups is the answer to GET_ALL_SUBSCRIPTIONGROUP_CONFIG.
type SubscriptionGroups struct {
	DataVersion DataVersion                        `json:"dataVersion"`
	Forbidden   map[string]map[string]int32        `json:"forbiddenTable"`
	Groups      map[string]SubscriptionGroupConfig `json:"subscriptionGroupTable"`
}

// SubscriptionGroupList is the body of UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST.
type SubscriptionGroupList struct {
	Groups []SubscriptionGroupConfig `json:"groupConfigList"`
}

// GroupList is the answer to QUERY_TOPIC_CONSUME_BY_WHO.
type GroupList struct {
	Groups []string `json:"groupList"`
}

// TopicStatsTable is the answer to GET_TOPIC_STATS_INFO.
type TopicStatsTable struct {
	Offsets map[MessageQueue]TopicOffset `json:"offsetTable"`
	PutTPS  float64                      `json:"topicPutTps"`
}

// TopicOffset is the bounds of a queue.
type TopicOffset struct {
	LastUpdateTimestamp int64 `json:"lastUpdateTimestamp"` // Unix milliseconds
	MaxOffset           int64 `json:"maxOffset"`
	MinOffset           int64 `json:"minOffset"`
}

// ConsumeStats is the answer to GET_CONSUME_STATS.
type ConsumeStats struct {
	ConsumeTPS float64                        `json:"consumeTps"`
	Offsets    map[MessageQueue]OffsetWrapper `json:"offsetTable"`
}

// OffsetWrapper is a group's progress in a queue.
type OffsetWrapper struct {
	BrokerOffset   int64 `json:"brokerOffset"`
	ConsumerOffset int64 `json:"consumerOffset"`
	LastTimestamp  int64 `json:"lastTimestamp"` // Unix milliseconds
	PullOffset     int64 `json:"pullOffset"`
	// Popped is ours: nil unless the group pops.
	Popped *PoppedQueue `json:"goddardPopped"`
}

// PoppedQueue says what a group has popped of a queue.
type PoppedQueue struct {
	Client        string `json:"client"` // that popped last, as far as it is known
	InHand        int64  `json:"inHand"`
	LastTimestamp int64  `json:"lastTimestamp"` // of the last pop that took something, Unix milliseconds; 0 if there was none since the start
}

// ConsumeStatsList is the answer to GET_BROKER_CONSUME_STATS.
type ConsumeStatsList struct {
	BrokerAddr        string                      `json:"brokerAddr"`
	Stats             []map[string][]ConsumeStats `json:"consumeStatsList"` // by group
	TotalDiff         int64                       `json:"totalDiff"`
	TotalInflightDiff int64                       `json:"totalInflightDiff"`
}

// A Connection is a client as operators see it.
type Connection struct {
	ClientAddr string `json:"clientAddr"`
	ClientID   string `json:"clientId"`
	Language   string `json:"language"`
	Version    int32  `json:"version"`
}

// ConsumerConnection is the answer to GET_CONSUMER_CONNECTION_LIST.
type ConsumerConnection struct {
	Connections      []Connection                `json:"connectionSet"`
	ConsumeFromWhere string                      `json:"consumeFromWhere"`
	ConsumeType      string                      `json:"consumeType"`
	MessageModel     string                      `json:"messageModel"`
	Subscriptions    map[string]SubscriptionData `json:"subscriptionTable"`
}

// ProducerConnection is the answer to GET_PRODUCER_CONNECTION_LIST.
type ProducerConnection struct {
	Connections []Connection `json:"connectionSet"`
}

// ProducerTableInfo is the answer to GET_ALL_PRODUCER_INFO.
type ProducerTableInfo struct {
	Data map[string][]ProducerInfo `json:"data"` // by group
}

// ProducerInfo is one producer.
type ProducerInfo struct {
	ClientID            string `json:"clientId"`
	Language            string `json:"language"`
	LastUpdateTimestamp int64  `json:"lastUpdateTimestamp"`
	RemoteIP            string `json:"remoteIP"`
	Version             int32  `json:"version"`
}

// BrokerStatsData is the answer to VIEW_BROKER_STATS_DATA.
type BrokerStatsData struct {
	Day    BrokerStatsItem `json:"statsDay"`
	Hour   BrokerStatsItem `json:"statsHour"`
	Minute BrokerStatsItem `json:"statsMinute"`
}

// BrokerStatsItem is a sum, its rate per second and average per call.
type BrokerStatsItem struct {
	AvgPT float64 `json:"avgpt"`
	Sum   int64   `json:"sum"`
	TPS   float64 `json:"tps"`
}

// ConsumerOffsets is the answer to GET_ALL_CONSUMER_OFFSET: offsets by
// topic@group and queue id.
type ConsumerOffsets struct {
	DataVersion *DataVersion               `json:"dataVersion"`
	Offsets     map[string]map[int32]int64 `json:"offsetTable"`
}

// CorrectionOffsets is the answer to QUERY_CORRECTION_OFFSET.
type CorrectionOffsets struct {
	Offsets map[int32]int64 `json:"correctionOffsets"`
}

// QuerySubscriptionResult is the answer to QUERY_SUBSCRIPTION_BY_CONSUMER.
type QuerySubscriptionResult struct {
	Group        string            `json:"group"`
	Subscription *SubscriptionData `json:"subscriptionData"`
	Topic        string            `json:"topic"`
}

// ConsumeTimeSpans is the answer to QUERY_CONSUME_TIME_SPAN.
type ConsumeTimeSpans struct {
	Spans []QueueTimeSpan `json:"consumeTimeSpanSet"`
}

// QueueTimeSpan is from when to when a queue has messages, and where a group is;
// Unix milliseconds.
type QueueTimeSpan struct {
	ConsumeTimestamp int64        `json:"consumeTimeStamp"`
	Delay            int64        `json:"delayTime"` // milliseconds
	MaxTimestamp     int64        `json:"maxTimeStamp"`
	Queue            MessageQueue `json:"messageQueue"`
	MinTimestamp     int64        `json:"minTimeStamp"`
}

// ConsumeQueueBody is the answer to QUERY_CONSUME_QUEUE.
type ConsumeQueueBody struct {
	FilterData   string             `json:"filterData,omitempty"`
	MaxIndex     int64              `json:"maxQueueIndex"`
	MinIndex     int64              `json:"minQueueIndex"`
	Entries      []ConsumeQueueData `json:"queueData"`
	Subscription *SubscriptionData  `json:"subscriptionData"`
}

// ConsumeQueueData is one entry of a queue's index.
type ConsumeQueueData struct {
	BitMap         string `json:"bitMap,omitempty"`
	Eval           bool   `json:"eval"` // whether the group's subscription matches
	ExtendDataJSON string `json:"extendDataJson,omitempty"`
	Message        string `json:"msg,omitempty"`
	PhysicOffset   int64  `json:"physicOffset"`
	PhysicSize     int32  `json:"physicSize"`
	TagsCode       int64  `json:"tagsCode"`
}

// DelayedMessages is the answer to GODDARD_LIST_DELAYED.
type DelayedMessages struct {
	Messages []DelayedMessage `json:"messages"`
}

// DelayedMessage is one that waits for a time of its own.
type DelayedMessage struct {
	Due      int64  `json:"dueMs"`  // Unix milliseconds
	Handle   string `json:"handle"` // for RECALL_MESSAGE
	Keys     string `json:"keys"`   // the application's own
	Pos      int64  `json:"pos"`    // in the log
	QueueID  int32  `json:"queueId"`
	Size     int32  `json:"size"`     // of the stored record, in bytes
	Stored   int64  `json:"storedMs"` // Unix milliseconds
	Tags     string `json:"tags"`
	Topic    string `json:"topic"`
	UniqueID string `json:"uniqKey"`
}

// HAStatus is the answer to GET_BROKER_HA_STATUS of a master.
type HAStatus struct {
	Slaves       []SlaveStatus `json:"haConnectionInfo"`
	InSyncSlaves int32         `json:"inSyncSlaveNums"`
	Master       bool          `json:"master"`
	MasterLogEnd int64         `json:"masterCommitLogMaxOffset"`
}

// SlaveStatus is how far one slave is.
type SlaveStatus struct {
	Addr        string `json:"addr"`
	Diff        int64  `json:"diff"` // bytes behind its master
	InSync      bool   `json:"inSync"`
	AckOffset   int64  `json:"slaveAckOffset"`
	From        int64  `json:"transferFromWhere"`
	BytesPerSec int64  `json:"transferredByteInSecond"`
}
