package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/spf13/cobra"
)

func wipeWritePerm(s spelling) *cobra.Command {
	o := s.operation("Make producers turn away from a broker", "goddard admin namesrv wipe-write-perm broker-a")
	var broker string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		changed, err := c.WipeWritePerm(ctx, broker)
		if err != nil {
			return err
		}
		return printChanged(o, "wipe", broker, changed)
	}, wanted{"broker-name", "b", "BROKER", &broker})
}

func addWritePerm(s spelling) *cobra.Command {
	o := s.operation("Give a broker back to producers", "goddard admin namesrv add-write-perm broker-a")
	var broker string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		changed, err := c.AddWritePerm(ctx, broker)
		if err != nil {
			return err
		}
		return printChanged(o, "add", broker, changed)
	}, wanted{"broker-name", "b", "BROKER", &broker})
}

// printChanged says how many topics each name server changed.
func printChanged(o *operation, did, broker string, changed map[string]int32) error {
	if o.old {
		s := o.sheet()
		for _, addr := range slices.Sorted(maps.Keys(changed)) {
			s.line("%s write perm of broker[%s] in name server[%s] OK, %d", did, broker, addr, changed[addr])
		}
		return o.print(changed, s)
	}
	t := newTable("NAME SERVER", "TOPICS CHANGED")
	for _, addr := range slices.Sorted(maps.Keys(changed)) {
		t.add(addr, changed[addr])
	}
	return o.print(changed, t)
}

// namespace adds the flag of the part of the configuration that is meant.
func (o *operation) namespace(p *string) {
	o.Flags().StringVarP(p, "namespace", "s", mq.OrderTopicNamespace, "part of the `CONFIGURATION`")
}

func kvGet(s spelling) *cobra.Command {
	o := s.operation("Show a value", "goddard admin namesrv kv get orders")
	var namespace, key string
	o.namespace(&namespace)
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		value, err := c.KV(ctx, namespace, key)
		if err != nil {
			return err
		}
		return o.done(map[string]string{key: value}, "%s", value)
	}, wanted{"key", "k", "KEY", &key})
}

func kvList(s spelling) *cobra.Command {
	o := s.operation("List a namespace", "goddard admin namesrv kv list --namespace ORDER_TOPIC_CONFIG")
	var namespace string
	o.namespace(&namespace)
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		values, err := c.KVs(ctx, namespace)
		if err != nil {
			return err
		}
		t := newTable("KEY", "VALUE")
		for _, key := range slices.Sorted(maps.Keys(values)) {
			t.add(key, values[key])
		}
		return o.print(values, t)
	})
}

func kvPut(s spelling) *cobra.Command {
	o := s.operation("Set a value on all name servers", "goddard admin namesrv kv put orders broker-a:4")
	var namespace, key, value string
	o.namespace(&namespace)
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if err := c.PutKV(ctx, namespace, key, value); err != nil {
			return err
		}
		if o.old {
			return o.said(map[string]string{key: value}, "create or update kv config to namespace success.")
		}
		return o.done(map[string]string{key: value}, "%s = %s in %s", key, value, namespace)
	}, wanted{"key", "k", "KEY", &key}, wanted{"value", "v", "VALUE", &value})
}

func kvDelete(s spelling) *cobra.Command {
	o := s.operation("Delete a value from all name servers", "goddard admin namesrv kv delete orders")
	var namespace, key string
	o.namespace(&namespace)
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if err := c.DeleteKV(ctx, namespace, key); err != nil {
			return err
		}
		if o.old {
			return o.said(map[string]string{"deleted": key}, "delete kv config from namespace success.")
		}
		return o.done(map[string]string{"deleted": key}, "%s is deleted from %s", key, namespace)
	}, wanted{"key", "k", "KEY", &key})
}

// orderConf reads, sets and deletes what an ordered topic's clients are told.
func orderConf(s spelling) *cobra.Command {
	o := s.operation("Get, put or delete the order of a topic", "")
	var topic, value, method string
	o.Flags().StringVarP(&value, "orderConf", "v", "", "order, such as broker-a:4;broker-b:4, for -m put")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		switch method {
		case "get":
			got, err := c.KV(ctx, mq.OrderTopicNamespace, topic)
			if err != nil {
				return err
			}
			return o.said(map[string]string{topic: got}, "get orderConf success. topic=[%s], orderConf=[%s] ", topic, got)
		case "put":
			if value == "" {
				return errors.New("-v is missing; give the order, such as broker-a:4")
			}
			if err := c.PutKV(ctx, mq.OrderTopicNamespace, topic, value); err != nil {
				return err
			}
			return o.said(map[string]string{topic: value}, "update orderConf success. topic=[%s], orderConf=[%s]", topic, value)
		case "delete":
			if err := c.DeleteKV(ctx, mq.OrderTopicNamespace, topic); err != nil {
				return err
			}
			return o.said(map[string]string{"deleted": topic}, "delete orderConf success. topic=[%s]", topic)
		}
		return fmt.Errorf("-m %s: want get, put or delete", method)
	}, wanted{"topic", "t", "TOPIC", &topic}, wanted{"method", "m", "METHOD", &method})
}

func namesrvConfigGet(s spelling) *cobra.Command {
	o := s.operation("Show the settings of running name servers", "goddard admin namesrv config get")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		all, err := c.NamesrvConfig(ctx)
		if err != nil {
			return err
		}
		if o.old {
			s := o.sheet()
			for _, addr := range slices.Sorted(maps.Keys(all)) {
				settingLines(s.line("============%s============", addr), all[addr])
			}
			return o.print(all, s)
		}
		t := newTable("NAME SERVER", "KEY", "VALUE")
		for _, addr := range slices.Sorted(maps.Keys(all)) {
			for _, key := range slices.Sorted(maps.Keys(all[addr])) {
				t.add(addr, key, all[addr][key])
			}
		}
		return o.print(all, t)
	})
}

func namesrvConfigSet(s spelling) *cobra.Command {
	o := s.operation("Change a setting of all running name servers", "goddard admin namesrv config set orderMessageEnable true")
	var key, value string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if err := c.SetNamesrvConfig(ctx, key, value); err != nil {
			return err
		}
		if o.old {
			return o.said(map[string]string{key: value}, "update name server config success![%s]\n%s : %s", strings.Join(nameServers(o.door.namesrv), ", "), key, value)
		}
		return o.done(map[string]string{key: value}, "%s = %s", key, value)
	}, wanted{"key", "k", "KEY", &key}, wanted{"value", "v", "VALUE", &value})
}
