package grpc

// DescribeTopicStatus: a topic's type and attributes. GetTopicRoute: its route
// as a name server would tell it. ResetGroupOffset: a group begins at a time.

import (
	"context"
	"encoding/json"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// DescribeTopicStatus answers with the topic's type, and its attributes as tags.
func (o operating) DescribeTopicStatus(ctx context.Context, req *rmq.DescribeTopicStatusRequest) (*rmq.DescribeTopicStatusResponse, error) {
	t, err := o.topic(ctx, req.GetTopic())
	if err != nil {
		return nil, err
	}
	resp := &rmq.DescribeTopicStatusResponse{Status: okay(), Tags: t.Attributes}
	if types := acceptedTypes(&t); len(types) == 1 { // there is no word for mixed
		resp.TopicMessageType = types[0]
	}
	return resp, nil
}

// topic finds a topic that is named in a request.
func (o operating) topic(ctx context.Context, r *rmq.Resource) (mq.Topic, error) {
	if err := mq.CheckTopic(r.GetName()); err != nil {
		return mq.Topic{}, invalid(rmq.Code_ILLEGAL_TOPIC, err)
	}
	return o.admin.Topic(ctx, r.GetName())
}

// GetTopicRoute answers with JSON of the form that name servers use.
func (o operating) GetTopicRoute(ctx context.Context, req *rmq.GetTopicRouteRequest) (*rmq.GetTopicRouteResponse, error) {
	t, err := o.topic(ctx, req.GetTopic())
	if err != nil {
		return nil, err
	}
	type object = map[string]any
	at := o.advertised()
	if o.o.Advertised == "" {
		at.Addresses[0].Host = o.Addr().Addr().String()
	}
	route, err := json.Marshal(object{
		"queueDatas": []object{{
			"brokerName": o.o.Name, "readQueueNums": t.ReadQueues, "writeQueueNums": t.WriteQueues, "perm": t.Perm, "topicSysFlag": t.SysFlag,
		}},
		"brokerDatas":       []object{{"brokerName": o.o.Name, "brokerAddrs": object{"0": hostPort(at.Addresses[0])}}},
		"filterServerTable": object{},
	})
	if err != nil {
		return nil, err
	}
	return &rmq.GetTopicRouteResponse{Status: okay(), TopicRouteData: string(route)}, nil
}

// ResetGroupOffset moves a group in all queues of a topic to the messages that
// were stored at a time or after it.
func (o operating) ResetGroupOffset(ctx context.Context, req *rmq.ResetGroupOffsetRequest) (*rmq.ResetGroupOffsetResponse, error) {
	if err := checkConsumer(req.GetTopic(), req.GetGroup()); err != nil {
		return nil, err
	}
	if req.ResetTimestamp == nil || !req.ResetTimestamp.IsValid() {
		return nil, refusef(rmq.Code_BAD_REQUEST, "reset_timestamp is missing or out of range; name the time to begin at")
	}
	_, err := o.admin.ResetOffsets(ctx, req.GetGroup().GetName(), req.GetTopic().GetName(), -1, req.ResetTimestamp.AsTime(), nil, true)
	if err != nil {
		return nil, err
	}
	return &rmq.ResetGroupOffsetResponse{Status: okay()}, nil
}
