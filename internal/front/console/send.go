package console

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
)

// maxSent is how many copies of a test message are sent at once.
const maxSent = 100

// producerGroup is who sends the console's messages.
const producerGroup = "GODDARD_CONSOLE"

// A draft is a message that is to be sent.
type draft struct {
	Body         string            `json:"body"`
	BodyBase64   string            `json:"body_base64"`
	Tag          string            `json:"tag"`
	Keys         []string          `json:"keys"`
	Properties   map[string]string `json:"properties"`
	DelayMs      int64             `json:"delay_ms"`
	DeliverAt    string            `json:"deliver_at"`
	DelayLevel   int               `json:"delay_level"`
	MessageGroup string            `json:"message_group"`
	Priority     *int              `json:"priority"`
	Broker       string            `json:"broker"`
	Queue        *int32            `json:"queue"`
	Count        int               `json:"count"`
}

// A sentView says where a message was stored.
type sentView struct {
	ID       string `json:"id"`
	UniqueID string `json:"unique_id"`
	Broker   string `json:"broker"`
	Queue    int32  `json:"queue"`
	Offset   int64  `json:"offset"`
}

// bodyOf is a body that was given as text or as base64.
func bodyOf(text, packed string) ([]byte, error) {
	if packed == "" {
		return []byte(text), nil
	}
	if text != "" {
		return nil, badRequest("body and body_base64 are both given; send one of them")
	}
	body, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		return nil, badRequest("body_base64 is no base64; send the body as text in body, or encode it")
	}
	return body, nil
}

// properties are those of the message but for its unique key.
func (d *draft) properties() ([]byte, error) {
	var props []byte
	var bad error
	add := func(key, value string) {
		if value == "" {
			return
		}
		if !mq.ValidProperty(key, value) {
			bad = badRequest("property %.60q = %.60q; neither may be empty or hold the characters 1 and 2", key, value)
		}
		props = mq.AppendProperty(props, key, value)
	}
	for key, value := range d.Properties {
		if value == "" {
			return nil, badRequest("property %.60q has no value; leave it out", key)
		}
		add(key, value)
	}
	add(mq.PropTags, d.Tag)
	add(mq.PropKeys, strings.Join(d.Keys, " "))
	add(mq.PropShardingKey, d.MessageGroup)
	ways := 0
	if d.DelayMs != 0 {
		ways++
		add(mq.PropTimerDelayMs, strconv.FormatInt(d.DelayMs, 10))
	}
	if d.DelayLevel != 0 {
		ways++
		add(mq.PropDelay, strconv.Itoa(d.DelayLevel))
	}
	if d.DeliverAt != "" {
		ways++
		at, err := moment("deliver_at", d.DeliverAt)
		if err != nil {
			return nil, err
		}
		add(mq.PropTimerDeliverMs, strconv.FormatInt(at.UnixMilli(), 10))
	}
	if d.Priority != nil {
		add(mq.PropPriority, strconv.Itoa(*d.Priority))
	}
	switch {
	case bad != nil:
		return nil, bad
	case ways > 1:
		return nil, badRequest("delay_ms, deliver_at and delay_level all say when; send one of them")
	case d.DelayMs < 0 || d.DelayLevel < 0:
		return nil, badRequest("a delay is not negative; leave it out for none")
	}
	return mq.AppendProperty(props, mq.PropWait, "true"), nil
}

func sendMessages(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	var d draft
	if err := r.body(&d); err != nil {
		return nil, err
	}
	if d.Count < 0 || d.Count > maxSent {
		return nil, badRequest("count = %d; want 1 to %d", d.Count, maxSent)
	}
	body, err := bodyOf(d.Body, d.BodyBase64)
	if err != nil {
		return nil, err
	}
	props, err := d.properties()
	if err != nil {
		return nil, err
	}
	topic := r.PathValue("topic")
	queues, err := s.queuesFor(r, topic, &d)
	if err != nil {
		return nil, err
	}
	sent := []sentView{}
	for i := range max(1, d.Count) {
		own := props
		if _, given := mq.Property(props, mq.PropUniqueKey); !given {
			own = mq.AppendProperty(slices.Clip(props), mq.PropUniqueKey, s.keys.Next())
		}
		m := &mq.Message{Topic: topic, BornTime: time.Now().UnixMilli(), Body: body, Properties: own}
		to := queues[i%len(queues)]
		if d.MessageGroup != "" { // messages of a group keep their order in one queue
			to = queues[hash(d.MessageGroup)%uint32(len(queues))]
		}
		got, err := s.remote.Send(r.Context(), to, producerGroup, m)
		if err != nil {
			return nil, err
		}
		sent = append(sent, sentView{got.OffsetMsgID, got.MsgID, got.Queue.Broker, got.Queue.ID, int64(got.Offset)})
	}
	return items{sent}, nil
}

// hash spreads texts over queues.
func hash(text string) uint32 {
	h := uint32(2166136261)
	for i := range len(text) {
		h = (h ^ uint32(text[i])) * 16777619
	}
	return h
}

// queuesFor are the queues that a draft may go to. A topic that does not exist
// is not made by the way.
func (s *site) queuesFor(r *request, topic string, d *draft) ([]remote.Queue, error) {
	if !mq.IsLight(topic) {
		if _, err := s.remote.Route(r.Context(), topic); err != nil {
			return nil, err
		}
	}
	queues, err := s.remote.WriteQueues(r.Context(), topic)
	if err != nil {
		return nil, err
	}
	queues = slices.DeleteFunc(queues, func(q remote.Queue) bool {
		return d.Broker != "" && d.Broker != q.Broker || d.Queue != nil && *d.Queue != q.ID
	})
	if len(queues) == 0 {
		return nil, &problem{status: http.StatusNotFound, Code: "not_found", Text: "topic " + topic + " has no such queue to write to", Fix: "the route of the topic lists brokers and queues"}
	}
	return queues, nil
}
