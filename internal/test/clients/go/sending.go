package main

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/admin"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"

	"github.com/goddardmq/goddard/internal/test/clients/frame"
)

var messageID = regexp.MustCompile(`^[0-9A-Fa-f]{32}$`)

func (s *scenario) checkResult(r *primitive.SendResult) {
	frame.Same(r.Status, primitive.SendOK, "status")
	frame.Same(r.MessageQueue.Topic, s.Topic(), "topic in the result")
	frame.Same(r.RegionID, "DefaultRegion", "region")
	if !messageID.MatchString(r.MsgID) || !messageID.MatchString(r.OffsetMsgID) {
		s.Fail("ids %q and %q", r.MsgID, r.OffsetMsgID)
	}
	if !strings.HasPrefix(r.OffsetMsgID, "7F000001") {
		s.Fail("offset id %s does not hold the broker's address", r.OffsetMsgID)
	}
}

// contiguous checks that offsets of each queue are 0, 1, 2… with none missing,
// and returns the number of queues.
func (s *scenario) contiguous(results []*primitive.SendResult) int {
	offsets := map[string][]int64{}
	for _, r := range results {
		key := fmt.Sprint(r.MessageQueue.BrokerName, r.MessageQueue.QueueId)
		offsets[key] = append(offsets[key], r.QueueOffset)
	}
	for q, list := range offsets {
		slices.Sort(list)
		for i, o := range list {
			frame.Same(o, int64(i), "offset in queue "+q)
		}
	}
	return len(offsets)
}

func sendSync(s *scenario) {
	p := s.producer()
	var results []*primitive.SendResult
	for i := range 40 { // the topic comes into being by the first send
		r := s.send(p, primitive.NewMessage(s.Topic(), fmt.Appendf(nil, "sync-%d", i)))
		s.checkResult(r)
		results = append(results, r)
	}
	frame.Same(s.contiguous(results), 4, "number of queues of a topic created by sending")
	s.read(s.Topic(), 40)
}

func sendAsync(s *scenario) {
	s.createTopic(s.Topic(), 4)
	p := s.producer()
	var mu sync.Mutex // guards what callbacks append to
	var results []*primitive.SendResult
	var errs []error
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Add(1)
		err := p.SendAsync(context.Background(), func(_ context.Context, r *primitive.SendResult, err error) {
			defer wg.Done()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			results = append(results, r)
		}, primitive.NewMessage(s.Topic(), fmt.Appendf(nil, "async-%d", i)))
		s.Must(err, "send")
	}
	wg.Wait()
	if len(errs) > 0 {
		s.Fail("%d sends failed: %v", len(errs), errs[0])
	}
	for _, r := range results {
		s.checkResult(r)
	}
	s.contiguous(results)
	frame.Same(len(results), 100, "results")
}

func sendOneway(s *scenario) {
	s.createTopic(s.Topic(), 4)
	p := s.producer()
	for i := range 20 {
		s.Must(p.SendOneWay(context.Background(), primitive.NewMessage(s.Topic(), fmt.Appendf(nil, "oneway-%d", i))), "send")
	}
	s.read(s.Topic(), 20)
}

func sendBatch(s *scenario) {
	s.createTopic(s.Topic(), 1)
	p := s.producer()
	var batch []*primitive.Message
	for i := range 10 {
		m := primitive.NewMessage(s.Topic(), fmt.Appendf(nil, "batch-%d", i))
		m.WithKeys([]string{fmt.Sprintf("key%d", i)})
		m.WithTag(fmt.Sprintf("tag%d", i%2))
		m.WithProperty("number", fmt.Sprint(i))
		batch = append(batch, m)
	}
	first := s.send(p, primitive.NewMessage(s.Topic(), []byte("before")))
	r, err := p.SendSync(context.Background(), batch...)
	s.Must(err, "send batch")
	frame.Same(r.Status, primitive.SendOK, "status")
	last := s.send(p, primitive.NewMessage(s.Topic(), []byte("behind")))
	frame.Same(r.QueueOffset, first.QueueOffset+1, "offset of the batch")
	frame.Same(last.QueueOffset, r.QueueOffset+10, "offset behind the batch")
	frame.Same(len(strings.Split(r.OffsetMsgID, ",")), 10, "ids in "+r.OffsetMsgID)
	stored := s.read(s.Topic(), 12)
	for i := range 10 {
		m := stored[i+1]
		frame.Same(string(m.Body), fmt.Sprintf("batch-%d", i), "body")
		frame.Same(m.GetKeys(), fmt.Sprintf("key%d", i), "keys")
		frame.Same(m.GetTags(), fmt.Sprintf("tag%d", i%2), "tag")
		frame.Same(m.GetProperty("number"), fmt.Sprint(i), "property")
		frame.Same(m.QueueOffset, r.QueueOffset+int64(i), "offset")
	}
}

func sendToChosenQueue(s *scenario) {
	s.createTopic(s.Topic(), 8)
	p := s.producer(producer.WithQueueSelector(producer.NewManualQueueSelector()))
	queues := s.queues(s.Topic())
	frame.Same(len(queues), 8, "queues")
	for i := range 32 {
		m := primitive.NewMessage(s.Topic(), fmt.Appendf(nil, "%d", i%8))
		for _, q := range queues {
			if q.QueueId == i%8 {
				m.Queue = q
			}
		}
		r := s.send(p, m)
		frame.Same(r.MessageQueue.QueueId, i%8, "queue")
		frame.Same(r.QueueOffset, int64(i/8), "offset")
	}
	for _, m := range s.read(s.Topic(), 32) {
		frame.Same(fmt.Sprint(m.Queue.QueueId), string(m.Body), "queue of a stored message")
	}
}

