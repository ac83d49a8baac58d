package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/spf13/cobra"
)

// registerRedrive adds the flags that say whereto dead letters are sent, and
// how.
func registerRedrive(o *operation, r *admin.Redrive) {
	f := o.Flags()
	f.StringVar(&r.To, "to", admin.ToRetry, "send to the `TOPIC`, or with origin to the topic that each came from (default: the group's retry topic, which no other group reads)")
	f.Float64Var(&r.Rate, "rate", 0, "messages a second; 0 for as fast as it goes")
	f.IntVar(&r.Limit, "limit", 0, "how many at most; 0 for all")
	f.BoolVar(&r.DryRun, "dry-run", false, "only print what would be sent")
}

func checkRedrive(r admin.Redrive) error {
	if r.Rate < 0 || r.Rate > 1e6 {
		return fmt.Errorf("--rate %v: want 0 to 1000000", r.Rate)
	}
	if r.Limit < 0 {
		return fmt.Errorf("--limit %d: want 0 or more", r.Limit)
	}
	if r.To != admin.ToRetry && r.To != admin.ToOrigin {
		if err := mq.CheckTopic(r.To); err != nil {
			return fmt.Errorf("--to: %w", err)
		}
	}
	return nil
}

func sentOr(dry bool) string {
	if dry {
		return "would send"
	}
	return "sent"
}

// showEach counts messages, and prints them in a dry run.
func (o *operation) showEach(dry bool, count *int) func(*admin.DeadLetter, *mq.Message) error {
	return func(l *admin.DeadLetter, m *mq.Message) error {
		*count++
		if !dry || o.out == asJSON {
			return nil
		}
		_, err := fmt.Fprintf(o.OutOrStdout(), "%s of %s, died %s, to %s\n", l.ID, l.Origin, when(l.Died), m.Topic)
		return err
	}
}

func dlqRedrive(s spelling) *cobra.Command {
	o := s.operation("Send dead letters again", "goddard admin dlq redrive audit --origin orders --rate 100 --canary 10")
	o.Long = `Send dead letters again, those that the flags choose, in the order in which they
died. They go to the retry topic of their group, so that no other group gets
them again, and their tries are counted from none.

What was sent is remembered in the cluster: the next run, by whomever, sends
what this one has not. If a run is killed, the next one does not send what it
sent, but waits for a minute with the last hundred that it was busy with.`
	var ch choice
	var r admin.Redrive
	var canary int
	wait := 30 * time.Second
	ch.register(o)
	registerRedrive(o, &r)
	f := o.Flags()
	f.StringVar(&ch.ID, "id", "", "only the one with this `ID`")
	f.IntVar(&canary, "canary", 0, "send so many first, and the others only if none of them has died again after --canary-wait")
	f.DurationVar(&wait, "canary-wait", wait, "how long to wait for that")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if err := checkRedrive(r); err != nil {
			return err
		}
		var err error
		if r.Filter, err = ch.filter(time.Now()); err != nil {
			return err
		}
		if canary > 0 && !r.DryRun {
			return o.canary(ctx, c, r, canary, wait)
		}
		p, err := o.redrive(ctx, c, r)
		if err != nil {
			return err
		}
		return o.redriven(r, p)
	}, wanted{"group", "g", "GROUP", &r.Group})
}

// redrive runs and says once a second how far it is.
func (o *operation) redrive(ctx context.Context, c *admin.Cluster, r admin.Redrive) (admin.RedriveProgress, error) {
	count := 0
	r.Each = o.showEach(r.DryRun, &count)
	var told time.Time
	r.Progress = func(p admin.RedriveProgress) {
		if r.DryRun || time.Since(told) < time.Second || p.Looked >= p.Of {
			return
		}
		told = time.Now()
		left := "unknown"
		if d, ok := p.Left(); ok {
			left = d.String()
		}
		fmt.Fprintf(o.ErrOrStderr(), "sent %d, looked at %d of %d, %s to go\n", p.Sent, p.Looked, p.Of, left)
	}
	p, err := c.Redrive(ctx, r)
	if err != nil && p.Sent > 0 {
		err = fmt.Errorf("sent %d, then: %w", p.Sent, err)
	}
	return p, err
}

// redriven says what a run did.
func (o *operation) redriven(r admin.Redrive, p admin.RedriveProgress) error {
	text := fmt.Sprintf("%s %d of the dead letters of %s", sentOr(r.DryRun), p.Sent, r.Group)
	if p.Found > 0 {
		text += fmt.Sprintf("; an interrupted run had sent %d more", p.Found)
	}
	if p.Busy > 0 {
		text += fmt.Sprintf("; %d are in the hands of another run, or of one that was interrupted within the last minute", p.Busy)
	}
	return o.done(p, "%s", text)
}

