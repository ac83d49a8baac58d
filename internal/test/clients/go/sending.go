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
)

var messageID = regexp.MustCompile(`^[0-9A-Fa-f]{32}$`)

func (s *scenario) checkResult(r *primitive.SendResult) {
	same(s, r.Status, primitive.SendOK, "status")
	same(s, r.MessageQueue.Topic, s.topic(), "topic in the result")
	same(s, r.RegionID, "DefaultRegion", "region")
	if !messageID.MatchString(r.MsgID) || !messageID.MatchString(r.OffsetMsgID) {
		s.fail("ids %q and %q", r.MsgID, r.OffsetMsgID)
	}
	if !strings.HasPrefix(r.OffsetMsgID, "7F000001") {
		s.fail("offset id %s does not hold the broker's address", r.OffsetMsgID)
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
			same(s, o, int64(i), "offset in queue "+q)
		}
	}
	return len(offsets)
}

func sendSync(s *scenario) {
	p := s.producer()
	var results []*primitive.SendResult
	for i := range 40 { // the topic comes into being by the first send
		r := s.send(p, primitive.NewMessage(s.topic(), fmt.Appendf(nil, "sync-%d", i)))
		s.checkResult(r)
		results = append(results, r)
	}
	same(s, s.contiguous(results), 4, "number of queues of a topic created by sending")
	s.read(s.topic(), 40)
}

func sendAsync(s *scenario) {
	s.createTopic(s.topic(), 4)
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
		}, primitive.NewMessage(s.topic(), fmt.Appendf(nil, "async-%d", i)))
		s.must(err, "send")
	}
	wg.Wait()
	if len(errs) > 0 {
		s.fail("%d sends failed: %v", len(errs), errs[0])
	}
	for _, r := range results {
		s.checkResult(r)
	}
	s.contiguous(results)
	same(s, len(results), 100, "results")
}

func sendOneway(s *scenario) {
	s.createTopic(s.topic(), 4)
	p := s.producer()
	for i := range 20 {
		s.must(p.SendOneWay(context.Background(), primitive.NewMessage(s.topic(), fmt.Appendf(nil, "oneway-%d", i))), "send")
	}
	s.read(s.topic(), 20)
}

func sendBatch(s *scenario) {
	s.createTopic(s.topic(), 1)
	p := s.producer()
	var batch []*primitive.Message
	for i := range 10 {
		m := primitive.NewMessage(s.topic(), fmt.Appendf(nil, "batch-%d", i))
		m.WithKeys([]string{fmt.Sprintf("key%d", i)})
		m.WithTag(fmt.Sprintf("tag%d", i%2))
		m.WithProperty("number", fmt.Sprint(i))
		batch = append(batch, m)
	}
	first := s.send(p, primitive.NewMessage(s.topic(), []byte("before")))
	r, err := p.SendSync(context.Background(), batch...)
	s.must(err, "send batch")
	same(s, r.Status, primitive.SendOK, "status")
	last := s.send(p, primitive.NewMessage(s.topic(), []byte("behind")))
	same(s, r.QueueOffset, first.QueueOffset+1, "offset of the batch")
	same(s, last.QueueOffset, r.QueueOffset+10, "offset behind the batch")
	same(s, len(strings.Split(r.OffsetMsgID, ",")), 10, "ids in "+r.OffsetMsgID)
	stored := s.read(s.topic(), 12)
	for i := range 10 {
		m := stored[i+1]
		same(s, string(m.Body), fmt.Sprintf("batch-%d", i), "body")
		same(s, m.GetKeys(), fmt.Sprintf("key%d", i), "keys")
		same(s, m.GetTags(), fmt.Sprintf("tag%d", i%2), "tag")
		same(s, m.GetProperty("number"), fmt.Sprint(i), "property")
		same(s, m.QueueOffset, r.QueueOffset+int64(i), "offset")
	}
}

func sendToChosenQueue(s *scenario) {
	s.createTopic(s.topic(), 8)
	p := s.producer(producer.WithQueueSelector(producer.NewManualQueueSelector()))
	queues := s.queues(s.topic())
	same(s, len(queues), 8, "queues")
	for i := range 32 {
		m := primitive.NewMessage(s.topic(), fmt.Appendf(nil, "%d", i%8))
		for _, q := range queues {
			if q.QueueId == i%8 {
				m.Queue = q
			}
		}
		r := s.send(p, m)
		same(s, r.MessageQueue.QueueId, i%8, "queue")
		same(s, r.QueueOffset, int64(i/8), "offset")
	}
	for _, m := range s.read(s.topic(), 32) {
		same(s, fmt.Sprint(m.Queue.QueueId), string(m.Body), "queue of a stored message")
	}
}

