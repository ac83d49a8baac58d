package namesrv

import (
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// GET_BROKER_CLUSTER_INFO(106), GET_BROKER_MEMBER_GROUP(901). RocketMQ writes
// bare integer keys here whatever the requester's version is; so do we.

func (s *Server) getClusterInfo(c *rpc.Conn, cmd *wire.Command) *wire.Command {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return withBody(cmd, nil, form{host: hostOf(c)}.appendClusters(nil, s.mu.table))
}

func (s *Server) getMemberGroup(c *rpc.Conn, cmd *wire.Command) *wire.Command {
	var h wire.GetBrokerMemberGroupRequest
	if err := h.DecodeFields(cmd.Fields); err != nil {
		return invalid(cmd, err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var members []member
	if b := s.mu.table.brokers[h.BrokerName]; b != nil {
		members = b.members
	}
	return withBody(cmd, nil, form{host: hostOf(c)}.appendMemberGroup(nil, h.ClusterName, h.BrokerName, members))
}
