package namesrv

import (
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// WIPE_WRITE_PERM_OF_BROKER(205), ADD_WRITE_PERM_OF_BROKER(327). What they change
// lasts until the broker registers with another data version.

func (s *Server) wipeWritePerm(_ *rpc.Conn, cmd *wire.Command) *wire.Command {
	var h wire.WipeWritePermOfBrokerRequest
	if err := h.DecodeFields(cmd.Fields); err != nil {
		return invalid(cmd, err)
	}
	s.mu.Lock()
	n := s.mu.table.wipeWrite(h.BrokerName)
	s.mu.Unlock()
	s.log.Info("write permission was wiped", "broker", h.BrokerName, "topics", n)
	return cmd.Reply(wire.CodeSuccess, &wire.WipeWritePermOfBrokerResponse{WipeTopicCount: int32(n)})
}

func (s *Server) addWritePerm(_ *rpc.Conn, cmd *wire.Command) *wire.Command {
	var h wire.AddWritePermOfBrokerRequest
	if err := h.DecodeFields(cmd.Fields); err != nil {
		return invalid(cmd, err)
	}
	s.mu.Lock()
	n := s.mu.table.addWrite(h.BrokerName)
	s.mu.Unlock()
	s.log.Info("write permission was added", "broker", h.BrokerName, "topics", n)
	return cmd.Reply(wire.CodeSuccess, &wire.AddWritePermOfBrokerResponse{AddTopicCount: int32(n)})
}
