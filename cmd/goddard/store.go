package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
	"github.com/spf13/cobra"
)

// newStore gathers the commands that look after a data directory.
func newStore() *cobra.Command {
	return family("store", "Look into a data directory", newDump(), newVerify())
}

// dumpOptions say which records are printed and how.
type dumpOptions struct {
	from  int64
	limit int
	topic string
	body  bool
	out   output
}

// errEnough ends a dump that has printed what was wanted.
var errEnough = errors.New("enough")

func newDump() *cobra.Command {
	var o dumpOptions
	c := &cobra.Command{
		Use:   "dump DIR",
		Short: "Print the messages in a log",
		Long: `Print the messages in the log of a data directory, in the order in which they
lie. It changes nothing and may be used while a broker runs.`,
		Example: `  goddard store dump ./goddard-data --limit 10
  goddard store dump ./goddard-data --topic orders --body -o json`,
		Args: directory,
		RunE: func(c *cobra.Command, args []string) error {
			return o.run(c.OutOrStdout(), c.ErrOrStderr(), args[0])
		},
	}
	f := c.Flags()
	f.Int64Var(&o.from, "from", 0, "first log `POSITION`")
	f.IntVar(&o.limit, "limit", 0, "print at most so many messages; 0 prints all")
	f.StringVarP(&o.topic, "topic", "t", "", "only this `TOPIC`")
	f.BoolVar(&o.body, "body", false, "print bodies and properties, too")
	o.out.register(f, "o")
	return c
}

// directory checks that the one argument names a directory.
func directory(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("the data directory is missing; see `%s --help`", c.CommandPath())
	}
	if info, err := os.Stat(args[0]); err != nil || !info.IsDir() {
		return fmt.Errorf("%s is not a directory; give the one that --data names", args[0])
	}
	return nil
}

// A dumped record is one line of JSON.
type dumped struct {
	Pos        int64             `json:"pos"`
	Size       int32             `json:"size"`
	Topic      string            `json:"topic"`
	Queue      int32             `json:"queue"`
	Offset     int64             `json:"offset"`
	Stored     time.Time         `json:"stored"`
	Born       time.Time         `json:"born"`
	BornHost   string            `json:"born_host"`
	ID         string            `json:"id"`
	Intact     bool              `json:"intact"`
	Properties map[string]string `json:"properties,omitempty"`
	Body       []byte            `json:"body,omitempty"` // base64
}

func (o *dumpOptions) run(w, problems io.Writer, dir string) error {
	printed := 0
	line := json.NewEncoder(w)
	rep, err := store.Dump(nil, dir, mq.LogPos(o.from), func(r *mq.Record) error {
		if o.topic != "" && string(r.Topic) != o.topic {
			return nil
		}
		if o.limit > 0 && printed == o.limit {
			return errEnough
		}
		printed++
		if o.out == asJSON {
			return line.Encode(o.record(r))
		}
		return o.text(w, r)
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	return findings(problems, rep)
}

func (o *dumpOptions) record(r *mq.Record) dumped {
	d := dumped{
		Pos: int64(r.Pos), Size: r.Size, Topic: string(r.Topic), Queue: r.QueueID, Offset: int64(r.QueueOffset),
		Stored: time.UnixMilli(r.StoreTime), Born: time.UnixMilli(r.BornTime), BornHost: r.BornHost.String(),
		ID: r.OffsetID(), Intact: r.Intact(),
	}
	if o.body {
		d.Properties, d.Body = mq.PropertyMap(r.Properties), r.Body
	}
	return d
}

func (o *dumpOptions) text(w io.Writer, r *mq.Record) error {
	state := ""
	if !r.Intact() {
		state = "  CORRUPT BODY"
	}
	_, err := fmt.Fprintf(w, "%012d %6d  %s  %s %d/%d%s\n", r.Pos, r.Size, when(time.UnixMilli(r.StoreTime)), r.Topic, r.QueueID, r.QueueOffset, state)
	if err == nil && o.body {
		_, err = fmt.Fprintf(w, "    %q\n    %q\n", mq.PropertyMap(r.Properties), r.Body)
	}
	return err
}

func newVerify() *cobra.Command {
	return &cobra.Command{
		Use:   "verify DIR",
		Short: "Check a log and its index",
		Long: `Read the whole log of a data directory and compare the index with it. It
changes nothing; the broker must be stopped. The last line is "ok" or "damaged",
and it exits with 1 if anything is not as it should be.

The index has an entry for each message that consumers can reach. It may have
fewer entries than the log has messages: those behind the index's position are
entered when a broker opens the directory, and deleted topics have none.`,
		Example: "  goddard store verify ./goddard-data",
		Args:    directory,
		RunE: func(c *cobra.Command, args []string) error {
			rep, err := store.Verify(nil, args[0], nil)
			if err != nil {
				return err
			}
			w := c.OutOrStdout()
			fmt.Fprintf(w, "%d segments, positions %d to %d, %d messages, %d bytes; index has %d entries, up to %d\n",
				rep.Segments, rep.Start, rep.End, rep.Records, rep.Bytes, rep.Entries, rep.Checkpoint)
			if rep.Problems > 0 {
				fmt.Fprintln(w, "damaged")
			} else {
				fmt.Fprintln(w, "ok")
			}
			return findings(c.ErrOrStderr(), rep)
		},
	}
}

// findings prints what is not as it should be; any makes the command fail.
func findings(w io.Writer, rep store.Report) error {
	for _, text := range rep.Findings {
		fmt.Fprintln(w, text)
	}
	if rep.Problems == 0 {
		return nil
	}
	return fmt.Errorf("%d problems; a broker that opens the directory rebuilds the index and cuts off a torn end, anything else needs a copy from elsewhere", rep.Problems)
}