func propertiesArrive(s *scenario) {
	s.createTopic(s.Topic(), 1)
	body := make([]byte, 256)
	for i := range body {
		body[i] = byte(i)
	}
	sent := primitive.NewMessage(s.Topic(), body)
	sent.Flag = 7
	sent.WithTag("tag-é")
	sent.WithKeys([]string{"key1", "key2"})
	sent.WithShardingKey("shard-1")
	sent.WithProperty("plain", "value")
	sent.WithProperty("unicode", "naïve 漢字 🚀")
	before := time.Now().UnixMilli()
	r := s.send(s.producer(), sent)
	m := s.read(s.Topic(), 1)[0]
	if !bytes.Equal(m.Body, body) {
		s.Fail("body changed")
	}
	frame.Same(m.GetTags(), "tag-é", "tag")
	frame.Same(m.GetKeys(), "key1 key2", "keys")
	frame.Same(m.Flag, 7, "flag")
	frame.Same(m.GetShardingKey(), "shard-1", "sharding key")
	frame.Same(m.GetProperty("plain"), "value", "property")
	frame.Same(m.GetProperty("unicode"), "naïve 漢字 🚀", "property")
	frame.Same(m.GetProperty("MSG_REGION"), "DefaultRegion", "region")
	frame.Same(m.Topic, s.Topic(), "topic")
	frame.Same(m.QueueOffset, r.QueueOffset, "offset")
	frame.Same(m.MsgId, r.MsgID, "id")
	frame.Same(m.OffsetMsgId, r.OffsetMsgID, "offset id")
	frame.Same(m.ReconsumeTimes, 0, "tries")
	frame.Same(m.SysFlag, 0, "system flag")
	if m.BornTimestamp < before || m.StoreTimestamp < m.BornTimestamp {
		s.Fail("times %d %d", m.BornTimestamp, m.StoreTimestamp)
	}
	if !strings.HasPrefix(m.BornHost, "127.0.0.1") || !strings.HasPrefix(m.StoreHost, "127.0.0.1:") {
		s.Fail("hosts %s %s", m.BornHost, m.StoreHost)
	}
}

func compressedBody(s *scenario) {
	s.createTopic(s.Topic(), 1)
	text := strings.Repeat("It compresses well. ", 50_000)
	s.send(s.producer(), primitive.NewMessage(s.Topic(), []byte(text)))
	m := s.read(s.Topic(), 1)[0]
	frame.Same(string(m.Body), text, "body")
	if m.StoreSize > 100_000 {
		s.Fail("stored in %d bytes, so not compressed", m.StoreSize)
	}
}

func delayLevel(s *scenario) {
	s.createTopic(s.Topic(), 1)
	in := new(inbox)
	s.consume(s.Group(), s.Topic(), "*", in)
	m := primitive.NewMessage(s.Topic(), []byte("later"))
	m.WithDelayTimeLevel(7) // two seconds in the tests' settings
	sent := time.Now()
	s.send(s.producer(), m)
	s.awaitExactly(in, map[string]bool{"later": true}, 20)
	if waited := time.UnixMilli(in.all()[0].StoreTimestamp).Sub(sent); waited < 1500*time.Millisecond || waited > 8*time.Second {
		s.Fail("was delivered after %v, want some 2 s", waited)
	}
}

func (s *scenario) refused(err error, code int) {
	if want := fmt.Sprintf("CODE: %d,", code); err == nil || !strings.Contains(err.Error(), want) {
		s.Fail("got %v, want %q", err, want)
	}
}

func tooBigMessage(s *scenario) {
	s.createTopic(s.Topic(), 1)
	p := s.producer(producer.WithCompressMsgBodyOverHowmuch(1<<30), producer.WithRetry(0))
	_, err := p.SendSync(context.Background(), primitive.NewMessage(s.Topic(), make([]byte, 5<<20)))
	s.refused(err, 13)
	s.send(p, primitive.NewMessage(s.Topic(), make([]byte, 10))) // and the connection goes on
}

func topicLifecycle(s *scenario) {
	s.createTopic(s.Topic(), 8)
	frame.Same(len(s.queues(s.Topic())), 8, "queues")
	a, err := admin.NewAdmin(admin.WithResolver(s.servers()), admin.WithCredentials(user()))
	s.Must(err, "new admin")
	defer a.Close()
	list, err := a.FetchAllTopicList(context.Background())
	s.Must(err, "list topics")
	if !slices.Contains(list.TopicList, s.Topic()) {
		s.Fail("%s is not in the list", s.Topic())
	}
	s.Eventually(20, "the route is gone", func() bool {
		// Once more each time: a registration that was on its way brings the
		// topic back.
		s.Must(a.DeleteTopic(context.Background(), admin.WithTopicDelete(s.Topic()), admin.WithBrokerAddrDelete(s.brokers()[0])), "delete topic")
		r, err := call(s.Server, getRoute, map[string]string{"topic": s.Topic()}, nil)
		return err == nil && r.Code == 17
	})
}
