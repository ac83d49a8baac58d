package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/spf13/cobra"
)

// A choice is the flags that choose dead letters.
type choice struct {
	admin.DeadLetterFilter
	from, to string
}

func (ch *choice) register(o *operation) {
	f := o.Flags()
	f.StringVar(&ch.Tag, "tag", "", "only with this `TAG`")
	f.StringVar(&ch.Key, "key", "", "only with this `KEY`, or this unique id")
	f.StringVar(&ch.Expression, "sql", "", "only those whose properties match this SQL-92 `EXPRESSION`")
	f.StringVar(&ch.Origin, "origin", "", "only of this `TOPIC`, which they were sent to first")
	f.StringVar(&ch.Text, "text", "", "only with this `TEXT` in the body")
	f.StringVar(&ch.from, "from", "", "only those that died at this `TIME` or later: 2026-01-31T08:00:00Z, or 10m for ten minutes ago")
	f.StringVar(&ch.to, "until", "", "only those that died at this `TIME` or earlier")
}

// filter is what the flags say.
func (ch *choice) filter(now time.Time) (admin.DeadLetterFilter, error) {
	for _, bound := range []struct {
		text string
		at   *time.Time
	}{{ch.from, &ch.From}, {ch.to, &ch.To}} {
		if bound.text == "" {
			continue
		}
		at, _, err := parseMoment(bound.text, now)
		if err != nil {
			return ch.DeadLetterFilter, err
		}
		*bound.at = at
	}
	return ch.DeadLetterFilter, nil
}

func dlqList(s spelling) *cobra.Command {
	o := s.operation("List the groups that have dead letters", "goddard admin dlq list")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		groups, err := c.DeadLetterGroups(ctx)
		if err != nil {
			return err
		}
		t := newTable("GROUP", "BROKER", "KEPT", "WAITING", "SENT AGAIN", "PURGED", "FIRST DIED", "LAST DIED")
		for _, g := range groups {
			t.add(g.Group, g.Broker, g.Count, g.Waits, g.Sent, g.Purged, when(g.First), when(g.Last))
		}
		return o.print(nonNil(groups), t)
	})
}

func dlqBrowse(s spelling) *cobra.Command {
	o := s.operation("List dead letters of a group", "goddard admin dlq browse audit --origin orders --sql \"region = 'eu'\"")
	var ch choice
	var group, after string
	limit := 50
	ch.register(o)
	f := o.Flags()
	f.BoolVar(&ch.Handled, "all", false, "also those that were sent again or purged")
	f.IntVar(&limit, "limit", limit, "how many at most")
	f.StringVar(&after, "after", "", "go on at this `PLACE`, which is printed behind a page")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		filter, err := ch.filter(time.Now())
		if err != nil {
			return err
		}
		if limit < 1 {
			return fmt.Errorf("--limit %d: want 1 or more", limit)
		}
		page, err := c.DeadLetters(ctx, group, filter, after, limit)
		if err != nil {
			return err
		}
		t := newTable("DIED", "ORIGIN", "TRIES", "STATE", "ID", "UNIQUE ID", "TAGS", "KEYS")
		for _, l := range page.Letters {
			t.add(when(l.Died), l.Origin, l.Tries, l.State, l.ID, l.UniqueKey, l.Tags, l.Keys)
		}
		if err := o.print(page, t); err != nil || page.Next == "" || o.out == asJSON {
			return err
		}
		_, err = fmt.Fprintf(o.OutOrStdout(), "there are more: --after %s\n", page.Next)
		return err
	}, wanted{"group", "g", "GROUP", &group})
}

// A shownLetter is a dead letter as `admin dlq get` prints it in JSON.
type shownLetter struct {
	*admin.DeadLetter
	Why  string            `json:"why"`
	Body shownBody         `json:"body"`
	Prop map[string]string `json:"properties"`
}

// A shownBody is a body as text, or as hex if it is none.
type shownBody struct {
	Text string `json:"text,omitempty"`
	Hex  string `json:"hex,omitempty"`
}

func dlqGet(s spelling) *cobra.Command {
	o := s.operation("Show one dead letter", "goddard admin dlq get 7F00000100002A9F0000000000000000")
	var id string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		l, err := c.DeadLetter(ctx, id)
		if err != nil {
			return err
		}
		limit, err := c.DeadLetterLimit(ctx, l)
		if err != nil {
			return err
		}
		body, err := remote.Body(&l.Record)
		if err != nil {
			return err
		}
		shown := shownLetter{DeadLetter: l, Why: l.Why(limit), Prop: mq.PropertyMap(l.Record.Properties)}
		if utf8.Valid(body) {
			shown.Body.Text = string(body)
		} else {
			shown.Body.Hex = hex.EncodeToString(body)
		}
		return o.print(shown, shown.table(body))
	}, wanted{"id", "i", "ID", &id})
}

