package console

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
)

const (
	// maxRecorded bounds the topics and groups that are recorded, recordedFor is
	// how long one is after it was last asked for.
	maxRecorded, recordedFor = 500, time.Hour
	// recorders is how many of them are asked about at the same time, and
	// maxTopicGroups of how many groups a topic's rate out is summed up.
	recorders, maxTopicGroups = 4, 20
)

// What a history is of.
const (
	ofTheCluster = "cluster"
	ofABroker    = "broker"
	ofATopic     = "topic"
	ofAGroup     = "group"
)

// units of the values in a history.
var units = map[string]string{
	"in_tps": "messages/s", "out_tps": "messages/s", "in_bytes_tps": "bytes/s", "lag": "messages", "lag_seconds": "seconds",
	"memory_bytes": "bytes", "disk_used": "share", "connections": "count", "topics": "count", "groups": "count", "clients": "count",
}

// shown are the series of each kind, in the order of showing.
var shown = map[string][]string{
	ofTheCluster: {"in_tps", "out_tps", "lag", "connections", "disk_used", "memory_bytes", "topics", "groups"},
	ofABroker:    {"in_tps", "out_tps", "disk_used", "memory_bytes", "connections"},
	ofATopic:     {"in_tps", "in_bytes_tps", "out_tps", "lag"},
	ofAGroup:     {"out_tps", "lag", "lag_seconds", "clients"},
}

// A subject is what a history is of.
type subject struct{ of, name string }

// A record is the history of one subject.
type record struct {
	since, asked time.Time
	series       map[string]*series
}

// history is the records of a site.
type history struct {
	mu  sync.Mutex // guards all and what is in it
	all map[subject]*record
}

func newHistory() history { return history{all: map[subject]*record{}} }

// put adds values that were seen at a time.
func (h *history) put(x subject, at time.Time, values map[string]float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.all[x]
	if r == nil {
		r = &record{since: at, asked: at, series: map[string]*series{}}
		h.all[x] = r
	}
	for name, v := range values {
		if r.series[name] == nil {
			r.series[name] = &series{}
		}
		r.series[name].add(at.Unix(), v)
	}
}

// ask says that somebody looks at a subject, which is recorded from now on.
func (h *history) ask(x subject) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.all[x]
	if r != nil {
		r.asked = time.Now()
		return nil
	}
	if x.of != ofATopic && x.of != ofAGroup {
		return nil
	}
	if len(h.asked()) >= maxRecorded {
		return &problem{status: 429, Code: "too_many", Text: "the history of many topics and groups is being recorded already", Fix: "those that nobody looks at are dropped after an hour; for more, scrape /metrics"}
	}
	h.all[x] = &record{since: time.Now(), asked: time.Now(), series: map[string]*series{}}
	return nil
}

// asked are the topics and groups that are recorded. h.mu is held.
func (h *history) asked() []subject {
	var all []subject
	for x := range h.all {
		if x.of == ofATopic || x.of == ofAGroup {
			all = append(all, x)
		}
	}
	return all
}

// recorded are the topics and groups to be asked about; those that nobody looks
// at any more are dropped.
func (h *history) recorded() []subject {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(h.asked(), func(x subject) bool {
		old := time.Since(h.all[x].asked) > recordedFor
		if old {
			delete(h.all, x)
		}
		return old
	})
}

// rate is the last rate of a topic; 0 if it is not recorded.
func (h *history) rate(topic string) float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.all[subject{ofATopic, topic}]
	if r == nil || r.series["in_tps"] == nil {
		return 0
	}
	values := r.series["in_tps"].fine.values
	if len(values) == 0 || math.IsNaN(float64(values[len(values)-1])) {
		return 0
	}
	return float64(values[len(values)-1])
}

// record writes down what was seen of brokers, and asks about the topics and
// groups that are recorded.
func (s *site) record(ctx context.Context, t *brokerTable) {
	sum := map[string]float64{}
	present := func(to map[string]float64, name string, v *int64) {
		if v != nil {
			to[name] += float64(*v)
		}
	}
	for _, b := range t.brokers {
		if !b.Up {
			continue
		}
		one := map[string]float64{"in_tps": b.InTPS, "out_tps": b.OutTPS}
		if b.ID == 0 {
			sum["in_tps"], sum["out_tps"] = sum["in_tps"]+b.InTPS, sum["out_tps"]+b.OutTPS
		}
		if b.DiskUsed != nil {
			one["disk_used"], sum["disk_used"] = *b.DiskUsed, max(sum["disk_used"], *b.DiskUsed)
		}
		present(one, "memory_bytes", b.Memory)
		present(sum, "memory_bytes", b.Memory)
		present(one, "connections", b.Connections)
		present(sum, "connections", b.Connections)
		s.history.put(subject{ofABroker, b.Name}, t.at, one)
	}
	if l := s.lists.Load(); l != nil && len(sum) > 0 {
		totals := s.totals()
		sum["lag"], sum["groups"] = float64(totals.Lag), float64(totals.Groups)
		if l.hasTopics {
			sum["topics"] = float64(totals.Topics)
		}
		if _, told := sum["connections"]; !told {
			sum["connections"] = float64(totals.Clients + totals.Producers)
		}
	}
	if len(sum) > 0 {
		s.history.put(subject{ofTheCluster, ""}, t.at, sum)
	}
	room := make(chan struct{}, recorders)
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, x := range s.history.recorded() {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return
		}
		wg.Go(func() {
			defer func() { <-room }()
			if x.of == ofATopic {
				s.recordTopic(ctx, t.at, x)
			} else {
				s.recordGroup(ctx, t.at, x)
			}
		})
	}
}

