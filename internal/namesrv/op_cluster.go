package namesrv

import (
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// GET_BROKER_CLUSTER_INFO(106), GET_BROKER_MEMBER_GROUP(901). RocketMQ writes
// bare integer keys here whatever the requester's version is; so do we.

func (s *Server) getClusterInfo(c *rpc.Conn, cmd *wire.Command) *wire.Command {
	s.mu.RLock()
	info := s.mu.table.clusterInfo(hostOf(c))
	s.mu.RUnlock()
	return withBody(cmd, nil, wire.EncodeBody(info))
}

func (s *Server) getMemberGroup(c *rpc.Conn, cmd *wire.Command) *wire.Command {
	var h wire.GetBrokerMemberGroupRequest
	if err := h.DecodeFields(cmd.Fields); err != nil {
		return invalid(cmd, err)
	}
	group := wire.BrokerMemberGroup{BrokerName: h.BrokerName, Cluster: h.ClusterName}
	s.mu.RLock()
	if b := s.mu.table.brokers[h.BrokerName]; b != nil {
		group.Addrs = b.addrs(hostOf(c))
	}
	s.mu.RUnlock()
	return withBody(cmd, nil, wire.EncodeBody(wire.BrokerMemberGroupResult{Group: group}))
}
