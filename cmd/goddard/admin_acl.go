package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/wire"
	"github.com/spf13/cobra"
)

// aclHelp is what help says about entries of policies.
const aclHelp = `Resources: *, or Topic:NAME, Group:NAME, Cluster:NAME, where NAME may be * for all
or end in * for all that begin so. Actions: All, or some of Pub, Sub, Create, Update,
Delete, Get, List. The entry of the narrowest resource that fits decides.`

// subjectOf is a user as policies name it.
func subjectOf(user string) string {
	if strings.Contains(user, ":") {
		return user
	}
	return "User:" + user
}

// commas cuts a list.
func commas(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

func aclCreate(s spelling) *cobra.Command {
	return aclPut(s, "Add an entry to a user's policies", "goddard admin acl create alice --resource Topic:orders --actions Pub", "create acl to %s success.", (*admin.Cluster).CreateACL)
}

func aclUpdate(s spelling) *cobra.Command {
	return aclPut(s, "Change an entry of a user's policies", "goddard admin acl update alice --resource Topic:orders --actions Pub,Sub", "update acl to %s success.", (*admin.Cluster).PutACL)
}

func aclPut(s spelling, short, example, sentence string, put func(*admin.Cluster, context.Context, admin.Target, wire.ACLInfo) ([]admin.Broker, error)) *cobra.Command {
	o := s.operation(short, example)
	o.Long = short + ".\n\n" + aclHelp
	o.targets()
	var user, resources, actions, sources, kind string
	decision := "Allow"
	f := o.Flags()
	f.StringVarP(&resources, "resource", "r", "", "what it is about; several with commas between them")
	f.StringVarP(&actions, "actions", "a", "", "which actions, with commas between them")
	f.StringVarP(&sources, "source", "i", "", "IP addresses and networks it is for, with commas between them (default: all)")
	f.StringVarP(&decision, "decision", "d", decision, "Allow or Deny")
	f.StringVar(&kind, "policy", "", "Custom, or Default, which counts where nothing custom fits (default Custom)")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if resources == "" || actions == "" {
			return errors.New("name the resource (--resource Topic:orders) and the actions (--actions Pub,Sub)")
		}
		policy := wire.PolicyInfo{PolicyType: kind}
		for _, r := range commas(resources) {
			policy.Entries = append(policy.Entries, wire.PolicyEntryInfo{Resource: r, Actions: commas(actions), SourceIPs: commas(sources), Decision: decision})
		}
		brokers, err := put(c, ctx, o.target, wire.ACLInfo{Subject: subjectOf(user), Policies: []wire.PolicyInfo{policy}})
		if err != nil {
			return err
		}
		return o.changed(brokers, sentence, "%s: %s %s on %s, at %s", subjectOf(user), decision, actions, resources, names(brokers))
	}, wanted{"subject", "s", "USER", &user})
}

func aclDelete(s spelling) *cobra.Command {
	o := s.operation("Delete entries of a user's policies", "goddard admin acl delete alice --resource Topic:orders")
	o.targets()
	var user, resources, kind string
	f := o.Flags()
	f.StringVarP(&resources, "resource", "r", "", "the resources whose entries go, with commas between them (default: all)")
	f.StringVar(&kind, "policy", "", "Custom or Default (default Custom)")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		brokers, err := c.DeleteACL(ctx, o.target, subjectOf(user), kind, commas(resources))
		if err != nil {
			return err
		}
		what := "all policies"
		if resources != "" {
			what = "the entries for " + resources
		}
		return o.changed(brokers, "delete acl to %s success.", "deleted %s of %s on %s", what, subjectOf(user), names(brokers))
	}, wanted{"subject", "s", "USER", &user})
}

func aclGet(s spelling) *cobra.Command {
	o := s.operation("Show a user's policies", "goddard admin acl get alice")
	o.targets()
	var user string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		found, err := c.ACL(ctx, o.target, subjectOf(user))
		if err != nil {
			return err
		}
		if o.old {
			return o.print(found, o.aclSheet(found))
		}
		return o.print(found, aclTable(found))
	}, wanted{"subject", "s", "USER", &user})
}

func aclList(s spelling) *cobra.Command {
	o := s.operation("List policies", "goddard admin acl list --resource Topic:orders")
	o.targets()
	var subject, resource string
	f := o.Flags()
	f.StringVarP(&subject, "subject", "s", "", "only of users with this in their name")
	f.StringVarP(&resource, "resource", "r", "", "only for resources with this in their name")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		found, err := c.ACLs(ctx, o.target, subject, resource)
		if err != nil {
			return err
		}
		if o.old {
			return o.print(found, o.aclSheet(found))
		}
		return o.print(found, aclTable(found))
	})
}

// aclTable has a row for each entry.
func aclTable(found []admin.PlacedACL) *table {
	t := newTable("SUBJECT", "POLICY", "RESOURCE", "ACTIONS", "SOURCES", "DECISION", "BROKER")
	for _, a := range found {
		for _, p := range a.Policies {
			for _, e := range p.Entries {
				sources := strings.Join(e.SourceIPs, ",")
				if sources == "" {
					sources = "-"
				}
				t.add(a.Subject, p.PolicyType, e.Resource, strings.Join(e.Actions, ","), sources, e.Decision, names([]admin.Broker{a.Broker}))
			}
		}
	}
	return t
}

