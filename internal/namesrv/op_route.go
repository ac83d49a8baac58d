package namesrv

import (
	"fmt"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// GET_ROUTEINFO_BY_TOPIC(105). Keys of brokerAddrs are quoted for versions from
// V4_9_4 and for who asks for standard JSON. With the fields __ZONE_MODE=true
// and __ZONE_NAME the brokers of other zones are left out; unlike RocketMQ, keys
// stay as the requester wants them then.
func (s *Server) getRoute(c *rpc.Conn, cmd *wire.Command) *wire.Command {
	var h wire.GetRouteInfoByTopicRequest
	if err := h.DecodeFields(cmd.Fields); err != nil {
		return invalid(cmd, err)
	}
	zone := ""
	if mode, _ := cmd.Fields.Get("__ZONE_MODE"); strings.EqualFold(mode, "true") {
		zone, _ = cmd.Fields.Get(zoneField)
	}
	f := form{quoted: cmd.Version >= wire.V4_9_4 || h.AcceptStandardJsonOnly, host: hostOf(c)}

	o := s.options.Load()
	if o.WaitForService && time.Since(s.started) < o.WaitTime {
		return cmd.ReplyError(wire.CodeSystemError, fmt.Sprintf("name server not ready: it gives no routes for %v after its start (waitSecondsForService)", o.WaitTime))
	}
	var order *string
	if o.OrderTopics {
		if v, ok := s.kv.get(orderNamespace, h.Topic); ok {
			order = &v
		}
	}
	body, ok := s.appendRoute(nil, h.Topic, zone, order, f)
	if !ok {
		return cmd.ReplyError(wire.CodeTopicNotExist, fmt.Sprintf("No topic route info in name server for the topic: %s; create it, or let a broker create topics (autoCreateTopicEnable)", h.Topic))
	}
	return withBody(cmd, nil, body)
}

// appendRoute encodes a topic's route; false if it has none.
func (s *Server) appendRoute(b []byte, topic, zone string, order *string, f form) ([]byte, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.mu.table.route(topic)
	if !ok {
		return b, false
	}
	if strings.TrimSpace(zone) != "" {
		r = r.inZone(zone)
	}
	return f.appendRoute(b, r, order), true
}
