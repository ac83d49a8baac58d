package grpc

// Who makes a call, and may they? A signed call has the headers x-mq-date-time and
//
//	authorization: MQv2-HMAC-SHA1 Credential=USER, SignedHeaders=x-mq-date-time, Signature=HEX
//
// where the signature is the HMAC-SHA1 of the date with the user's secret. It covers
// nothing else: TLS has to keep calls from being read and repeated.

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

const (
	authorizationHeader = "authorization"
	dateHeader          = "x-mq-date-time"
	algorithm           = "MQv2-HMAC-SHA1"
)

// caller is who makes the call that ctx belongs to: the user, if calls are signed,
// and where from.
func (s *Server) caller(ctx context.Context) mq.Caller {
	c := callerOf(ctx)
	return mq.Caller{User: c.user, Addr: c.remote}
}

// guarded reports whether anybody is asked who they are.
func (s *Server) guarded() bool { return s.o.Access != nil && s.o.Access.Authenticates() }

// authenticate finds out who signed a call.
func (s *Server) authenticate(ctx context.Context, method string, c *caller) error {
	if !s.guarded() || s.listed(s.o.Access.Unsigned, method) {
		return nil
	}
	by := mq.Caller{Addr: c.remote}
	headers, _ := metadata.FromIncomingContext(ctx)
	if len(headers.Get(proofHeader)) > 0 {
		return s.believe(headers, method, c)
	}
	sign, err := parseAuthorization(first(headers, authorizationHeader))
	by.User = sign.user
	if err != nil {
		return s.o.Access.Rejected(by, method, "%v", err)
	}
	date := first(headers, dateHeader)
	if by.User != "" {
		at, err := parseDate(date)
		if err != nil {
			return s.o.Access.Rejected(by, method, "%v", err)
		}
		if age := time.Since(at).Abs(); age > s.o.Access.SignatureAge() {
			return s.o.Access.Rejected(by, method, "the call of User:%s was signed at %s, which is %v from this server's time; at most %v is accepted (signature-age): correct the clock, or sign each call anew",
				by.User, date, age.Round(time.Second), s.o.Access.SignatureAge())
		}
	}
	if err := s.o.Access.Authenticate(by, sign.mac, [][]byte{[]byte(date)}, method); err != nil {
		return err
	}
	c.user = by.User
	return nil
}

