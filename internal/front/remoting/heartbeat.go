package remoting

// HEART_BEAT (34): a client says every 30 seconds that it is alive and what it
// produces and consumes. A client that saw that its heartbeat has not changed
// may leave the subscriptions out (withoutSub) and send their fingerprint.

import (
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// Limits of one heartbeat and of the heartbeats of one connection.
const (
	maxBeatGroups        = 4096
	maxBeatSubscriptions = 16384
	maxBeatClients       = 64
)

// A beat is what a client's last full heartbeat said.
type beat struct {
	fingerprint int32
	consumers   map[string][]mq.Subscription // by group
}

// heartbeat records what the client says.
func heartbeat(s *session, req *wire.Command) (*wire.Command, error) {
	var data wire.HeartbeatData
	if err := wire.DecodeBody(req.Body, &data); err != nil {
		return nil, malformed(req, err)
	}
	m, err := s.member(req, &data)
	if err != nil {
		return nil, err
	}
	changed := s.recall(&data, &m)
	s.language.Store(int32(req.Language))
	bad := s.leaveOutBad(&m)
	if _, err := s.h.broker.Join(s.ctx, m); err != nil {
		return nil, err
	}
	if bad != nil {
		return nil, bad
	}
	return ok(req, &wire.HeartBeatResponse{SupportHeartbeatV2: true, SubChange: changed}, nil), nil
}

// member is the client as the heartbeat describes it.
func (s *session) member(req *wire.Command, data *wire.HeartbeatData) (mq.Member, error) {
	m := mq.Member{ClientID: data.ClientID, Peer: s, Language: req.Language.String(), Version: req.Version, Protocol: "remoting"}
	m.User, m.May = s.producer(req)
	if m.ClientID == "" {
		return m, badRequest("a heartbeat without clientID says nothing")
	}
	if n := len(data.Producers) + len(data.Consumers); n > maxBeatGroups {
		return m, badRequest("the heartbeat names %d groups, at most %d are accepted; use several clients", n, maxBeatGroups)
	}
	for _, p := range data.Producers {
		m.Producers = append(m.Producers, p.GroupName)
	}
	subscriptions := 0
	for _, c := range data.Consumers {
		consumer := mq.Consumer{
			Group: c.GroupName, Type: c.ConsumeType, Model: c.MessageModel, FromWhere: c.ConsumeFromWhere, UnitMode: c.UnitMode,
		}
		if !data.WithoutSub {
			consumer.Subscriptions = make([]mq.Subscription, 0, len(c.Subscriptions))
			for i := range c.Subscriptions {
				consumer.Subscriptions = append(consumer.Subscriptions, subscription(&c.Subscriptions[i]))
			}
			subscriptions += len(consumer.Subscriptions)
		}
		m.Consumers = append(m.Consumers, consumer)
	}
	if subscriptions > maxBeatSubscriptions {
		return m, badRequest("the heartbeat has %d subscriptions, at most %d are accepted; use several clients", subscriptions, maxBeatSubscriptions)
	}
	return m, nil
}

// leaveOutBad takes the consumers out of m of which a subscription cannot be
// served, and returns why; the client's other groups are not to suffer.
func (s *session) leaveOutBad(m *mq.Member) error {
	var bad error
	good := m.Consumers[:0]
	for _, c := range m.Consumers {
		var err error
		for i := range c.Subscriptions {
			if err = s.check(c.Group, &c.Subscriptions[i]); err != nil {
				break
			}
		}
		if err == nil {
			good = append(good, c)
		} else if bad == nil {
			bad = err
		}
	}
	m.Consumers = good
	return bad
}

// recall puts back the subscriptions that a short heartbeat leaves out, and
// remembers those of a full one. It reports whether the client should send its
// next heartbeat in full.
func (s *session) recall(data *wire.HeartbeatData, m *mq.Member) (changed bool) {
	last, known := s.beats[data.ClientID]
	if s.clients = s.clients || s.client != "" && s.client != data.ClientID; s.clients {
		s.client = ""
	} else {
		s.client = data.ClientID
	}
	if !data.WithoutSub {
		s.rememberBeat(data, m)
		// A client of the old kind is always told so, as RocketMQ does.
		return data.HeartbeatFingerprint == 0 || known && last.fingerprint != data.HeartbeatFingerprint
	}
	if !known || last.fingerprint != data.HeartbeatFingerprint {
		return true
	}
	for i := range m.Consumers {
		m.Consumers[i].Subscriptions = last.consumers[m.Consumers[i].Group]
	}
	return false
}

// rememberBeat keeps a full heartbeat of a client that may send short ones.
func (s *session) rememberBeat(data *wire.HeartbeatData, m *mq.Member) {
	if data.HeartbeatFingerprint == 0 {
		delete(s.beats, data.ClientID)
		return
	}
	if len(s.beats) >= maxBeatClients {
		clear(s.beats)
	}
	b := beat{data.HeartbeatFingerprint, map[string][]mq.Subscription{}}
	for _, c := range m.Consumers {
		b.consumers[c.Group] = c.Subscriptions
	}
	s.beats[data.ClientID] = b
}

// subscription is what the wire says about a topic.
func subscription(d *wire.SubscriptionData) mq.Subscription {
	return mq.Subscription{
		Topic: d.Topic, Expression: d.SubString, Type: d.ExpressionType,
		Tags: d.TagsSet, Codes: d.CodeSet, Version: d.SubVersion, ClassMode: d.ClassFilterMode,
	}
}

// subscriptionData is the reverse of subscription.
func subscriptionData(m *mq.Subscription) wire.SubscriptionData {
	return wire.SubscriptionData{
		Topic: m.Topic, SubString: m.Expression, ExpressionType: m.Type,
		TagsSet: m.Tags, CodeSet: m.Codes, SubVersion: m.Version, ClassFilterMode: m.ClassMode,
	}
}
