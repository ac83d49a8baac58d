package remoting

// UPDATE_BROKER_CONFIG (25), GET_BROKER_CONFIG (26): the broker's settings as
// Java properties text. GET_BROKER_RUNTIME_INFO (28): figures for brokerStatus.
// VIEW_BROKER_STATS_DATA (315): one counter per minute, hour and day.

import (
	"errors"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// putSettings changes settings.
func putSettings(s *session, req *wire.Command) (*wire.Command, error) {
	settings, err := wire.DecodeProperties(req.Body)
	if err != nil {
		return nil, badRequest("the body is no list of settings: %v", err)
	}
	if len(settings) == 0 {
		return nil, badRequest("the body names no setting; write key=value, one per line")
	}
	if err := s.h.admin.SetSettings(s.ctx, wire.PropertyMap(settings)); err != nil {
		return nil, err
	}
	return ok(req, nil, nil), nil
}

// getSettings answers with all settings, sorted.
func getSettings(s *session, req *wire.Command) (*wire.Command, error) {
	text := wire.EncodeProperties(s.h.admin.Settings(s.ctx))
	var version wire.DataVersion
	return ok(req, &wire.GetBrokerConfigResponse{Version: string(wire.EncodeStandardBody(version))}, text), nil
}

// runtimeInfo answers with the table behind brokerStatus.
func runtimeInfo(s *session, req *wire.Command) (*wire.Command, error) {
	body := wire.KVTable{Table: s.h.admin.RuntimeInfo(s.ctx)}
	return ok(req, nil, wire.EncodeBody(body)), nil
}

// viewStats answers with one counter.
func viewStats(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.ViewBrokerStatsDataRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	rates, err := s.h.admin.Stats(s.ctx, h.StatsName, h.StatsKey)
	if errors.Is(err, mq.ErrNotFound) {
		return nil, refusef(wire.CodeSystemError, "The stats <%s> <%s> not exist: nothing was counted under it", h.StatsName, h.StatsKey)
	}
	if err != nil {
		return nil, err
	}
	body := wire.BrokerStatsData{Minute: rateOf(rates[0]), Hour: rateOf(rates[1]), Day: rateOf(rates[2])}
	return ok(req, nil, wire.EncodeBody(body)), nil
}

// rateOf is r as the wire has it.
func rateOf(r mq.RateStat) wire.BrokerStatsItem {
	return wire.BrokerStatsItem{Sum: r.Sum, TPS: r.Rate, AvgPT: r.PerCall}
}
