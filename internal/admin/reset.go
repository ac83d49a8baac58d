package admin

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// ResetBrokerConfig sets a setting of a broker that was changed while it ran, or
// with an empty key all of them, to what its configuration says. It returns
// what was set. RocketMQ's brokers do not say what was changed.
func (c *Cluster) ResetBrokerConfig(ctx context.Context, addr, key string) (map[string]string, error) {
	all, err := c.BrokerConfig(ctx, addr)
	if err != nil {
		return nil, err
	}
	return c.resetConfig(ctx, addr, wire.UpdateBrokerConfig, all, key)
}

// ResetNamesrvConfig does the same with all name servers, and returns by their
// addresses what was set.
func (c *Cluster) ResetNamesrvConfig(ctx context.Context, key string) (map[string]map[string]string, error) {
	all, err := c.NamesrvConfig(ctx)
	if err != nil {
		return nil, err
	}
	done := map[string]map[string]string{}
	for _, addr := range c.o.Namesrvs {
		if done[addr], err = c.resetConfig(ctx, addr, wire.UpdateNamesrvConfig, all[addr], key); err != nil {
			return nil, err
		}
	}
	return done, nil
}

// resetConfig undoes changes of a server whose settings are all.
func (c *Cluster) resetConfig(ctx context.Context, addr string, code wire.Code, all map[string]string, key string) (map[string]string, error) {
	text, ours := all[mq.SettingsKept]
	if !ours {
		return nil, fmt.Errorf("%s does not say what its configuration was: it is RocketMQ's, which writes changes into its configuration file; edit that", addr)
	}
	configured := map[string]string{}
	if err := json.Unmarshal([]byte(text), &configured); err != nil {
		return nil, fmt.Errorf("%s: %s cannot be read: %w", addr, mq.SettingsKept, err)
	}
	if key != "" {
		value, changed := configured[key]
		if _, known := all[key]; !changed && !known {
			return nil, fmt.Errorf("%s has no setting %s", addr, key)
		}
		if !changed {
			return nil, fmt.Errorf("%s: setting %s is as it is configured", addr, key)
		}
		configured = map[string]string{key: value}
	}
	if len(configured) == 0 {
		return configured, nil
	}
	cmd := wire.NewRequest(code, nil)
	cmd.Body = wire.EncodeProperties(configured)
	_, err := c.call(ctx, addr, cmd)
	return configured, err
}