func propertiesArrive(s *scenario) {
	s.createTopic(s.topic(), 1)
	body := make([]byte, 256)
	for i := range body {
		body[i] = byte(i)
	}
	sent := primitive.NewMessage(s.topic(), body)
	sent.Flag = 7
	sent.WithTag("tag-é")
	sent.WithKeys([]string{"key1", "key2"})
	sent.WithShardingKey("shard-1")
	sent.WithProperty("plain", "value")
	sent.WithProperty("unicode", "naïve 漢字 🚀")
	before := time.Now().UnixMilli()
	r := s.send(s.producer(), sent)
	m := s.read(s.topic(), 1)[0]
	if !bytes.Equal(m.Body, body) {
		s.fail("body changed")
	}
	same(s, m.GetTags(), "tag-é", "tag")
	same(s, m.GetKeys(), "key1 key2", "keys")
	same(s, m.Flag, 7, "flag")
	same(s, m.GetShardingKey(), "shard-1", "sharding key")
	same(s, m.GetProperty("plain"), "value", "property")
	same(s, m.GetProperty("unicode"), "naïve 漢字 🚀", "property")
	same(s, m.GetProperty("MSG_REGION"), "DefaultRegion", "region")
	same(s, m.Topic, s.topic(), "topic")
	same(s, m.QueueOffset, r.QueueOffset, "offset")
	same(s, m.MsgId, r.MsgID, "id")
	same(s, m.OffsetMsgId, r.OffsetMsgID, "offset id")
	same(s, m.ReconsumeTimes, 0, "tries")
	same(s, m.SysFlag, 0, "system flag")
	if m.BornTimestamp < before || m.StoreTimestamp < m.BornTimestamp {
		s.fail("times %d %d", m.BornTimestamp, m.StoreTimestamp)
	}
	if !strings.HasPrefix(m.BornHost, "127.0.0.1") || !strings.HasPrefix(m.StoreHost, "127.0.0.1:") {
		s.fail("hosts %s %s", m.BornHost, m.StoreHost)
	}
}

func compressedBody(s *scenario) {
	s.createTopic(s.topic(), 1)
	text := strings.Repeat("It compresses well. ", 50_000)
	s.send(s.producer(), primitive.NewMessage(s.topic(), []byte(text)))
	m := s.read(s.topic(), 1)[0]
	same(s, string(m.Body), text, "body")
	if m.StoreSize > 100_000 {
		s.fail("stored in %d bytes, so not compressed", m.StoreSize)
	}
}

func delayLevel(s *scenario) {
	s.createTopic(s.topic(), 1)
	in := new(inbox)
	s.consume(s.group(), s.topic(), "*", in)
	m := primitive.NewMessage(s.topic(), []byte("later"))
	m.WithDelayTimeLevel(7) // two seconds in the tests' settings
	sent := time.Now()
	s.send(s.producer(), m)
	s.awaitExactly(in, map[string]bool{"later": true}, 20)
	if waited := time.UnixMilli(in.all()[0].StoreTimestamp).Sub(sent); waited < 1500*time.Millisecond || waited > 8*time.Second {
		s.fail("was delivered after %v, want some 2 s", waited)
	}
}

func delayOwnTime(s *scenario) {
	s.createTopic(s.topic(), 1)
	in := new(inbox)
	s.consume(s.group(), s.topic(), "*", in)
	m := primitive.NewMessage(s.topic(), []byte("later"))
	m.WithProperty("TIMER_DELAY_MS", "3000")
	sent := time.Now()
	s.send(s.producer(), m)
	s.awaitExactly(in, map[string]bool{"later": true}, 30)
	// The original counts in seconds and may be one early.
	if waited := time.UnixMilli(in.all()[0].StoreTimestamp).Sub(sent); waited < 1900*time.Millisecond || waited > 9*time.Second {
		s.fail("was delivered after %v, want some 3 s", waited)
	}
}

func (s *scenario) refused(err error, code int) {
	if want := fmt.Sprintf("CODE: %d,", code); err == nil || !strings.Contains(err.Error(), want) {
		s.fail("got %v, want %q", err, want)
	}
}

func tooBigMessage(s *scenario) {
	s.createTopic(s.topic(), 1)
	p := s.producer(producer.WithCompressMsgBodyOverHowmuch(1<<30), producer.WithRetry(0))
	_, err := p.SendSync(context.Background(), primitive.NewMessage(s.topic(), make([]byte, 5<<20)))
	s.refused(err, 13)
	s.send(p, primitive.NewMessage(s.topic(), make([]byte, 10))) // and the connection goes on
}

func topicLifecycle(s *scenario) {
	s.createTopic(s.topic(), 8)
	same(s, len(s.queues(s.topic())), 8, "queues")
	a, err := admin.NewAdmin(admin.WithResolver(s.servers()), admin.WithCredentials(user()))
	s.must(err, "new admin")
	defer a.Close()
	list, err := a.FetchAllTopicList(context.Background())
	s.must(err, "list topics")
	if !slices.Contains(list.TopicList, s.topic()) {
		s.fail("%s is not in the list", s.topic())
	}
	s.eventually(20, "the route is gone", func() bool {
		// Once more each time: a registration that was on its way brings the
		// topic back.
		s.must(a.DeleteTopic(context.Background(), admin.WithTopicDelete(s.topic()), admin.WithBrokerAddrDelete(s.brokers()[0])), "delete topic")
		r, err := call(s.nameServer, getRoute, map[string]string{"topic": s.topic()}, nil)
		return err == nil && r.Code == 17
	})
}
