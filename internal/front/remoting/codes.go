package remoting

import "github.com/goddardmq/goddard/internal/wire"

// An operation is one row of the table: a request code and what answers it.
type operation struct {
	code    wire.Code
	serve   serveFunc // nil for what is gathered: see gather, gatherAck and gatherEnd
	run     mode
	access  access
	maxBody int // bytes; 0: the body is not looked at
	does    string
}

// A serveFunc answers one request: with a response, with an error that becomes
// one, or, if both are nil, later and by itself.
type serveFunc func(*session, *wire.Command) (*wire.Command, error)

// A mode says where an operation runs.
type mode uint8

const (
	// inOrder: on the reading goroutine, one after the other. For what neither
	// waits nor reads the disk, and for what must be seen by the next request.
	inOrder mode = iota
	// gathered: with the other sends, acknowledgements or ends of transactions
	// that arrived at the same time.
	gathered
	// decoded: read in order, then run beside by the operation itself.
	decoded
	// beside: on a goroutine of the session's, on a copy of the request. It may
	// not touch what belongs to the reading goroutine.
	beside
	// asking: beside, and waits for a client. With too many waiting it is refused:
	// what they wait for may have to be read from this very connection.
	asking
)

// String is the mode as docs/REQUESTS.md names it.
func (m mode) String() string {
	return [...]string{"in order", "gathered", "decoded in order, run beside", "beside", "beside, asks a client"}[m]
}

// Sizes of bodies that are read.
const (
	beatBody  = 4 << 20
	lockBody  = 4 << 20
	checkBody = 512 << 10 // an expression of 64 KiB, escaped
	smallBody = 64 << 10
	ackBody   = 1 << 20
	listBody  = 8 << 20
	aclBody   = 1 << 20
	replyBody = 64 << 20
)

// vital says that a client's limit of requests does not refuse it: it ends what
// was begun, or lets operators act.
func (op *operation) vital() bool {
	switch op.code {
	case wire.HeartBeat, wire.UnregisterClient, wire.UpdateConsumerOffset, wire.AckMessage, wire.BatchAckMessage, wire.ChangeMessageInvisibleTime,
		wire.ConsumerSendMsgBack, wire.EndTransaction, wire.LockBatchMQ, wire.UnlockBatchMQ:
		return true
	}
	// What operators ask of the cluster, and clients do not.
	n := op.access.needs
	return len(n) == 1 && n[0].kind == clusterWrite.needs[0].kind
}

