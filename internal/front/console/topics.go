package console

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
)

func topicRoutes() []route {
	return []route{
		{method: "GET", path: "/topics", action: actList, resource: anyCluster, what: "a page of the topics", serve: listTopics},
		{method: "POST", path: "/topics", what: "create a topic", serve: createTopic},
		{method: "GET", path: "/topics/{topic}", action: actGet, resource: ofTopic, what: "one topic", serve: getTopic},
		{method: "PATCH", path: "/topics/{topic}", action: actUpdate, resource: ofTopic, what: "change a topic", serve: changeTopic},
		{method: "DELETE", path: "/topics/{topic}", action: actDelete, resource: ofTopic, what: "delete a topic", serve: deleteTopic},
		{method: "GET", path: "/topics/{topic}/queues", action: actGet, resource: ofTopic, what: "its queues and their offsets", serve: topicQueues},
		{method: "GET", path: "/topics/{topic}/groups", action: actGet, resource: ofTopic, what: "who reads it", serve: topicGroups},
		{method: "GET", path: "/topics/{topic}/route", action: actGet, resource: ofTopic, what: "what clients are told about where it is", serve: topicRoute},
		{method: "GET", path: "/topics/{topic}/producers", action: actGet, resource: ofTopic, what: "who of a producer group is connected to its brokers", serve: topicProducers},
		{method: "POST", path: "/topics/{topic}/messages", action: actPub, resource: ofTopic, what: "send messages", serve: sendMessages},
		{method: "GET", path: "/topics/{topic}/messages", action: actSub, resource: ofTopic, what: "look for messages", serve: findMessages},
		{method: "GET", path: "/topics/{topic}/tail", action: actSub, resource: ofTopic, wait: -1, what: "messages as they come, as server-sent events", serve: tailTopic},
	}
}

// noTopic says that there is no such topic.
func noTopic(name string) error {
	return &problem{status: http.StatusNotFound, Code: "not_found", Text: "topic " + shortened(name) + " does not exist", Fix: "look at its spelling in the list of topics, or create it"}
}

// A topicItem is a topic in a list.
type topicItem struct {
	Name        string            `json:"name"`
	Kind        string            `json:"kind"`
	Type        string            `json:"type"`
	Clusters    []string          `json:"clusters"`
	Brokers     []string          `json:"brokers"`
	ReadQueues  int32             `json:"read_queues"`
	WriteQueues int32             `json:"write_queues"`
	Perm        string            `json:"perm"`
	PermDiffers bool              `json:"perm_differs,omitempty"`
	Order       bool              `json:"order"`
	Attributes  map[string]string `json:"attributes"`
	InTPS       *float64          `json:"in_tps,omitempty"`
	Lag         *int64            `json:"lag,omitempty"`
}

// topicItem is a row as answers have it.
func (w *watched) topicItem(row *topicRow, lags map[string]int64) topicItem {
	v := topicItem{
		Name: row.name, Kind: row.kind, Type: row.typ, Clusters: row.place.clusters, Brokers: row.place.brokers, ReadQueues: row.read, WriteQueues: row.write,
		Perm: permText(row.perm), PermDiffers: row.permDiffers, Order: row.order, Attributes: row.attributes,
	}
	if v.Attributes == nil {
		v.Attributes = map[string]string{}
	}
	if rate := w.history.rate(row.name); rate != 0 {
		v.InTPS = &rate
	} else if x, good := w.rates.get(row.name); good {
		v.InTPS = &x.tps
	}
	if lag, read := lags[row.name]; read {
		v.Lag = &lag
	}
	return v
}

// A listPage is a page of a list from the snapshot.
type listPage struct {
	Items    any      `json:"items"`
	Total    int      `json:"total"`
	Offset   int      `json:"offset"`
	Limit    int      `json:"limit"`
	AgeMs    int64    `json:"age_ms"`
	Loading  bool     `json:"loading"`
	Problems []string `json:"problems"`
}

