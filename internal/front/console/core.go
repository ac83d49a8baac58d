package console

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
)

// Kinds of topics and groups.
const (
	kindUser   = "user"
	kindRetry  = "retry"
	kindDLQ    = "dlq"
	kindSystem = "system"
	kindAll    = "all"
)

// attrMessageType is the attribute that says what messages a topic is for.
const attrMessageType = "message.type"

// A topicRow is a topic on all brokers of a site. It is never changed.
type topicRow struct {
	name, lower string
	kind, typ   string
	read, write int32 // queues of all brokers
	perm        int32 // on the first broker
	permDiffers bool
	order       bool
	place       *placement
	attributes  map[string]string
}

// A placement is a set of brokers, shared by all topics that have it.
type placement struct {
	brokers, clusters []string
}

// A topicTable is all topics of a site, by name. It is never changed.
type topicTable []*topicRow

// find is the row of a topic; nil if there is none.
func (t topicTable) find(name string) *topicRow {
	if i, found := t.search(name); found {
		return t[i]
	}
	return nil
}

func (t topicTable) search(name string) (int, bool) {
	return slices.BinarySearchFunc(t, name, func(r *topicRow, name string) int { return cmp.Compare(r.name, name) })
}

// with is t with a topic as it is now; a nil row removes it.
func (t topicTable) with(name string, row *topicRow) topicTable {
	i, found := t.search(name)
	switch {
	case row == nil && !found:
		return t
	case row == nil:
		return slices.Delete(slices.Clone(t), i, i+1)
	case found:
		t = slices.Clone(t)
		t[i] = row
		return t
	}
	return slices.Insert(slices.Clone(t), i, row)
}

// A tableMaker puts together what brokers say.
type tableMaker struct {
	names  map[string]bool // of brokers and clusters, which have topics named after them
	rows   map[string]*topicRow
	places map[string]*placement
}

// newTableMaker knows the brokers of a site.
func newTableMaker(brokers []admin.Broker) *tableMaker {
	m := &tableMaker{names: map[string]bool{}, rows: map[string]*topicRow{}, places: map[string]*placement{}}
	for _, b := range brokers {
		m.names[b.Name], m.names[b.Cluster], m.names[b.Cluster+"_"+mq.TopicReplySuffix] = true, true, true
	}
	return m
}

// kind says what a topic is for.
func (m *tableMaker) kind(topic string) string {
	switch {
	case strings.HasPrefix(topic, mq.RetryPrefix):
		return kindRetry
	case strings.HasPrefix(topic, mq.DLQPrefix):
		return kindDLQ
	case mq.IsSystemTopic(topic), m.names[topic]:
		return kindSystem
	}
	return kindUser
}

// add puts a topic of one broker in. Brokers come in order.
func (m *tableMaker) add(b admin.Broker, t *mq.Topic) {
	row := m.rows[t.Name]
	if row == nil {
		row = &topicRow{
			name: t.Name, lower: strings.ToLower(t.Name), kind: m.kind(t.Name), typ: messageType(t), perm: t.Perm, order: t.Order, attributes: t.Attributes,
			place: &placement{},
		}
		if len(row.attributes) == 0 {
			row.attributes = nil
		}
		m.rows[t.Name] = row
	}
	row.read, row.write = row.read+t.ReadQueues, row.write+t.WriteQueues
	row.permDiffers = row.permDiffers || row.perm != t.Perm
	row.place = m.extended(row.place, b)
}

// extended is a placement with one more broker.
func (m *tableMaker) extended(p *placement, b admin.Broker) *placement {
	brokers := append(slices.Clip(p.brokers), cmp.Or(b.Name, b.Addr))
	key := strings.Join(brokers, "\x00")
	if known := m.places[key]; known != nil {
		return known
	}
	next := &placement{brokers: brokers, clusters: p.clusters}
	if !slices.Contains(next.clusters, b.Cluster) {
		next.clusters = append(slices.Clip(next.clusters), b.Cluster)
	}
	m.places[key] = next
	return next
}

// table is what was put in.
func (m *tableMaker) table() topicTable {
	all := make(topicTable, 0, len(m.rows))
	for _, row := range m.rows {
		all = append(all, row)
	}
	slices.SortFunc(all, func(a, b *topicRow) int { return cmp.Compare(a.name, b.name) })
	return all
}

// messageType is the type of messages that a topic is for.
func messageType(t *mq.Topic) string { return cmp.Or(t.Attributes[attrMessageType], "NORMAL") }

