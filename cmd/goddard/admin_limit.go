package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/spf13/cobra"
)

// limitScopes explains whom a limit can be on.
const limitScopes = `SCOPE and NAME say on whom:
  broker              all clients of a broker (with --namesrvs, of a name server) together
  user NAME           a user; '*' is each user by itself
  address NAME        an address; a network as in 10.1.0.0/16 together; '*' is each address by itself
  connection          each connection by itself`

func limitSet(s spelling) *cobra.Command {
	o := s.operation("Limit what clients may do", "goddard admin limit set address '*' --send-messages 1000 --connections 50\n  goddard admin limit set address '*' --requests 200 --namesrvs")
	o.Long = "Limit what clients may do, per second and on each broker. It replaces a limit on the same; what is not\n" +
		"given is not limited. " + limitScopes + "\nTopics have the attributes send.rate.messages and send.rate.bytes, and topics and groups\nconsume.rate.messages and consume.rate.bytes."
	o.targets()
	namesrvs := o.namesrvs()
	var scope string
	var r mq.LimitRule
	f := o.Flags()
	f.Int64Var(&r.SendMessages, "send-messages", 0, "messages that may be sent in a second")
	f.Int64Var(&r.SendBytes, "send-bytes", 0, "bytes of messages that may be sent in a second")
	f.Int64Var(&r.ConsumeMessages, "consume-messages", 0, "messages that may be pulled and popped in a second; more waits")
	f.Int64Var(&r.ConsumeBytes, "consume-bytes", 0, "bytes of messages that may be pulled and popped in a second; more waits")
	f.Int64Var(&r.Requests, "requests", 0, "requests that may be made in a second")
	f.Int64Var(&r.Connections, "connections", 0, "connections that may be open; for broker and address")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		var err error
		if r.Scope, err = limitScope(scope, r.Name); err != nil {
			return err
		}
		if err := o.changes("send-messages", "send-bytes", "consume-messages", "consume-bytes", "requests", "connections"); err != nil {
			return err
		}
		if *namesrvs {
			err = c.PutNamesrvLimit(ctx, r)
		} else {
			err = c.PutLimit(ctx, o.target, r)
		}
		if err != nil {
			return err
		}
		return o.done(r, "%s may do at most: %s", limitName(r.Scope, r.Name), limitAmounts(allowedBy(&r)))
	}, wanted{"scope", "", "SCOPE", &scope}, wanted{"name", "", "NAME", &r.Name})
}

func limitDelete(s spelling) *cobra.Command {
	o := s.operation("Lift a limit", "goddard admin limit delete address '*'")
	o.Long = "Lift a limit. " + limitScopes
	o.targets()
	namesrvs := o.namesrvs()
	var scope, name string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		on, err := limitScope(scope, name)
		if err != nil {
			return err
		}
		if *namesrvs {
			err = c.DeleteNamesrvLimit(ctx, on, name)
		} else {
			err = c.DeleteLimit(ctx, o.target, on, name)
		}
		if err != nil {
			return err
		}
		return o.done(map[string]string{"scope": on, "name": name}, "the limit on %s is lifted", limitName(on, name))
	}, wanted{"scope", "", "SCOPE", &scope}, wanted{"name", "", "NAME", &name})
}

func limitList(s spelling) *cobra.Command {
	o := s.operation("List limits, what is used of them and what they refused", "goddard admin limit list")
	o.Long = `List limits, those of topics too: what they allow, what was used of them within the last second
(connections: now), and how often they refused something, or let a consumer wait, since they were set or the
broker started. Of a limit on each by itself, USED is that of the busiest of those that are known.`
	o.targets()
	namesrvs := o.namesrvs()
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		list := c.NamesrvLimits
		if !*namesrvs {
			list = func(ctx context.Context) ([]admin.Limit, error) { return c.Limits(ctx, o.target) }
		}
		all, err := list(ctx)
		if err != nil {
			return err
		}
		t := newTable("LIMIT ON", "BROKER", "ALLOWED", "USED", "REFUSED", "KNOWN", "BUSIEST")
		for _, l := range all {
			t.add(limitName(l.Scope, l.Name), l.Broker, limitAmounts(allowedBy(&l.LimitRule)), limitAmounts(l.Used), refusals(l.Refused), l.Subjects, l.Busiest)
		}
		return o.print(nonNil(all), t)
	})
}

// namesrvs adds the flag by which limits are those of name servers.
func (o *operation) namesrvs() *bool {
	on := o.Flags().Bool("namesrvs", false, "on all name servers, each by itself, instead of brokers")
	for _, of := range []string{"broker", "cluster"} {
		o.MarkFlagsMutuallyExclusive("namesrvs", of)
	}
	return on
}

// limitScope is a scope as brokers know it.
func limitScope(word, name string) (string, error) {
	scope := strings.ToUpper(word)
	switch scope {
	case mq.LimitUser, mq.LimitAddress:
		if name == "" {
			return "", fmt.Errorf("NAME is missing: which %s? '*' is each by itself", strings.ToLower(scope))
		}
		return scope, nil
	case mq.LimitBroker, mq.LimitConnection:
		return scope, nil
	case mq.LimitTopic:
		return "", errors.New("the limits of a topic are attributes of it: `goddard admin topic update TOPIC --attributes +send.rate.messages=N`")
	}
	return "", fmt.Errorf("%q: want broker, user, address or connection", word)
}

// limitName is whom a limit is on.
func limitName(scope, name string) string {
	return strings.TrimSpace(strings.ToLower(scope) + " " + name)
}

// allowedBy is what a limit allows.
func allowedBy(r *mq.LimitRule) mq.LimitAmounts {
	return mq.LimitAmounts{
		SendMessages: r.SendMessages, SendBytes: r.SendBytes, ConsumeMessages: r.ConsumeMessages, ConsumeBytes: r.ConsumeBytes,
		Requests: r.Requests, Connections: r.Connections,
	}
}

// limitAmounts lists what is allowed or used.
func limitAmounts(a mq.LimitAmounts) string {
	return figures(a, "messages/s", "bytes/s", "messages/s consumed", "bytes/s consumed", "requests/s", "connections")
}

// refusals lists how often something was refused or had to wait, by what was
// too much.
func refusals(a mq.LimitAmounts) string {
	return figures(a, "for messages", "for bytes", "waits for messages", "waits for bytes", "requests", "connections")
}

// figures lists those that are not 0, with these words behind them.
func figures(a mq.LimitAmounts, words ...string) string {
	var all []string
	for i, n := range []int64{a.SendMessages, a.SendBytes, a.ConsumeMessages, a.ConsumeBytes, a.Requests, a.Connections} {
		if n != 0 {
			all = append(all, fmt.Sprintf("%d %s", n, words[i]))
		}
	}
	if len(all) == 0 {
		return "-"
	}
	return strings.Join(all, ", ")
}