// selection reads what a page shall have. sorts are the fields that may order it.
func (r *request) selection(sorts ...string) (selection, error) {
	sel := selection{
		q: strings.ToLower(r.text("q")), kind: cmp.Or(r.text("kind"), kindUser), typ: r.text("type"), cluster: r.text("cluster"),
	}
	var err error
	if sel.offset, err = r.number("offset", 0, 0, 1<<30); err != nil {
		return sel, err
	}
	if sel.limit, err = r.number("limit", usualPage, 1, maxPage); err != nil {
		return sel, err
	}
	sel.sort, sel.descending = strings.CutPrefix(cmp.Or(r.text("sort"), sorts[0]), "-")
	if !slices.Contains(sorts, sel.sort) {
		return sel, badRequest("sort = %.40q; want one of %s, with - in front for the other way round", r.text("sort"), strings.Join(sorts, ", "))
	}
	return sel, nil
}

// current are the lists of a site, fresh ones if the request wants them.
func (r *request) current(s *site) *lists {
	l := s.lists.Load()
	if l == nil || r.flag("refresh") || !l.hasTopics {
		bound := firstTime
		if r.flag("refresh") {
			bound = changeTime
		}
		ctx, cancel := context.WithTimeout(r.Context(), bound)
		defer cancel()
		s.fresh(ctx)
		l = s.lists.Load()
	}
	return l
}

// firstTime is how long a request waits for lists if there are none yet.
const firstTime = 150 * time.Millisecond

// page is a page of lists, or what is answered while there are none.
func (l *lists) page(sel selection, items any, total int, ready bool) listPage {
	p := listPage{Items: items, Total: total, Offset: sel.offset, Limit: sel.limit, Problems: []string{}}
	if l == nil || !ready {
		p.Loading = true
		return p
	}
	p.AgeMs, p.Problems = time.Since(l.at).Milliseconds(), append(p.Problems, l.problems...)
	return p
}

func listTopics(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	sel, err := r.selection("name", "in_tps", "queues")
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]string{kindUser, kindRetry, kindDLQ, kindSystem, kindAll}, sel.kind) {
		return nil, badRequest("kind = %.40q; want user, retry, dlq, system or all", sel.kind)
	}
	l := r.current(s)
	items := []topicItem{}
	if l == nil || !l.hasTopics {
		return l.page(sel, items, 0, false), nil
	}
	rows, total := sel.topics(l.topics, s.history.rate)
	if r.flag("rates") {
		s.rate(r.Context(), l, rows)
	}
	lags := s.lags()
	for _, row := range rows {
		items = append(items, s.topicItem(row, lags))
	}
	return l.page(sel, items, total, true), nil
}

// Permissions as texts.
func permText(perm int32) string {
	text := ""
	if perm&mq.PermRead != 0 {
		text += "R"
	}
	if perm&mq.PermWrite != 0 {
		text += "W"
	}
	return cmp.Or(text, "-")
}

func parsePerm(text string) (int32, error) {
	switch text {
	case "", "RW", "WR":
		return mq.PermRead | mq.PermWrite, nil
	case "R":
		return mq.PermRead, nil
	case "W":
		return mq.PermWrite, nil
	case "-":
		return 0, nil
	}
	return 0, badRequest("perm = %.40q; want RW, R, W or -", text)
}

// A topicChange is what is wished of a topic; nil leaves a thing as it is.
type topicChange struct {
	Cluster     string             `json:"cluster"`
	Broker      string             `json:"broker"`
	ReadQueues  *int32             `json:"read_queues"`
	WriteQueues *int32             `json:"write_queues"`
	Perm        *string            `json:"perm"`
	Type        *string            `json:"type"`
	Order       *bool              `json:"order"`
	Attributes  map[string]*string `json:"attributes"`
}

// target is where a change is to be made.
func target(cluster, broker string) (admin.Target, error) {
	if cluster != "" && broker != "" {
		return admin.Target{}, badRequest("cluster and broker are both given; name one of them")
	}
	return admin.Target{Cluster: cluster, Addr: broker}, nil
}

