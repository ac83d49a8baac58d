package wire

// TopicRouteData is the answer to GET_ROUTEINFO_BY_TOPIC.
type TopicRouteData struct {
	Brokers        []BrokerData                 `json:"brokerDatas"`
	FilterServers  map[string][]string          `json:"filterServerTable"`
	OrderTopicConf string                       `json:"orderTopicConf,omitempty"`
	Queues         []QueueData                  `json:"queueDatas"`
	Mappings       map[string]TopicQueueMapping `json:"topicQueueMappingByBroker,omitempty"`
}

// Encode writes the route, in standard JSON for those who asked for it (with
// acceptStandardJsonOnly, or by a version of V4_9_4 or more).
func (r *TopicRouteData) Encode(standard bool) []byte { return encodeBody(r, standard) }

// BrokerData is where the brokers of one name are.
type BrokerData struct {
	Addrs              map[int64]string `json:"brokerAddrs"` // by broker id; 0 is the master
	BrokerName         string           `json:"brokerName"`
	Cluster            string           `json:"cluster"`
	EnableActingMaster bool             `json:"enableActingMaster"`
	ZoneName           string           `json:"zoneName,omitempty"`
}

// QueueData is how many queues a topic has on one broker.
type QueueData struct {
	BrokerName     string `json:"brokerName"`
	Perm           int32  `json:"perm"`
	ReadQueueNums  int32  `json:"readQueueNums"`
	TopicSysFlag   int32  `json:"topicSysFlag"`
	WriteQueueNums int32  `json:"writeQueueNums"`
}

// A TopicQueueMapping says which logical queues of a static topic a broker has.
type TopicQueueMapping struct {
	BrokerName  string                        `json:"bname"`
	Current     map[int32]int32               `json:"currIdMap"`
	Dirty       bool                          `json:"dirty"`
	Epoch       int64                         `json:"epoch"`
	Hosted      map[int32][]LogicQueueMapping `json:"hostedQueues,omitempty"`
	Scope       string                        `json:"scope"`
	Topic       string                        `json:"topic"`
	TotalQueues int32                         `json:"totalQueues"`
}

// A LogicQueueMapping is one stretch of a logical queue.
type LogicQueueMapping struct {
	BrokerName  string `json:"bname"`
	EndOffset   int64  `json:"endOffset"`
	Generation  int32  `json:"gen"`
	LogicOffset int64  `json:"logicOffset"`
	QueueID     int32  `json:"queueId"`
	StartOffset int64  `json:"startOffset"`
	TimeOfEnd   int64  `json:"timeOfEnd"`
	TimeOfStart int64  `json:"timeOfStart"`
}

// ClusterInfo is the answer to GET_BROKER_CLUSTER_INFO.
type ClusterInfo struct {
	Brokers  map[string]BrokerData `json:"brokerAddrTable"`  // by broker name
	Clusters map[string][]string   `json:"clusterAddrTable"` // broker names by cluster
}

// BrokerMemberGroup is the brokers of one name.
type BrokerMemberGroup struct {
	Addrs      map[int64]string `json:"brokerAddrs"`
	BrokerName string           `json:"brokerName"`
	Cluster    string           `json:"cluster"`
}

// BrokerMemberGroupResult is the answer to GET_BROKER_MEMBER_GROUP.
type BrokerMemberGroupResult struct {
	Group BrokerMemberGroup `json:"brokerMemberGroup"`
}

// DataVersion tells two states of a table apart.
type DataVersion struct {
	Counter      int64 `json:"counter"`
	StateVersion int64 `json:"stateVersion"`
	Timestamp    int64 `json:"timestamp"` // Unix milliseconds
}

// TopicConfig is a topic on one broker.
type TopicConfig struct {
	Attributes      map[string]string `json:"attributes"`
	Order           bool              `json:"order"`
	Perm            int32             `json:"perm"`
	ReadQueueNums   int32             `json:"readQueueNums"`
	TopicFilterType string            `json:"topicFilterType"` // SINGLE_TAG, MULTI_TAG
	TopicName       string            `json:"topicName"`
	TopicSysFlag    int32             `json:"topicSysFlag"`
	WriteQueueNums  int32             `json:"writeQueueNums"`
}

// TopicConfigs is the answer to GET_ALL_TOPIC_CONFIG.
type TopicConfigs struct {
	DataVersion        DataVersion                  `json:"dataVersion"`
	MappingDataVersion DataVersion                  `json:"mappingDataVersion"`
	Topics             map[string]TopicConfig       `json:"topicConfigTable"`
	MappingDetails     map[string]TopicQueueMapping `json:"topicQueueMappingDetailMap"`
	Mappings           map[string]TopicQueueMapping `json:"topicQueueMappingInfoMap"`
}

// TopicConfigList is the body of UPDATE_AND_CREATE_TOPIC_LIST.
type TopicConfigList struct {
	Topics []TopicConfig `json:"topicConfigList"`
}

// RegisterBrokerBody is the body of REGISTER_BROKER.
type RegisterBrokerBody struct {
	FilterServers []string     `json:"filterServerList"`
	Topics        TopicConfigs `json:"topicConfigSerializeWrapper"`
}

// KVTable is a table of texts, the answer to several requests.
type KVTable struct {
	Table map[string]string `json:"table"`
}

// TopicList is the answer to several requests.
type TopicList struct {
	BrokerAddr string   `json:"brokerAddr,omitempty"`
	Topics     []string `json:"topicList"`
}
