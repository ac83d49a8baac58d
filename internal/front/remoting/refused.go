package remoting

import "github.com/goddardmq/goddard/internal/wire"

// Why requests are refused that tools of RocketMQ send and that mean nothing
// here. Each ends in what to do instead, where there is something.
const (
	noController = "there is no controller: this broker is a master and stays one; ask a RocketMQ controller at its own address"
	noContainer  = "there is no broker container: start another process for another broker (`goddard broker`)"
	noReplicas   = "there is no replication: this broker has no slaves and is none, so it has no terms and no master's offset"
	noRocksDB    = "settings and indexes are not in RocksDB here; read settings with exportMetadata, and check the index with `goddard store verify`"
	noColdFlow   = "cold reads are not told from others here; slow a group down with its attributes consume.rate.messages and consume.rate.bytes"
	noReadAhead  = "the log is read as the operating system reads any file; it cannot be told how from here"
	noEngine     = "there is one timer, with nothing to switch to"
	noStatic     = "topics have no mapping of queues to brokers: create an ordinary topic with updateTopic on each broker"
)

// refused are requests that are known and will not be answered, with the reason.
var refused = map[wire.Code]string{
	wire.ControllerAlterSyncStateSet: noController,
	wire.ControllerElectMaster:       noController,
	wire.ControllerRegisterBroker:    noController,
	wire.ControllerGetReplicaInfo:    noController,
	wire.ControllerGetMetadataInfo:   noController,
	wire.ControllerGetSyncStateData:  noController,
	wire.ControllerGetNextBrokerID:   noController,
	wire.ControllerApplyBrokerID:     noController,
	wire.NotifyBrokerRoleChanged:     noController,
	wire.UpdateControllerConfig:      noController,
	wire.GetControllerConfig:         noController,
	wire.CleanBrokerData:             noController,
	wire.AddBroker:                   noContainer,
	wire.RemoveBroker:                noContainer,
	wire.ResetMasterFlushOffset:      noReplicas,
	wire.GetBrokerEpochCache:         noReplicas,
	wire.CheckRocksDBCQWriteProgress: noRocksDB,
	wire.ExportRocksDBConfigToJSON:   noRocksDB,
	wire.UpdateColdDataFlowCtrConfig: noColdFlow,
	wire.RemoveColdDataFlowCtrConfig: noColdFlow,
	wire.GetColdDataFlowCtrInfo:      noColdFlow,
	wire.SetCommitLogReadMode:        noReadAhead,
	wire.SwitchTimerEngine:           noEngine,
	wire.UpdateAndCreateStaticTopic:  noStatic,
}