// topicTypes are what a topic may be for.
var topicTypes = []string{"NORMAL", "FIFO", "DELAY", "TRANSACTION", "PRIORITY", "LITE", "MIXED", "UNSPECIFIED"}

// attributes are the changes of attributes, as package admin wants them.
func (c *topicChange) attributes() (map[string]string, error) {
	changes, err := attributeChanges(c.Attributes)
	if err != nil || c.Type == nil {
		return changes, err
	}
	if !slices.Contains(topicTypes, *c.Type) {
		return nil, badRequest("type = %.40q; want one of %s", *c.Type, strings.Join(topicTypes, ", "))
	}
	changes["+"+attrMessageType] = *c.Type
	return changes, nil
}

func attributeChanges(wished map[string]*string) (map[string]string, error) {
	changes := map[string]string{}
	for key, value := range wished {
		text := ""
		if value != nil {
			text = *value
		}
		if key == "" || strings.ContainsAny(key, "+-=,") || strings.Contains(text, ",") || value != nil && text == "" {
			return nil, badRequest("attribute %.60q cannot be set to %.60q; neither is empty or holds a comma", key, text)
		}
		if value == nil {
			changes["-"+key] = ""
		} else {
			changes["+"+key] = text
		}
	}
	return changes, nil
}

// A placed answer says which brokers have done something.
type placed struct {
	Name    string   `json:"name"`
	Brokers []string `json:"brokers"`
}

func brokerNames(brokers []admin.Broker) []string {
	names := []string{}
	for _, b := range brokers {
		names = append(names, cmp.Or(b.Name, b.Addr))
	}
	return names
}

func createTopic(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	var in struct {
		Name string `json:"name"`
		topicChange
	}
	if err := r.body(&in); err != nil {
		return nil, err
	}
	if err := mq.CheckTopic(in.Name); err != nil {
		return nil, err
	}
	if err := r.allow(actCreate, "Topic:"+in.Name); err != nil {
		return nil, err
	}
	t := mq.Topic{Name: in.Name, ReadQueues: 8, WriteQueues: 8, Perm: mq.PermRead | mq.PermWrite}
	if t.Attributes, err = in.attributes(); err != nil {
		return nil, err
	}
	if err := in.apply(&t); err != nil {
		return nil, err
	}
	if in.ReadQueues == nil {
		t.ReadQueues = t.WriteQueues
	}
	to, err := target(in.Cluster, in.Broker)
	if err != nil {
		return nil, err
	}
	if _, err := s.admin.Route(r.Context(), in.Name); err == nil {
		return nil, &problem{status: http.StatusConflict, Code: "conflict", Text: "topic " + in.Name + " exists already", Fix: "change it instead, or choose another name"}
	} else if !errors.Is(err, mq.ErrTopicNotFound) {
		return nil, err
	}
	brokers, err := s.admin.PutTopic(r.Context(), to, t)
	s.topicChanged(r.Context(), in.Name)
	return withStatus{http.StatusCreated, placed{in.Name, brokerNames(brokers)}}, err
}

// maxQueues bounds the queues of a topic on one broker.
const maxQueues = 1024

// apply changes what is wished but for the attributes.
func (c *topicChange) apply(t *mq.Topic) error {
	for _, n := range []struct {
		name string
		from *int32
		to   *int32
	}{{"read_queues", c.ReadQueues, &t.ReadQueues}, {"write_queues", c.WriteQueues, &t.WriteQueues}} {
		if n.from == nil {
			continue
		}
		if *n.from < 1 || *n.from > maxQueues {
			return badRequest("%s = %d; want 1 to %d", n.name, *n.from, maxQueues)
		}
		*n.to = *n.from
	}
	if c.Perm != nil {
		perm, err := parsePerm(*c.Perm)
		if err != nil {
			return err
		}
		t.Perm = perm
	}
	if c.Order != nil {
		t.Order = *c.Order
	}
	return nil
}

