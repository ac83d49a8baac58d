package metrics

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
)

// An Engine counts what is shown of a broker.
type Engine interface {
	Figures() meter.Figures
	EachTopic(func(*meter.Topic))
	EachUse(func(*meter.Use))
	EachDead(func(*meter.Dead))
	EachClients(func(*meter.Clients))
	EachBacklog(context.Context, func(*meter.Backlog)) error
	// EachEnd calls its argument for every topic, with a function that sums up
	// where its queues end.
	EachEnd(func(topic string, end func() int64))
}

// An Admin knows what RocketMQ's tools ask a broker.
type Admin interface {
	RuntimeInfo(ctx context.Context) map[string]string
	Stats(ctx context.Context, name, key string) ([3]mq.RateStat, error)
	Consumers(ctx context.Context, group string) ([]mq.Connection, mq.Consumer, error)
	AllProducers(ctx context.Context) map[string][]mq.Connection
}

// Parts are where figures come from. What is nil is not there.
type Parts struct {
	Broker Engine
	Admin  Admin
	// Calls are the answers to remoting clients.
	Calls *meter.Calls
	// GRPC calls f for every gRPC call there is; nil if such clients are not
	// answered.
	GRPC func(f func(call string, began, refused int64, took *meter.Histogram))
	// Connections are the open ones by listener.
	Connections func() map[string]int
}

// Metrics shows figures.
type Metrics struct {
	o        Options
	parts    Parts
	common   []pair // labels of all families
	backlogs *backlogs

	// mu lets one gathering happen at a time; it guards what has a place.
	mu        sync.Mutex
	topics    *shelf[string]
	sizes     *shelf[string] // whose histograms are shown
	uses      *shelf[useKey]
	deaths    *shelf[useKey]
	consumers *shelf[string]
	lags      *shelf[useKey]
	exporter  shelves
}

// A useKey names a group's use of a topic, of messages as they were sent or of
// those that came back.
type useKey struct {
	group, topic string
	retry        bool
}

// New checks the options. Run must be called for backlogs to be known.
func New(o Options, p Parts) (*Metrics, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.WithDefaults()
	m := &Metrics{
		o: o, parts: p, topics: newShelf[string](o.MaxSeries, tenure), sizes: newShelf[string](max(1, o.MaxSeries/8), tenure),
		uses: newShelf[useKey](o.MaxSeries, tenure), deaths: newShelf[useKey](o.MaxSeries, tenure),
		consumers: newShelf[string](o.MaxSeries, 0), lags: newShelf[useKey](o.MaxSeries, 0),
		exporter: newShelves(o.MaxSeries),
	}
	if p.Broker != nil {
		m.backlogs = newBacklogs(p.Broker)
	}
	labels, err := pairs("metrics-label", o.Label)
	if err != nil {
		return nil, err
	}
	node := "broker"
	if p.Broker == nil {
		node = "namesrv"
	}
	m.common = append(slices.Clone(labels), pair{"cluster", o.Cluster}, pair{"node_id", o.Broker}, pair{"node_type", node})
	if o.InDelta {
		m.common = append(m.common, pair{"aggregation", "delta"})
	}
	return m, nil
}

// Run finds backlogs when they are asked for, and sends to who wants to be
// sent, until ctx ends.
func (m *Metrics) Run(ctx context.Context) error {
	var loops sync.WaitGroup
	if m.backlogs != nil {
		loops.Go(func() { m.backlogs.run(ctx) })
	}
	err := m.export(ctx)
	<-ctx.Done()
	loops.Wait()
	return err
}

// A family is a definition and its values.
type family struct {
	*definition
	points []point
}

// A point is one value and what it is about, in the order of definition.labels.
type point struct {
	labels []string
	value  float64
	dist   *meter.Distribution // of a histogram, before scaling
}

// A gathering collects families.
type gathering struct {
	m        *Metrics
	now      time.Time
	families []family
	at       map[*definition]int
}

func (m *Metrics) newGathering(now time.Time) *gathering {
	return &gathering{m: m, now: now, at: map[*definition]int{}}
}

// family is the one of a definition; the first call makes it.
func (g *gathering) family(d *definition) *family {
	i, ok := g.at[d]
	if !ok {
		i = len(g.families)
		g.at[d] = i
		g.families = append(g.families, family{definition: d})
	}
	return &g.families[i]
}

// add adds a value that is counted in units of the definition.
func (g *gathering) add(d *definition, value int64, labels ...string) {
	f := g.family(d)
	f.points = append(f.points, point{labels: labels, value: d.scaled(value)})
}

// distribute adds a histogram, unless it is empty.
func (g *gathering) distribute(d *definition, dist meter.Distribution, labels ...string) {
	if dist.Count() == 0 {
		return
	}
	f := g.family(d)
	f.points = append(f.points, point{labels: labels, dist: &dist})
}

// gather is everything that /metrics shows of ours, by name.
func (m *Metrics) gather(ctx context.Context, now time.Time) []family {
	m.mu.Lock()
	defer m.mu.Unlock()
	g := m.newGathering(now)
	g.server()
	if m.parts.Broker != nil {
		g.whole()
		g.topics()
		g.uses()
		g.dead()
		g.clients()
		g.backlog(ctx)
	}
	g.calls()
	slices.SortFunc(g.families, func(a, b family) int { return strings.Compare(a.prom(), b.prom()) })
	return g.families
}
