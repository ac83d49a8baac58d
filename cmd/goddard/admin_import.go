package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/spf13/cobra"
)

// maxImport bounds a file of topics or groups, in bytes; brokers read no more.
const maxImport = 8 << 20

func topicImport(s spelling) *cobra.Command {
	o := s.operation("Create or change the topics in a file", "goddard admin topic import topics.json", "goddard admin updateTopicList -n 127.0.0.1:9876 -c DefaultCluster -f topics.json")
	o.Long = `Create or change the topics in a file, a JSON array of RocketMQ's TopicConfig:

  [{"topicName": "orders", "readQueueNums": 8, "writeQueueNums": 8, "perm": 6}]

What a topic does not say is RocketMQ's default. Of a list that a broker refuses,
the topics before the one at fault are there.`
	o.targets()
	var file string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		topics, err := readList(file, mq.Topic{ReadQueues: 16, WriteQueues: 16, Perm: mq.PermRead | mq.PermWrite, FilterType: "SINGLE_TAG"})
		if err != nil {
			return err
		}
		brokers, err := c.PutTopics(ctx, o.target, topics)
		if err != nil {
			return err
		}
		return imported(o, "topic config", len(topics), "topics", brokers)
	}, wanted{"filename", "f", "FILE", &file})
}

func groupImport(s spelling) *cobra.Command {
	o := s.operation("Create or change the consumer groups in a file", "goddard admin group import groups.json", "goddard admin updateSubGroupList -n 127.0.0.1:9876 -c DefaultCluster -f groups.json")
	o.Long = `Create or change the consumer groups in a file, a JSON array of RocketMQ's
SubscriptionGroupConfig:

  [{"groupName": "billing", "retryMaxTimes": 3}]

What a group does not say is RocketMQ's default.`
	o.targets()
	var file string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		groups, err := readList(file, admin.NewGroup(""))
		if err != nil {
			return err
		}
		brokers, err := c.PutGroups(ctx, o.target, groups)
		if err != nil {
			return err
		}
		what := "subscription group config"
		if o.target.Addr != "" {
			what = "group config"
		}
		return imported(o, what, len(groups), "groups", brokers)
	}, wanted{"filename", "f", "FILE", &file})
}

// imported says where a list was taken over.
func imported(o *operation, what string, n int, plural string, brokers []admin.Broker) error {
	if !o.old {
		return o.done(brokers, "%d %s are on %s", n, plural, names(brokers))
	}
	s := o.sheet()
	for _, b := range brokers {
		s.line("submit batch of %s to %s success, please check the result later.", what, b.Addr)
	}
	return o.print(brokers, s)
}

// readList reads a JSON array from a file; what an entry does not say is as in
// usual.
func readList[T any](file string, usual T) ([]T, error) {
	about, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if about.Size() > maxImport {
		return nil, fmt.Errorf("%s has %d bytes, at most %d are read; split it", file, about.Size(), maxImport)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("%s: want a JSON array: %w", file, err)
	}
	if len(raw) == 0 {
		return nil, fmt.Errorf("%s: the list is empty", file)
	}
	all := make([]T, 0, len(raw))
	for i, text := range raw {
		one := usual
		if err := json.Unmarshal(text, &one); err != nil {
			return nil, fmt.Errorf("%s, entry %d: %w", file, i+1, err)
		}
		all = append(all, one)
	}
	return all, nil
}
