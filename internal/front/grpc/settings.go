package grpc

import (
	"context"
	"regexp"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// What clients are told, as by RocketMQ's proxy.
const (
	producerAttempts   = 3
	producerBackoff    = 10 * time.Millisecond
	producerBackoffMax = time.Second
	backoffMultiplier  = 2

	receiveBatch   = mq.MaxPop
	longestPolling = 20 * time.Second
)

// Limits of settings.
const (
	maxSettings         = 1 << 20 // bytes
	maxSettingsTopics   = 4096    // topics or subscriptions of one client
	maxClientProperties = 32
	maxPropertyKey      = 64
	maxPropertyValue    = 256
	maxPropertyBytes    = 4 << 10
)

// restingTimes are RocketMQ's rests between tries where a group has no policy of
// its own.
func restingTimes() []time.Duration {
	const s, m = time.Second, time.Minute
	return []time.Duration{
		s, 5 * s, 10 * s, 30 * s, m, 2 * m, 3 * m, 4 * m, 5 * m, 6 * m, 7 * m, 8 * m, 9 * m, 10 * m, 20 * m, 30 * m, 60 * m, 120 * m,
	}
}

// checkSettings says what is wrong with a client's settings.
func checkSettings(s *rmq.Settings) error {
	if n := proto.Size(s); n > maxSettings {
		return refusef(rmq.Code_BAD_REQUEST, "the settings have %d bytes, at most %d are accepted; use several clients", n, maxSettings)
	}
	switch of := s.GetPubSub().(type) {
	case *rmq.Settings_Publishing:
		if n := len(of.Publishing.GetTopics()); n > maxSettingsTopics {
			return refusef(rmq.Code_BAD_REQUEST, "the settings name %d topics, at most %d are accepted; use several clients", n, maxSettingsTopics)
		}
		for _, t := range of.Publishing.GetTopics() {
			if err := checkTopic(t); err != nil {
				return err
			}
		}
	case *rmq.Settings_Subscription:
		if err := checkGroup(of.Subscription.GetGroup()); err != nil {
			return err
		}
		if n := len(of.Subscription.GetSubscriptions()); n > maxSettingsTopics {
			return refusef(rmq.Code_BAD_REQUEST, "the settings have %d subscriptions, at most %d are accepted; use several clients", n, maxSettingsTopics)
		}
	default:
		return refusef(rmq.Code_BAD_REQUEST, "there is no publishing or subscription data in settings")
	}
	return checkProperties(s.GetClientProperties())
}

// checkProperties says what is wrong with what a client tells about itself.
func checkProperties(all map[string]string) error {
	if len(all) > maxClientProperties {
		return refusef(rmq.Code_INVALID_CLIENT_PROPERTIES, "there are %d client properties, at most %d are allowed", len(all), maxClientProperties)
	}
	good := regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)
	size := 0
	for k, v := range all {
		size += len(k) + len(v)
		switch {
		case len(k) > maxPropertyKey || !good.MatchString(k):
			return refusef(rmq.Code_INVALID_CLIENT_PROPERTIES, "client property %.64q: want a key of at most %d letters, digits, . _ or -", k, maxPropertyKey)
		case len(v) > maxPropertyValue:
			return refusef(rmq.Code_INVALID_CLIENT_PROPERTIES, "the value of client property %s has %d bytes, at most %d are allowed", k, len(v), maxPropertyValue)
		}
	}
	if size > maxPropertyBytes {
		return refusef(rmq.Code_INVALID_CLIENT_PROPERTIES, "the client properties have %d bytes, at most %d are allowed", size, maxPropertyBytes)
	}
	return nil
}

// mergedSettings are a client's settings with what the server decides.
func (s *Server) mergedSettings(ctx context.Context, from *rmq.Settings) *rmq.Settings {
	to := proto.CloneOf(from)
	to.Metric = &rmq.Metric{}
	switch of := to.PubSub.(type) {
	case *rmq.Settings_Publishing:
		of.Publishing.ValidateMessageType = !s.o.AnyType
		of.Publishing.MaxBodySize = s.maxBody(ctx)
		to.BackoffPolicy = &rmq.RetryPolicy{
			MaxAttempts: producerAttempts, Strategy: exponential(producerBackoff, producerBackoffMax, backoffMultiplier),
		}
	case *rmq.Settings_Subscription:
		group := s.group(ctx, of.Subscription.GetGroup().GetName())
		of.Subscription.Fifo = &group.ConsumeOrderly
		of.Subscription.ReceiveBatchSize = proto.Int32(receiveBatch)
		of.Subscription.LongPollingTimeout = durationpb.New(longestPolling)
		if isLite(from) {
			of.Subscription.LiteSubscriptionQuota = proto.Int32(liteQuota(&group))
			of.Subscription.MaxLiteTopicSize = proto.Int32(mq.MaxLiteTopic)
		}
		to.BackoffPolicy = backoff(&group)
	}
	return to
}

