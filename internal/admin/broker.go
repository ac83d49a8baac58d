package admin

import (
	"context"
	"fmt"

	"github.com/goddardmq/goddard/internal/wire"
)

// BrokerStatus is what a broker says about itself, in RocketMQ's keys.
func (c *Cluster) BrokerStatus(ctx context.Context, addr string) (map[string]string, error) {
	var table wire.KVTable
	if err := c.ask(ctx, addr, wire.NewRequest(wire.GetBrokerRuntimeInfo, nil), &table); err != nil {
		return nil, err
	}
	return table.Table, nil
}

// BrokerConfig is all settings of a broker, in RocketMQ's keys.
func (c *Cluster) BrokerConfig(ctx context.Context, addr string) (map[string]string, error) {
	resp, err := c.call(ctx, addr, wire.NewRequest(wire.GetBrokerConfig, nil))
	if err != nil {
		return nil, err
	}
	return settingsIn(addr, resp)
}

// SetBrokerConfig changes one setting of a running broker.
func (c *Cluster) SetBrokerConfig(ctx context.Context, addr, key, value string) error {
	cmd, err := propertyRequest(wire.UpdateBrokerConfig, key, value)
	if err != nil {
		return err
	}
	_, err = c.call(ctx, addr, cmd)
	return err
}

// propertyRequest carries one property as its body.
func propertyRequest(code wire.Code, key, value string) (*wire.Command, error) {
	if key == "" {
		return nil, fmt.Errorf("a setting without a name for %q; write KEY VALUE", value)
	}
	cmd := wire.NewRequest(code, nil)
	cmd.Body = wire.EncodeProperties(map[string]string{key: value})
	return cmd, nil
}

// settingsIn are the settings that a server sends as properties.
func settingsIn(addr string, resp *wire.Command) (map[string]string, error) {
	all, err := wire.DecodeProperties(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("settings of %s: %w", addr, err)
	}
	return wire.PropertyMap(all), nil
}
