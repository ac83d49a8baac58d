package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/wire"
	"github.com/spf13/cobra"
)

// groupRunning is mqadmin's consumerStatus.
func groupRunning(s spelling) *cobra.Command {
	o := s.operation("Show what the clients of a group are doing", "goddard admin group running billing",
		"goddard admin consumerStatus -n 127.0.0.1:9876 -g billing")
	o.Long = o.Short + `, asked of them. Only consumers of
RocketMQ's own protocol answer.`
	var group, client, dir string
	var stacks bool
	f := o.Flags()
	f.StringVarP(&client, "client", "i", "", "only this `CLIENT`, with all it says")
	f.StringVarP(&o.target.Addr, "broker", "b", "", "only the broker at this `ADDRESS`, host:port")
	f.BoolVarP(&stacks, "jstack", "s", false, "also where its threads are")
	if f.StringVar(&dir, "dir", "", "write what each client says to a file in this `FOLDER`"); s.old {
		f.Lookup("dir").Usage += " (default: one named after the time, as mqadmin does)"
	}
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if client != "" {
			info, err := c.RunningInfo(ctx, o.target, group, client, stacks)
			if err != nil {
				return err
			}
			return o.said(info, "%s", strings.TrimSuffix(runningText(info), "\n"))
		}
		members, err := c.Consumers(ctx, o.target, group)
		if err != nil {
			return err
		}
		if dir == "" && s.old && o.out != asJSON {
			dir = fmt.Sprint(time.Now().UnixMilli())
		}
		return running(ctx, o, c, group, members, stacks, dir)
	}, wanted{"group", "g", "GROUP", &group})
}

// running prints what the clients of a group are doing, and what is wrong.
func running(ctx context.Context, o *operation, c *admin.Cluster, group string, members *admin.Consumers, stacks bool, dir string) error {
	all := map[string]*wire.ConsumerRunningInfo{}
	t := o.sheet().table("%-10d %-40s %-20s %s", "#Index", "#ClientId", "#Version", "#ConsumerRunningInfoFile")
	var ids []string
	for _, m := range members.Clients {
		info, err := c.RunningInfo(ctx, o.target, group, m.ID, stacks)
		if err != nil {
			fmt.Fprintf(o.ErrOrStderr(), "client %s: %v\n", m.ID, err)
			continue
		}
		file := "-"
		if dir != "" {
			if file, err = keep(dir, m.ID, runningText(info)); err != nil {
				return err
			}
		}
		all[m.ID] = info
		ids = append(ids, m.ID)
		t.row(len(ids), m.ID, m.Version, file)
	}
	if len(all) == 0 {
		return fmt.Errorf("no client of group %s said what it is doing", group)
	}
	slices.Sort(ids)
	if !sameSubscriptions(all, ids) {
		return o.print(all, t.line("").line("WARN: Different subscription in the same group of consumer!!!"))
	}
	t.line("").line("Same subscription in the same group of consumer").line("").line("Rebalance OK")
	for _, id := range ids {
		for _, trouble := range troubles(all[id], time.Now()) {
			t.line("%s %s", id, trouble)
		}
	}
	return o.print(all, t)
}

// keep writes a text to a file that is named after a client.
func keep(dir, client, text string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	file := filepath.Join(dir, strings.NewReplacer("/", "_", `\`, "_").Replace(client))
	return file, os.WriteFile(file, []byte(text), 0o644)
}

// sameSubscriptions reports whether all clients want the same.
func sameSubscriptions(all map[string]*wire.ConsumerRunningInfo, ids []string) bool {
	want := func(info *wire.ConsumerRunningInfo) []string {
		var list []string
		for _, s := range info.Subscriptions {
			list = append(list, s.Topic+" "+s.SubString)
		}
		slices.Sort(list)
		return list
	}
	for _, id := range ids[1:] {
		if !slices.Equal(want(all[id]), want(all[ids[0]])) {
			return false
		}
	}
	return true
}

// stuck is how long a client may hold a message without having consumed one.
const stuck = time.Minute

// troubles says which queues of a client do not get on.
func troubles(info *wire.ConsumerRunningInfo, now time.Time) []string {
	var all []string
	if info.Properties["PROP_CONSUME_TYPE"] != "CONSUME_PASSIVELY" {
		return nil
	}
	ordered := info.Properties["PROP_CONSUMEORDERLY"] == "true"
	for q, p := range info.Queues {
		name := fmt.Sprintf("MessageQueue [topic=%s, brokerName=%s, queueId=%d]", q.Topic, q.BrokerName, q.QueueID)
		idle := now.Sub(time.UnixMilli(p.LastConsumeTimestamp))
		switch {
		case ordered && !p.Locked:
			all = append(all, fmt.Sprintf("%s can't lock for a while, %dms", name, now.Sub(time.UnixMilli(p.LastLockTimestamp)).Milliseconds()))
		case ordered && p.Dropped && p.TryUnlockTimes > 0:
			all = append(all, fmt.Sprintf("%s unlock %d times, still failed", name, p.TryUnlockTimes))
		case !ordered && idle > stuck && p.CachedMessageCount > 0:
			all = append(all, fmt.Sprintf("%s can't consume for a while, maybe blocked, %dms", name, idle.Milliseconds()))
		}
	}
	slices.Sort(all)
	return all
}

// topicShare is mqadmin's allocateMQ.
func topicShare(s spelling) *cobra.Command {
	o := s.operation("Show how clients would share the queues of a topic", "goddard admin topic share orders --clients 10.0.0.1,10.0.0.2",
		"goddard admin allocateMQ -n 127.0.0.1:9876 -t orders -i 10.0.0.1,10.0.0.2")
	o.Long = o.Short + `, if they do as
RocketMQ's clients do unless told otherwise.`
	var topic, clients string
	o.Flags().StringVarP(&clients, "clients", "i", "", "the `CLIENTS`, in their order, commas between")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if clients == "" {
			return fmt.Errorf("--clients is missing; name them, commas between")
		}
		queues, err := c.ReadQueues(ctx, topic, "")
		if err != nil {
			return err
		}
		list := strings.Split(clients, ",")
		shares := map[string][]wire.MessageQueue{}
		t := newTable("CLIENT", "BROKER", "QUEUE")
		for i, client := range list {
			from, to := remote.EvenShare(len(queues), len(list), i)
			shares[client] = []wire.MessageQueue{}
			for _, q := range queues[from:to] {
				shares[client] = append(shares[client], wire.MessageQueue{Topic: topic, BrokerName: q.Broker.Name, QueueID: q.ID})
				t.add(client, q.Broker.Name, q.ID)
			}
		}
		if !o.old {
			return o.print(shares, t)
		}
		text, err := json.Marshal(map[string]any{"result": shares})
		if err != nil {
			return err
		}
		return o.said(shares, "%s", text)
	}, wanted{"topic", "t", "TOPIC", &topic})
}
