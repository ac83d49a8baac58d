package grpc

// QueryMessage: messages by id, key, tags, lite topic or time. AdminSendMessage:
// send one.

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// maxQueried bounds the messages of one answer, and its default.
const (
	maxQueried     = 64
	defaultQueried = 32
)

// QueryMessage answers with the newest messages that match, or, with a
// scroll_id or an empty one, with the oldest and where to go on. A subscription is
// an expression of tags; without a key all messages of the time match.
func (o operating) QueryMessage(ctx context.Context, req *rmq.ListMessageRequest) (*rmq.ListMessageResponse, error) {
	t, err := o.topic(ctx, req.GetTopic())
	if err != nil {
		return nil, err
	}
	if name := req.GetBrokerName(); name != "" && name != o.o.Name {
		return nil, refusef(rmq.Code_BAD_REQUEST, "this is broker %s; ask the node of broker %.100q", o.o.Name, name)
	}
	l := mq.LookupRequest{Topic: req.GetTopic().GetName(), Max: defaultQueried}
	if n := req.GetMaxMessageNums(); n > 0 {
		l.Max = int(min(n, maxQueried))
	}
	if t := req.BeginTimestamp; t != nil {
		l.From = t.AsTime()
	}
	if t := req.EndTimestamp; t != nil {
		l.To = t.AsTime()
	}
	if req.ScrollId != nil {
		after, err := strconv.ParseInt("0"+req.GetScrollId(), 10, 64)
		if err != nil {
			return nil, refusef(rmq.Code_BAD_REQUEST, "scroll_id %.40q is not one that an answer held", req.GetScrollId())
		}
		l.After = (*mq.LogPos)(&after)
	}
	switch key := req.SearchKey.(type) {
	case *rmq.ListMessageRequest_MessageId:
		if stored := o.byOffsetID(ctx, l.Topic, key.MessageId); stored != nil {
			return o.listed(req, [][]byte{stored})
		}
		l.Key, l.Kind = key.MessageId, mq.LookupUnique
	case *rmq.ListMessageRequest_MessageKey:
		l.Key, l.Kind = key.MessageKey, mq.LookupKey
	default:
		return o.queryQueues(ctx, req, t, l)
	}
	found, err := o.broker.Lookup(ctx, l)
	if err != nil {
		return nil, err
	}
	return o.listed(req, found.Records)
}

// queryQueues is QueryMessage without an index: it looks into the queues.
func (o operating) queryQueues(ctx context.Context, req *rmq.ListMessageRequest, t mq.Topic, l mq.LookupRequest) (*rmq.ListMessageResponse, error) {
	var queues []mq.Queue
	if _, lite := req.SearchKey.(*rmq.ListMessageRequest_LiteTopic); lite {
		if err := mq.CheckLite(req.GetLiteTopic()); err != nil {
			return nil, err
		}
		queues = []mq.Queue{{Topic: mq.LiteQueue(t.Name, req.GetLiteTopic())}}
	} else {
		for id := range max(t.ReadQueues, t.WriteQueues) {
			if req.QueueId == nil || req.GetQueueId() == id {
				queues = append(queues, mq.Queue{Topic: t.Name, ID: id})
			}
		}
	}
	w, err := o.filters.of(&rmq.FilterExpression{Type: rmq.FilterType_TAG, Expression: req.GetSubscription()})
	if err != nil {
		return nil, err
	}
	records, err := o.scan(ctx, l, queues, w)
	if err != nil {
		return nil, err
	}
	return o.listed(req, records)
}

// byOffsetID is the stored record of a topic's message whose id says where it
// lies; nil if the id is of another kind, as those that clients make are.
func (o operating) byOffsetID(ctx context.Context, topic, id string) []byte {
	_, pos, err := mq.ParseOffsetID(id)
	if err != nil {
		return nil
	}
	if stored, err := o.broker.Find(ctx, pos); err == nil {
		if record, _, err := mq.DecodeRecord(stored); err == nil && string(record.Topic) == topic {
			return stored
		}
	}
	return nil
}

// listed makes the answer.
func (operating) listed(req *rmq.ListMessageRequest, records [][]byte) (*rmq.ListMessageResponse, error) {
	resp := &rmq.ListMessageResponse{Status: okay()}
	for _, stored := range records {
		record, _, err := mq.DecodeRecord(stored)
		if err != nil {
			return nil, err
		}
		resp.Messages = append(resp.Messages, outgoing(&record, &rmq.Resource{Name: string(record.Topic)}))
		if req.ScrollId != nil {
			resp.ScrollId = strconv.FormatInt(int64(record.Pos), 10)
		}
	}
	if len(records) == 0 {
		resp.Status = &rmq.Status{Code: rmq.Code_MESSAGE_NOT_FOUND, Message: "no message matches"}
	}
	return resp, nil
}

// AdminSendMessage answers with the message's id, which is made unless the
// request has one.
func (o operating) AdminSendMessage(ctx context.Context, req *rmq.AdminSendMessageRequest) (*rmq.AdminSendMessageResponse, error) {
	one := &rmq.Message{Topic: req.GetTopic(), Body: req.GetBody(), UserProperties: req.GetUserProperties(), SystemProperties: &rmq.SystemProperties{}}
	if p := req.SystemProperties; p != nil {
		one.SystemProperties = proto.CloneOf(p)
	}
	p := one.SystemProperties
	if req.Tag != nil {
		p.Tag = req.Tag
	}
	if req.Key != nil {
		p.Keys = append(p.Keys, req.GetKey())
	}
	if p.BornTimestamp == nil {
		p.BornTimestamp = timestamppb.New(time.Now())
	}
	if blank(p.MessageId) {
		var id [17]byte // as long as those that clients make
		if _, err := rand.Read(id[:]); err != nil {
			return nil, err
		}
		p.MessageId = strings.ToUpper(hex.EncodeToString(id[:]))
	}
	sent, err := messaging{Server: o.Server}.SendMessage(ctx, &rmq.SendMessageRequest{Messages: []*rmq.Message{one}})
	if err != nil {
		return nil, err
	}
	return &rmq.AdminSendMessageResponse{Status: sent.Status, MessageId: sent.Entries[0].MessageId}, nil
}

// findMessage is the stored record of a message of a topic, by either kind of
// id.
func (o operating) findMessage(ctx context.Context, topic, id string) ([]byte, error) {
	found, err := o.broker.Lookup(ctx, mq.LookupRequest{Topic: topic, Key: id, Kind: mq.LookupUnique, Max: 1})
	if err != nil && !errors.Is(err, mq.ErrNotFound) {
		return nil, err
	}
	if len(found.Records) > 0 {
		return found.Records[0], nil
	}
	if stored := o.byOffsetID(ctx, topic, id); stored != nil {
		return stored, nil
	}
	return nil, refusef(rmq.Code_MESSAGE_NOT_FOUND, "topic %s has no message %.60s", topic, id)
}
