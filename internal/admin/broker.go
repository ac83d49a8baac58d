package admin

import (
	"context"
	"fmt"
	"strings"

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
	return parseProperties(string(resp.Body)), nil
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
	if key == "" || strings.ContainsAny(key, "=\r\n") || strings.ContainsAny(value, "\r\n") {
		return nil, fmt.Errorf("%q = %q: a key has no = and neither has a line break", key, value)
	}
	cmd := wire.NewRequest(code, nil)
	cmd.Body = []byte(key + "=" + value)
	return cmd, nil
}

// parseProperties reads the key=value lines in which servers send settings.
func parseProperties(text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "="); ok && !strings.HasPrefix(key, "#") {
			all[key] = value
		}
	}
	return all
}
