package console

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
)

// A traceEvent is one thing that happened to a message.
type traceEvent struct {
	Kind    string `json:"kind"`
	At      string `json:"at,omitempty"`
	CostMs  *int64 `json:"cost_ms,omitempty"`
	Success *bool  `json:"success,omitempty"`
	Group   string `json:"group,omitempty"`
	Host    string `json:"host,omitempty"`
	Broker  string `json:"broker,omitempty"`
	Queue   *int32 `json:"queue,omitempty"`
	Offset  *int64 `json:"offset,omitempty"`
	Tries   *int   `json:"tries,omitempty"`
	Result  string `json:"result,omitempty"`
	Request string `json:"request,omitempty"`
	State   string `json:"state,omitempty"`
	Checked *bool  `json:"checked,omitempty"`
	Source  string `json:"source"` // who says so: client or broker
	Text    string `json:"text"`

	at time.Time
}

// A trackView says whether a group has consumed a message.
type trackView struct {
	Group string `json:"group"`
	State string `json:"state"`
	Text  string `json:"text"`
}

// trackTexts say what RocketMQ's words mean.
var trackTexts = map[string]string{
	"CONSUMED":              "the group is past it",
	"CONSUMED_BUT_FILTERED": "the group is past it, and its filter does not want it",
	"NOT_CONSUME_YET":       "the group has not got that far",
	"NOT_ONLINE":            "no member of the group is connected",
	"CONSUME_BROADCASTING":  "each member consumes by itself; the broker does not know how far they are",
	"UNKNOWN":               "it was not answered in time whether the group has consumed it",
	"PULL":                  "the group pulls when it likes; the broker does not know what it has done with it",
}

// timeline puts together what clients recorded of a message and where it is
// stored, in the order of time. A beginning and an end of one consumption are
// one event.
func timeline(m admin.FoundMessage, recorded []admin.TraceEvent) []traceEvent {
	stored := traceEvent{
		Kind: "stored", at: time.UnixMilli(m.Record.StoreTime), Broker: m.Broker, Queue: &m.Record.QueueID, Offset: new(int64(m.Record.QueueOffset)), Source: "broker",
		Text: "stored on " + m.Broker,
	}
	all := []traceEvent{stored}
	begun := map[string]admin.TraceEvent{}
	for _, e := range recorded {
		if e.Kind == admin.TraceSubBefore {
			begun[e.Request] = e
		}
	}
	for _, e := range recorded {
		v := traceEvent{at: e.At, Group: e.Group, Host: e.Host, Source: "client"}
		cost := e.Cost.Milliseconds()
		switch e.Kind {
		case admin.TracePub:
			v.Kind, v.CostMs, v.Success, v.Text = "sent", &cost, &e.Success, "sent by "+e.Group
		case admin.TraceSubAfter:
			v.Kind, v.CostMs, v.Success, v.Result, v.Request = "consumed", &cost, &e.Success, e.Result, e.Request
			if b, known := begun[e.Request]; known {
				v.at, v.Group, v.Tries = b.At, cmp.Or(e.Group, b.Group), &b.Tries
				delete(begun, e.Request)
			}
			v.Text = "consumed by " + v.Group
			if !e.Success {
				v.Text = v.Group + " failed on it"
			}
		case admin.TraceEndTransaction:
			v.Kind, v.State, v.Checked, v.Text = "transaction", e.State, &e.Checked, "its producer ended the transaction"
		case admin.TraceRecall:
			v.Kind, v.Success, v.Text = "recalled", &e.Success, "called back"
		default:
			continue
		}
		all = append(all, v)
	}
	for _, e := range begun {
		all = append(all, traceEvent{
			Kind: "consuming", at: e.At, Group: e.Group, Host: e.Host, Tries: &e.Tries, Request: e.Request, Source: "client",
			Text: e.Group + " began to consume it, and has not said that it ended",
		})
	}
	slices.SortStableFunc(all, func(a, b traceEvent) int { return a.at.Compare(b.at) })
	for i := range all {
		all[i].At = stamp(all[i].at)
	}
	return all
}

func getTrace(r *request) (any, error) {
	s, m, err := r.message(r.text("topic"))
	if err != nil {
		return nil, err
	}
	v := struct {
		Message    messageItem  `json:"message"`
		Events     []traceEvent `json:"events"`
		Groups     []trackView  `json:"groups"`
		TraceTopic string       `json:"trace_topic"`
		Note       string       `json:"note"`
	}{Message: newItem(m.Broker, &m.Record, previewSize), Groups: []trackView{}, TraceTopic: cmp.Or(r.text("trace_topic"), mq.TopicTrace)}
	if err := r.allow(actSub, "Topic:"+v.TraceTopic); err != nil {
		return nil, err
	}
	var notes []string
	recorded, err := s.admin.Trace(r.Context(), v.TraceTopic, v.Message.UniqueID)
	switch {
	case err != nil:
		notes = append(notes, "the records of clients cannot be read: "+err.Error())
	case len(recorded) == 0:
		notes = append(notes, "no client recorded what it did with this message: message trace is switched on in clients (enableMsgTrace), or its records are gone")
	}
	v.Events = timeline(m, recorded)
	bound := trackTime
	if r.flag("wait") {
		bound = trackWait
	}
	tracks, err := s.tracks(r.Context(), m, bound)
	if err != nil {
		notes = append(notes, "what groups have done with it is not known in full: "+err.Error())
	}
	for _, t := range tracks {
		v.Groups = append(v.Groups, trackView{t.Group, t.State, trackTexts[t.State]})
	}
	v.Note = strings.Join(notes, "; ")
	return v, nil
}

// trackTime bounds asking all groups of a topic what they have done with a
// message, trackWait if the request wants to wait for them.
const trackTime, trackWait = 60 * time.Millisecond, 5 * time.Second

// tracks asks the groups of a message's topic, some at the same time. Those that
// did not answer in time are UNKNOWN.
func (s *site) tracks(ctx context.Context, m admin.FoundMessage, bound time.Duration) ([]admin.Track, error) {
	groups, err := s.admin.Readers(ctx, m)
	if err != nil {
		return nil, err
	}
	inTime, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	tracks := make([]admin.Track, len(groups))
	for i, group := range groups {
		tracks[i] = admin.Track{Group: group, State: "UNKNOWN"}
	}
	err = each(inTime, len(groups), func(ctx context.Context, i int) error {
		members, err := s.membersOf(ctx, m.Addr, groups[i])
		if err != nil {
			return err
		}
		tracks[i], err = s.admin.Track(ctx, m, groups[i], members)
		return err
	})
	if inTime.Err() != nil && ctx.Err() == nil {
		return tracks, nil // texts say which did not answer
	}
	return tracks, err
}

// membersOf is who is in a group, as was seen a moment ago or as its broker says;
// nil if nobody is.
func (s *site) membersOf(ctx context.Context, addr, group string) (*admin.Consumers, error) {
	if g := s.states.get(group); g != nil && time.Since(g.at) < stateFor {
		return &admin.Consumers{Clients: g.clients, Type: g.typ, Model: g.model, Subscriptions: g.subscriptions}, nil
	}
	members, err := s.admin.Consumers(ctx, admin.Target{Addr: addr}, group)
	if errors.Is(err, mq.ErrNotOnline) {
		return nil, nil
	}
	return members, err
}
