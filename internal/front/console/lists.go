package console

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// lists are what brokers have, as of a time. They are never changed.
type lists struct {
	at        time.Time
	cost      time.Duration // of making them
	masters   []admin.Broker
	topics    topicTable
	kinds     map[string]int // how many topics there are of each
	hasTopics bool           // else nobody looked at the site for long
	groups    groupTable
	producers []producerRow
	problems  []string
	versions  map[string]mq.DataVersion // of the topics, by broker's address
}

// A patch is a change of the console's own that lists which were begun earlier
// do not have.
type patch struct {
	topic *topicRow // as it is now
	name  string
}

// refresh makes the lists. What cannot be asked stays as it was; of a broker that
// does not answer nothing is shown, and the lists say so.
func (s *site) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, refreshTime)
	defer cancel()
	s.patching.Lock()
	s.patches = nil
	s.patching.Unlock()
	start := time.Now()
	old := s.lists.Load()
	if old == nil {
		old = &lists{}
	}
	next := &lists{at: start}
	brokers, err := s.admin.Brokers(ctx)
	if err != nil {
		next = s.failed(old, start, err)
		next.cost = time.Since(start)
	} else {
		for _, b := range brokers {
			if b.ID == 0 {
				next.masters = append(next.masters, b)
			}
		}
		s.list(ctx, old, next, brokers)
	}
	if ctx.Err() != nil && old.masters != nil {
		next = s.failed(old, start, ctx.Err())
	}
	s.patching.Lock()
	defer s.patching.Unlock()
	for _, p := range s.patches {
		next.topics = next.topics.with(p.name, p.topic)
	}
	next.kinds = next.topics.kinds()
	s.lists.Store(next)
	s.states.keep(next.groups)
}

// failed is what was known before, with the reason why nothing new is.
func (s *site) failed(old *lists, at time.Time, err error) *lists {
	next := *old
	next.at, next.problems, next.versions = at, []string{err.Error()}, nil
	return &next
}

// A brokerList is what one master says. It is asked nothing more once it has
// left a question without an answer.
type brokerList struct {
	topics    []mq.Topic // nil if they are those of version
	version   mq.DataVersion
	groups    groupList
	producers []producerRow
	asked     time.Duration // how long it took
	failed    struct{ topics, groups bool }
	problems  []string
}

// ask puts one question; what is what it asks for.
func (l *brokerList) ask(b admin.Broker, silent *bool, what string, question func() error) bool {
	if *silent {
		return false
	}
	err := question()
	if err == nil {
		return true
	}
	if _, refused := refusalOf(err); refused {
		l.problems = append(l.problems, fmt.Sprintf("%s of broker %s cannot be listed: %v", what, b.Name, err))
		return false
	}
	*silent = true
	l.problems = append(l.problems, noAnswer(b, err.Error()))
	return false
}

// noAnswer says that a list lacks what a broker has.
func noAnswer(b admin.Broker, why string) string {
	return fmt.Sprintf("broker %s does not answer, and what it has is not shown: %s", cmp.Or(b.Name, b.Addr), why)
}

// listBroker asks a master for what it has, topics only if somebody looks at the
// site. One that did not say a moment ago how it is is not asked.
func (s *site) listBroker(ctx context.Context, b admin.Broker, withTopics bool, known mq.DataVersion) *brokerList {
	l, start := &brokerList{}, time.Now()
	silent := false
	if why := s.silent(b.Addr); why != "" {
		silent, l.problems = true, append(l.problems, noAnswer(b, why))
	}
	l.failed.topics = withTopics && !l.ask(b, &silent, "topics", func() (err error) {
		l.topics, l.version, err = s.admin.TopicsOf(ctx, b.Addr, known)
		return err
	})
	l.failed.groups = !l.ask(b, &silent, "groups", func() (err error) {
		l.groups.groups, l.groups.forbidden, err = s.admin.GroupsOf(ctx, b.Addr)
		return err
	})
	l.ask(b, &silent, "producers", func() error { return s.listProducers(ctx, b, l) })
	if !silent {
		l.asked = time.Since(start)
	}
	return l
}

// listProducers asks a master who is connected. Brokers that are too old to say
// so are left out.
func (s *site) listProducers(ctx context.Context, b admin.Broker, l *brokerList) error {
	clients, err := s.admin.AllProducers(ctx, b.Addr)
	if code, refused := refusalOf(err); refused && code == wire.CodeRequestCodeNotSupported {
		return nil
	}
	for _, c := range cut(clients, 0, maxProducers) {
		l.producers = append(l.producers, producerRow{c.Group, c.ID, c.Addr, c.Language, c.Version, b.Name})
	}
	return err
}

