package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/node"
)

// completeTime bounds how long a shell waits for names to complete with.
const completeTime = time.Second

// A completion gives a shell what may stand next on a command line.
type completion = func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective)

// completeTopic completes the first argument with topics, and others with
// nothing: none is a file.
func (d *door) completeTopic(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return d.names(c, "topic", begun), cobra.ShellCompDirectiveNoFileComp
}

// completeWanted completes arguments with names of the cluster where they are some.
func (d *door) completeWanted(wants []wanted) completion {
	return func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		switch {
		case len(args) >= len(wants):
			return nil, cobra.ShellCompDirectiveNoFileComp
		case wants[len(args)].usage == "FILE":
			return nil, cobra.ShellCompDirectiveDefault
		}
		return d.names(c, wants[len(args)].names(), begun), cobra.ShellCompDirectiveNoFileComp
	}
}

// names says which names of the cluster complete a wanted value: those that it
// is named after, or settings.
func (w wanted) names() string {
	if w.usage == "SETTING" || w.usage == "NAMESRV-SETTING" {
		return w.usage
	}
	return w.name
}

// completeFlags completes the values of flags that take names of the cluster.
func (o *operation) completeFlags(wants []wanted) {
	kinds := map[string]string{"topic": "topic", "group": "group", "cluster": "cluster", "broker": "broker", "broker-name": "broker-name", "route-topic": "topic"}
	for _, w := range wants {
		kinds[w.name] = w.names()
	}
	o.Flags().VisitAll(func(f *pflag.Flag) {
		kind := kinds[f.Name]
		if kind == "" {
			return
		}
		err := o.RegisterFlagCompletionFunc(f.Name, func(c *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
			if kind == "FILE" {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return o.door.names(c, kind, begun), cobra.ShellCompDirectiveNoFileComp
		})
		if err != nil {
			panic("BUG: " + err.Error())
		}
	})
}

// names are the cluster's topics, groups, clusters, brokers or settings that begin
// so; none if it does not answer soon.
func (d *door) names(c *cobra.Command, what, begun string) []string {
	secure, err := d.config()
	if err != nil {
		return nil
	}
	who, err := d.access.find()
	if err != nil {
		return nil
	}
	cluster, err := admin.Dial(admin.Options{Namesrvs: nameServers(d.namesrv), Timeout: completeTime, TLS: secure, Credentials: who})
	if err != nil {
		return nil
	}
	defer cluster.Close()
	ctx, cancel := context.WithTimeout(c.Context(), completeTime)
	defer cancel()
	var all []string
	switch what {
	case "topic":
		all, err = cluster.UserTopics(ctx)
	case "group":
		all, err = cluster.Groups(ctx, admin.Target{})
	case "cluster", "broker", "broker-name":
		all, err = brokerNames(ctx, cluster, what)
	case "SETTING", "NAMESRV-SETTING":
		if all, err = settingNames(ctx, cluster, what); c.Name() == "set" || c.Name() == "updateBrokerConfig" || c.Name() == "updateNamesrvConfig" {
			all = slices.DeleteFunc(all, func(name string) bool { return !node.ChangesLive(name) })
		}
	}
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(all, func(name string) bool { return !strings.HasPrefix(name, begun) })
}

// brokerNames are what clusters and brokers are called, or where brokers are.
func brokerNames(ctx context.Context, c *admin.Cluster, what string) ([]string, error) {
	brokers, err := c.Brokers(ctx)
	var all []string
	for _, b := range brokers {
		all = append(all, map[string]string{"cluster": b.Cluster, "broker": b.Addr, "broker-name": b.Name}[what])
	}
	slices.Sort(all)
	return slices.Compact(all), err
}

// settingNames are the settings of a running broker, or of a name server.
func settingNames(ctx context.Context, c *admin.Cluster, what string) ([]string, error) {
	if what == "NAMESRV-SETTING" {
		servers, err := c.NamesrvConfig(ctx)
		var all []string
		for _, settings := range servers {
			all = slices.AppendSeq(all, maps.Keys(settings))
		}
		slices.Sort(all)
		return slices.Compact(all), err
	}
	brokers, err := c.Brokers(ctx)
	if err != nil || len(brokers) == 0 {
		return nil, err
	}
	settings, err := c.BrokerConfig(ctx, brokers[0].Addr)
	return slices.Sorted(maps.Keys(settings)), err
}
