package console

import (
	"net/http"
	"slices"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
)

func groupRoutes() []route {
	return []route{
		{method: "GET", path: "/groups", action: actList, resource: anyCluster, what: "a page of the consumer groups, with their lag", serve: listGroups},
		{method: "POST", path: "/groups", what: "create a group", serve: createGroup},
		{method: "GET", path: "/groups/{group}", action: actGet, resource: ofGroup, what: "one group", serve: getGroup},
		{method: "PATCH", path: "/groups/{group}", action: actUpdate, resource: ofGroup, what: "change a group", serve: changeGroup},
		{method: "DELETE", path: "/groups/{group}", action: actDelete, resource: ofGroup, what: "delete a group", serve: deleteGroup},
		{method: "GET", path: "/groups/{group}/progress", action: actGet, resource: ofGroup, what: "how far it is in each queue, and which client has the queue", serve: groupProgress},
		{method: "GET", path: "/groups/{group}/clients", action: actGet, resource: ofGroup, what: "who is in it", serve: groupClients},
		{method: "GET", path: "/groups/{group}/clients/{client}", action: actGet, resource: ofGroup, what: "what a client is doing, as it says itself", wait: 20 * time.Second, serve: clientRunning},
		{method: "POST", path: "/groups/{group}/reset", action: actUpdate, resource: ofGroup, what: "move it to a time or an offset, or say what that would do", serve: resetOffsets},
		{method: "POST", path: "/groups/{group}/skip", action: actUpdate, resource: ofGroup, what: "move it to the end", serve: skipOffsets},
		{method: "POST", path: "/groups/{group}/forbid", action: actUpdate, resource: ofGroup, what: "forbid it a topic, or allow it again", serve: forbidTopic},
		{method: "GET", path: "/groups/{group}/message-groups", action: actGet, resource: ofGroup, what: "message groups that are stuck or parked", serve: listMessageGroups},
		{method: "POST", path: "/groups/{group}/message-groups", action: actUpdate, resource: ofGroup, what: "park, release or bury one", serve: settleMessageGroup},
	}
}

// noGroup says that there is no such group.
func noGroup(name string) error {
	return &problem{status: http.StatusNotFound, Code: "not_found", Text: "group " + shortened(name) + " does not exist", Fix: "look at its spelling in the list of groups, or create it"}
}

// A groupItem is a group in a list.
type groupItem struct {
	Group      string   `json:"group"`
	Kind       string   `json:"kind"`
	Brokers    []string `json:"brokers"`
	Enabled    bool     `json:"enabled"`
	Known      bool     `json:"known"`
	Online     bool     `json:"online"`
	Clients    int      `json:"clients"`
	Model      string   `json:"model"`
	Type       string   `json:"type"`
	Lag        *int64   `json:"lag,omitempty"`
	LagSeconds *float64 `json:"lag_seconds,omitempty"`
	TPS        float64  `json:"tps"`
	Topics     int      `json:"topics"`
	AgeMs      int64    `json:"age_ms"`
	Problem    string   `json:"problem,omitempty"`
}

func newGroupItem(row *groupRow, g *groupState) groupItem {
	v := groupItem{Group: row.name, Kind: row.kind, Brokers: row.brokers, Enabled: row.enabled}
	if g == nil {
		return v
	}
	v.Known, v.Online, v.Clients, v.Model, v.Type = true, len(g.clients) > 0, len(g.clients), g.model, g.typ
	v.Lag, v.LagSeconds = g.shown()
	v.TPS, v.Topics, v.AgeMs, v.Problem = g.tps, len(g.topics), time.Since(g.at).Milliseconds(), g.problem
	return v
}

// shown are lag and its age as answers have them.
func (g *groupState) shown() (*int64, *float64) {
	if g.lagSeconds < 0 {
		return &g.lag, nil
	}
	return &g.lag, &g.lagSeconds
}

func listGroups(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	sel, err := r.selection("name", "lag", "lag_seconds", "clients", "tps")
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]string{kindUser, kindSystem, kindAll}, sel.kind) {
		return nil, badRequest("kind = %.40q; want user, system or all", sel.kind)
	}
	l := r.current(s)
	all := []groupItem{}
	if l == nil {
		return l.page(sel, all, 0, false), nil
	}
	known := map[string]*groupState{}
	s.states.each(func(group string, g *groupState) { known[group] = g })
	rows, total := sel.groups(l.groups, func(group string) *groupState { return known[group] })
	names := make([]string, len(rows))
	for i, row := range rows {
		names[i] = row.name
	}
	s.await(r.Context(), names)
	for _, row := range rows {
		all = append(all, newGroupItem(row, s.states.get(row.name)))
	}
	return l.page(sel, all, total, true), nil
}