// operations is the table. A code that is not in it answers
// REQUEST_CODE_NOT_SUPPORTED; refused says why for those that tools send.
var operations = []operation{
	{wire.SendMessage, nil, gathered, sending, 0, "store a message"},
	{wire.SendMessageV2, nil, gathered, sendingShort, 0, "store a message; short header names"},
	{wire.SendBatchMessage, nil, gathered, sendingShort, 0, "store a batch"},
	{wire.ConsumerSendMsgBack, sendBack, beside, groupSub, 0, "try a message again later, or give it up"},

	{wire.SendReplyMessage, sendReply, asking, topicPub, replyBody, "hand a reply to the client that asked"},
	{wire.SendReplyMessageV2, sendReply, asking, topicPubShort, replyBody, "the same; short header names"},
	{wire.RecallMessage, recallMessage, beside, topicPub, 0, "call a delayed message back"},
	{wire.EndTransaction, nil, gathered, topicPubNamed, 0, "commit or roll back a half message"},

	{wire.PullMessage, pullMessages, decoded, consuming, 0, "messages of one queue, waiting for some"},
	{wire.LitePullMessage, pullMessages, decoded, consuming, 0, "the same, from consumers that poll themselves"},

	{wire.PopMessage, popMessages, decoded, consuming, 0, "messages that nobody of the group has in hand, waiting for some"},
	{wire.PeekMessage, peekMessages, decoded, consuming, 0, "what a pop would find"},
	{wire.Notification, awaitMessages, decoded, consuming, 0, "wait until there is something to pop"},
	{wire.AckMessage, nil, gathered, holding, 0, "done with a popped message"},
	{wire.BatchAckMessage, ackBatch, inOrder, acking, ackBody, "done with many"},
	{wire.ChangeMessageInvisibleTime, changeInvisible, inOrder, holding, 0, "when a popped message is visible again"},
	{wire.PopLiteMessage, popLite, decoded, consuming, 0, "messages of lite topics that a client wants, waiting for some"},
	{wire.LiteSubscriptionCtl, subscribeLite, inOrder, wishing, listBody, "which lite topics clients want"},
	{wire.GetBrokerLiteInfo, liteFigures, beside, clusterGet, 0, "figures about lite topics"},
	{wire.GetParentTopicInfo, liteParent, beside, topicGet, 0, "what a topic has of lite topics"},
	{wire.GetLiteTopicInfo, liteTopic, beside, liteGet, 0, "a lite topic and who wants it"},
	{wire.GetLiteClientInfo, liteClient, beside, liteOfClient, 0, "which lite topics a client wants"},
	{wire.GetLiteGroupInfo, liteGroup, beside, groupGet, 0, "how far a group is behind in lite topics"},
	{wire.TriggerLiteDispatch, lookForLites, beside, liteLook, 0, "look for messages of lite topics that a group wants"},
	{wire.PollingInfo, pollingInfo, beside, topicConsumer, 0, "how many pops wait"},
	{wire.PopRollback, popRollback, beside, clusterWrite, 0, "answers that there is nothing to move"},
	{wire.QueryAssignment, queryAssignment, beside, assigning, smallBody, "which queues a client shall consume, and how"},
	{wire.SetMessageRequestMode, putRequestMode, beside, modeSet, smallBody, "whether a group pulls or pops a topic"},
	{wire.GetAllMessageRequestMode, allRequestModes, beside, clusterGet, 0, "all that was set so"},

	{wire.ViewMessageByID, viewMessage, beside, topicRead, 0, "the message at a log position"},

	{wire.QueryMessage, queryMessage, beside, topicSearch, 0, "messages by key, unique key or tag"},
	{wire.QueryConsumeQueue, queryConsumeQueue, beside, topicGet, 0, "entries of a queue's index"},

	{wire.QueryConsumerOffset, queryConsumerOffset, inOrder, progress, 0, "a group's offset"},
	{wire.UpdateConsumerOffset, updateConsumerOffset, inOrder, committing, 0, "commit a group's offset"},
	{wire.SearchOffsetByTimestamp, searchOffset, beside, topicSearch, 0, "the offset for a time"},
	{wire.GetMaxOffset, maxOffset, inOrder, topicSearch, 0, "the offset behind a queue's last message"},
	{wire.GetMinOffset, minOffset, inOrder, topicSearch, 0, "the offset of a queue's first message"},
	{wire.GetEarliestMsgStoreTime, earliestTime, beside, topicSearch, 0, "when a queue's first message was stored"},

	{wire.HeartBeat, heartbeat, inOrder, beating, beatBody, "a client is alive, and what it does"},
	{wire.UnregisterClient, unregister, inOrder, leaving, 0, "a client leaves its groups"},
	{wire.GetConsumerListByGroup, consumerList, inOrder, memberList, 0, "the clients of a group"},
	{wire.LockBatchMQ, lockQueues, inOrder, locking, lockBody, "queues for one client's exclusive use"},
	{wire.UnlockBatchMQ, unlockQueues, inOrder, locking, lockBody, "give such queues back"},
	{wire.CheckClientConfig, checkClient, inOrder, checking, checkBody, "can a subscription be served"},

	{wire.UpdateAndCreateTopic, putTopic, beside, topicCreate, 0, "create or change a topic"},
	{wire.UpdateAndCreateTopicList, putTopics, beside, topicsPut, listBody, "create or change topics"},
	{wire.DeleteTopicInBroker, deleteTopic, beside, topicDelete, 0, "delete a topic"},
	{wire.DeleteTopicInBrokerList, deleteTopics, beside, topicsGone, listBody, "delete topics"},
	{wire.GetAllTopicConfig, allTopics, beside, topicList, 0, "all topics, or a page of them"},
	{wire.GetTopicConfig, oneTopic, beside, topicGet, 0, "one topic"},
	{wire.GetSystemTopicListFromBroker, systemTopics, beside, topicList, 0, "the broker's own topics"},

	{wire.UpdateAndCreateSubscriptionGroup, putGroup, beside, groupPut, smallBody, "create or change a group"},
	{wire.UpdateAndCreateSubscriptionGroupList, putGroups, beside, groupsPut, listBody, "create or change groups"},
	{wire.DeleteSubscriptionGroup, deleteGroup, beside, groupDelete, 0, "delete a group"},
	{wire.DeleteSubscriptionGroupList, deleteGroups, beside, groupsGone, listBody, "delete groups"},
	{wire.GetAllSubscriptionGroupConfig, allGroups, beside, groupList, 0, "all groups, or a page of them"},
	{wire.GetSubscriptionGroupConfig, oneGroup, beside, groupGet, 0, "one group"},

	{wire.UpdateAndGetGroupForbidden, groupForbidden, beside, groupReset, 0, "may a group read a topic"},

	{wire.DeleteExpiredCommitLog, deleteExpired, beside, clusterWrite, 0, "run retention at once, at any hour"},
	{wire.CleanExpiredConsumeQueue, trimIndexes, beside, clusterWrite, 0, "drop index entries of messages that are gone"},
	{wire.CleanUnusedTopic, trimIndexes, beside, clusterWrite, 0, "the same: deleted topics have no files of their own"},

	{wire.UpdateBrokerConfig, putSettings, beside, clusterWrite, smallBody, "change settings"},
	{wire.GetBrokerConfig, getSettings, beside, clusterGet, 0, "all settings"},
	{wire.GetBrokerRuntimeInfo, runtimeInfo, beside, clusterGet, 0, "figures for brokerStatus"},
	{wire.GetBrokerHAStatus, haStatus, beside, clusterGet, 0, "that there are no slaves, and where the log ends"},
	{wire.ViewBrokerStatsData, viewStats, beside, clusterGet, 0, "one counter"},

	{wire.GetTopicStatsInfo, topicStats, beside, topicGet, 0, "what a topic's queues hold"},
	{wire.GetConsumeStats, consumeStats, beside, groupStats, 0, "how far a group is"},
	{wire.GetBrokerConsumeStats, allConsumeStats, beside, clusterGet, 0, "how far all groups are"},
	{wire.QueryTopicConsumeByWho, groupsOfTopic, beside, topicGet, 0, "the groups of a topic"},
	{wire.QueryTopicsByConsumer, topicsOfGroup, beside, groupGet, 0, "the topics of a group"},
	{wire.QueryConsumeTimeSpan, consumeTimeSpan, beside, topicGroup, 0, "the times between which a group has to consume"},

	{wire.GetConsumerConnectionList, consumerConnections, beside, groupGetOf, 0, "who is in a group"},
	{wire.GetProducerConnectionList, producerConnections, beside, clusterGet, 0, "who is in a producer group"},
	{wire.GetAllProducerInfo, allProducers, beside, clusterGet, 0, "all producers"},
	{wire.QuerySubscriptionByConsumer, groupSubscription, beside, groupTopics, 0, "what a group wants of a topic"},
	{wire.GetConsumerRunningInfo, runningInfo, asking, groupGetOf, 0, "what a client is doing; asked of the client"},
	{wire.ConsumeMessageDirectly, consumeDirectly, asking, groupPush, 0, "a client consumes one message now"},
	{wire.InvokeBrokerToGetConsumerStatus, consumerStatus, asking, topicGroup, 0, "how far a group's clients are; asked of them"},

	{wire.ResumeCheckHalfMessage, checkTransaction, beside, clusterWrite, 0, "ask about a half message, also one that was given up"},
	{wire.GoddardListTransactions, listTransactions, beside, clusterGet, 0, "half messages that are not ended"},
	{wire.GoddardSettleTransaction, settleTransaction, beside, clusterWrite, 0, "commit or roll back a half message by hand"},

	{wire.GoddardFindPopped, findPopped, beside, topicConsumer, 0, "until when a group has a message in hand"},
	{wire.GoddardListMessageGroups, listMessageGroups, beside, topicConsumer, 0, "message groups that are parked or do not get on"},
	{wire.GoddardSettleMessageGroup, settleMessageGroup, beside, groupSettle, 0, "park a message group, release it or bury what waits"},

	{wire.AuthCreateUser, putUser, beside, clusterWrite, smallBody, "create a user"},
	{wire.AuthUpdateUser, changeUser, beside, clusterWrite, smallBody, "change a user"},
	{wire.AuthDeleteUser, deleteUser, beside, clusterWrite, 0, "delete a user and its policies"},
	{wire.AuthGetUser, oneUser, beside, clusterGet, 0, "one user, with the password for that of inner-credentials alone"},
	{wire.AuthListUser, listUsers, beside, clusterGet, 0, "users, without their passwords"},
	{wire.AuthCreateACL, putPolicies, beside, clusterWrite, aclBody, "add entries to a user's policies"},
	{wire.AuthUpdateACL, putPolicies, beside, clusterWrite, aclBody, "the same"},
	{wire.AuthDeleteACL, deletePolicies, beside, clusterWrite, 0, "delete one entry of a user's policies, or all"},
	{wire.AuthGetACL, onePolicies, beside, clusterGet, 0, "a user's policies"},
	{wire.AuthListACL, listPolicies, beside, clusterGet, 0, "policies of users"},
	{wire.GoddardExplainAccess, explainAccess, beside, clusterGet, 0, "what decides about a request, and why"},

	{wire.GoddardListLimits, listLimits, beside, clusterGet, 0, "limits, what is used of them and what they refused"},
	{wire.GoddardPutLimit, putLimit, beside, clusterWrite, 0, "limit what clients may do"},
	{wire.GoddardDeleteLimit, deleteLimit, beside, clusterWrite, 0, "lift a limit"},

	{wire.GetAllConsumerOffset, allOffsets, beside, clusterGet, 0, "all committed offsets"},
	{wire.CloneGroupOffset, cloneOffsets, beside, groupClone, 0, "a group begins where another is"},
	{wire.QueryCorrectionOffset, correctionOffsets, beside, groupCorrect, 0, "the smallest offsets of other groups"},
	{wire.GoddardListDelayed, listDelayed, beside, topicGet, 0, "messages that wait for a time of their own"},
	{wire.InvokeBrokerToResetOffset, resetOffsets, beside, groupReset, 0, "move a group to a time or an offset"},
}