func changeTopic(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	var in topicChange
	if err := r.body(&in); err != nil {
		return nil, err
	}
	attributes, err := in.attributes()
	if err != nil {
		return nil, err
	}
	if err := in.apply(&mq.Topic{}); err != nil {
		return nil, err
	}
	to, err := target(in.Cluster, in.Broker)
	if err != nil {
		return nil, err
	}
	name := r.PathValue("topic")
	brokers, err := s.admin.ChangeTopic(r.Context(), to, name, func(t *mq.Topic) {
		_ = in.apply(t) // it was tried above
		t.Attributes = attributes
	})
	s.topicChanged(r.Context(), name)
	return placed{name, brokerNames(brokers)}, done(err, brokers)
}

// done is an error that says who had done it before.
func done(err error, brokers []admin.Broker) error {
	if err == nil || len(brokers) == 0 {
		return err
	}
	p := *problemOf(err)
	p.Done = brokerNames(brokers)
	return &p
}

func deleteTopic(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	name := r.PathValue("topic")
	brokers, err := s.admin.DeleteTopic(r.Context(), admin.Target{Cluster: r.text("cluster")}, name)
	s.topicChanged(r.Context(), name)
	return placed{name, brokerNames(brokers)}, err
}

// A placedTopic is what a topic is on one broker.
type placedTopic struct {
	Broker      string            `json:"broker"`
	ReadQueues  int32             `json:"read_queues"`
	WriteQueues int32             `json:"write_queues"`
	Perm        string            `json:"perm"`
	Order       bool              `json:"order"`
	Attributes  map[string]string `json:"attributes"`
}

// A topicView is one topic.
type topicView struct {
	Name        string        `json:"name"`
	Kind        string        `json:"kind"`
	Type        string        `json:"type"`
	Placed      []placedTopic `json:"placed"`
	Queues      int           `json:"queues"`
	Messages    int64         `json:"messages"`
	LastMessage string        `json:"last_message,omitempty"`
	InTPS       float64       `json:"in_tps"`
	InBytesTPS  float64       `json:"in_bytes_tps"`
	InToday     *int64        `json:"in_today,omitempty"`
	TodaySince  string        `json:"today_since"`
	Groups      int           `json:"groups"`
}

func getTopic(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	ctx, name := r.Context(), r.PathValue("topic")
	places, err := s.admin.PlacedTopics(ctx, name)
	if err != nil {
		return nil, err
	}
	queues, _, err := s.admin.TopicStatus(ctx, name)
	if err != nil {
		return nil, err
	}
	groups, err := s.admin.GroupsOfTopic(ctx, name)
	if err != nil {
		return nil, err
	}
	v := topicView{Name: name, Type: "NORMAL", Kind: kindUser, Placed: []placedTopic{}, Queues: len(queues), Groups: len(groups)}
	day := midnight(time.Now())
	v.TodaySince = stamp(day)
	if l := s.lists.Load(); l != nil {
		if row := l.topics.find(name); row != nil {
			v.Kind = row.kind
		}
		v.InToday = s.today(ctx, day, name, queues, l.masters)
		for _, b := range l.masters {
			if !slices.ContainsFunc(places, func(p admin.PlacedTopic) bool { return p.Broker == b.Name }) {
				continue
			}
			nums, err := s.admin.Stat(ctx, b.Addr, "TOPIC_PUT_NUMS", name)
			if err != nil {
				continue // a rate that is missing hides nothing else
			}
			v.InTPS += nums.Minute.TPS
			if size, err := s.admin.Stat(ctx, b.Addr, "TOPIC_PUT_SIZE", name); err == nil {
				v.InBytesTPS += size.Minute.TPS
			}
		}
	}
	for _, p := range places {
		attributes := p.Attributes
		if attributes == nil {
			attributes = map[string]string{}
		}
		v.Type = cmp.Or(attributes[attrMessageType], v.Type)
		v.Placed = append(v.Placed, placedTopic{p.Broker, p.ReadQueues, p.WriteQueues, permText(p.Perm), p.Order, attributes})
	}
	var last time.Time
	for _, q := range queues {
		v.Messages += q.Max - q.Min
		if q.LastUpdate.After(last) {
			last = q.LastUpdate
		}
	}
	v.LastMessage = stamp(last)
	return v, nil
}

