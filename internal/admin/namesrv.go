package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// PingNamesrv reports whether one name server answers.
func (c *Cluster) PingNamesrv(ctx context.Context, addr string) error {
	_, err := c.call(ctx, addr, wire.NewRequest(wire.GetBrokerClusterInfo, nil))
	return err
}

// PutKV sets a value in the configuration of all name servers.
func (c *Cluster) PutKV(ctx context.Context, namespace, key, value string) error {
	return c.everyNamesrv(ctx, func() *wire.Command {
		return wire.NewRequest(wire.PutKVConfig, &wire.PutKVConfigRequest{Namespace: namespace, Key: key, Value: value})
	})
}

// DeleteKV removes a value from the configuration of all name servers. The
// error wraps mq.ErrNotFound if the first that answers has none.
func (c *Cluster) DeleteKV(ctx context.Context, namespace, key string) error {
	if _, err := c.KV(ctx, namespace, key); err != nil {
		return err
	}
	return c.everyNamesrv(ctx, func() *wire.Command {
		return wire.NewRequest(wire.DeleteKVConfig, &wire.DeleteKVConfigRequest{Namespace: namespace, Key: key})
	})
}

// PutOrder tells the name servers how many queues of an ordered topic the
// brokers write, beside what they say of others, or instead of it if these are
// all of a cluster. It returns what they say now.
func (c *Cluster) PutOrder(ctx context.Context, topic string, brokers []Broker, queues int32, all bool) (string, error) {
	known, err := c.Brokers(ctx)
	if err != nil {
		return "", err
	}
	var parts []string
	if !all {
		value, err := c.KV(ctx, mq.OrderTopicNamespace, topic)
		if err != nil && !errors.Is(err, mq.ErrNotFound) {
			return "", err
		}
		parts = strings.FieldsFunc(value, func(r rune) bool { return r == ';' })
	}
	for _, b := range brokers {
		if i := slices.IndexFunc(known, func(k Broker) bool { return k.Addr == b.Addr }); i >= 0 {
			b.Name = known[i].Name
		}
		parts = slices.DeleteFunc(parts, func(p string) bool { return strings.HasPrefix(p, b.Name+":") })
		parts = append(parts, fmt.Sprintf("%s:%d", b.Name, queues))
	}
	value := strings.Join(parts, ";")
	return value, c.PutKV(ctx, mq.OrderTopicNamespace, topic, value)
}

// KV reads a value; the error wraps mq.ErrNotFound if there is none.
func (c *Cluster) KV(ctx context.Context, namespace, key string) (string, error) {
	resp, addr, err := c.askNamesrv(ctx, func() *wire.Command {
		return wire.NewRequest(wire.GetKVConfig, &wire.GetKVConfigRequest{Namespace: namespace, Key: key})
	})
	if refusedWith(err, wire.CodeQueryNotFound) {
		return "", fmt.Errorf("%s in namespace %s: %w", key, namespace, mq.ErrNotFound)
	}
	if err != nil {
		return "", err
	}
	var h wire.GetKVConfigResponse
	if err := h.DecodeFields(resp.Fields); err != nil {
		return "", fmt.Errorf("%s: %w", addr, err)
	}
	return h.Value, nil
}

// KVs lists a namespace; it is empty if nobody has written to it.
func (c *Cluster) KVs(ctx context.Context, namespace string) (map[string]string, error) {
	resp, addr, err := c.askNamesrv(ctx, func() *wire.Command {
		return wire.NewRequest(wire.GetKVListByNamespace, &wire.GetKVListByNamespaceRequest{Namespace: namespace})
	})
	if refusedWith(err, wire.CodeQueryNotFound) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, err
	}
	var table wire.KVTable
	if err := wire.DecodeBody(resp.Body, &table); err != nil {
		return nil, fmt.Errorf("%s: namespace %s cannot be read: %w", addr, namespace, err)
	}
	return table.Table, nil
}

// WipeWritePerm takes the write permission off all topics of a broker, on each
// name server, so that producers turn to other brokers. It returns how many
// topics each changed.
func (c *Cluster) WipeWritePerm(ctx context.Context, broker string) (map[string]int32, error) {
	return c.writePerm(ctx, broker, func() *wire.Command {
		return wire.NewRequest(wire.WipeWritePermOfBroker, &wire.WipeWritePermOfBrokerRequest{BrokerName: broker})
	}, func(f wire.Fields) (int32, error) {
		var h wire.WipeWritePermOfBrokerResponse
		err := h.DecodeFields(f)
		return h.WipeTopicCount, err
	})
}

// AddWritePerm gives it back.
func (c *Cluster) AddWritePerm(ctx context.Context, broker string) (map[string]int32, error) {
	return c.writePerm(ctx, broker, func() *wire.Command {
		return wire.NewRequest(wire.AddWritePermOfBroker, &wire.AddWritePermOfBrokerRequest{BrokerName: broker})
	}, func(f wire.Fields) (int32, error) {
		var h wire.AddWritePermOfBrokerResponse
		err := h.DecodeFields(f)
		return h.AddTopicCount, err
	})
}

func (c *Cluster) writePerm(ctx context.Context, broker string, request func() *wire.Command, count func(wire.Fields) (int32, error)) (map[string]int32, error) {
	brokers, err := c.Brokers(ctx)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(brokers, func(b Broker) bool { return b.Name == broker }) {
		return nil, fmt.Errorf("broker %s: %w; `goddard admin cluster list` shows those that are registered", broker, mq.ErrNotFound)
	}
	changed := map[string]int32{}
	for _, addr := range c.o.Namesrvs {
		resp, err := c.call(ctx, addr, request())
		if err != nil {
			return changed, err
		}
		n, err := count(resp.Fields)
		if err != nil {
			return changed, fmt.Errorf("%s: %w", addr, err)
		}
		changed[addr] = n
	}
	return changed, nil
}

// NamesrvConfig is all settings of each name server, by its address.
func (c *Cluster) NamesrvConfig(ctx context.Context) (map[string]map[string]string, error) {
	all := map[string]map[string]string{}
	for _, addr := range c.o.Namesrvs {
		resp, err := c.call(ctx, addr, wire.NewRequest(wire.GetNamesrvConfig, nil))
		if err != nil {
			return nil, err
		}
		if all[addr], err = settingsIn(addr, resp); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// SetNamesrvConfig changes one setting of all name servers while they run.
func (c *Cluster) SetNamesrvConfig(ctx context.Context, key, value string) error {
	cmd, err := propertyRequest(wire.UpdateNamesrvConfig, key, value)
	if err != nil {
		return err
	}
	return c.everyNamesrv(ctx, cmd.Clone)
}
