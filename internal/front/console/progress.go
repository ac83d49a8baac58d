package console

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/wire"
)

const (
	// ownersFor is how long it is believed which client has which queue.
	ownersFor = 10 * time.Second
	// maxAsked is how many clients of a group are asked what they have.
	maxAsked = 32
	// askTime bounds asking them, ownersWait how long a request waits for it.
	askTime, ownersWait = 5 * time.Second, 100 * time.Millisecond
	// maxOwners bounds the groups of which it is kept.
	maxOwners = 200
	// maxAges is of how many queues of one page the age of the lag is read.
	maxAges = 64
)

// A queueKey names a queue of a group.
type queueKey struct {
	topic, broker string
	id            int32
}

// owners say which client of a group has which queue, as the clients tell.
type owners struct {
	mu  sync.Mutex // guards all and what is in it
	all map[string]*owned
}

// An owned is what one group's clients said.
type owned struct {
	at      time.Time
	clients heldQueues
	asking  chan struct{} // closed when they have answered; nil if nobody asks
}

func newOwners() owners { return owners{all: map[string]*owned{}} }

// heldQueues are what clients of a group say of its queues: whose a queue is that
// is pulled, and who has popped last of one that they share.
type heldQueues struct {
	owner  map[queueKey]string
	popped map[queueKey]admin.PoppedQueue
}

// pop notes what one of the clients that share a queue has of it.
func (h *heldQueues) pop(key queueKey, client string, last time.Time, waits int64) {
	p := h.popped[key]
	p.InHand += waits
	if last.After(p.Last) {
		p.Last, p.Client = last, client
	}
	h.popped[key] = p
}

// ownersOf is which client has which queue of a group, as far as it can be known
// in a moment: clients are asked themselves, which those of the gRPC protocol are not.
func (s *site) ownersOf(ctx context.Context, c *Console, group string, clients []admin.Client) heldQueues {
	s.owners.mu.Lock()
	o := s.owners.all[group]
	if o == nil {
		for name := range s.owners.all { // any one will do
			if len(s.owners.all) < maxOwners {
				break
			}
			delete(s.owners.all, name)
		}
		o = &owned{}
		s.owners.all[group] = o
	}
	if o.asking == nil && time.Since(o.at) > ownersFor {
		asking := make(chan struct{})
		if c.start(func(ctx context.Context) {
			defer close(asking)
			found := s.eyes.Load().askOwners(ctx, group, clients)
			s.owners.mu.Lock()
			defer s.owners.mu.Unlock()
			o.at, o.clients, o.asking = time.Now(), found, nil
		}) {
			o.asking = asking
		}
	}
	asking := o.asking
	s.owners.mu.Unlock()
	if asking != nil {
		select {
		case <-asking:
		case <-time.After(ownersWait):
		case <-ctx.Done():
		}
	}
	s.owners.mu.Lock()
	defer s.owners.mu.Unlock()
	return o.clients
}

