package console

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
)

// deadFor is how long the counts of dead letters are shown at least, for to
// count them brokers are asked about every group that has some.
const deadFor = 10 * time.Second

// deadCounts are the last counts of a site.
type deadCounts struct {
	mu       sync.Mutex // guards what follows
	at       time.Time
	cost     time.Duration // of counting
	groups   []admin.DeadLetterGroup
	problems []string
	asking   chan struct{} // closed when they are counted; nil if nobody counts
}

// deadTopics are the groups that have topics of dead letters, also empty ones.
func (l *lists) deadTopics() (groups []string) {
	if l == nil || l.kinds[kindDLQ] == 0 {
		return nil
	}
	for _, row := range l.topics {
		if row.kind == kindDLQ {
			groups = append(groups, strings.TrimPrefix(row.name, mq.DLQPrefix))
		}
	}
	return groups
}

// countDead has the dead letters counted if the counts are old, and returns what
// is closed then; nil if nobody counts. Counting that costs much is done less often.
func (s *site) countDead(c *Console, refresh bool) <-chan struct{} {
	d := &s.dead
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.asking == nil && (refresh || time.Since(d.at) > max(deadFor, costShare*d.cost)) {
		asking := make(chan struct{})
		if c.start(func(ctx context.Context) {
			defer close(asking)
			ctx, cancel := context.WithTimeout(ctx, refreshTime)
			defer cancel()
			begun := time.Now()
			groups, problems := s.eyes.Load().deadLetters(ctx, s.lists.Load().deadTopics())
			d.mu.Lock()
			defer d.mu.Unlock()
			d.asking, d.at, d.cost, d.groups, d.problems = nil, time.Now(), time.Since(begun), groups, problems
		}) {
			d.asking = asking
		}
	}
	return d.asking
}

// deadLetters counts those of groups, some at the same time, and says of which
// that could not be done.
func (s *site) deadLetters(ctx context.Context, groups []string) (all []admin.DeadLetterGroup, problems []string) {
	found := make([][]admin.DeadLetterGroup, len(groups))
	errs := make([]error, len(groups))
	_ = each(ctx, len(groups), func(ctx context.Context, i int) error { // each error is looked at
		found[i], errs[i] = s.admin.DeadLettersOf(ctx, groups[i])
		return nil
	})
	for i, group := range groups {
		all = append(all, found[i]...)
		if errs[i] != nil {
			problems = append(problems, fmt.Sprintf("dead letters of %s cannot be counted: %v", group, errs[i]))
		}
	}
	return all, problems
}

// current are the counts, as old as they may be at most if that takes a moment
// only.
func (d *deadCounts) current(ctx context.Context, counting <-chan struct{}, bound time.Duration) (groups []admin.DeadLetterGroup, at time.Time, problems []string) {
	if counting != nil {
		select {
		case <-counting:
		case <-time.After(bound):
		case <-ctx.Done():
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.groups, d.at, d.problems
}

// deadWaiting is how many groups have dead letters that wait, as was counted
// last; nil if that was not done yet.
func (s *site) deadWaiting(c *Console) *int {
	l := s.lists.Load()
	if l == nil || !l.hasTopics {
		return nil
	}
	if l.kinds[kindDLQ] == 0 {
		return new(0)
	}
	s.countDead(c, false)
	s.dead.mu.Lock()
	defer s.dead.mu.Unlock()
	if s.dead.at.IsZero() {
		return nil
	}
	waiting := map[string]bool{}
	for _, g := range s.dead.groups {
		if g.Waits > 0 {
			waiting[g.Group] = true
		}
	}
	return new(len(waiting))
}

// A deadGroupView is how many dead letters a group has on a broker.
type deadGroupView struct {
	Group   string `json:"group"`
	Broker  string `json:"broker"`
	Count   int64  `json:"count"`
	Sent    int64  `json:"sent"`
	Purged  int64  `json:"purged"`
	Waiting int64  `json:"waiting"`
	First   string `json:"first,omitempty"`
	Last    string `json:"last,omitempty"`
}

func listDeadLetterGroups(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	l, bound := r.current(s), firstTime
	if r.flag("refresh") {
		bound = changeTime
	}
	v := struct {
		Items    []deadGroupView `json:"items"`
		AgeMs    int64           `json:"age_ms"`
		Loading  bool            `json:"loading"`
		Problems []string        `json:"problems"`
	}{Items: []deadGroupView{}, Problems: []string{}, Loading: true}
	if l == nil || !l.hasTopics {
		return v, nil
	}
	groups, at, problems := s.dead.current(r.Context(), s.countDead(r.c, r.flag("refresh")), bound)
	v.Problems = append(slices.Concat(v.Problems, l.problems), problems...)
	if v.Loading = at.IsZero(); !v.Loading {
		v.AgeMs = time.Since(at).Milliseconds()
	}
	for _, g := range groups {
		v.Items = append(v.Items, deadGroupView{g.Group, g.Broker, g.Count, g.Sent, g.Purged, g.Waits, stamp(g.First), stamp(g.Last)})
	}
	return v, nil
}