// table is the letter for a person, a line for each thing about it.
func (l shownLetter) table(body []byte) *table {
	t := newTable()
	t.add("group", l.Group)
	t.add("origin", l.Origin)
	t.add("origin id", l.OriginID)
	t.add("died", when(l.Died))
	t.add("why", l.Why)
	t.add("state", l.State)
	if l.Redriven != "" {
		t.add("sent again from", l.Redriven)
	}
	t.add("id", l.ID)
	t.add("broker", fmt.Sprintf("%s, queue %d, offset %d", l.Broker, l.Queue, l.Offset))
	t.add("born", when(l.Born), "at "+l.Record.BornHost.String())
	for k, v := range mq.Properties(l.Record.Properties) {
		t.add("property", string(k)+" = "+string(v))
	}
	if l.Body.Hex == "" {
		t.add("body", l.Body.Text)
		return t
	}
	for line := range strings.SplitSeq(strings.TrimSpace(hex.Dump(body)), "\n") {
		t.add("body", line)
	}
	return t
}

func dlqPurge(s spelling) *cobra.Command {
	o := s.operation("Mark dead letters as not wanted", "goddard admin dlq purge audit --until 2026-01-31T08:00:00Z")
	o.Long = `Mark dead letters as not wanted: they are neither listed nor sent again. Their
bytes are deleted with the rest of the log, by its retention.`
	var ch choice
	var group string
	var limit int
	ch.register(o)
	o.Flags().StringVar(&ch.ID, "id", "", "only the one with this `ID`")
	o.Flags().IntVar(&limit, "limit", 0, "how many at most; 0 for all")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		filter, err := ch.filter(time.Now())
		if err != nil {
			return err
		}
		count, err := c.Purge(ctx, group, filter, limit)
		if err != nil && count > 0 {
			err = fmt.Errorf("purged %d, then: %w", count, err)
		}
		if err != nil {
			return err
		}
		return o.done(map[string]int{"purged": count}, "purged %d dead letters of %s", count, group)
	}, wanted{"group", "g", "GROUP", &group})
}

func dlqExport(s spelling) *cobra.Command {
	o := s.operation("Write dead letters to a file, one a line, as JSON", "goddard admin dlq export audit --file audit.jsonl")
	var ch choice
	var group, file string
	var limit int
	ch.register(o)
	f := o.Flags()
	f.BoolVar(&ch.Handled, "all", false, "also those that were sent again or purged")
	f.StringVar(&file, "file", "", "the `FILE` to write (default: the standard output)")
	f.IntVar(&limit, "limit", 0, "how many at most; 0 for all")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		filter, err := ch.filter(time.Now())
		if err != nil {
			return err
		}
		if file == "" {
			_, err := c.SaveDeadLetters(ctx, group, filter, limit, o.OutOrStdout())
			return err
		}
		out, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("--file: %w", err)
		}
		count, err := c.SaveDeadLetters(ctx, group, filter, limit, out)
		if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
			return fmt.Errorf("%s holds %d of the dead letters: %w", file, count, err)
		}
		return o.done(map[string]any{"saved": count, "file": file}, "wrote %d dead letters of %s to %s", count, group, file)
	}, wanted{"group", "g", "GROUP", &group})
}

func dlqImport(s spelling) *cobra.Command {
	o := s.operation("Send the dead letters of a file", "goddard admin dlq import audit.jsonl --rate 100")
	o.Long = `Send the dead letters of a file that ` + "`goddard admin dlq export`" + ` wrote, whatever became
of them in the cluster. It is not remembered which of them were sent: if it is
interrupted, go on with --from-line.`
	var file string
	var r admin.Redrive
	line := 1
	f := o.Flags()
	registerRedrive(o, &r)
	f.IntVar(&line, "from-line", line, "begin at this `LINE` of the file")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if err := checkRedrive(r); err != nil {
			return err
		}
		in := o.InOrStdin()
		if file != "-" {
			f, err := os.Open(file)
			if err != nil {
				return err
			}
			defer f.Close()
			in = f
		}
		sent := 0
		r.Each = o.showEach(r.DryRun, &sent)
		last, err := c.SendSaved(ctx, in, line, r)
		if err != nil {
			return fmt.Errorf("%s: %w; the last line that was sent is %d", file, err, last)
		}
		return o.done(map[string]int{"sent": sent, "last_line": last}, "%s %d messages, up to line %d", sentOr(r.DryRun), sent, last)
	}, wanted{"file", "f", "FILE", &file})
}