// askOwners asks clients which queues they have.
func (s *site) askOwners(ctx context.Context, group string, clients []admin.Client) heldQueues {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var mu sync.Mutex
	found := heldQueues{map[queueKey]string{}, map[queueKey]admin.PoppedQueue{}}
	clients = cut(clients, 0, maxAsked)
	// A client that does not answer is one of whom nothing is known.
	_ = each(ctx, len(clients), func(ctx context.Context, i int) error {
		info, err := s.admin.RunningInfo(ctx, admin.Target{}, group, clients[i].ID, false)
		if err != nil {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		for q, x := range info.Queues {
			if !x.Dropped {
				found.owner[queueKey{q.Topic, q.BrokerName, q.QueueID}] = clients[i].ID
			}
		}
		for q, x := range info.PopQueues {
			if !x.Dropped {
				found.pop(queueKey{q.Topic, q.BrokerName, q.QueueID}, clients[i].ID, time.UnixMilli(x.LastPopTimestamp), int64(x.WaitAckCount))
			}
		}
		return nil
	})
	return found
}

// A progressView is how far a group is in one queue.
type progressView struct {
	Topic      string   `json:"topic"`
	Broker     string   `json:"broker"`
	Queue      int32    `json:"queue"`
	Min        *int64   `json:"min,omitempty"`
	End        int64    `json:"end"`
	Committed  int64    `json:"committed"`
	Lag        int64    `json:"lag"`
	InHand     int64    `json:"in_hand"`
	Last       string   `json:"last,omitempty"`
	LagSeconds *float64 `json:"lag_seconds,omitempty"`
	Client     string   `json:"client"`
	Popped     bool     `json:"popped"`
	LastPop    string   `json:"last_pop,omitempty"`
	LastPopBy  string   `json:"last_pop_by"`
}

// held says whose a queue is, or that it is shared and who has popped of it last:
// as its broker says, or else as clients do.
func (v *progressView) held(p *admin.Progress, by heldQueues) {
	key := queueKey{p.Topic, p.Broker, p.Queue}
	v.InHand, v.Client = p.InFlight, by.owner[key]
	popped, known := by.popped[key]
	if p.Popped != nil {
		if known && p.Popped.Client == "" && popped.Last.After(p.Popped.Last.Add(-time.Second)) {
			p.Popped.Client = popped.Client
		}
		popped, known = *p.Popped, true
	}
	if known {
		v.Popped, v.LastPop, v.LastPopBy, v.InHand = true, stamp(popped.Last), popped.Client, popped.InHand
	}
}

func groupProgress(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	ctx, group := r.Context(), r.PathValue("group")
	progress, tps, err := s.admin.GroupProgress(ctx, admin.Target{}, group, r.text("topic"))
	if err != nil {
		return nil, err
	}
	v := struct {
		TPS   float64        `json:"tps"`
		Lag   int64          `json:"lag"`
		Items []progressView `json:"items"`
		// Members is how many clients the group has; those that pop share its queues.
		Members int `json:"members"`
	}{TPS: tps, Items: make([]progressView, len(progress))}
	var clients heldQueues
	members, err := s.admin.Consumers(ctx, admin.Target{}, group)
	if err == nil {
		v.Members = len(members.Clients)
	}
	if err == nil && members.Type != "CONSUME_ACTIVELY" && members.Model != "BROADCASTING" {
		clients = s.ownersOf(ctx, r.c, group, members.Clients)
	} else if err != nil && !errors.Is(err, mq.ErrNotOnline) {
		return nil, err
	}
	addrs := map[string]string{}
	if l := s.lists.Load(); l != nil {
		for _, b := range l.masters {
			addrs[b.Name] = b.Addr
		}
	}
	var late []int
	for i, p := range progress {
		lag := max(0, p.Lag)
		v.Lag += lag
		v.Items[i] = progressView{
			Topic: p.Topic, Broker: p.Broker, Queue: p.Queue, End: p.End, Committed: p.Committed, Lag: lag, Last: stamp(p.Last),
		}
		v.Items[i].held(&progress[i], clients)
		if lag == 0 {
			v.Items[i].LagSeconds = new(0.0)
		} else if addrs[p.Broker] != "" && len(late) < maxAges {
			late = append(late, i)
		}
	}
	if err := s.minima(ctx, v.Items); err != nil {
		return nil, err
	}
	return v, each(ctx, len(late), func(ctx context.Context, i int) error {
		p := progress[late[i]]
		q := remote.Queue{Queue: mq.Queue{Topic: p.Topic, ID: p.Queue}, Broker: p.Broker, Addr: addrs[p.Broker]}
		if stored, ok := s.peek(ctx, q, p.Committed); ok {
			v.Items[late[i]].LagSeconds = new(age(stored))
		}
		return nil
	})
}

// maxMinima is in how many topics of a group the beginnings of queues are shown.
const maxMinima = 16

// minima fills in where queues begin. A topic that is gone has none.
func (s *site) minima(ctx context.Context, all []progressView) error {
	var topics []string
	for _, p := range all {
		if !slices.Contains(topics, p.Topic) {
			topics = append(topics, p.Topic)
		}
	}
	topics = cut(topics, 0, maxMinima)
	found := make([][]admin.QueueStatus, len(topics))
	err := each(ctx, len(topics), func(ctx context.Context, i int) error {
		var err error
		found[i], _, err = s.admin.TopicStatus(ctx, topics[i])
		if errors.Is(err, mq.ErrTopicNotFound) {
			return nil
		}
		return err
	})
	for i := range all {
		at := slices.Index(topics, all[i].Topic)
		if at < 0 {
			continue
		}
		for _, q := range found[at] {
			if q.Broker == all[i].Broker && q.Queue == all[i].Queue {
				all[i].Min = &q.Min
			}
		}
	}
	return err
}

// A clientView is a connected client.
type clientView struct {
	ID       string `json:"id"`
	Addr     string `json:"addr"`
	Language string `json:"language"`
	Version  string `json:"version"`
}

func clientViews(clients []admin.Client) []clientView {
	all := []clientView{}
	for _, c := range clients {
		all = append(all, clientView{c.ID, c.Addr, c.Language, c.Version})
	}
	return all
}

func groupClients(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	v := struct {
		Online        bool                 `json:"online"`
		Type          string               `json:"type"`
		Model         string               `json:"model"`
		FromWhere     string               `json:"from_where"`
		Items         []clientView         `json:"items"`
		Subscriptions []admin.Subscription `json:"subscriptions"`
	}{Items: []clientView{}, Subscriptions: []admin.Subscription{}}
	members, err := s.admin.Consumers(r.Context(), admin.Target{}, r.PathValue("group"))
	if errors.Is(err, mq.ErrNotOnline) {
		if l := s.lists.Load(); l != nil && l.groups.find(r.PathValue("group")) == nil {
			return nil, noGroup(r.PathValue("group"))
		}
		return v, nil
	}
	if err != nil {
		return nil, err
	}
	v.Online, v.Type, v.Model, v.FromWhere = true, members.Type, members.Model, members.FromWhere
	v.Items, v.Subscriptions = clientViews(members.Clients), append(v.Subscriptions, members.Subscriptions...)
	return v, nil
}

// What a client says of a queue that it pulls or pops, and of a topic.
type (
	runningQueue struct {
		Topic       string `json:"topic"`
		Broker      string `json:"broker"`
		Queue       int32  `json:"queue"`
		Committed   int64  `json:"committed"`
		Cached      int32  `json:"cached"`
		Locked      bool   `json:"locked"`
		Dropped     bool   `json:"dropped"`
		LastPull    string `json:"last_pull,omitempty"`
		LastConsume string `json:"last_consume,omitempty"`
	}
	runningPop struct {
		Topic   string `json:"topic"`
		Broker  string `json:"broker"`
		Queue   int32  `json:"queue"`
		WaitAck int32  `json:"wait_ack"`
		Dropped bool   `json:"dropped"`
		LastPop string `json:"last_pop,omitempty"`
	}
	runningStatus struct {
		Topic            string  `json:"topic"`
		PullTPS          float64 `json:"pull_tps"`
		PullMs           float64 `json:"pull_ms"`
		ConsumeOKTPS     float64 `json:"consume_ok_tps"`
		ConsumeFailedTPS float64 `json:"consume_failed_tps"`
		ConsumeMs        float64 `json:"consume_ms"`
		FailedHour       int64   `json:"failed_hour"`
	}
	runningView struct {
		Client        string               `json:"client"`
		Properties    map[string]string    `json:"properties"`
		Subscriptions []admin.Subscription `json:"subscriptions"`
		Queues        []runningQueue       `json:"queues"`
		PopQueues     []runningPop         `json:"pop_queues"`
		Status        []runningStatus      `json:"status"`
		User          map[string]string    `json:"user"`
		Stack         string               `json:"stack"`
	}
)

func clientRunning(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	client := r.PathValue("client")
	info, err := s.admin.RunningInfo(r.Context(), admin.Target{}, r.PathValue("group"), client, r.flag("stack"))
	if errors.Is(err, mq.ErrNotOnline) {
		return nil, err
	}
	if code, refused := refusalOf(err); refused && code == wire.CodeSystemError {
		return nil, notSupported("%s; clients of the gRPC protocol cannot be asked, others that are connected can", err)
	}
	if err != nil {
		return nil, err
	}
	return newRunning(client, info), nil
}

func newRunning(client string, info *wire.ConsumerRunningInfo) runningView {
	v := runningView{
		Client: client, Properties: info.Properties, User: info.User, Stack: info.Stack,
		Subscriptions: []admin.Subscription{}, Queues: []runningQueue{}, PopQueues: []runningPop{}, Status: []runningStatus{},
	}
	if v.Properties == nil {
		v.Properties = map[string]string{}
	}
	if v.User == nil {
		v.User = map[string]string{}
	}
	for _, x := range info.Subscriptions {
		v.Subscriptions = append(v.Subscriptions, admin.Subscription{Topic: x.Topic, Expression: x.SubString, Type: cmp.Or(x.ExpressionType, "TAG")})
	}
	for q, x := range info.Queues {
		v.Queues = append(v.Queues, runningQueue{
			q.Topic, q.BrokerName, q.QueueID, x.CommitOffset, x.CachedMessageCount, x.Locked, x.Dropped, stampMillis(x.LastPullTimestamp), stampMillis(x.LastConsumeTimestamp),
		})
	}
	for q, x := range info.PopQueues {
		v.PopQueues = append(v.PopQueues, runningPop{q.Topic, q.BrokerName, q.QueueID, x.WaitAckCount, x.Dropped, stampMillis(x.LastPopTimestamp)})
	}
	for topic, x := range info.Status {
		v.Status = append(v.Status, runningStatus{topic, x.PullTPS, x.PullRT, x.ConsumeOKTPS, x.ConsumeFailedTPS, x.ConsumeRT, x.ConsumeFailedMessages})
	}
	slices.SortFunc(v.Queues, func(a, b runningQueue) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Broker, b.Broker), cmp.Compare(a.Queue, b.Queue))
	})
	slices.SortFunc(v.PopQueues, func(a, b runningPop) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Broker, b.Broker), cmp.Compare(a.Queue, b.Queue))
	})
	slices.SortFunc(v.Status, func(a, b runningStatus) int { return cmp.Compare(a.Topic, b.Topic) })
	return v
}