func aclCopy(s spelling) *cobra.Command {
	o := s.operation("Copy policies from one broker to another", "goddard admin acl copy alice --from 10.0.0.5:10911 --to 10.0.0.6:10911")
	var from, to, users string
	f := o.Flags()
	f.StringVarP(&from, "from", o.letter("f"), "", "the broker to copy from, host:port")
	f.StringVarP(&to, "to", o.letter("t"), "", "the broker to copy to, host:port")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if from == "" || to == "" {
			return errors.New("name both brokers: --from and --to, host:port")
		}
		all := commas(users)
		if len(all) == 0 {
			all = []string{""}
		}
		var copied []string
		for _, user := range all {
			if user != "" {
				user = subjectOf(user)
			}
			done, err := c.CopyACL(ctx, from, to, user)
			if err != nil {
				return err
			}
			copied = append(copied, done...)
		}
		if o.old {
			s := o.sheet()
			for _, subject := range copied {
				s.line("copy acl of %s from %s to %s success.", subject, from, to)
			}
			return o.print(copied, s)
		}
		return o.done(copied, "copied the policies of %s from %s to %s", strings.Join(copied, ", "), from, to)
	}, wanted{"subjects", "s", "[USER,USER]", &users})
}

func aclImport(s spelling) *cobra.Command {
	o := s.operation("Create the users and policies of RocketMQ 4's plain_acl.yml", "goddard admin acl import plain_acl.yml --dry-run")
	o.Long = o.Short + `.

Users that exist already are left alone. White lists of addresses have no
counterpart: everybody signs requests.`
	o.targets()
	var file string
	var dry bool
	o.Flags().BoolVar(&dry, "dry-run", false, "only print what would be created")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("the file of access control lists cannot be read: %w", err)
		}
		plan, err := c.ImportPlain(ctx, o.target, text, dry)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		return o.print(plan, planTable(plan, dry))
	}, wanted{"file", "", "FILE", &file})
}

// planTable has a row for each user and each entry of a plan.
func planTable(plan admin.PlainPlan, dry bool) *table {
	t := newTable()
	verb := "created"
	if dry {
		verb = "would create"
	}
	for _, a := range plan.Accounts {
		if len(a.Exists) > 0 {
			t.add(fmt.Sprintf("User:%s exists on %s and is left alone there", a.User, strings.Join(a.Exists, ", ")))
			continue
		}
		t.add(fmt.Sprintf("%s User:%s (%s)", verb, a.User, a.Type))
		for _, p := range a.Policies {
			for _, e := range p.Entries {
				t.add(fmt.Sprintf("  %s: %s %s on %s", p.PolicyType, e.Decision, strings.Join(e.Actions, ","), e.Resource))
			}
		}
	}
	for _, line := range plan.Left {
		t.add("not taken over: " + line)
	}
	return t
}

func aclExplain(s spelling) *cobra.Command {
	o := s.operation("Say what decides whether a user may do something", "goddard admin acl explain alice Topic:orders Pub --from 10.1.2.3")
	o.Long = o.Short + `: the policy that wins, and all others that
fit. Without actions every one of them is asked about.`
	o.targets()
	var h wire.GoddardExplainAccessRequest
	var actions string
	o.Flags().StringVar(&h.SourceIP, "from", "", "the IP `ADDRESS` that the request comes from")
	o.Use += " [ACTIONS]"
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if h.Username == "" || h.Resource == "" {
			return fmt.Errorf("USER and RESOURCE are missing; see `%s --help`", o.CommandPath())
		}
		h.Username = strings.TrimPrefix(h.Username, "User:")
		asked := []string{actions}
		if actions == "" {
			asked = []string{"Pub", "Sub", "Create", "Update", "Delete", "Get", "List"}
		}
		var all []admin.Explained
		for _, h.Actions = range asked {
			found, err := c.Explain(ctx, o.target, h)
			if err != nil {
				return err
			}
			all = append(all, found...)
		}
		return o.print(all, explainTable(all))
	}, wanted{"username", "u", "USER", &h.Username}, wanted{"resource", "r", "RESOURCE", &h.Resource}, wanted{"actions", "a", "[ACTIONS]", &actions})
}

// explainTable says what decides, and lists what fits.
func explainTable(all []admin.Explained) *table {
	t := newTable()
	for _, e := range all {
		verdict := "denied"
		if e.Allowed {
			verdict = "allowed"
		}
		t.add(fmt.Sprintf("%s: %s (%s)", verdict, e.Reason, names([]admin.Broker{e.Broker})))
		list := func(kind string, entries []wire.PolicyEntryInfo) {
			for _, p := range entries {
				from := ""
				if len(p.SourceIPs) > 0 {
					from = " from " + strings.Join(p.SourceIPs, ",")
				}
				t.add(fmt.Sprintf("  %s: %s %s on %s%s", kind, p.Decision, strings.Join(p.Actions, ","), p.Resource, from))
			}
		}
		list("Custom", e.Custom)
		list("Default", e.Default)
		switch {
		case !e.Authentication:
			t.add("  but authentication is off: nobody is asked who they are, and everything is allowed")
		case !e.Authorization:
			t.add("  but authorization is off: every user may do everything")
		}
	}
	return t
}
