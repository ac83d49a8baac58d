package namesrv

import (
	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/wire"
)

// RocketMQ's name servers ask nobody who they are. Ours, where authentication is
// on, want every request signed, as RocketMQ's clients and brokers with
// credentials do; who changes something needs Cluster UPDATE, who reads what
// operators set Cluster GET.

// needs is what the requests of a code need of the cluster; 0: to be signed.
func needs(code wire.Code) auth.Actions {
	switch code {
	case wire.GetKVConfig, wire.GetKVListByNamespace, wire.GetNamesrvConfig, wire.GoddardListLimits:
		return auth.Get
	case wire.RegisterBroker, wire.UnregisterBroker, wire.BrokerHeartbeat, wire.DeleteTopicInNamesrv, wire.RegisterTopicInNamesrv,
		wire.WipeWritePermOfBroker, wire.AddWritePermOfBroker, wire.PutKVConfig, wire.DeleteKVConfig, wire.UpdateNamesrvConfig,
		wire.GoddardPutLimit, wire.GoddardDeleteLimit:
		return auth.Update
	}
	return 0
}
