package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/spf13/cobra"
)

// exportFolder is where mqadmin writes to unless it is told otherwise.
const exportFolder = "/tmp/rocketmq/export"

// folder adds the flag of where to write to.
func (o *operation) folder(p *string) {
	*p = "."
	if o.old {
		*p = exportFolder
	}
	o.Flags().StringVarP(p, "dir", "f", *p, "the `FOLDER` to write to")
}

// export writes a result to a file as JSON and says where it is.
func (o *operation) export(dir, name string, v any) error {
	text, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	path := dir + "/" + name
	if err := os.WriteFile(filepath.FromSlash(path), append(text, '\n'), 0o644); err != nil {
		return err
	}
	return o.said(map[string]string{"exported": path}, "export %s success", path)
}

func exportMetadata(s spelling) *cobra.Command {
	o := s.operation("Write topics and groups to a file", "goddard admin export metadata --dir backup",
		"goddard admin exportMetadata -n 127.0.0.1:9876 -c DefaultCluster -f backup")
	o.targets()
	var dir string
	var topics, groups bool
	var e admin.Export
	o.folder(&dir)
	f := o.Flags()
	f.BoolVarP(&topics, "topic", "t", false, "only topics")
	f.BoolVarP(&groups, "subscriptionGroup", "g", false, "only groups")
	f.BoolVarP(&e.Special, "specialTopic", "s", false, "also retry and dead-letter topics")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		name := "metadata.json"
		e.Topics, e.Groups = true, true
		switch {
		case topics:
			name, e.Groups = "topic.json", false
		case groups:
			name, e.Topics = "subscriptionGroup.json", false
		}
		all, err := c.Metadata(ctx, o.target, e)
		if err != nil {
			return err
		}
		return o.export(dir, name, all)
	})
}

func exportConfigs(s spelling) *cobra.Command {
	o := s.operation("Write the settings of a cluster's brokers to a file", "goddard admin export configs DefaultCluster --dir backup",
		"goddard admin exportConfigs -n 127.0.0.1:9876 -c DefaultCluster -f backup")
	var dir, cluster string
	o.folder(&dir)
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		all, err := c.Configs(ctx, cluster)
		if err != nil {
			return err
		}
		return o.export(dir, "configs.json", all)
	}, wanted{"cluster", "c", "CLUSTER", &cluster})
}

func exportMetrics(s spelling) *cobra.Command {
	o := s.operation("Write what a cluster's brokers do to a file", "goddard admin export metrics DefaultCluster --dir backup",
		"goddard admin exportMetrics -n 127.0.0.1:9876 -c DefaultCluster -f backup")
	var dir, cluster string
	o.folder(&dir)
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		all, err := c.Metrics(ctx, cluster)
		if err != nil {
			return err
		}
		return o.export(dir, "metrics.json", all)
	}, wanted{"cluster", "c", "CLUSTER", &cluster})
}

// exportPopRecord has Java's brokers move what is popped back into files; ours
// answer that there is nothing to move.
func exportPopRecord(s spelling) *cobra.Command {
	o := s.operation("Have brokers move what is popped from their key-value store to files", "goddard admin export pop-records",
		"goddard admin exportPopRecord -n 127.0.0.1:9876 -b 127.0.0.1:10911")
	o.Long = o.Short + `,
for RocketMQ's brokers of earlier versions. Our brokers have nothing to move.`
	o.targets()
	var dry bool
	o.truth(&dry, "dryRun", "d", "only say which brokers")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		brokers, err := c.Masters(ctx, o.target)
		if err != nil {
			return err
		}
		known, err := c.Brokers(ctx)
		if err != nil {
			return err
		}
		t := o.sheet()
		for _, b := range brokers {
			for _, k := range known {
				if k.Addr == b.Addr {
					b.Name = k.Name
				}
			}
			if !dry {
				if err := c.ExportPopRecords(ctx, b.Addr); err != nil {
					return fmt.Errorf("broker %s: %w", b.Name, err)
				}
			}
			t.line("Export broker records, brokerName=%s, brokerAddr=%s, dryRun=%t", b.Name, b.Addr, dry)
		}
		return o.print(brokers, t)
	})
}
