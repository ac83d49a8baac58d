package main

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/node"
	"github.com/spf13/cobra"
)

func brokerConfigReset(s spelling) *cobra.Command {
	o := s.operation("Undo changes of settings of running brokers", "goddard admin broker config reset brokerPermission")
	o.Long = `Set settings that were changed while brokers ran to what their configuration says:
the one with this key, or all.`
	o.targets()
	var key string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		brokers, err := c.Masters(ctx, o.target)
		if err != nil {
			return err
		}
		done := map[string]map[string]string{}
		for _, b := range brokers {
			if done[cmp.Or(b.Name, b.Addr)], err = c.ResetBrokerConfig(ctx, b.Addr, node.RocketMQKey(key)); err != nil {
				return err
			}
		}
		return o.reset(done)
	}, wanted{"key", "", "SETTING", &key})
}

func namesrvConfigReset(s spelling) *cobra.Command {
	o := s.operation("Undo changes of settings of running name servers", "goddard admin namesrv config reset orderMessageEnable")
	o.Long = `Set settings that were changed while name servers ran to what their configuration
says: the one with this key, or all.`
	var key string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		done, err := c.ResetNamesrvConfig(ctx, key)
		if err != nil {
			return err
		}
		return o.reset(done)
	}, wanted{"key", "", "NAMESRV-SETTING", &key})
}

// reset prints what was set, by server.
func (o *operation) reset(done map[string]map[string]string) error {
	t := newTable("SERVER", "KEY", "VALUE")
	for _, server := range slices.Sorted(maps.Keys(done)) {
		for _, key := range slices.Sorted(maps.Keys(done[server])) {
			t.add(server, key, done[server][key])
		}
	}
	if len(t.rows) == 0 {
		return o.done(done, "all settings are as they are configured")
	}
	return o.print(done, t)
}
