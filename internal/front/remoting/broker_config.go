package remoting

// UPDATE_BROKER_CONFIG (25), GET_BROKER_CONFIG (26): the broker's settings as
// Java properties text. GET_BROKER_RUNTIME_INFO (28): figures for brokerStatus.
// VIEW_BROKER_STATS_DATA (315): one counter per minute, hour and day.

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// putSettings changes settings.
func putSettings(s *session, req *wire.Command) (*wire.Command, error) {
	settings, err := parseProperties(string(req.Body))
	if err != nil {
		return nil, err
	}
	if len(settings) == 0 {
		return nil, badRequest("the body names no setting; write key=value, one per line")
	}
	if err := s.h.admin.SetSettings(s.ctx, settings); err != nil {
		return nil, err
	}
	return ok(req, nil, nil), nil
}

// parseProperties reads lines of key=value or key:value; # and ! begin comments.
func parseProperties(text string) (map[string]string, error) {
	settings := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		at := strings.IndexAny(line, "=:")
		if at <= 0 {
			return nil, badRequest("%.60q is not a setting; write key=value, one per line", line)
		}
		settings[strings.TrimSpace(line[:at])] = strings.TrimSpace(line[at+1:])
	}
	return settings, nil
}

// getSettings answers with all settings, sorted.
func getSettings(s *session, req *wire.Command) (*wire.Command, error) {
	settings := s.h.admin.Settings(s.ctx)
	var text bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&text, "%s=%s\n", key, settings[key])
	}
	var version wire.DataVersion
	return ok(req, &wire.GetBrokerConfigResponse{Version: string(wire.EncodeStandardBody(version))}, text.Bytes()), nil
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
