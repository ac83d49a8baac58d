package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/goddardmq/goddard/internal/mq"
)

// maxLine bounds a line of a file of dead letters, in bytes: a body of 64 MiB
// in base64, and its properties.
const maxLine = 96 << 20

// A SavedLetter is a dead letter as a line of a file.
type SavedLetter struct {
	Group      string            `json:"group"`
	ID         string            `json:"id"`
	Origin     string            `json:"origin"`
	OriginID   string            `json:"origin_id,omitempty"`
	Born       time.Time         `json:"born"`
	Died       time.Time         `json:"died"`
	Tries      int32             `json:"tries"`
	Flag       int32             `json:"flag,omitempty"`
	Properties map[string]string `json:"properties"`
	Retry      string            `json:"retry_topic,omitempty"` // that its group popped it from
	Body       string            `json:"body,omitempty"`        // if it is text
	Bytes      []byte            `json:"body_base64,omitempty"` // if it is not
}

// Save is the letter as a line of a file holds it, its body unpacked.
func (l *DeadLetter) Save() (SavedLetter, error) {
	body, err := unpack(&l.Record)
	if err != nil {
		return SavedLetter{}, err
	}
	s := SavedLetter{
		Group: l.Group, ID: l.ID, Origin: l.Origin, OriginID: l.OriginID, Born: l.Born.UTC(), Died: l.Died.UTC(), Tries: l.Tries,
		Flag: l.Record.Flag, Properties: mq.PropertyMap(l.Record.Properties), Retry: l.retry,
	}
	if utf8.Valid(body) {
		s.Body = string(body)
	} else {
		s.Bytes = body
	}
	return s, nil
}

// letter is the dead letter that was saved, without the broker that it lay on.
func (s *SavedLetter) letter() (*DeadLetter, error) {
	if err := mq.CheckGroup(s.Group); err != nil {
		return nil, err
	}
	if s.Origin == "" || s.ID == "" {
		return nil, fmt.Errorf("%w: a saved dead letter names its id and its origin", mq.ErrInvalid)
	}
	r := mq.Record{
		Topic: []byte(mq.DLQTopic(s.Group)), Flag: s.Flag, BornTime: s.Born.UnixMilli(), StoreTime: s.Died.UnixMilli(),
		ReconsumeTimes: s.Tries, Body: []byte(s.Body),
	}
	if s.Bytes != nil {
		r.Body = s.Bytes
	}
	for _, key := range slices.Sorted(maps.Keys(s.Properties)) {
		if !mq.ValidProperty(key, s.Properties[key]) {
			return nil, fmt.Errorf("%w: property %.60q cannot be stored: neither key nor value may be empty or hold the bytes 1 and 2", mq.ErrInvalid, key)
		}
		r.Properties = mq.AppendProperty(r.Properties, key, s.Properties[key])
	}
	if len(r.Properties) > mq.MaxPropertiesSize {
		return nil, fmt.Errorf("%w: the properties have %d bytes, at most %d are allowed", mq.ErrInvalid, len(r.Properties), mq.MaxPropertiesSize)
	}
	return &DeadLetter{
		Group: s.Group, ID: s.ID, Origin: s.Origin, OriginID: s.OriginID, Born: s.Born, Died: s.Died, Tries: s.Tries, Record: r, retry: s.Retry,
	}, nil
}

// SaveDeadLetters writes dead letters of a group as JSON, one a line, and
// returns how many it wrote.
func (c *Cluster) SaveDeadLetters(ctx context.Context, group string, f DeadLetterFilter, limit int, w io.Writer) (int, error) {
	enc := json.NewEncoder(w)
	count := 0
	err := c.eachDeadLetter(ctx, group, f, "", func(l *DeadLetter) (bool, error) {
		if limit > 0 && count == limit {
			return false, nil
		}
		s, err := l.Save()
		if err == nil {
			err = enc.Encode(s)
		}
		if err == nil {
			count++
		}
		return err == nil, err
	})
	return count, err
}

// readLetters hands each letter of a file to do, with the number of its line.
func readLetters(in io.Reader, do func(line int, l *DeadLetter) error) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var s SavedLetter
		err := json.Unmarshal(lines.Bytes(), &s)
		var l *DeadLetter
		if err == nil {
			l, err = s.letter()
		}
		if err == nil {
			err = do(n, l)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("a line is longer than %d bytes, which is no dead letter", maxLine)
	}
	return lines.Err()
}

// SendSaved sends the dead letters of a file that SaveDeadLetters wrote, from a
// line on, and returns the last line that was sent. Where they lay before, and
// whether they were sent again from there, makes no difference to it and is
// not changed: what is sent twice is sent twice.
func (c *Cluster) SendSaved(ctx context.Context, in io.Reader, from int, r Redrive) (last int, err error) {
	run := &redriving{Redrive: r, c: c, start: time.Now()}
	err = readLetters(in, func(line int, l *DeadLetter) error {
		if line < from || r.Limit > 0 && run.progress.Sent >= r.Limit {
			return nil
		}
		// Messages that were kept here lie on a broker that has the group.
		if l.From, err = c.home(ctx, l.Group); err != nil {
			return err
		}
		run.Group = l.Group
		if r.DryRun {
			m := Revive(l, run.to(l))
			last = line
			return run.call(l, &m)
		}
		done, _, err := run.one(ctx, l, run.to(l), claim{})
		if done {
			last = line
		}
		if err != nil {
			return err
		}
		run.tell()
		return nil
	})
	return last, err
}

// home is a broker where messages for a group may wait: the first by name that
// has its retry topic, else the first of all.
func (c *Cluster) home(ctx context.Context, group string) (Broker, error) {
	masters, err := c.routeMasters(ctx, mq.RetryTopic(group))
	if errors.Is(err, mq.ErrTopicNotFound) {
		masters, err = c.allMasters(ctx, Target{})
	}
	if err != nil {
		return Broker{}, err
	}
	return masters[0], nil
}