// A selection chooses rows of a list.
type selection struct {
	q             string // part of the name, in lower case
	kind          string
	typ           string
	cluster       string
	sort          string
	descending    bool
	offset, limit int
}

// wants reports whether a row is chosen, but for its kind's own conditions.
func (s *selection) wants(lower, kind string) bool {
	return (s.kind == kindAll || s.kind == kind) && (s.q == "" || strings.Contains(lower, s.q))
}

// topics is the part of a table that is chosen, and how many there are. rate is
// what a topic's order may go by beside its own fields.
func (s *selection) topics(t topicTable, rate func(topic string) float64) (rows []*topicRow, total int) {
	wants := func(row *topicRow) bool {
		return s.wants(row.lower, row.kind) && (s.typ == "" || s.typ == row.typ) && (s.cluster == "" || slices.Contains(row.place.clusters, s.cluster))
	}
	if s.sort == "name" {
		// The table is in that order: only the page is collected.
		for i := range t {
			row := t[i]
			if s.descending {
				row = t[len(t)-1-i]
			}
			if !wants(row) {
				continue
			}
			if total >= s.offset && len(rows) < s.limit {
				rows = append(rows, row)
			}
			total++
		}
		return rows, total
	}
	chosen := make([]*topicRow, 0, 1024)
	for _, row := range t {
		if wants(row) {
			chosen = append(chosen, row)
		}
	}
	switch s.sort {
	case "queues":
		slices.SortStableFunc(chosen, func(a, b *topicRow) int { return s.turn(cmp.Compare(a.write, b.write)) })
	case "in_tps":
		rates := make(map[string]float64, len(chosen))
		for _, row := range chosen {
			if r := rate(row.name); r != 0 {
				rates[row.name] = r
			}
		}
		slices.SortStableFunc(chosen, func(a, b *topicRow) int { return s.turn(cmp.Compare(rates[a.name], rates[b.name])) })
	}
	return cut(chosen, s.offset, s.limit), len(chosen)
}

func (s *selection) turn(order int) int {
	if s.descending {
		return -order
	}
	return order
}

// cut is a page of a list.
func cut[T any](all []T, offset, limit int) []T {
	all = all[min(offset, len(all)):]
	return all[:min(limit, len(all))]
}

// kinds counts the topics of each kind.
func (t topicTable) kinds() map[string]int {
	n := map[string]int{}
	for _, row := range t {
		n[row.kind]++
	}
	return n
}

// A groupRow is a consumer group on all brokers of a site. It is never changed.
type groupRow struct {
	name, lower, kind string
	brokers           []string
	enabled           bool
	forbidden         []forbiddance
}

// A forbiddance is a topic that a group may not read, and on which brokers.
type forbiddance struct {
	Topic   string   `json:"topic"`
	Brokers []string `json:"brokers"`
}

// forbid notes what a broker forbids.
func (g *groupRow) forbid(broker string, topics []string) {
	for _, topic := range topics {
		at, found := slices.BinarySearchFunc(g.forbidden, topic, func(f forbiddance, topic string) int { return cmp.Compare(f.Topic, topic) })
		if !found {
			g.forbidden = slices.Insert(g.forbidden, at, forbiddance{Topic: topic})
		}
		g.forbidden[at].Brokers = append(g.forbidden[at].Brokers, broker)
	}
}

// groupTable is all groups of a site, by name. It is never changed.
type groupTable []*groupRow

func (t groupTable) find(name string) *groupRow {
	if i, found := t.search(name); found {
		return t[i]
	}
	return nil
}

func (t groupTable) search(name string) (int, bool) {
	return slices.BinarySearchFunc(t, name, func(r *groupRow, name string) int { return cmp.Compare(r.name, name) })
}

// A groupList is what one broker says of groups, and which topics each of them
// may not read.
type groupList struct {
	groups    []mq.Group
	forbidden map[string][]string
}

// newGroupTable puts together what brokers, in order, say.
func newGroupTable(of []admin.Broker, lists []groupList) groupTable {
	rows := map[string]*groupRow{}
	for i, b := range of {
		for _, g := range lists[i].groups {
			row := rows[g.Name]
			if row == nil {
				row = &groupRow{name: g.Name, lower: strings.ToLower(g.Name), kind: kindUser, enabled: true}
				if mq.IsSystemGroup(g.Name) {
					row.kind = kindSystem
				}
				rows[g.Name] = row
			}
			name := cmp.Or(b.Name, b.Addr)
			row.brokers, row.enabled = append(row.brokers, name), row.enabled && g.ConsumeEnable
			row.forbid(name, lists[i].forbidden[g.Name])
		}
	}
	all := make(groupTable, 0, len(rows))
	for _, row := range rows {
		all = append(all, row)
	}
	slices.SortFunc(all, func(a, b *groupRow) int { return cmp.Compare(a.name, b.name) })
	return all
}