// silentAfter is how often in a row a broker has not said how it is before it is
// asked nothing else. A busy one may miss once.
const silentAfter = 3

// silent says why a broker does not answer; empty if it does, as far as is known.
func (w *watched) silent(addr string) string {
	if t := w.brokers.Load(); t != nil {
		for i := range t.brokers {
			if b := &t.brokers[i]; b.Addr == addr && b.missed >= silentAfter {
				return b.Error
			}
		}
	}
	return ""
}

// list asks the masters, some at the same time, and puts together what they say.
func (s *site) list(ctx context.Context, old, next *lists, brokers []admin.Broker) {
	next.hasTopics = s.unused() <= keptFor
	got := make([]*brokerList, len(next.masters))
	_ = each(ctx, len(got), func(ctx context.Context, i int) error { // errors are among the problems
		b := next.masters[i]
		got[i] = s.listBroker(ctx, b, next.hasTopics, old.versions[b.Addr])
		return nil
	})
	failed, groups := 0, make([]groupList, len(got))
	for i, l := range got {
		if l == nil { // the time was up
			l = &brokerList{}
			l.failed.topics, l.failed.groups, got[i] = true, true, l
		}
		if l.failed.groups {
			failed++
		}
		groups[i] = l.groups
		next.cost = max(next.cost, l.asked) // a broker that does not answer makes no lists rarer
		next.producers = append(next.producers, cut(l.producers, 0, maxProducers-len(next.producers))...)
		next.problems = append(next.problems, l.problems...)
	}
	start := time.Now()
	slices.SortFunc(next.producers, func(a, b producerRow) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Broker, b.Broker))
	})
	if next.groups = newGroupTable(next.masters, groups); failed > 0 && failed == len(got) {
		next.groups = old.groups
	}
	if next.hasTopics {
		s.listTopics(ctx, old, next, brokers, got)
	}
	next.cost += time.Since(start)
}

// listTopics makes the table of topics, unless no broker has changed its own.
func (s *site) listTopics(ctx context.Context, old, next *lists, brokers []admin.Broker, got []*brokerList) {
	next.versions = map[string]mq.DataVersion{}
	same := old.hasTopics && len(got) == len(old.versions)
	for _, l := range got {
		same = same && !l.failed.topics && l.topics == nil
	}
	if same {
		next.topics, next.versions = old.topics, old.versions
		return
	}
	for _, l := range got {
		l.problems = nil // they are said
	}
	_ = each(ctx, len(got), func(ctx context.Context, i int) error { // errors are among the problems
		b, l := next.masters[i], got[i]
		if l.failed.topics || l.topics != nil {
			return nil
		}
		silent := false
		l.failed.topics = !l.ask(b, &silent, "topics", func() (err error) {
			l.topics, l.version, err = s.admin.TopicsOf(ctx, b.Addr, mq.DataVersion{})
			return err
		})
		return nil
	})
	m := newTableMaker(brokers)
	for i, l := range got {
		b := next.masters[i]
		next.problems = append(next.problems, l.problems...)
		if l.failed.topics {
			continue
		}
		next.versions[b.Addr] = l.version
		for j := range l.topics {
			m.add(b, &l.topics[j])
		}
	}
	next.topics = m.table()
}

// topicChanged brings a topic that was changed by a request up to date.
func (s *site) topicChanged(ctx context.Context, name string) {
	brokers, err := s.admin.Brokers(ctx)
	if err != nil {
		return // the next lists will tell
	}
	m := newTableMaker(brokers)
	for _, b := range brokers {
		if b.ID != 0 {
			continue
		}
		if t, err := s.admin.Topic(ctx, b.Addr, name); err == nil {
			m.add(b, &t)
		}
	}
	s.remote.Forget(name)
	s.patching.Lock()
	defer s.patching.Unlock()
	s.patches = append(s.patches, patch{m.rows[name], name})
	if old := s.lists.Load(); old != nil && old.hasTopics {
		next := *old
		next.topics = old.topics.with(name, m.rows[name])
		next.kinds = next.topics.kinds()
		s.lists.Store(&next)
	}
}

// changeTime bounds how long a request waits for lists with its own change.
const changeTime = 5 * time.Second

// groupsChanged brings the list of groups up to date after a change.
func (w *watched) groupsChanged(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, changeTime)
	defer cancel()
	w.fresh(ctx)
}
