package admin

import (
	"context"

	"github.com/goddardmq/goddard/internal/wire"
)

// A Stat is a counter over the last minute, hour and day.
type Stat = wire.BrokerStatsData

// Stat reads one of the counters of `mqadmin brokerStats`, such as
// TOPIC_PUT_NUMS of a topic. It is zero if nothing was counted yet.
func (c *Cluster) Stat(ctx context.Context, addr, name, key string) (Stat, error) {
	var s Stat
	err := c.ask(ctx, addr, wire.NewRequest(wire.ViewBrokerStatsData, &wire.ViewBrokerStatsDataRequest{StatsName: name, StatsKey: key}), &s)
	if refusedWith(err, wire.CodeSystemError) { // RocketMQ's way of saying that there is none
		return Stat{}, nil
	}
	return s, err
}