// A queueView is one queue of a topic.
type queueView struct {
	Broker     string `json:"broker"`
	Queue      int32  `json:"queue"`
	Min        int64  `json:"min"`
	Max        int64  `json:"max"`
	Messages   int64  `json:"messages"`
	LastUpdate string `json:"last_update,omitempty"`
}

// items is a list that is no page.
type items struct {
	Items any `json:"items"`
}

func topicQueues(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	queues, _, err := s.admin.TopicStatus(r.Context(), r.PathValue("topic"))
	all := []queueView{}
	for _, q := range queues {
		all = append(all, queueView{q.Broker, q.Queue, q.Min, q.Max, q.Max - q.Min, stamp(q.LastUpdate)})
	}
	return items{all}, err
}

// maxGroupsOfTopic is how many readers of a topic are shown.
const maxGroupsOfTopic = 200

// A topicGroup is who reads a topic.
type topicGroup struct {
	Group      string   `json:"group"`
	Lag        *int64   `json:"lag,omitempty"`
	LagSeconds *float64 `json:"lag_seconds,omitempty"`
	TPS        float64  `json:"tps"`
	Online     bool     `json:"online"`
	Known      bool     `json:"known"`
}

func topicGroups(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	topic := r.PathValue("topic")
	groups, err := s.admin.GroupsOfTopic(r.Context(), topic)
	if err != nil {
		return nil, err
	}
	// Whoever subscribes without having consumed is a reader too.
	s.states.each(func(group string, g *groupState) {
		if slices.ContainsFunc(g.subscriptions, func(x admin.Subscription) bool { return x.Topic == topic }) && !slices.Contains(groups, group) {
			groups = append(groups, group)
		}
	})
	slices.Sort(groups)
	page := cut(groups, 0, maxGroupsOfTopic)
	s.await(r.Context(), page)
	all := []topicGroup{}
	for _, group := range page {
		v := topicGroup{Group: group}
		if g := s.states.get(group); g != nil {
			v.Known, v.Online, v.TPS = true, len(g.clients) > 0, g.tps
			v.Lag = new(g.topics[topic])
			if *v.Lag == 0 {
				v.LagSeconds = new(0.0)
			} else if g.lagSeconds >= 0 && len(g.topics) == 1 {
				v.LagSeconds = &g.lagSeconds
			}
		}
		all = append(all, v)
	}
	return struct {
		items
		Total int `json:"total"`
	}{items{all}, len(groups)}, nil
}

func topicRoute(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	data, err := s.admin.Route(r.Context(), r.PathValue("topic"))
	if err != nil {
		return nil, err
	}
	type brokerOf struct {
		Cluster string           `json:"cluster"`
		Name    string           `json:"name"`
		Addrs   map[int64]string `json:"addrs"`
	}
	type queuesOf struct {
		Broker      string `json:"broker"`
		ReadQueues  int32  `json:"read_queues"`
		WriteQueues int32  `json:"write_queues"`
		Perm        string `json:"perm"`
	}
	v := struct {
		Brokers []brokerOf `json:"brokers"`
		Queues  []queuesOf `json:"queues"`
	}{[]brokerOf{}, []queuesOf{}}
	for _, b := range data.Brokers {
		v.Brokers = append(v.Brokers, brokerOf{b.Cluster, b.BrokerName, maps.Clone(b.Addrs)})
	}
	for _, q := range data.Queues {
		v.Queues = append(v.Queues, queuesOf{q.BrokerName, q.ReadQueueNums, q.WriteQueueNums, permText(q.Perm)})
	}
	return v, nil
}

func topicProducers(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	group := r.text("group")
	if group == "" {
		return nil, badRequest("group is missing; name the producer group")
	}
	clients, err := s.admin.Producers(r.Context(), group, r.PathValue("topic"))
	if err != nil {
		return nil, err
	}
	return items{clientViews(clients)}, nil
}
