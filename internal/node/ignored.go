package node

import "strings"

// An effect says what a RocketMQ key that is no setting of ours does.
type effect uint8

const (
	quiet   effect = iota // nothing is lost by passing over it
	warned                // the operator asked for something that is not there
	refused               // starting without it would be unsafe
)

// An ignoredKey is a key of RocketMQ's that is accepted without being a setting.
type ignoredKey struct {
	effect effect
	reason string
	// off lists, after "=", the values that ask for nothing: they are passed
	// over quietly. Empty means that any value has the effect.
	off []string
}

// harmless reports whether value asks for nothing.
func (k ignoredKey) harmless(value string) bool {
	if k.effect == quiet || value == "" {
		return true
	}
	for _, off := range k.off {
		if strings.EqualFold(off, value) {
			return true
		}
	}
	return false
}

// An IgnoredGroup is a line of docs/CONFIG.md about keys that do nothing.
type IgnoredGroup struct {
	Effect string
	Reason string
	Keys   []string
}

// Ignored lists RocketMQ's keys that are accepted without being settings.
func Ignored() []IgnoredGroup {
	effects := map[effect]string{quiet: "passed over", warned: "a warning", refused: "refused"}
	var all []IgnoredGroup
	for _, group := range ignored {
		g := IgnoredGroup{Effect: effects[group.effect], Reason: group.reason}
		for word := range strings.FieldsSeq(group.keys) {
			name, _, _ := strings.Cut(word, "=")
			g.Keys = append(g.Keys, name)
		}
		all = append(all, g)
	}
	return all
}

// findIgnored looks a key up in ignored.
func findIgnored(key string) (ignoredKey, bool) {
	for _, group := range ignored {
		for word := range strings.FieldsSeq(group.keys) {
			name, off, _ := strings.Cut(word, "=")
			if name == key {
				k := ignoredKey{effect: group.effect, reason: group.reason}
				if off != "" {
					k.off = strings.Split(off, "|")
				}
				return k, true
			}
		}
	}
	return ignoredKey{}, false
}

