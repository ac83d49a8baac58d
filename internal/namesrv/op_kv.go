package namesrv

import (
	"fmt"

	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// PUT_KV_CONFIG(100), GET_KV_CONFIG(101), DELETE_KV_CONFIG(102),
// GET_KVLIST_BY_NAMESPACE(219). A change is on disk when it is answered.

func (s *Server) putKV(c *rpc.Conn, cmd *wire.Command) *wire.Command {
	var h wire.PutKVConfigRequest
	if err := h.DecodeFields(cmd.Fields); err != nil {
		return invalid(cmd, err)
	}
	if h.Namespace == limitNamespace {
		return invalid(cmd, errLimitNamespace)
	}
	if err := s.kv.put(h.Namespace, h.Key, h.Value); err != nil {
		return cmd.ReplyError(wire.CodeSystemError, err.Error())
	}
	s.log.Info("key-value configuration was changed", "namespace", h.Namespace, "key", h.Key, "by", c.RemoteAddr())
	return cmd.Reply(wire.CodeSuccess, nil)
}

func (s *Server) getKV(_ *rpc.Conn, cmd *wire.Command) *wire.Command {
	var h wire.GetKVConfigRequest
	if err := h.DecodeFields(cmd.Fields); err != nil {
		return invalid(cmd, err)
	}
	v, ok := s.kv.get(h.Namespace, h.Key)
	if !ok {
		return cmd.ReplyError(wire.CodeQueryNotFound, fmt.Sprintf("No config item, Namespace: %s Key: %s", h.Namespace, h.Key))
	}
	return cmd.Reply(wire.CodeSuccess, &wire.GetKVConfigResponse{Value: v})
}

func (s *Server) deleteKV(c *rpc.Conn, cmd *wire.Command) *wire.Command {
	var h wire.DeleteKVConfigRequest
	if err := h.DecodeFields(cmd.Fields); err != nil {
		return invalid(cmd, err)
	}
	if h.Namespace == limitNamespace {
		return invalid(cmd, errLimitNamespace)
	}
	if err := s.kv.remove(h.Namespace, h.Key); err != nil {
		return cmd.ReplyError(wire.CodeSystemError, err.Error())
	}
	s.log.Info("key-value configuration was deleted", "namespace", h.Namespace, "key", h.Key, "by", c.RemoteAddr())
	return cmd.Reply(wire.CodeSuccess, nil)
}

func (s *Server) listKV(_ *rpc.Conn, cmd *wire.Command) *wire.Command {
	var h wire.GetKVListByNamespaceRequest
	if err := h.DecodeFields(cmd.Fields); err != nil {
		return invalid(cmd, err)
	}
	kv, ok := s.kv.list(h.Namespace)
	if !ok {
		return cmd.ReplyError(wire.CodeQueryNotFound, "No config item, Namespace: "+h.Namespace)
	}
	return withBody(cmd, nil, wire.EncodeBody(wire.KVTable{Table: kv}))
}
