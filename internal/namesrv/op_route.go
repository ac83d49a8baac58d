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
	o := s.options.Load()
	if o.WaitForService && time.Since(s.started) < o.WaitTime {
		return cmd.ReplyError(wire.CodeSystemError, fmt.Sprintf("name server not ready: it gives no routes for %v after its start (waitSecondsForService)", o.WaitTime))
	}
	s.mu.RLock()
	r, ok := s.mu.table.route(h.Topic, hostOf(c))
	s.mu.RUnlock()
	if !ok {
		return cmd.ReplyError(wire.CodeTopicNotExist, fmt.Sprintf("No topic route info in name server for the topic: %s; create it, or let a broker create topics (autoCreateTopicEnable)", h.Topic))
	}
	if strings.TrimSpace(zone) != "" {
		r = inZone(r, zone)
	}
	if o.OrderTopics {
		r.OrderTopicConf, _ = s.kv.get(orderNamespace, h.Topic)
	}
	return withBody(cmd, nil, r.Encode(cmd.Version >= wire.V4_9_4 || h.AcceptStandardJsonOnly))
}