// groups is the part of a table that is chosen, and how many there are. state
// is what is known of a group; nil if nothing is.
func (s *selection) groups(t groupTable, state func(group string) *groupState) (rows []*groupRow, total int) {
	chosen := make([]*groupRow, 0, 256)
	for _, row := range t {
		if s.wants(row.lower, row.kind) {
			chosen = append(chosen, row)
		}
	}
	var by func(*groupState) float64
	switch s.sort {
	case "lag":
		by = func(g *groupState) float64 { return float64(g.lag) }
	case "lag_seconds":
		by = func(g *groupState) float64 { return g.lagSeconds }
	case "clients":
		by = func(g *groupState) float64 { return float64(len(g.clients)) }
	case "tps":
		by = func(g *groupState) float64 { return g.tps }
	default:
		if s.descending {
			slices.Reverse(chosen)
		}
		return cut(chosen, s.offset, s.limit), len(chosen)
	}
	keys := make(map[string]float64, len(chosen))
	for _, row := range chosen {
		keys[row.name] = -1
		if g := state(row.name); g != nil {
			keys[row.name] = by(g)
		}
	}
	slices.SortStableFunc(chosen, func(a, b *groupRow) int { return s.turn(cmp.Compare(keys[a.name], keys[b.name])) })
	return cut(chosen, s.offset, s.limit), len(chosen)
}

// Spans of a series: fine points for an hour, coarse ones for three days.
const (
	fineStep, coarseStep   = 10, 300 // seconds
	finePoints, coarseSpan = 360, 3 * 24 * 3600
	coarsePoints           = coarseSpan / coarseStep
)

// A series is a value over time. A slot in which nothing was seen is NaN.
type series struct {
	fine, coarse ring
	sum          float64 // of the coarse slot that is being filled
	count        int
}

// A ring holds the newest values of equal steps.
type ring struct {
	first  int64 // number of the oldest slot: its Unix time over the step
	values []float32
}

// put sets the value of a slot, which is not before the last one.
func (r *ring) put(slot int64, v float32, most int) {
	if len(r.values) == 0 || slot-(r.first+int64(len(r.values))) >= int64(most) {
		r.first, r.values = slot, r.values[:0]
	}
	for r.first+int64(len(r.values)) <= slot {
		r.values = append(r.values, float32(math.NaN()))
	}
	if extra := len(r.values) - most; extra > 0 {
		r.first += int64(extra)
		r.values = append(r.values[:0], r.values[extra:]...)
	}
	if at := slot - r.first; at >= 0 && at < int64(len(r.values)) {
		r.values[at] = v
	}
}

// at is the value of a slot, NaN if there is none.
func (r *ring) at(slot int64) float64 {
	if i := slot - r.first; i >= 0 && i < int64(len(r.values)) {
		return float64(r.values[i])
	}
	return math.NaN()
}

// add puts a value that was seen at a Unix time in.
func (s *series) add(now int64, v float64) {
	s.fine.put(now/fineStep, float32(v), finePoints)
	slot := now / coarseStep
	if n := len(s.coarse.values); n == 0 || s.coarse.first+int64(n)-1 != slot {
		s.sum, s.count = 0, 0
	}
	if !math.IsNaN(v) {
		s.sum, s.count = s.sum+v, s.count+1
	}
	mean := math.NaN()
	if s.count > 0 {
		mean = s.sum / float64(s.count)
	}
	s.coarse.put(slot, float32(mean), coarsePoints)
}

// A point is a Unix time in seconds and a value, nil if there is none.
type point [2]any

// points are those of a span up to now, fine ones if it is short.
func (s *series) points(now, span int64) []point {
	r, step := &s.fine, int64(fineStep)
	if span > finePoints*fineStep {
		r, step = &s.coarse, coarseStep
	}
	all := make([]point, 0, span/step+1)
	for slot := (now - span) / step; slot <= now/step; slot++ {
		p := point{slot * step, nil}
		if v := r.at(slot); !math.IsNaN(v) {
			p[1] = v
		}
		all = append(all, p)
	}
	return all
}