// ignored holds the keys of RocketMQ 5.5.0 that are known and are no settings
// here, by the reason why. docs/CONFIG.md is printed from it.
var ignored = []struct {
	effect effect
	reason string
	keys   string // key, or key=value|value for the values that ask for nothing
}{
	{quiet, "there are no thread pools and no queues in front of them: goroutines run on as many threads as there are processors",
		`ackMessageThreadPoolNums ackThreadPoolQueueCapacity adminBrokerThreadPoolNums adminBrokerThreadPoolQueueCapacity
		clientManageThreadPoolNums clientManagerThreadPoolQueueCapacity consumerManageThreadPoolNums
		consumerManagerThreadPoolQueueCapacity endTransactionPoolQueueCapacity endTransactionThreadPoolNums
		heartbeatThreadPoolNums heartbeatThreadPoolQueueCapacity litePullMessageThreadPoolNums
		litePullThreadPoolQueueCapacity loadBalanceProcessorThreadPoolNums loadBalanceThreadPoolQueueCapacity
		processReplyMessageThreadPoolNums pullMessageThreadPoolNums pullThreadPoolQueueCapacity
		putMessageFutureThreadPoolNums putThreadPoolQueueCapacity queryMessageThreadPoolNums queryThreadPoolQueueCapacity
		recoverConcurrently recoverThreadPoolNums replyThreadPoolQueueCapacity sendMessageThreadPoolNums
		sendThreadPoolQueueCapacity clientRequestThreadPoolNums clientRequestThreadPoolQueueCapacity defaultThreadPoolNums
		defaultThreadPoolQueueCapacity unRegisterBrokerQueueCapacity batchDispatchRequestThreadPoolNums
		compactionThreadNum timerGetMessageThreadNum timerPutMessageThreadNum timerReputServiceCorePoolSize
		timerReputServiceMaxPoolSize timerReputServiceQueueCapacity transactionCheckRocksdbCoreThreads
		transactionCheckRocksdbMaxThreads transactionCheckRocksdbQueueCapacity dispatchCqThreads dispatchCqCacheNum
		enableBuildConsumeQueueConcurrently asyncSendEnable enableFastChannelEventProcess maxAsyncPutMessageRequests`},
	{quiet, "requests are refused when memory for them runs short, not when they have waited in a queue",
		`brokerFastFailureEnable waitTimeMillsInAckQueue waitTimeMillsInAdminBrokerQueue waitTimeMillsInHeartbeatQueue
		waitTimeMillsInLitePullQueue waitTimeMillsInPullQueue waitTimeMillsInSendQueue waitTimeMillsInTransactionQueue
		osPageCacheBusyTimeOutMills putMessageTimeout enableNetWorkFlowControl`},
	{quiet, "a server that stops answers late requests with GO_AWAY for as long as drain-timeout allows", `enableShutdownGracefully shutdownWaitTimeSeconds`},
	{quiet, "connections are the Go runtime's; Netty's switches have no counterpart",
		`serverWorkerThreads serverSelectorThreads serverCallbackExecutorThreads serverAsyncSemaphoreValue
		serverOnewaySemaphoreValue serverPooledByteBufAllocatorEnable serverSocketBacklog serverSocketRcvBufSize
		serverSocketSndBufSize serverNettyWorkerGroupEnable useEpollNativeSelector writeBufferHighWaterMark
		writeBufferLowWaterMark channelNotActiveInterval
		clientAsyncSemaphoreValue clientCallbackExecutorThreads clientChannelMaxIdleTimeSeconds clientCloseSocketIfTimeout
		clientOnewaySemaphoreValue clientPooledByteBufAllocatorEnable clientSocketRcvBufSize clientSocketSndBufSize
		clientWorkerThreads connectTimeoutMillis disableCallbackExecutor disableNettyWorkerGroup enableReconnectForGoAway
		maxReconnectIntervalTimeSeconds scanAvailableNameSrv isScanAvailableNameSrv socksProxyConfig transferMsgByHeap forwardTimeout`},
	{quiet, "nothing is written through mapped files: nothing has to be warmed, swapped, locked or committed in pages",
		`transientStorePoolEnable transientStorePoolSize warmMapedFileEnable useReentrantLockWhenPutMessage useABSLock
		spinLockCollisionRetreatOptimalDegree topicQueueLockNum fastFailIfNoBufferInStorePool
		flushLeastPagesWhenWarmMapedFile flushCommitLogLeastPages flushCommitLogThoroughInterval flushCommitLogTimed
		commitCommitLogLeastPages commitCommitLogThoroughInterval commitIntervalCommitLog wakeCommitWhenPutMessage
		wakeFlushWhenPutMessage mappedFileSwapEnable cleanSwapedMapInterval commitLogForceSwapMapInterval
		commitLogSwapMapInterval commitLogSwapMapReserveFileNum logicQueueForceSwapMapInterval logicQueueSwapMapInterval
		logicQueueSwapMapReserveFileNum destroyMapedFileIntervalForcibly redeleteHangedFileInterval writeWithoutMmap
		sharedByteBufferNum dataReadAheadEnable accessMessageInMemoryMaxRatio accessMessageInMemoryHotRatio
		enableRunningFlagsInFlush debugLockEnable highSpeedMode`},
	{quiet, "queues are found through one index in the key store: there are no consume queue files and no index files to size or flush",
		`mappedFileSizeConsumeQueue mappedFileSizeConsumeQueueExt mapperFileSizeBatchConsumeQueue enableConsumeQueueExt
		bitMapLengthConsumeQueueExt flushConsumeQueueLeastPages flushConsumeQueueThoroughInterval flushIntervalConsumeQueue
		putConsumeQueueDataByFileChannel deleteConsumeQueueFilesInterval travelCqFileNumWhenGetMessage
		storePathConsumeQueue storePathIndex searchBcqByCacheEnable maxConsumeQueueScan maxHashSlotNum maxIndexNum messageIndexSafe
		putMsgIndexHightWater indexFileReadEnable indexFileWriteEnable sampleCountThreshold sampleSteps
		correctLogicMinOffsetForceInterval correctLogicMinOffsetSleepInterval logicalDiskSpaceCleanForciblyThreshold
		dispatchFromSenderThread enableAsyncReput enableBatchPush recheckReputOffsetFromCq`},
	{quiet, "there is no RocksDB; the key store needs no choice",
		`storeType rocksdbCQDoubleWriteEnable combineAssignOffsetCQType combineCQEnableCheckSelf combineCQLoadingCQTypes
		combineCQMaxExtraSearchCommitLogFiles combineCQPreferCQType combineCQUseRocksdbForLmq indexRocksDBEnable
		maxRocksDBIndexQueryDays bottomMostCompressionTypeForConsumeQueueStore rocksdbCompressionType
		rocksdbFlushWalFrequency rocksdbWalFileRollingThreshold realTimePersistRocksDBConfig memTableFlushIntervalMs
		cleanRocksDBDirtyCQIntervalMin statRocksDBCQIntervalSec enableRocksDBLog iteratorWhenUseRocksdbConsumeQueue
		useSeparateStorePathForRocksdbCQ useSingleRocksDBForAllConfigs configManagerVersion timerRocksDBEnable
		timerRocksDBPrecisionMs timerRocksDBRollIntervalHours timerRocksDBRollMaxTps timerRocksDBRollRangeHours
		timerRocksDBStopScan timerRocksDBTimeExpiredMaxTps transRocksDBEnable transWriteOriginTransHalfEnable
		timerRecallToTimeWheelEnable timerRecallToTimelineEnable`},
	{quiet, "recovery always starts at the checkpoint, checks every record behind it and needs no tuning",
		`checkCRCOnRecover checkCommitLogOffsetOnRecover commitLogRecoverMaxNum maxRecoveryCommitlogFiles
		enableAcceleratedRecovery enableLogConsumeQueueRepeatedlyBuildWhenRecover maxChecksumRange diskFallRecorded
		disappearTimeAfterStart forceVerifyPropCRC enabledAppendPropCRC duplicationEnable storeCheckpoint abortFile`},
	{quiet, "consumer offsets, topics and groups are written when they change, in one key store; nothing is flushed by interval",
		`flushConsumerOffsetInterval flushConsumerOffsetHistoryInterval flushDelayOffsetInterval
		consumerOffsetUpdateVersionStep delayOffsetUpdateVersionStep persistConsumerOffsetIncrementally
		enableCleanExpiredOffset storePathBrokerIdentity storePathEpochFile configStorePath brokerConfigPath
		authConfigPath configBlackList configName rocketmqHome `},
	{quiet, "segments go one at a time as soon as they may; there is no batch and no pause to choose (the hours are delete-hour)",
		`deleteCommitLogFilesInterval deleteFileBatchMax maxBatchDeleteFilesNum cleanResourceInterval 		cleanFileForciblyEnable replicasPerDiskPartition`},
	{quiet, "it steers replication, which starts with a later release; a single master needs none of it",
		`haListenPort haHousekeepingInterval haSendHeartbeatInterval haTransferBatchSize haMaxGapNotInSync
		haMaxTimeSlaveNotCatchup maxHaTransferByteInSecond haFlowControlEnable maxSlaveResendLength slaveTimeout
		totalReplicas inSyncReplicas minInSyncReplicas enableAutoInSyncReplicas syncFromLastFile offsetCheckInSlave
		syncMasterFlushOffsetWhenStartup asyncLearner slaveReadEnable brokerIP2 brokerElectionPriority
		checkSyncStateSetPeriod syncBrokerMemberGroupPeriod syncBrokerMetadataPeriod
		syncControllerMetadataPeriod controllerAddr controllerHeartBeatTimeoutMills fetchControllerAddrByDnsLookup
		skipPreOnline preferredLeaderId compatibleWithOldNameSrv lockInStrictMode allAckInSyncStateSet splitMetadataSize
		enableSplitMetadata useStaticSubscription`},
	{refused, "this release runs single masters only; remove the key, and keep the replica on Java until replication is released",
		`brokerRole=ASYNC_MASTER|SYNC_MASTER enableControllerMode=false enableDLegerCommitLog=false dLegerGroup
		dLegerPeers dLegerSelfId storePathDLedgerCommitLog haMasterAddress 		enableRemoteEscape=false`},
	{refused, "RocketMQ 4's access control is taken over, not run: set authenticationEnabled, authorizationEnabled and migrateAuthFromV1Enabled, and name the file in plain-acl",
		`aclEnable=false`},
	{quiet, "users and policies are kept in the broker's key store and looked at for every request; there is no provider and no cache to choose",
		`authenticationProvider authenticationMetadataProvider authenticationStrategy
		authorizationProvider authorizationMetadataProvider authorizationStrategy userCacheMaxNum
		userCacheExpiredSecond userCacheRefreshSecond aclCacheMaxNum aclCacheExpiredSecond aclCacheRefreshSecond
		statefulAuthenticationCacheMaxNum statefulAuthenticationCacheExpiredSecond statefulAuthorizationCacheMaxNum
		statefulAuthorizationCacheExpiredSecond`},
	{refused, "TLS is set up by tls-cert and tls-key, and enforced by tls-only = true; remove the key",
		`tls.server.mode=disabled|permissive tls.server.keyPassword useTLS=false`},
	{quiet, "a certificate that a client shows is always checked by tls-client-ca", `tls.server.authClient`},
	{quiet, "TLS is set up by tls-cert and tls-key; there is no certificate for tests", `tls.config.file tls.test.mode.enable`},
	{quiet, "all metrics are shown that there are, and sent at once; see docs/METRICS.md",
		`metricsExportBatchMaxDataPoints enableConnectionMetrics enableLagAndDlqMetrics enableMessageStoreMetrics enablePopMetrics enableRemotingMetrics
		enableRequestMetrics enableStatsMetrics enableTransactionMetrics enableNotifyBeforePopCalculateLag
		estimateAccumulation accountStatsEnable accountStatsPrintZeroValues enableDetailStat enableScheduleMessageStats
		autoDeleteUnusedStats maxStatsIdleTimeInMinutes commercialBaseCount commercialSizePerMsg
		transactionMetricFlushInterval liteLagCountMetricsEnable liteLagLatencyCollectEnable liteLagLatencyMetricsEnable
		liteLagLatencyTopK enableLmqStats isolateLogEnable printChannelGroups printChannelGroupsMinNum`},
	{quiet, "the end of a transaction is written at once, not in batches",
		`transactionOpBatchInterval transactionOpMsgMaxSize`},
	{quiet, "it tunes RocketMQ's timer wheel; delayed messages are rows here, in the order of their due times, to the millisecond",
		`timerPrecisionMs timerRollWindowSlot timerFlushIntervalMs mappedFileSizeTimerLog
		timerCheckMetricsWhen timerEnableDisruptor timerStopDequeue timerWarmEnable timerCongestNumEachSlot timerSkipUnknownError timerStopEnqueue timerWheelEnable timerWheelSnapshotFlush
		timerWheelSnapshotIntervalMs timerColdDataCheckIntervalMs timerEnableCheckMetrics timerEnableRetryUntilSuccess
		timerInterceptDelayLevel timerMetricSmallThreshold timerProgressLogIntervalMs appendTopicForTimerDeleteKey
		enableScheduleAsyncDeliver scheduleAsyncDeliverMaxPendingLimit scheduleAsyncDeliverMaxResendNum2Blocked
		allowRecallWhenBrokerNotWriteable`},
	{quiet, "it tunes the revive topic and the buffers of RocketMQ's pop; what is popped is rows here, which one goroutine gives back",
		`appendAckAsync appendCkAsync enablePopBatchAck enablePopBufferMerge enablePopLog enableSkipLongAwaitingAck
		popCkMaxBufferSize popCkOffsetMaxQueueSize popCkStayBufferTime
		popCkStayBufferTimeOut popConsumerFSServiceInit popConsumerKVServiceEnable popConsumerKVServiceInit
		popConsumerKVServiceLog popReviveConcurrency popReviveMaxAttemptTimes popReviveMaxReturnSizePerRead
		popReviveSkipIfGroupAbsent reviveAckWaitMs reviveInterval
		reviveMaxSlow reviveQueueNum reviveScanTime skipWhenCKRePutReachMaxTimes`},
	{quiet, "pops behave as with its default, or better: no waiting pop is missed, and what lies in either retry topic is popped",
		`serverLoadBalancerEnable enableNotifyAfterPopOrderLockRelease initPopOffsetByCheckMsgInMem
		loadBalancePollNameServerInterval popLongPollingForceNotifyInterval popPollingMapExpireTimeSeconds
		popPollingMapSize popResponseReturnActualRetryTopic retrieveMessageFromPopRetryTopicV1 useSeparateRetryQueue
		maxMessageFilterNumForNotification useMessageFilterForNotification`},
	{quiet, "it tunes how lite topics work inside, which is different here",
		`enableLiteEventMode enableLitePopLog liteEventCheckInterval liteEventFullDispatchDelayTime
		liteEventFullDispatchDelayTimeForWildcardGroup liteSubscriptionCheckInterval liteSubscriptionCheckTimeoutMills
		liteTtlCheckInterval maxClientEventCount minLiteTTl`},
	{quiet, "light queues are switched by light-queues (enableLmq) and bounded by max-light-queues (maxLmqConsumeQueueNum) alone",
		`enableMultiDispatch enableLmqQuota`},
	{quiet, "expressions are evaluated on what is read, without a filter over the index",
		`enableCalcFilterBitMap expectConsumerNumUseFilter filterDataCleanTimeSpan filterSupportRetry
		maxErrorRateOfBloomFilter maxFilterMessageSize`},
	{quiet, "it tunes cold reads and compaction, which are not supported",
		`cgColdReadThreshold globalColdReadThreshold coldCtrStrategyEnable usePIDColdCtrStrategy coldDataScanEnable
		compactionCqMappedFileSize compactionMappedFileSize compactionScheduleInternal maxOffsetMapSize enableCompaction`},
	{warned, "the feature is not supported",
		`coldDataFlowControlEnable=false enableControllerInNamesrv=false inBrokerContainer=false isBrokerContainer=false
		isInBrokerContainer=false rejectPullConsumerEnable=false`},
	{warned, "plug-ins and tiered storage are not available", `messageStorePlugIn`},
	{warned, "name servers are named by address only; use namesrvAddr",
		`fetchNamesrvAddrByAddressServer=false fetchNameSrvAddrByDnsLookup=false rocketmq.namesrv.domain`},
	{warned, "the log has one directory, DATA/commitlog", `readOnlyCommitLogStorePaths`},
	{quiet, "a pull is bounded by its own count and by size, wherever the messages are read from",
		`maxTransferBytesOnMessageInDisk maxTransferCountOnMessageInDisk maxTransferCountOnMessageInMemory`},
	{quiet, "a message that has to be synced is answered when it is synced", `syncFlushTimeout`},
	{quiet, "a query by key returns at most 64 messages, one by unique key 32", `defaultQueryMaxNum maxMsgsNumBatch`},
	{quiet, "registration is whole and repeated, as name servers of every version understand it",
		`enableSplitRegistration splitRegistrationSize enableSingleTopicRegister compressedRegister
		sendHeartbeatTimeoutMillis updateNameServerAddrPeriod fetchNamesrvAddrInterval
		cleanOfflineBrokerInterval`},
	{quiet, "it has no effect on what clients see",
		`autoMessageVersionOnTopicLen broadcastOffsetExpireMaxSecond broadcastOffsetExpireSecond
		enableBroadcastOffsetStore channelExpiredTimeout subscriptionExpiredTimeout clearRetryTopicWhenDeleteTopic
		enableCreateSysGroup enableRegisterProducer realTimeNotifyConsumerChange 		validateSystemTopicWhenUpdateTopic litePullMessageEnable clusterTest productEnvName clusterName
		haStatsEnable readUnCommitted startAcceptSendRequestTimeStamp brokerTopicEnable clusterTopicEnable
		disableConsumeIfConsumerReadSlowly consumerFallbehindThreshold notifyConsumerIdsChangedEnable `},
	{quiet, "there is no proxy with thread pools of its own: calls are goroutines of the broker",
		`consumerProcessorThreadPoolNums consumerProcessorThreadPoolQueueCapacity enableGrpcEpoll enablePrintJstack
		grpcBossLoopNum grpcClientManagerThreadPoolNums grpcClientManagerThreadQueueCapacity grpcConsumerThreadPoolNums
		grpcConsumerThreadQueueCapacity grpcProducerThreadPoolNums grpcProducerThreadQueueCapacity
		grpcRouteThreadPoolNums grpcRouteThreadQueueCapacity grpcThreadPoolNums grpcThreadPoolQueueCapacity
		grpcTransactionThreadPoolNums grpcTransactionThreadQueueCapacity grpcWorkerLoopNum heartbeatSyncerThreadPoolNums
		heartbeatSyncerThreadPoolQueueCapacity metadataThreadPoolNums metadataThreadPoolQueueCapacity
		printJstackInMillis printThreadPoolStatusInMillis producerProcessorThreadPoolNums
		producerProcessorThreadPoolQueueCapacity remotingDefaultThreadPoolNums remotingDefaultThreadPoolQueueCapacity
		remotingHeartbeatThreadPoolNums remotingHeartbeatThreadPoolQueueCapacity remotingPullMessageThreadPoolNums
		remotingPullThreadPoolQueueCapacity remotingSendMessageThreadPoolNums remotingSendThreadPoolQueueCapacity
		remotingTopicRouteThreadPoolNums remotingTopicRouteThreadPoolQueueCapacity remotingUpdateOffsetThreadPoolNums
		remotingUpdateOffsetThreadPoolQueueCapacity remotingWaitTimeMillsInDefaultQueue
		remotingWaitTimeMillsInHeartbeatQueue remotingWaitTimeMillsInPullQueue remotingWaitTimeMillsInSendQueue
		remotingWaitTimeMillsInTopicRouteQueue remotingWaitTimeMillsInUpdateOffsetQueue renewMaxThreadPoolNums
		renewThreadPoolNums renewThreadPoolQueueCapacity rocketmqMQClientNum topicRouteServiceThreadPoolNums
		topicRouteServiceThreadPoolQueueCapacity transactionHeartbeatThreadPoolNums
		transactionHeartbeatThreadPoolQueueCapacity`},
	{quiet, "there is no proxy that remembers topics, groups and routes: the broker answers for them itself",
		`aclCacheExpiredSeconds aclCacheRefreshSeconds channelExpiredInSeconds contextExpiredInSeconds
		subscriptionGroupConfigCacheExpiredSeconds subscriptionGroupConfigCacheMaxNum
		subscriptionGroupConfigCacheRefreshSeconds topicConfigCacheExpiredSeconds topicConfigCacheMaxNum
		topicConfigCacheRefreshSeconds topicRouteServiceCacheExpiredSeconds topicRouteServiceCacheMaxNum
		topicRouteServiceCacheRefreshSeconds userCacheExpiredSeconds userCacheRefreshSeconds`},
	{quiet, "there is no proxy between clients and brokers: the broker speaks gRPC itself",
		`detectInterval detectTimeout enableAclRpcHookForClusterMode enableRemotingLocalProxyGrpc
		grpcProxyRelayRequestTimeoutInSeconds heartbeatSyncerTopicClusterName heartbeatSyncerTopicName
		localProxyConnectTimeoutMs localServeAddr metricCollectorAddress metricCollectorMode namesrvDomainSubgroup
		proxyClusterName proxyName remotingAccessAddr rocketMQClusterName sendLatencyEnable startDetectorEnable
		transactionDataExpireMillis transactionDataExpireScanPeriodMillis transactionDataMaxNum
		transactionDataMaxWaitClearMillis transactionHeartbeatBatchNum transactionHeartbeatPeriodSecond useDelayLevel`},
	{quiet, "messages in hand are renewed by the broker, up to grpc-max-renewals at a time",
		`enableBatchAck enableProxyAutoRenew invisibleTimeMillisWhenClear lockTimeoutMsInHandleGroup
		longPollingReserveTimeInMillis maxRenewRetryTimes renewAheadTimeMillis renewMaxTimeMillis
		renewSchedulePeriodMillis`},
	{quiet, "gRPC clients are told the broker's own settings and limits, which docs/GRPC.md lists",
		`grpcClientConsumerLongPollingBatchSize grpcClientConsumerMaxLongPollingTimeoutMillis
		grpcClientConsumerMinLongPollingTimeoutMillis grpcClientProducerBackoffInitialMillis
		grpcClientProducerBackoffMaxMillis grpcClientProducerBackoffMultiplier grpcClientProducerMaxAttempts`},
	{warned, "the broker's own limits hold: max-delay, max-message-size and those in docs/GRPC.md",
		`defaultInvisibleTimeMills maxDelayTimeMills maxInvisibleTimeMills maxMessageGroupSize
		maxTransactionRecoverySecond maxUserPropertySize minInvisibleTimeMillsForRecv userPropertyMaxNum`},
	{warned, "the broker speaks gRPC itself: it stands for a proxy in local mode, and a proxy apart is not there",
		`proxyMode=LOCAL`},
	{warned, "name servers are named by address only; use namesrvAddr", `namesrvDomain=`},
	{warned, "clients of RocketMQ 4 use the broker's own port, listen-port", `remotingListenPort=8080`},
	{refused, "TLS is set up by tls-cert and tls-key, on every port; use these", `tlsCertPath tlsKeyPath`},
	{quiet, "calls are cut after drain-timeout when the server stops", `grpcShutdownTimeSeconds`},
	{quiet, "a certificate is read again when its file changes", `tlsCertWatchIntervalMs tlsTestModeEnable=false`},
	{quiet, "a gRPC client's route has the address that it dialled, or advertise", `useEndpointPortFromRequest`},
	{warned, "there is no controller: this release runs single masters",
		`controllerDLegerGroup controllerDLegerPeers controllerDLegerSelfId controllerRequestThreadPoolQueueCapacity
		controllerStorePath controllerThreadPoolNums controllerType electMasterMaxRetryCount enableElectUncleanMaster
		jraftConfig mappedFileSize notifyBrokerRoleChanged processReadEvent scanInactiveMasterInterval`},
	{warned, "tiered storage is not available",
		`commitLogRollingInterval commitLogRollingMinimumSize objectStoreAccessKey objectStoreBucket objectStoreEndpoint
		objectStoreSecretKey readAheadCacheEnable readAheadCacheExpireDuration readAheadCacheSizeThresholdRate
		readAheadMessageCountThreshold readAheadMessageSizeThreshold recordGetMessageResult tieredBackendServiceProvider
		tieredMetadataServiceProvider tieredStorageLevel tieredStoreCommitLogMaxSize tieredStoreConsumeQueueMaxSize
		tieredStoreCrcCheckEnable tieredStoreDeleteFileEnable tieredStoreDeleteFileInterval tieredStoreFilePath
		tieredStoreFileReservedTime tieredStoreGroupCommit tieredStoreGroupCommitCount tieredStoreGroupCommitSize
		tieredStoreGroupCommitTimeout tieredStoreIndexFileMaxHashSlotNum tieredStoreIndexFileMaxIndexNum
		tieredStoreMaxGroupCommitCount tieredStoreMaxPendingLimit`},
	{warned, "a private key must not be encrypted: take its password off", `tls.client.keyPassword`},
}
