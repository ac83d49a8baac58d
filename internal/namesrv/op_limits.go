package namesrv

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// GODDARD_LIST_LIMITS(20040), GODDARD_PUT_LIMIT(20041), GODDARD_DELETE_LIMIT(20042):
// what operators do with limits, as on brokers. They are kept in a namespace of
// the key-value configuration, rules as JSON by scope and name.

const limitNamespace = "GODDARD_LIMITS"

// errLimitNamespace refuses other ways to the namespace.
var errLimitNamespace = errors.New("the namespace " + limitNamespace + " is kept by `goddard admin limit --namesrvs`; use that")

func limitKey(scope, name string) string { return scope + "/" + name }

// loadLimits puts in force what is kept.
func (s *Server) loadLimits() {
	kept, _ := s.kv.list(limitNamespace)
	for _, key := range sortedKeys(kept) {
		var r mq.LimitRule
		err := json.Unmarshal([]byte(kept[key]), &r)
		if err == nil {
			err = s.limits.Put(r)
		}
		if err != nil {
			s.log.Error("a limit cannot be put in force; set it again with `goddard admin limit set --namesrvs`", "limit", key, "error", err)
		}
	}
}

func (s *Server) listLimits(_ *rpc.Conn, cmd *wire.Command) *wire.Command {
	body := wire.LimitList{Limits: []wire.Limit{}}
	for _, u := range s.limits.List() {
		body.Limits = append(body.Limits, wire.Limit{
			Scope: u.Scope, Name: u.Name, Requests: u.Requests, Connections: u.Connections,
			Used: wire.LimitAmounts(u.Used), Refused: wire.LimitAmounts(u.Refused), Busiest: u.Busiest, Subjects: u.Subjects,
		})
	}
	return withBody(cmd, nil, wire.EncodeBody(body))
}

func (s *Server) putLimit(c *rpc.Conn, cmd *wire.Command) *wire.Command {
	var h wire.GoddardPutLimitRequest
	if err := h.DecodeFields(cmd.Fields); err != nil {
		return invalid(cmd, err)
	}
	rule, err := s.limits.Check(mq.LimitRule{
		Scope: h.Scope, Name: h.Name, SendMessages: h.SendMessages, SendBytes: h.SendBytes,
		ConsumeMessages: h.ConsumeMessages, ConsumeBytes: h.ConsumeBytes, Requests: h.Requests, Connections: h.Connections,
	})
	if err != nil {
		return invalid(cmd, err)
	}
	text, err := json.Marshal(rule)
	if err != nil {
		panic("BUG: a rule cannot be encoded: " + err.Error())
	}
	s.limiting.Lock()
	defer s.limiting.Unlock()
	if err := s.limits.Put(rule); err != nil {
		return invalid(cmd, err)
	}
	if err := s.kv.put(limitNamespace, limitKey(rule.Scope, rule.Name), string(text)); err != nil {
		return cmd.ReplyError(wire.CodeSystemError, fmt.Sprintf("the limit holds until the name server stops, but cannot be stored: %v", err))
	}
	s.log.Info("limit set", "scope", rule.Scope, "name", rule.Name, "requests", rule.Requests, "connections", rule.Connections, "by", c.RemoteAddr())
	return cmd.Reply(wire.CodeSuccess, nil)
}

func (s *Server) deleteLimit(c *rpc.Conn, cmd *wire.Command) *wire.Command {
	var h wire.GoddardDeleteLimitRequest
	if err := h.DecodeFields(cmd.Fields); err != nil {
		return invalid(cmd, err)
	}
	s.limiting.Lock()
	defer s.limiting.Unlock()
	was, err := s.limits.Delete(h.Scope, h.Name)
	switch {
	case errors.Is(err, mq.ErrNotFound):
		return cmd.ReplyError(wire.CodeQueryNotFound, err.Error())
	case err != nil:
		return invalid(cmd, err)
	}
	if err := s.kv.remove(limitNamespace, limitKey(was.Scope, was.Name)); err != nil {
		return cmd.ReplyError(wire.CodeSystemError, fmt.Sprintf("the limit is lifted until the name server starts again, but cannot be deleted: %v", err))
	}
	s.log.Info("limit deleted", "scope", was.Scope, "name", was.Name, "by", c.RemoteAddr())
	return cmd.Reply(wire.CodeSuccess, nil)
}