// A groupChange is what is wished of a group; nil leaves a thing as it is.
type groupChange struct {
	Cluster               string             `json:"cluster"`
	Broker                string             `json:"broker"`
	Enabled               *bool              `json:"enabled"`
	Broadcast             *bool              `json:"broadcast"`
	Ordered               *bool              `json:"ordered"`
	FromMin               *bool              `json:"from_min"`
	RetryMax              *int32             `json:"retry_max"`
	RetryQueues           *int32             `json:"retry_queues"`
	ConsumeTimeoutMinutes *int32             `json:"consume_timeout_minutes"`
	RetryPolicy           *mq.RetryPolicy    `json:"retry_policy"`
	BrokerID              *int64             `json:"broker_id"`
	SlowBrokerID          *int64             `json:"slow_broker_id"`
	NotifyMembers         *bool              `json:"notify_members"`
	Attributes            map[string]*string `json:"attributes"`
}

// apply changes what is wished but for the attributes.
func (c *groupChange) apply(g *mq.Group) error {
	for _, x := range []struct {
		from *bool
		to   *bool
	}{{c.Enabled, &g.ConsumeEnable}, {c.Broadcast, &g.ConsumeBroadcast}, {c.Ordered, &g.ConsumeOrderly}, {c.FromMin, &g.ConsumeFromMin}, {c.NotifyMembers, &g.NotifyConsumerIDsChange}} {
		if x.from != nil {
			*x.to = *x.from
		}
	}
	for _, x := range []struct {
		name        string
		from        *int32
		to          *int32
		least, most int32
	}{
		{"retry_max", c.RetryMax, &g.RetryMax, -1, 1 << 20}, {"retry_queues", c.RetryQueues, &g.RetryQueues, 0, maxQueues},
		{"consume_timeout_minutes", c.ConsumeTimeoutMinutes, &g.ConsumeTimeoutMinutes, 1, 1 << 20},
	} {
		if x.from == nil {
			continue
		}
		if *x.from < x.least || *x.from > x.most {
			return badRequest("%s = %d; want %d to %d", x.name, *x.from, x.least, x.most)
		}
		*x.to = *x.from
	}
	for _, x := range []struct {
		name string
		from *int64
		to   *int64
	}{{"broker_id", c.BrokerID, &g.BrokerID}, {"slow_broker_id", c.SlowBrokerID, &g.WhichBrokerWhenSlow}} {
		if x.from == nil {
			continue
		}
		if *x.from < 0 {
			return badRequest("%s = %d; want 0 for the master, or the number of a slave", x.name, *x.from)
		}
		*x.to = *x.from
	}
	if err := checkPolicy(c.RetryPolicy); err != nil {
		return err
	}
	if c.RetryPolicy != nil {
		g.RetryPolicy = c.RetryPolicy
	}
	return nil
}

// A groupAnswer says which brokers have done something.
type groupAnswer struct {
	Group   string   `json:"group"`
	Brokers []string `json:"brokers"`
}

func createGroup(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	var in struct {
		Group string `json:"group"`
		groupChange
	}
	if err := r.body(&in); err != nil {
		return nil, err
	}
	if err := mq.CheckGroup(in.Group); err != nil {
		return nil, err
	}
	if err := r.allow(actCreate, "Group:"+in.Group); err != nil {
		return nil, err
	}
	g := admin.NewGroup(in.Group)
	if g.Attributes, err = attributeChanges(in.Attributes); err != nil {
		return nil, err
	}
	if err := in.apply(&g); err != nil {
		return nil, err
	}
	to, err := target(in.Cluster, in.Broker)
	if err != nil {
		return nil, err
	}
	if l := s.lists.Load(); l != nil && l.groups.find(in.Group) != nil {
		if _, err := s.admin.FindGroup(r.Context(), to, in.Group); err == nil {
			return nil, &problem{status: http.StatusConflict, Code: "conflict", Text: "group " + in.Group + " exists already", Fix: "change it instead, or choose another name"}
		}
	}
	brokers, err := s.admin.PutGroup(r.Context(), to, g)
	s.groupsChanged(r.Context())
	return withStatus{http.StatusCreated, groupAnswer{in.Group, brokerNames(brokers)}}, err
}

func changeGroup(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	var in groupChange
	if err := r.body(&in); err != nil {
		return nil, err
	}
	attributes, err := attributeChanges(in.Attributes)
	if err != nil {
		return nil, err
	}
	if err := in.apply(&mq.Group{}); err != nil {
		return nil, err
	}
	to, err := target(in.Cluster, in.Broker)
	if err != nil {
		return nil, err
	}
	name := r.PathValue("group")
	brokers, err := s.admin.ChangeGroup(r.Context(), to, name, func(g *mq.Group) {
		_ = in.apply(g) // it was tried above
		g.Attributes = attributes
	})
	s.groupsChanged(r.Context())
	return groupAnswer{name, brokerNames(brokers)}, done(err, brokers)
}

func deleteGroup(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	name := r.PathValue("group")
	brokers, err := s.admin.DeleteGroup(r.Context(), admin.Target{Cluster: r.text("cluster")}, name, r.flag("offsets"))
	for _, topic := range []string{mq.RetryTopic(name), mq.DLQTopic(name)} {
		s.topicChanged(r.Context(), topic)
	}
	s.groupsChanged(r.Context())
	return groupAnswer{name, brokerNames(brokers)}, err
}