// listed asks about a call by both names: that of its method and that of its
// request, which is RocketMQ's.
func (s *Server) listed(in func(string) bool, method string) bool {
	return in(strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", ".")) || in("apache.rocketmq.v2."+method[strings.LastIndexByte(method, '/')+1:]+"Request") ||
		strings.HasSuffix(method, "/Telemetry") && in("apache.rocketmq.v2.TelemetryCommand")
}

// authorize refuses a request whose sender may not do what it needs.
func (s *Server) authorize(ctx context.Context, method string, req any) error {
	if !s.guarded() || !s.o.Access.Authorizes() || s.listed(s.o.Access.Free, method) {
		return nil
	}
	needs, known := s.needsOf(req)
	if !known {
		return s.o.Access.Rejected(s.caller(ctx), method, "%s is not known to access control", method)
	}
	for _, need := range needs {
		if err := s.o.Access.Authorize(s.caller(ctx), need, method); err != nil {
			return err
		}
	}
	return nil
}

// refusedStream is the transport's error for a stream that access control ends.
func refusedStream(err error) error {
	switch {
	case errors.Is(err, auth.ErrUnauthenticated):
		return status.Error(codes.Unauthenticated, err.Error())
	case errors.Is(err, auth.ErrForbidden):
		return status.Error(codes.PermissionDenied, err.Error())
	}
	return err
}

// A signature is what an authorization header says.
type signature struct {
	user string
	mac  []byte
}

// parseAuthorization reads the header; one that is empty has no user.
func parseAuthorization(text string) (signature, error) {
	var sign signature
	if text == "" {
		return sign, nil
	}
	scheme, rest, _ := strings.Cut(text, " ")
	if scheme != algorithm {
		return sign, errors.New("authentication header is incorrect: want " + algorithm + " Credential=USER, SignedHeaders=" + dateHeader + ", Signature=HEX")
	}
	for part := range strings.SplitSeq(rest, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch key {
		case "Credential":
			sign.user, _, _ = strings.Cut(value, "/")
		case "Signature":
			mac, err := hex.DecodeString(value)
			if err != nil {
				return sign, errors.New("the signature in the authentication header is not hexadecimal")
			}
			sign.mac = mac
		}
	}
	if sign.user == "" || sign.mac == nil {
		return sign, errors.New("the authentication header lacks its Credential or its Signature")
	}
	return sign, nil
}

// dateLayouts are how clients write when they sign. Most write their local time
// and call it UTC, which is why signature-age is as wide as time zones are.
var dateLayouts = [...]string{"20060102T150405Z", time.RFC3339}

func parseDate(text string) (time.Time, error) {
	for _, layout := range dateLayouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, errors.New("the header " + dateHeader + " has no time such as 20060102T150405Z, which the signature is of")
}

// first is the first value of a header.
func first(headers metadata.MD, key string) string {
	if v := headers.Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

// needs collects what a request needs.
type needs []auth.Need

func (n *needs) topic(actions auth.Actions, topics ...*rmq.Resource) *needs {
	for _, t := range topics {
		*n = append(*n, auth.Need{Resource: auth.TopicNamed(t.GetName()), Actions: actions})
	}
	return n
}

func (n *needs) group(actions auth.Actions, g *rmq.Resource) *needs {
	*n = append(*n, auth.Need{Resource: auth.GroupNamed(g.GetName()), Actions: actions})
	return n
}

// named is of a resource that may be left out.
func named(r *rmq.Resource) bool { return r.GetName() != "" }

// consuming is Group SUB and Topic SUB.
func consuming(group, topic *rmq.Resource) *needs {
	return new(needs).group(auth.Sub, group).topic(auth.Sub, topic)
}

// needsOf is what a request needs; known is false for one that has no line here.
func (s *Server) needsOf(req any) (all needs, known bool) {
	n := new(needs)
	switch r := req.(type) {
	case *rmq.QueryRouteRequest:
		n.topic(auth.Pub|auth.Sub, r.Topic)
	case *rmq.HeartbeatRequest:
		// Whatever type it says: the handler goes by the settings. Producers name none.
		if named(r.Group) {
			n.group(auth.Sub, r.Group)
		}
	case *rmq.SendMessageRequest:
		for i, m := range r.Messages {
			if i == 0 || m.GetTopic().GetName() != r.Messages[i-1].GetTopic().GetName() {
				n.topic(auth.Pub, m.GetTopic())
			}
		}
	case *rmq.QueryAssignmentRequest:
		n = consuming(r.Group, r.Topic)
	case *rmq.ReceiveMessageRequest:
		n = consuming(r.Group, r.GetMessageQueue().GetTopic())
	case *rmq.AckMessageRequest:
		n = consuming(r.Group, r.Topic)
	case *rmq.ForwardMessageToDeadLetterQueueRequest:
		n = consuming(r.Group, r.Topic)
	case *rmq.PullMessageRequest:
		n = consuming(r.Group, r.GetMessageQueue().GetTopic())
	case *rmq.UpdateOffsetRequest:
		n.group(auth.Sub|auth.Update, r.Group).topic(auth.Sub|auth.Update, r.GetMessageQueue().GetTopic())
	case *rmq.GetOffsetRequest:
		n.group(auth.Sub|auth.Get, r.Group).topic(auth.Sub|auth.Get, r.GetMessageQueue().GetTopic())
	case *rmq.QueryOffsetRequest:
		n.topic(auth.Sub|auth.Get, r.GetMessageQueue().GetTopic())
	case *rmq.EndTransactionRequest:
		n.topic(auth.Pub, r.Topic)
	case *rmq.TelemetryCommand:
		n.telemetry(r)
	case *rmq.NotifyClientTerminationRequest:
		if named(r.Group) {
			n.group(auth.Sub, r.Group)
		}
	case *rmq.ChangeInvisibleDurationRequest:
		n = consuming(r.Group, r.Topic)
	case *rmq.RecallMessageRequest:
		n.topic(auth.Pub, r.Topic)
	case *rmq.SyncLiteSubscriptionRequest:
		n = consuming(r.Group, r.Topic)
	default:
		return s.adminNeeds(req)
	}
	return *n, true
}

// telemetry is what a client needs for the topics and the group in its settings.
func (n *needs) telemetry(r *rmq.TelemetryCommand) {
	settings := r.GetSettings()
	n.topic(auth.Pub, settings.GetPublishing().GetTopics()...)
	if sub := settings.GetSubscription(); sub != nil {
		n.group(auth.Sub, sub.Group)
		for _, e := range sub.Subscriptions {
			n.topic(auth.Sub, e.GetTopic())
		}
	}
}

// adminNeeds is needsOf for the service Admin.
func (s *Server) adminNeeds(req any) (all needs, known bool) {
	n := new(needs)
	about := func(actions auth.Actions, group, topic *rmq.Resource) {
		if named(group) {
			n.group(actions, group)
		}
		if named(topic) {
			n.topic(actions, topic)
		}
	}
	cluster := func(actions auth.Actions) {
		*n = append(*n, auth.Need{Resource: auth.ClusterNamed(s.o.Cluster), Actions: actions})
	}
	switch r := req.(type) {
	case *rmq.ChangeLogLevelRequest:
		cluster(auth.Update)
	case *rmq.GetProxyRuntimeStatsRequest:
		cluster(auth.Get)
	case *rmq.DescribeTopicStatusRequest:
		n.topic(auth.Get, r.Topic)
	case *rmq.GetTopicRouteRequest:
		n.topic(auth.Pub|auth.Sub|auth.Get, r.Topic)
	case *rmq.ListSubscriptionRequest:
		about(auth.Get, r.Group, r.Topic)
	case *rmq.DescribeSubscriptionRequest:
		about(auth.Get, r.Group, r.Topic)
	case *rmq.DeleteSubscriptionRequest:
		n.group(auth.Update, r.Group).topic(auth.Update, r.Topic)
	case *rmq.DescribeGroupAccumulationRequest:
		n.group(auth.Get, r.Group).topic(auth.Get, r.Topics...)
	case *rmq.QueryTimeSpanRequest:
		n.group(auth.Get, r.Group).topic(auth.Get, r.Topics...)
	case *rmq.ListConsumerConnectionRequest:
		n.group(auth.Get, r.Group)
	case *rmq.ResetGroupOffsetRequest:
		n.group(auth.Update, r.Group).topic(auth.Update, r.Topic)
	case *rmq.ListMessageRequest:
		n.topic(auth.Sub|auth.Get, r.Topic)
	case *rmq.PrintThreadStackTraceRequest:
		n.group(auth.Get, r.Group)
	case *rmq.VerifyMessageRequest:
		n.group(auth.Update, r.Group).topic(auth.Sub, r.Topic)
	case *rmq.AdminSendMessageRequest:
		n.topic(auth.Pub, r.Topic)
	case *rmq.GetConsumerRunningInfoRequest:
		n.group(auth.Get, r.Group)
	default:
		return nil, false
	}
	if len(*n) == 0 {
		cluster(auth.Get) // names nothing: it is about everything
	}
	return *n, true
}