func (s *site) recordTopic(ctx context.Context, at time.Time, x subject) {
	l := s.lists.Load()
	if l == nil {
		return
	}
	values := map[string]float64{}
	add := func(b admin.Broker, to, stat, key string) {
		if st, err := s.admin.Stat(ctx, b.Addr, stat, key); err == nil {
			values[to] += st.Minute.TPS
		}
	}
	var groups []string
	s.states.each(func(group string, g *groupState) {
		if lag, reads := g.topics[x.name]; reads {
			groups = append(groups, group)
			values["lag"] += float64(lag)
		}
	})
	slices.Sort(groups)
	for _, b := range l.masters {
		add(b, "in_tps", "TOPIC_PUT_NUMS", x.name)
		add(b, "in_bytes_tps", "TOPIC_PUT_SIZE", x.name)
		for _, g := range cut(groups, 0, maxTopicGroups) {
			add(b, "out_tps", "GROUP_GET_NUMS", x.name+"@"+g)
		}
	}
	if ctx.Err() == nil {
		s.history.put(x, at, values)
	}
}

func (s *site) recordGroup(ctx context.Context, at time.Time, x subject) {
	g := s.states.get(x.name)
	if g == nil || time.Since(g.at) > sampleEvery {
		g = s.look(ctx, x.name)
	}
	values := map[string]float64{"out_tps": g.tps, "lag": float64(g.lag), "clients": float64(len(g.clients))}
	if g.lagSeconds >= 0 {
		values["lag_seconds"] = g.lagSeconds
	}
	if ctx.Err() == nil && g.problem == "" {
		s.history.put(x, at, values)
	}
}

func historyRoutes() []route {
	return []route{
		{method: "GET", path: "/history", what: "values over time of a cluster, broker, topic or group", serve: getHistory},
	}
}

// ranges are the spans that can be shown.
var ranges = map[string]time.Duration{
	"15m": 15 * time.Minute, "1h": time.Hour, "6h": 6 * time.Hour, "24h": 24 * time.Hour, "72h": 72 * time.Hour,
}

type seriesView struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`
	Points []point `json:"points"`
}

func getHistory(r *request) (any, error) {
	x := subject{of: r.text("of")}
	if x.of == "" {
		x.of = ofTheCluster
	}
	resource := anyCluster
	switch x.of {
	case ofTheCluster:
	case ofABroker:
		x.name = r.text("broker")
	case ofATopic:
		x.name = r.text("topic")
		resource = "Topic:" + x.name
	case ofAGroup:
		x.name = r.text("group")
		resource = "Group:" + x.name
	default:
		return nil, badRequest("of = %.40q; want cluster, broker, topic or group", x.of)
	}
	if x.of != ofTheCluster && x.name == "" {
		return nil, badRequest("%s is missing; name the %s", x.of, x.of)
	}
	span, known := ranges[r.text("range")]
	if text := r.text("range"); text == "" {
		span = time.Hour
	} else if !known {
		return nil, badRequest("range = %.40q; want 15m, 1h, 6h, 24h or 72h", text)
	}
	if err := r.allow(actGet, resource); err != nil {
		return nil, err
	}
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	if err := s.knows(x); err != nil {
		return nil, err
	}
	if err := s.history.ask(x); err != nil {
		return nil, err
	}
	return s.history.view(x, time.Now(), span), nil
}

// knows wants a topic or group to be there, so that made-up names are not
// recorded.
func (s *site) knows(x subject) error {
	l := s.lists.Load()
	switch {
	case l == nil:
	case x.of == ofATopic && l.hasTopics && l.topics.find(x.name) == nil:
		return noTopic(x.name)
	case x.of == ofAGroup && l.groups.find(x.name) == nil:
		return noGroup(x.name)
	}
	return nil
}

func (h *history) view(x subject, now time.Time, span time.Duration) any {
	h.mu.Lock()
	defer h.mu.Unlock()
	step := fineStep
	if span > finePoints*fineStep*time.Second {
		step = coarseStep
	}
	v := struct {
		Of     string       `json:"of"`
		Step   int          `json:"step_s"`
		From   string       `json:"from"`
		To     string       `json:"to"`
		Since  string       `json:"since,omitempty"`
		Series []seriesView `json:"series"`
	}{Of: x.of, Step: step, From: stamp(now.Add(-span)), To: stamp(now), Series: []seriesView{}}
	r := h.all[x]
	if r == nil {
		r = &record{}
	}
	v.Since = stamp(r.since)
	for _, name := range shown[x.of] {
		one := r.series[name]
		if one == nil {
			one = &series{}
		}
		v.Series = append(v.Series, seriesView{name, units[name], one.points(now.Unix(), int64(span/time.Second))})
	}
	return v
}