// canary sends some first, and the others if those live.
func (o *operation) canary(ctx context.Context, c *admin.Cluster, r admin.Redrive, canary int, wait time.Duration) error {
	start := time.Now()
	first := r
	if first.Limit == 0 || first.Limit > canary {
		first.Limit = canary
	}
	p, err := o.redrive(ctx, c, first)
	if err != nil || p.Sent < canary || r.Limit == p.Sent {
		if err != nil {
			return err
		}
		return o.redriven(first, p)
	}
	fmt.Fprintf(o.ErrOrStderr(), "sent %d first; waiting %v for any that die again\n", p.Sent, wait)
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return ctx.Err()
	}
	// The clocks of this machine and the broker may differ.
	f := admin.DeadLetterFilter{Expression: mq.PropRedrivenFrom + " IS NOT NULL", From: start.Add(-time.Minute)}
	page, err := c.DeadLetters(ctx, r.Group, f, "", 1)
	if err != nil {
		return err
	}
	if len(page.Letters) > 0 {
		return fmt.Errorf("sent %d, and %s died again within %v; the others were left alone", p.Sent, page.Letters[0].Redriven, time.Since(start).Round(time.Second))
	}
	rest := r
	if rest.Limit > 0 {
		rest.Limit -= p.Sent
	}
	after, err := o.redrive(ctx, c, rest)
	if err != nil {
		return err
	}
	after.Sent, after.Found = after.Sent+p.Sent, after.Found+p.Found
	return o.redriven(r, after)
}

// dlqEdit changes one dead letter and sends it again.
func dlqEdit(s spelling) *cobra.Command {
	o := s.operation("Change one dead letter and send it again", "goddard admin dlq edit 7F00000100002A9F0000000000000000 --body-file fixed.json --property region=eu")
	o.Long = `Change one dead letter and send it again. Its properties say afterwards where it
comes from, as with ` + "`goddard admin dlq redrive`" + `.`
	var id, body, bodyFile, tag, key string
	var properties, without []string
	var r admin.Redrive
	f := o.Flags()
	f.StringVar(&r.To, "to", admin.ToRetry, "send to the `TOPIC`, or with origin to the topic that it came from (default: the group's retry topic)")
	f.BoolVar(&r.DryRun, "dry-run", false, "only print what would be sent")
	f.StringVar(&body, "body", "", "the new body")
	f.StringVar(&bodyFile, "body-file", "", "the `FILE` that holds the new body")
	f.StringVar(&tag, "tag", "", "the new `TAG`")
	f.StringVar(&key, "key", "", "the new `KEYS`, separated by spaces")
	f.StringArrayVar(&properties, "property", nil, "set a property, `NAME=VALUE`; may be repeated")
	f.StringArrayVar(&without, "without", nil, "drop the property `NAME`; may be repeated")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if err := checkRedrive(r); err != nil {
			return err
		}
		l, err := c.DeadLetter(ctx, id)
		if err != nil {
			return err
		}
		if l.State != admin.StateWaiting {
			return fmt.Errorf("dead letter %s is %s already", id, l.State)
		}
		change := edit{tag: tag, keys: key, properties: properties, without: without}
		if f.Changed("body") {
			change.body = []byte(body)
		}
		if bodyFile != "" {
			if change.body, err = os.ReadFile(bodyFile); err != nil {
				return fmt.Errorf("--body-file: %w", err)
			}
		}
		r.Group, r.Filter.ID = l.Group, id
		var became mq.Message
		r.Each = func(l *admin.DeadLetter, m *mq.Message) error {
			err := change.apply(l, m)
			became = *m
			return err
		}
		p, err := c.Redrive(ctx, r)
		if err != nil {
			return err
		}
		if p.Sent == 0 {
			return fmt.Errorf("dead letter %s was not sent: another run has it in its hands; try again in a minute", id)
		}
		return o.done(map[string]any{"id": id, "to": became.Topic, "properties": mq.PropertyMap(became.Properties), "size": len(became.Body)},
			"%s %s to %s, %d bytes", sentOr(r.DryRun), id, became.Topic, len(became.Body))
	}, wanted{"id", "i", "ID", &id})
}

// An edit is what to change in a message.
type edit struct {
	body                []byte // nil leaves it
	tag, keys           string // empty leaves it
	properties, without []string
}

// apply changes m, which is what l is sent again as.
func (e *edit) apply(l *admin.DeadLetter, m *mq.Message) error {
	if e.body != nil {
		m.Body = e.body
		m.SysFlag &^= mq.FlagCompressed | mq.FlagCompressType
	} else if _, err := remote.Body(&l.Record); err != nil {
		return err
	}
	for _, name := range e.without {
		m.Properties = mq.AppendWithoutProperty(nil, m.Properties, name)
	}
	set := slices.Clone(e.properties)
	if e.tag != "" {
		set = append(set, mq.PropTags+"="+e.tag)
	}
	if e.keys != "" {
		set = append(set, mq.PropKeys+"="+e.keys)
	}
	for _, text := range set {
		name, value, ok := strings.Cut(text, "=")
		if !ok || !mq.ValidProperty(name, value) {
			return fmt.Errorf("--property %q: want name=value", text)
		}
		m.Properties = mq.AppendSettingProperty(nil, m.Properties, name, value)
	}
	return nil
}
