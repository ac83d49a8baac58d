package grpc

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// maxScanned bounds the messages that one call looks at, scanStep those that are
// looked at together.
const (
	maxScanned = 100_000
	scanStep   = 256
)

// A scan looks for messages by nothing but their time and, maybe, their tags.
type scan struct {
	operating
	mq.LookupRequest
	want *want // nil wants all
	left int   // how many it may still look at
}

// A hit is a message that a scan found.
type hit struct {
	pos    mq.LogPos
	stored []byte
}

// scan finds messages in queues of one topic: the newest that match, or the
// oldest behind l.After, in the order of the log.
func (o operating) scan(ctx context.Context, l mq.LookupRequest, queues []mq.Queue, w *want) ([][]byte, error) {
	s := &scan{operating: o, LookupRequest: l, want: w, left: maxScanned}
	search := s.newest
	if l.After != nil {
		search = s.oldest
		if stored, err := o.broker.Find(ctx, *l.After); *l.After > 0 && err == nil {
			if r, _, err := mq.DecodeRecord(stored); err == nil {
				s.From = later(s.From, time.UnixMilli(r.StoreTime))
			}
		}
	}
	var all []hit
	for _, q := range queues {
		found, err := search(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.SortFunc(all, func(a, b hit) int { return cmp.Compare(a.pos, b.pos) })
	if len(all) > l.Max && l.After != nil {
		all = all[:l.Max]
	}
	all = all[max(0, len(all)-l.Max):]
	records := make([][]byte, len(all))
	for i := range all {
		records[i] = all[i].stored
	}
	return records, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// oldest are the first matches of one queue.
func (s *scan) oldest(ctx context.Context, q mq.Queue) (all []hit, err error) {
	at, hi, err := s.broker.Bounds(ctx, q)
	if err == nil && at < hi && !s.From.IsZero() {
		at, err = s.broker.Locate(ctx, q, s.From, false)
	}
	for err == nil && at < hi && len(all) < s.Max {
		var entries []mq.QueueEntry
		if entries, err = s.entries(ctx, q, at, scanStep); len(entries) == 0 || err != nil {
			break
		}
		for _, e := range entries {
			if len(all) == s.Max || !s.To.IsZero() && e.StoreTime > s.To.UnixMilli() {
				return all, nil
			}
			if all, err = s.look(ctx, e, all); err != nil {
				return nil, err
			}
		}
		at = entries[len(entries)-1].Offset + 1
	}
	return all, err
}

// newest are the last matches of one queue.
func (s *scan) newest(ctx context.Context, q mq.Queue) (all []hit, err error) {
	lo, hi, err := s.broker.Bounds(ctx, q)
	if err == nil && lo < hi && !s.To.IsZero() {
		var last mq.QueueOffset
		last, err = s.broker.Locate(ctx, q, s.To, true)
		hi = min(hi, last+1)
	}
	for err == nil && lo < hi && len(all) < s.Max {
		from := max(lo, hi-scanStep)
		var entries []mq.QueueEntry
		if entries, err = s.entries(ctx, q, from, int(hi-from)); len(entries) == 0 || err != nil {
			break
		}
		for _, e := range slices.Backward(entries) {
			if len(all) == s.Max || !s.From.IsZero() && e.StoreTime < s.From.UnixMilli() {
				return all, nil
			}
			if all, err = s.look(ctx, e, all); err != nil {
				return nil, err
			}
		}
		hi = from
	}
	return all, err
}

// entries are the next that a scan looks at.
func (s *scan) entries(ctx context.Context, q mq.Queue, from mq.QueueOffset, count int) ([]mq.QueueEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.left -= count; s.left < 0 {
		return nil, refusef(rmq.Code_BAD_REQUEST, "the topic has more than %d messages to look at; narrow begin_timestamp and end_timestamp, name a queue_id, or ask for fewer at a time with scroll_id", maxScanned)
	}
	return s.admin.QueueEntries(ctx, q, from, count)
}

// look appends a message, if it matches and is still there.
func (s *scan) look(ctx context.Context, e mq.QueueEntry, all []hit) ([]hit, error) {
	switch {
	case !s.From.IsZero() && e.StoreTime < s.From.UnixMilli(), !s.To.IsZero() && e.StoreTime > s.To.UnixMilli(),
		s.After != nil && e.Pos <= *s.After && *s.After > 0, s.want != nil && s.want.filter != nil && !s.want.filter.Match(e.TagCode):
		return all, nil
	}
	stored, err := s.broker.Find(ctx, e.Pos)
	if errors.Is(err, mq.ErrNotFound) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	if s.want != nil && !s.want.takes(mq.RecordProperties(stored)) {
		return all, nil
	}
	return append(all, hit{e.Pos, stored}), nil
}
