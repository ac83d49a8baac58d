package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/goddardmq/goddard/internal/admin"
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

// completeWanted completes arguments with topics and groups where they name them.
func (d *door) completeWanted(wants []wanted) completion {
	return func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		switch {
		case len(args) >= len(wants):
			return nil, cobra.ShellCompDirectiveNoFileComp
		case wants[len(args)].usage == "FILE":
			return nil, cobra.ShellCompDirectiveDefault
		}
		return d.names(c, wants[len(args)].name, begun), cobra.ShellCompDirectiveNoFileComp
	}
}

// names are the cluster's topics or groups that begin so; none if it does not
// answer soon.
func (d *door) names(c *cobra.Command, what, begun string) []string {
	secure, err := d.config()
	if err != nil {
		return nil
	}
	cluster, err := admin.Dial(admin.Options{Namesrvs: nameServers(d.namesrv), Timeout: completeTime, TLS: secure})
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
	}
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(all, func(name string) bool { return !strings.HasPrefix(name, begun) })
}
