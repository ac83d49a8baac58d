package main

import (
	"errors"
	"maps"
	"slices"

	"github.com/spf13/cobra"
)

// Why commands of mqadmin's are refused.
const (
	noController = "it asks a controller, and nothing of Goddard's is one or can be ruled by one; use RocketMQ's mqadmin for a RocketMQ controller"
	noContainer  = "it asks a broker container, and there is none: start another process for another broker (`goddard broker`)"
	noReplicas   = "it is about replication, which there is not; use RocketMQ's mqadmin for RocketMQ's slaves"
	noRocksDB    = "it reads a RocksDB of RocketMQ's; `goddard admin exportMetadata` asks the broker, `goddard store verify` checks our files"
	noStatic     = "static topics are not there: create an ordinary topic on each broker with `goddard admin updateTopic`"
	noCompaction = "it reads a compaction log of RocketMQ's, and topics are not compacted here; `goddard store` reads our files"
	noColdFlow   = "cold reads are not told from others; slow a group down with `goddard admin group update GROUP -a +consume.rate.bytes=N`"
	noReadAhead  = "the log is read as the operating system reads any file; there is nothing to set"
	noEngine     = "there is one timer here, with nothing to switch to"
)

// refusedCommands are mqadmin's commands that make no sense here, with the
// reason.
var refusedCommands = map[string]string{
	"getControllerMetaData":            noController,
	"getControllerConfig":              noController,
	"updateControllerConfig":           noController,
	"electMaster":                      noController,
	"cleanBrokerMetadata":              noController,
	"getSyncStateSet":                  noController,
	"addBroker":                        noContainer,
	"removeBroker":                     noContainer,
	"getBrokerEpoch":                   noReplicas,
	"resetMasterFlushOffset":           noReplicas,
	"exportMetadataInRocksDB":          noRocksDB,
	"rocksDBConfigToJson":              noRocksDB,
	"checkRocksdbCqWriteProgress":      noRocksDB,
	"updateStaticTopic":                noStatic,
	"remappingStaticTopic":             noStatic,
	"dumpCompactionLog":                noCompaction,
	"getColdDataFlowCtrInfo":           noColdFlow,
	"updateColdDataFlowCtrGroupConfig": noColdFlow,
	"removeColdDataFlowCtrGroupConfig": noColdFlow,
	"setCommitLogReadAheadMode":        noReadAhead,
	"switchTimerEngine":                noEngine,
}

// mqadminRefused are commands that say why they are not there, whatever flags
// stand behind them.
func mqadminRefused() []*cobra.Command {
	var all []*cobra.Command
	for _, name := range slices.Sorted(maps.Keys(refusedCommands)) {
		all = append(all, &cobra.Command{
			Use: name, Short: "Not supported: " + refusedCommands[name], Hidden: true,
			DisableFlagParsing: true, Args: cobra.ArbitraryArgs,
			RunE: func(c *cobra.Command, args []string) error {
				if slices.Contains(args, "-h") || slices.Contains(args, "--help") {
					return c.Help()
				}
				return errors.New(name + " is not supported: " + refusedCommands[name])
			},
		})
	}
	return all
}
