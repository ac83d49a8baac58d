package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// mqadminCommands are mqadmin's commands by their own names.
func mqadminCommands() []*cobra.Command {
	return []*cobra.Command{
		topicCreate(mqadmin("updateTopic", "-c DefaultCluster -t orders -r 8 -w 8")),
		topicDelete(mqadmin("deleteTopic", "-c DefaultCluster -t orders")),
		topicList(mqadmin("topicList", "")),
		topicRoute(mqadmin("topicRoute", "-t orders -l")),
		topicStatus(mqadmin("topicStatus", "-t orders")),
		topicPerm(mqadmin("updateTopicPerm", "-c DefaultCluster -t orders -p 4")),
		topicClusters(mqadmin("topicClusterList", "-t orders")),
		orderConf(mqadmin("updateOrderConf", "-t orders -m put -v broker-a:8")),
		groupCreate(mqadmin("updateSubGroup", "-c DefaultCluster -g billing -r 3")),
		groupDelete(mqadmin("deleteSubGroup", "-c DefaultCluster -g billing -r true")),
		groupDescribe(mqadmin("getConsumerConfig", "-g billing")),
		groupMode(mqadmin("setConsumeMode", "-c DefaultCluster -t orders -g billing -m POP")),
		offsetsList(mqadmin("consumerProgress [-g GROUP]", "-g billing")),
		offsetsReset(mqadmin("resetOffsetByTime", "-g billing -t orders -s now")),
		offsetsSkip(mqadmin("skipAccumulatedMessage", "-g billing -t orders")),
		offsetsClone(mqadmin("cloneGroupOffset", "-s billing -d audit -t orders")),
		messageGet(mqadmin("queryMsgById", "-t orders -i 7F00000100002A9F0000000000000000")),
		messageGet(mqadmin("queryMsgByUniqueKey", "-t orders -i 0A0101010000000000000000000000AA")),
		messageFind(mqadmin("queryMsgByKey", "-t orders -k order-7")),
		messageIndex(mqadmin("queryCq", "-t orders -q 0 -i 0 -c 10")),
		clusterList(mqadmin("clusterList", "-m")),
		brokerStatus(mqadmin("brokerStatus", "-b 127.0.0.1:10911")),
		brokerConfigGet(mqadmin("getBrokerConfig [KEY]", "-c DefaultCluster")),
		brokerConfigSet(mqadmin("updateBrokerConfig", "-c DefaultCluster -k brokerPermission -v 6")),
		trimIndexes(mqadmin("cleanExpiredCQ", "-c DefaultCluster")),
		cleanTopics(mqadmin("cleanUnusedTopic", "-c DefaultCluster")),
		brokerClean(mqadmin("deleteExpiredCommitLog", "-b 127.0.0.1:10911")),
		consumerConnections(mqadmin("consumerConnection", "-g billing")),
		producerConnections(mqadmin("producerConnection", "-g shop -t orders")),
		allProducers(mqadmin("producer", "-b 127.0.0.1:10911")),
		wipeWritePerm(mqadmin("wipeWritePerm", "-b broker-a")),
		addWritePerm(mqadmin("addWritePerm", "-b broker-a")),
		kvPut(mqadmin("updateKvConfig", "-s ORDER_TOPIC_CONFIG -k orders -v broker-a:8")),
		kvDelete(mqadmin("deleteKvConfig", "-s ORDER_TOPIC_CONFIG -k orders")),
		namesrvConfigGet(mqadmin("getNamesrvConfig", "")),
		namesrvConfigSet(mqadmin("updateNamesrvConfig", "-k orderMessageEnable -v true")),
		sendMessage(mqadmin("sendMessage", "-t orders -p hello -c paid -k order-7")),
		topicImport(mqadmin("updateTopicList", "-c DefaultCluster -f topics.json")),
		topicShare(mqadmin("allocateMQ", "-t orders -i 10.0.0.1,10.0.0.2")),
		topicRTT(mqadmin("checkMsgSendRT", "-t orders -a 10")),
		topicStats(mqadmin("statsAll", "-t orders")),
		groupImport(mqadmin("updateSubGroupList", "-c DefaultCluster -f groups.json")),
		groupRunning(mqadmin("consumerStatus", "-g billing")),
		groupWatch(mqadmin("startMonitoring", "--rounds 1")),
		messagePrint(mqadmin("printMsg", "-t orders")),
		queuePrint(mqadmin("printMsgByQueue", "-t orders -a broker-a -i 0 -p true")),
		messageRead(mqadmin("consumeMessage", "-t orders -b broker-a -i 0 -c 5")),
		messageAt(mqadmin("queryMsgByOffset", "-t orders -b broker-a -i 0 -o 0")),
		messageTrace(mqadmin("queryMsgTraceById", "-i 0A0101010000000000000000000000AA")),
		clusterRTT(mqadmin("clusterRT", "-c DefaultCluster -a 10 --rounds 1")),
		brokerTry(mqadmin("sendMsgStatus", "-b broker-a -c 3")),
		brokerProgress(mqadmin("brokerConsumeStats", "-b 127.0.0.1:10911")),
		brokerHA(mqadmin("haStatus", "-b 127.0.0.1:10911")),
		exportMetadata(mqadmin("exportMetadata", "-c DefaultCluster -f backup")),
		exportConfigs(mqadmin("exportConfigs", "-c DefaultCluster -f backup")),
		exportMetrics(mqadmin("exportMetrics", "-c DefaultCluster -f backup")),
		exportPopRecord(mqadmin("exportPopRecord", "-b 127.0.0.1:10911")),
		liteStatus(mqadmin("getBrokerLiteInfo", "-b 127.0.0.1:10911")),
		liteParent(mqadmin("getParentTopicInfo", "-p chats")),
		liteTopic(mqadmin("getLiteTopicInfo", "-p chats -l session-7")),
		liteClient(mqadmin("getLiteClientInfo", "-p chats -g talkers -c 10.0.0.1@7@0@abc")),
		liteGroup(mqadmin("getLiteGroupInfo", "-p chats -g talkers")),
		liteLook(mqadmin("triggerLiteDispatch", "-p chats -g talkers")),
		userCreate(mqadmin("createUser", "-c DefaultCluster -u shop -p 'a good secret' -t Normal")), userUpdate(mqadmin("updateUser", "-c DefaultCluster -u alice -s disable")),
		userDelete(mqadmin("deleteUser", "-c DefaultCluster -u alice")), userGet(mqadmin("getUser", "-c DefaultCluster -u alice")),
		userList(mqadmin("listUser", "-c DefaultCluster")), userCopy(mqadmin("copyUser [-u USER,USER]", "-f 127.0.0.1:10911 -t 127.0.0.1:10911 -u alice")),
		aclCreate(mqadmin("createAcl", "-c DefaultCluster -s User:alice -r Topic:orders -a Pub -d Allow")), aclUpdate(mqadmin("updateAcl", "-c DefaultCluster -s User:alice -r Topic:orders -a Sub -d Allow")),
		aclDelete(mqadmin("deleteAcl", "-c DefaultCluster -s User:alice")), aclGet(mqadmin("getAcl", "-c DefaultCluster -s User:alice")),
		aclList(mqadmin("listAcl", "-c DefaultCluster")), aclCopy(mqadmin("copyAcl [-s SUBJECT,SUBJECT]", "-f 127.0.0.1:10911 -t 127.0.0.1:10911 -s User:alice")),
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