// A bodyLimit is how long bodies may be, as the settings said a moment ago:
// asking for them costs more than sending a message.
type bodyLimit struct {
	bytes int32
	until time.Time
}

// maxBody is how long a message's body may be.
func (s *Server) maxBody(ctx context.Context) int32 {
	now := time.Now()
	if l := s.bodyLimit.Load(); l != nil && now.Before(l.until) {
		return l.bytes
	}
	n, err := strconv.ParseInt(s.admin.Settings(ctx)["maxMessageSize"], 10, 32)
	if err != nil || n <= 0 {
		n = 4 << 20
	}
	s.bodyLimit.Store(&bodyLimit{int32(n), now.Add(time.Second)})
	return int32(n)
}

// group is a group's configuration, or that of one that nobody configured.
func (s *Server) group(ctx context.Context, name string) mq.Group {
	g, err := s.admin.Group(ctx, name)
	if err != nil {
		g = mq.Group{Name: name, RetryMax: 16}
	}
	return g
}

// backoff is how long a group's failed messages rest.
func backoff(g *mq.Group) *rmq.RetryPolicy {
	policy := &rmq.RetryPolicy{MaxAttempts: max(g.RetryMax, g.RetryMax+1)} // the sum may overflow
	if p := g.RetryPolicy; p != nil && p.Type == "EXPONENTIAL" {
		e := p.Exponential
		if e == nil {
			e = &mq.ExponentialPolicy{Initial: 5000, Max: 2 * 3600 * 1000, Multiplier: 2}
		}
		policy.Strategy = exponential(time.Duration(e.Initial)*time.Millisecond, time.Duration(e.Max)*time.Millisecond, float32(e.Multiplier))
		return policy
	}
	rests := restingTimes()
	if p := g.RetryPolicy; p != nil && p.Customized != nil && len(p.Customized.Next) > 0 {
		rests = nil
		for _, ms := range p.Customized.Next {
			rests = append(rests, time.Duration(ms)*time.Millisecond)
		}
	}
	next := make([]*durationpb.Duration, 0, len(rests))
	for _, d := range rests {
		next = append(next, durationpb.New(d))
	}
	policy.Strategy = &rmq.RetryPolicy_CustomizedBackoff{CustomizedBackoff: &rmq.CustomizedBackoff{Next: next}}
	return policy
}

// exponential is a policy of rests that grow.
func exponential(initial, most time.Duration, factor float32) *rmq.RetryPolicy_ExponentialBackoff {
	return &rmq.RetryPolicy_ExponentialBackoff{ExponentialBackoff: &rmq.ExponentialBackoff{
		Initial: durationpb.New(initial), Max: durationpb.New(most), Multiplier: factor,
	}}
}

// join makes a client a member of the broker's groups: a producer of that of
// each of its topics, a consumer of the one that it is in. group is what a
// heartbeat says, empty for settings, which also say what the client wants.
func (s *Server) join(ctx context.Context, c *client, group string, anew bool) error {
	now := time.Now()
	c.mu.Lock()
	settings, by := c.mu.settings, c.mu.caller
	known := !anew && now.Sub(c.mu.joined) < clientTimeout
	c.mu.joined = now
	c.mu.Unlock()
	m := mq.Member{ClientID: c.id, Peer: c, Language: by.language, Version: s.o.ClientVersion, Protocol: "grpc", User: by.user}
	switch of := settings.GetPubSub().(type) {
	case *rmq.Settings_Publishing:
		for _, t := range of.Publishing.GetTopics() {
			m.Producers = append(m.Producers, t.GetName())
		}
	case *rmq.Settings_Subscription:
		consumer, err := s.consumer(settings.GetClientType(), of.Subscription)
		if err != nil {
			return err
		}
		if group != "" {
			consumer.Group = group
		}
		if known {
			consumer.Subscriptions = nil // as the broker has them
		}
		m.Consumers = []mq.Consumer{consumer}
	}
	_, err := s.broker.Join(ctx, m)
	return err
}

// consumer is a client's part in its group.
func (s *Server) consumer(kind rmq.ClientType, sub *rmq.Subscription) (mq.Consumer, error) {
	c := mq.Consumer{
		Group: sub.GetGroup().GetName(), Type: "CONSUME_PASSIVELY", Model: "CLUSTERING", FromWhere: "CONSUME_FROM_LAST_OFFSET",
		Subscriptions: []mq.Subscription{},
	}
	if kind == rmq.ClientType_SIMPLE_CONSUMER || kind == rmq.ClientType_LITE_SIMPLE_CONSUMER || kind == rmq.ClientType_PULL_CONSUMER {
		c.Type = "CONSUME_ACTIVELY"
	}
	version := time.Now().UnixMilli()
	for _, e := range sub.GetSubscriptions() {
		if err := checkTopic(e.GetTopic()); err != nil {
			return c, err
		}
		want, err := s.subscription(e.GetTopic().GetName(), e.GetExpression())
		if err != nil {
			return c, err
		}
		want.Version = version
		c.Subscriptions = append(c.Subscriptions, want)
	}
	return c, nil
}
