package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// mqadminCommands are mqadmin's commands by their own names.
func mqadminCommands() []*cobra.Command {
	return []*cobra.Command{
		topicCreate(mqadmin("updateTopic")),
		topicDelete(mqadmin("deleteTopic")),
		topicList(mqadmin("topicList")),
		topicRoute(mqadmin("topicRoute")),
		topicStatus(mqadmin("topicStatus")),
		topicPerm(mqadmin("updateTopicPerm")),
		topicClusters(mqadmin("topicClusterList")),
		orderConf(mqadmin("updateOrderConf")),
		groupCreate(mqadmin("updateSubGroup")),
		groupDelete(mqadmin("deleteSubGroup")),
		groupDescribe(mqadmin("getConsumerConfig")),
		groupMode(mqadmin("setConsumeMode")),
		offsetsList(mqadmin("consumerProgress [-g GROUP]")),
		offsetsReset(mqadmin("resetOffsetByTime")),
		offsetsSkip(mqadmin("skipAccumulatedMessage")),
		offsetsClone(mqadmin("cloneGroupOffset")),
		messageGet(mqadmin("queryMsgById")),
		messageGet(mqadmin("queryMsgByUniqueKey")),
		messageFind(mqadmin("queryMsgByKey")),
		messageIndex(mqadmin("queryCq")),
		clusterList(mqadmin("clusterList")),
		brokerStatus(mqadmin("brokerStatus")),
		brokerConfigGet(mqadmin("getBrokerConfig [KEY]")),
		brokerConfigSet(mqadmin("updateBrokerConfig")),
		trimIndexes(mqadmin("cleanExpiredCQ")),
		cleanTopics(mqadmin("cleanUnusedTopic")),
		brokerClean(mqadmin("deleteExpiredCommitLog")),
		consumerConnections(mqadmin("consumerConnection")),
		producerConnections(mqadmin("producerConnection")),
		allProducers(mqadmin("producer")),
		wipeWritePerm(mqadmin("wipeWritePerm")),
		addWritePerm(mqadmin("addWritePerm")),
		kvPut(mqadmin("updateKvConfig")),
		kvDelete(mqadmin("deleteKvConfig")),
		namesrvConfigGet(mqadmin("getNamesrvConfig")),
		namesrvConfigSet(mqadmin("updateNamesrvConfig")),
		userCreate(mqadmin("createUser")), userUpdate(mqadmin("updateUser")), userDelete(mqadmin("deleteUser")),
		userGet(mqadmin("getUser")), userList(mqadmin("listUser")), userCopy(mqadmin("copyUser [-u USER,USER]")),
		aclCreate(mqadmin("createAcl")), aclUpdate(mqadmin("updateAcl")), aclDelete(mqadmin("deleteAcl")),
		aclGet(mqadmin("getAcl")), aclList(mqadmin("listAcl")), aclCopy(mqadmin("copyAcl [-s SUBJECT,SUBJECT]")),
		sendMessage(mqadmin("sendMessage")),
		topicImport(mqadmin("updateTopicList")),
		topicShare(mqadmin("allocateMQ")),
		topicRTT(mqadmin("checkMsgSendRT")),
		topicStats(mqadmin("statsAll")),
		groupImport(mqadmin("updateSubGroupList")),
		groupRunning(mqadmin("consumerStatus")),
		groupWatch(mqadmin("startMonitoring")),
		messagePrint(mqadmin("printMsg")),
		queuePrint(mqadmin("printMsgByQueue")),
		messageRead(mqadmin("consumeMessage")),
		messageAt(mqadmin("queryMsgByOffset")),
		messageTrace(mqadmin("queryMsgTraceById")),
		clusterRTT(mqadmin("clusterRT")),
		brokerTry(mqadmin("sendMsgStatus")),
		brokerProgress(mqadmin("brokerConsumeStats")),
		brokerHA(mqadmin("haStatus")),
		exportMetadata(mqadmin("exportMetadata")),
		exportConfigs(mqadmin("exportConfigs")),
		exportMetrics(mqadmin("exportMetrics")),
		exportPopRecord(mqadmin("exportPopRecord")),
		liteStatus(mqadmin("getBrokerLiteInfo")),
		liteParent(mqadmin("getParentTopicInfo")),
		liteTopic(mqadmin("getLiteTopicInfo")),
		liteClient(mqadmin("getLiteClientInfo")),
		liteGroup(mqadmin("getLiteGroupInfo")),
		liteLook(mqadmin("triggerLiteDispatch")),
	}
}

// mqadminNames lists mqadmin's names for a help text, in lines of some words.
func mqadminNames() string {
	var b strings.Builder
	width := 0
	for _, c := range mqadminCommands() {
		name := c.Name()
		if width += len(name) + 1; width > 76 {
			b.WriteString("\n")
			width = len(name)
		} else if b.Len() > 0 {
			b.WriteString(" ")
		}
		b.WriteString(name)
	}
	return b.String()
}

// oldFlags maps mqadmin's long flags to ours.
var oldFlags = map[string]string{
	"namesrvAddr":                  "namesrv",
	"clusterName":                  "cluster",
	"brokerAddr":                   "broker",
	"brokerName":                   "broker-name",
	"topicName":                    "topic",
	"groupName":                    "group",
	"consumerGroup":                "group",
	"producerGroup":                "group",
	"srcGroup":                     "from",
	"destGroup":                    "to",
	"readQueueNums":                "read-queues",
	"writeQueueNums":               "write-queues",
	"consumeEnable":                "consume",
	"consumeFromMinEnable":         "from-min",
	"consumeBroadcastEnable":       "broadcast",
	"consumeMessageOrderly":        "orderly",
	"retryQueueNums":               "retry-queues",
	"retryMaxTimes":                "retry-max",
	"groupRetryPolicy":             "retry-policy",
	"brokerId":                     "broker-id",
	"whichBrokerWhenConsumeSlowly": "slow-broker-id",
	"notifyConsumerIdsChanged":     "notify",
	"removeOffset":                 "offsets",
	"timestamp":                    "time",
	"msgKey":                       "key",
	"msgId":                        "id",
	"beginTimestamp":               "from",
	"endTimestamp":                 "to",
	"maxNum":                       "max",
	"lastKey":                      "after",
	"index":                        "from",
	"popShareQueueNum":             "share",
	"userType":                     "type",
	"userStatus":                   "status",
	"resources":                    "resource",
	"sourceIp":                     "source",
	"fromBroker":                   "from",
	"toBroker":                     "to",
	"clientId":                     "client",
	"queueId":                      "queue",
	"routeTopic":                   "route-topic",
	"lmqParentTopic":               "route-topic",
	"traceTopic":                   "trace-topic",
	"subExpression":                "expression",
	"printBody":                    "body",
	"messageSize":                  "size",
	"ipList":                       "clients",
	"consumer":                     "group",
	"MessageNumber":                "count",
	"filePath":                     "dir",
	"parentTopic":                  "parent",
	"liteTopic":                    "lite",
	"showDetail":                   "detail",
	"showClientId":                 "clients",
	"topK":                         "top",
}