// A groupConfig is a group's configuration as answers have it.
type groupConfig struct {
	Enabled               bool              `json:"enabled"`
	Broadcast             bool              `json:"broadcast"`
	Ordered               bool              `json:"ordered"`
	FromMin               bool              `json:"from_min"`
	RetryMax              int32             `json:"retry_max"`
	RetryQueues           int32             `json:"retry_queues"`
	ConsumeTimeoutMinutes int32             `json:"consume_timeout_minutes"`
	RetryPolicy           *mq.RetryPolicy   `json:"retry_policy"`
	BrokerID              int64             `json:"broker_id"`
	SlowBrokerID          int64             `json:"slow_broker_id"`
	NotifyMembers         bool              `json:"notify_members"`
	Attributes            map[string]string `json:"attributes"`
}

type placedGroup struct {
	Broker admin.Broker `json:"broker"`
	Config groupConfig  `json:"config"`
}

func getGroup(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	name := r.PathValue("group")
	found, err := s.admin.FindGroup(r.Context(), admin.Target{}, name)
	if err != nil {
		return nil, err
	}
	g := s.states.get(name)
	if g == nil || time.Since(g.at) > shownFor {
		g = s.look(r.Context(), name)
	}
	v := struct {
		Group      string        `json:"group"`
		Placed     []placedGroup `json:"placed"`
		Online     bool          `json:"online"`
		Lag        *int64        `json:"lag,omitempty"`
		LagSeconds *float64      `json:"lag_seconds,omitempty"`
		TPS        float64       `json:"tps"`
		Topics     []string      `json:"topics"`
		Forbidden  []forbiddance `json:"forbidden"`
		Problem    string        `json:"problem,omitempty"`
	}{Group: name, Forbidden: []forbiddance{}, Placed: []placedGroup{}, Online: len(g.clients) > 0, TPS: g.tps, Topics: []string{}, Problem: g.problem}
	v.Lag, v.LagSeconds = g.shown()
	for topic := range g.topics {
		v.Topics = append(v.Topics, topic)
	}
	slices.Sort(v.Topics)
	if l := s.lists.Load(); l != nil {
		if row := l.groups.find(name); row != nil {
			v.Forbidden = append(v.Forbidden, row.forbidden...)
		}
	}
	for _, p := range found {
		c := p.Config
		if c.Attributes == nil {
			c.Attributes = map[string]string{}
		}
		v.Placed = append(v.Placed, placedGroup{p.Broker, groupConfig{
			c.ConsumeEnable, c.ConsumeBroadcast, c.ConsumeOrderly, c.ConsumeFromMin, c.RetryMax, c.RetryQueues, c.ConsumeTimeoutMinutes, c.RetryPolicy,
			c.BrokerID, c.WhichBrokerWhenSlow, c.NotifyConsumerIDsChange, c.Attributes,
		}})
	}
	return v, nil
}

func forbidTopic(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	var in struct {
		Topic     string `json:"topic"`
		Forbidden *bool  `json:"forbidden"`
		Cluster   string `json:"cluster"`
	}
	if err := r.body(&in); err != nil {
		return nil, err
	}
	if in.Topic == "" || in.Forbidden == nil {
		return nil, badRequest("topic or forbidden is missing; name the topic and send true or false")
	}
	brokers, err := s.admin.ForbidTopic(r.Context(), admin.Target{Cluster: in.Cluster}, r.PathValue("group"), in.Topic, *in.Forbidden)
	s.groupsChanged(r.Context())
	return map[string]any{"brokers": brokerNames(brokers)}, err
}

// A messageGroupView is a message group that is stuck or parked.
type messageGroupView struct {
	Name    string `json:"name"`
	Broker  string `json:"broker"`
	Queue   int32  `json:"queue"`
	State   string `json:"state"`
	Since   string `json:"since,omitempty"`
	Tries   int32  `json:"tries"`
	Offset  int64  `json:"offset"`
	InHand  bool   `json:"in_hand"`
	Waiting int64  `json:"waiting"`
}

func listMessageGroups(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	topic := r.text("topic")
	if topic == "" {
		return nil, badRequest("topic is missing; name the topic")
	}
	groups, err := s.admin.MessageGroups(r.Context(), admin.Target{Cluster: r.text("cluster")}, r.PathValue("group"), topic)
	all := []messageGroupView{}
	for _, g := range groups {
		all = append(all, messageGroupView{g.Name, g.Broker, g.Queue, g.State, stamp(g.Since), g.Tries, g.Offset, g.InHand, g.Waiting})
	}
	return items{all}, err
}

func settleMessageGroup(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	var in struct {
		Topic   string `json:"topic"`
		Name    string `json:"name"`
		Action  string `json:"action"`
		Cluster string `json:"cluster"`
	}
	if err := r.body(&in); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{admin.ParkGroup, admin.ReleaseGroup, admin.BuryGroup}, in.Action) {
		return nil, badRequest("action = %.40q; want PARK, RELEASE or BURY", in.Action)
	}
	moved, err := s.admin.SettleMessageGroup(r.Context(), admin.Target{Cluster: in.Cluster}, r.PathValue("group"), in.Topic, in.Name, in.Action)
	return map[string]int64{"moved": moved}, err
}
