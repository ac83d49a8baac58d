package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write docs/ADMIN.md from the commands")

const adminPath = "../../docs/ADMIN.md"

// otherwise are commands that do what some of mqadmin's do, and more.
var otherwise = map[string]string{
	"sendMessage": "`pub`", "topicStatus": "`admin topic describe`", "topicClusterList": "`admin topic route`", "updateOrderConf": "`admin namesrv kv`",
	"cleanExpiredCQ": "not needed: it happens by itself", "cleanUnusedTopic": "not needed: it happens by itself",
}

// adminPage is docs/ADMIN.md.
func adminPage() string {
	var b strings.Builder
	b.WriteString(`# Operating a cluster

Printed from the commands by ` + "`go test ./cmd/goddard -run AdminPage -update`" + `.

` + "`goddard admin`" + ` works on Goddard and on RocketMQ. Each command has a name of ours, and those that mqadmin has too are there
under mqadmin's name, with its flags and its output. Common to all:

| Flag | Meaning |
| --- | --- |
`)
	common := map[string]bool{}
	status := adminCommand("topicList")
	status.Flags().VisitAll(func(f *pflag.Flag) {
		if slices.Contains([]string{"namesrv", "timeout", "tls", "tls-ca", "tls-skip-verify", "output"}, f.Name) {
			common[f.Name] = true
			fmt.Fprintf(&b, "| %s | %s |\n", flagName(f), cell(flagUsage(f)))
		}
	})
	b.WriteString(`
What differs from mqadmin under its own names:

- a command that fails says why in one sentence on the standard error and exits with 1; mqadmin prints a stack trace and exits with 0;
- ` + "`-o json`" + ` prints the result as JSON; where mqadmin has another -o it is ` + "`--output json`" + `;
- messages are shown with their bodies, where mqadmin writes the body to a file below /tmp and shows its name;
- names and queues are sorted;
- ` + "`clusterRT`" + ` and ` + "`startMonitoring`" + ` take ` + "`--rounds`" + `, and startMonitoring prints what mqadmin writes to a log file;
- with ` + "`-d true`" + ` exportPopRecord changes nothing; with mqadmin it does;
- no command prints a password, which stands as null, as mqadmin prints it where it is told none.

## mqadmin's commands

| mqadmin | ours | what it does |
| --- | --- | --- |
`)
	ours := map[string]*cobra.Command{}
	for _, c := range leaves(newAdmin()) {
		if c.Parent().Name() != "admin" {
			ours[c.Short] = c
		}
	}
	byName := func(a, b *cobra.Command) int { return strings.Compare(a.Name(), b.Name()) }
	for _, old := range slices.SortedFunc(slices.Values(mqadminCommands()), byName) {
		path := "-"
		if c := ours[old.Short]; c != nil {
			path = "`" + strings.TrimPrefix(c.CommandPath(), "goddard ") + "`"
		}
		if other := otherwise[old.Name()]; other != "" {
			path = other
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", old.Name(), path, cell(old.Short))
	}
	b.WriteString(`
These make no sense here, and say so:

| mqadmin | why |
| --- | --- |
`)
	for _, name := range slices.Sorted(maps.Keys(refusedCommands)) {
		fmt.Fprintf(&b, "| %s | %s |\n", name, cell(refusedCommands[name]))
	}
	if len(elsewhere) > 0 {
		b.WriteString("\nThese are not there yet:\n\n| mqadmin | why |\n| --- | --- |\n")
		for _, name := range slices.Sorted(maps.Keys(elsewhere)) {
			fmt.Fprintf(&b, "| %s | %s |\n", name, elsewhere[name])
		}
	}
	b.WriteString("\n## Our commands\n")
	for _, c := range leaves(newAdmin()) {
		if c.Parent().Name() == "admin" {
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n\n", strings.TrimSuffix(c.UseLine(), " [flags]"))
		text := c.Long
		if text == "" {
			text = c.Short + "."
		}
		fmt.Fprintf(&b, "```text\n%s\n\n%s\n```\n", text, c.Example)
		var rows strings.Builder
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && !common[f.Name] && f.Name != "help" {
				fmt.Fprintf(&rows, "| %s | %s |\n", flagName(f), cell(flagUsage(f)))
			}
		})
		if rows.Len() > 0 {
			fmt.Fprintf(&b, "\n| Flag | Meaning |\n| --- | --- |\n%s", rows.String())
		}
	}
	return b.String()
}

// cell is a text within a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func flagName(f *pflag.Flag) string {
	if f.Shorthand == "" {
		return "--" + f.Name
	}
	return "-" + f.Shorthand + ", --" + f.Name
}

// flagUsage is what a flag means, and what it is unless it is given.
func flagUsage(f *pflag.Flag) string {
	_, usage := pflag.UnquoteUsage(f)
	if f.DefValue == "" || f.DefValue == "false" || f.DefValue == "0" || f.DefValue == "[]" || strings.Contains(usage, "(default") {
		return usage
	}
	return usage + " (default " + f.DefValue + ")"
}

func TestAdminPageFollowsTheCommands(t *testing.T) {
	want := adminPage()
	if *update {
		if err := os.WriteFile(adminPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(adminPath)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/ADMIN.md is not what the commands say; run: go test ./cmd/goddard -run AdminPage -update")
	}
}
