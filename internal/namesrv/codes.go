package namesrv

import (
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// An operation answers one request code. The answer to a oneway request is
// dropped.
type operation func(*Server, *rpc.Conn, *wire.Command) *wire.Command

// operations are the requests a name server answers; every other code gets
// REQUEST_CODE_NOT_SUPPORTED.
func operations() []struct {
	code  wire.Code
	serve operation
} {
	return []struct {
		code  wire.Code
		serve operation
	}{
		{wire.RegisterBroker, (*Server).registerBroker},
		{wire.UnregisterBroker, (*Server).unregisterBroker},
		{wire.QueryDataVersion, (*Server).queryDataVersion},
		{wire.BrokerHeartbeat, (*Server).brokerHeartbeat},

		{wire.GetRouteInfoByTopic, (*Server).getRoute},

		{wire.GetBrokerClusterInfo, (*Server).getClusterInfo},
		{wire.GetBrokerMemberGroup, (*Server).getMemberGroup},

		{wire.GetAllTopicListFromNameServer, (*Server).listTopics},
		{wire.GetSystemTopicListFromNS, (*Server).listSystemTopics},
		{wire.GetTopicsByCluster, (*Server).listTopicsOfCluster},
		{wire.GetUnitTopicList, (*Server).listUnitTopics},
		{wire.GetHasUnitSubTopicList, (*Server).listUnitSubTopics},
		{wire.GetHasUnitSubUnunitTopicList, (*Server).listUnitSubOnlyTopics},
		{wire.DeleteTopicInNamesrv, (*Server).deleteTopic},
		{wire.RegisterTopicInNamesrv, (*Server).registerTopic},

		{wire.WipeWritePermOfBroker, (*Server).wipeWritePerm},
		{wire.AddWritePermOfBroker, (*Server).addWritePerm},

		{wire.PutKVConfig, (*Server).putKV},
		{wire.GetKVConfig, (*Server).getKV},
		{wire.DeleteKVConfig, (*Server).deleteKV},
		{wire.GetKVListByNamespace, (*Server).listKV},

		{wire.GoddardListLimits, (*Server).listLimits},
		{wire.GoddardPutLimit, (*Server).putLimit},
		{wire.GoddardDeleteLimit, (*Server).deleteLimit},

		{wire.UpdateNamesrvConfig, (*Server).updateConfig},
		{wire.GetNamesrvConfig, (*Server).getConfig},
	}
}

// invalid answers a request whose header or body is not what it must be.
func invalid(cmd *wire.Command, err error) *wire.Command {
	return cmd.ReplyError(wire.CodeInvalidParameter, err.Error())
}

// withBody answers with a body.
func withBody(cmd *wire.Command, h wire.Header, body []byte) *wire.Command {
	resp := cmd.Reply(wire.CodeSuccess, h)
	resp.Body = body
	return resp
}
