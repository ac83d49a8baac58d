package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/goddardmq/goddard/internal/test/clients/frame"
)

// lookupByKey finds what the Go client sent; it has no call for that itself,
// but reads the answers.
func lookupByKey(s *scenario) {
	s.createTopic(s.Topic(), 2)
	p := s.producer()
	var last *primitive.SendResult
	for i := range 6 {
		m := primitive.NewMessage(s.Topic(), fmt.Appendf(nil, "m%d", i)).WithTag("tag")
		m.WithKeys([]string{fmt.Sprintf("order-%d", i%2), fmt.Sprintf("line-%d", i)})
		last = s.send(p, m)
	}
	s.Eventually(10, "the last message by its unique key", func() bool {
		return s.find(last.MsgID, true) == "m5"
	})
	frame.Same(s.find("line-4", false), "m4", "by a key of its own")
	frame.Same(s.find("order-0", false), "m0 m2 m4", "by a shared key")
	frame.Same(s.find("line-9", false), "", "by a key that no message has")
}

// find returns the bodies of the messages of the scenario's topic with a key.
func (s *scenario) find(key string, unique bool) string {
	var bodies []string
	for _, addr := range s.brokers() {
		fields := map[string]string{
			"topic": s.Topic(), "key": key, "maxNum": "32", "_UNIQUE_KEY_QUERY": fmt.Sprint(unique),
			"beginTimestamp": "0", "endTimestamp": fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()),
		}
		a, err := call(addr, queryMessage, fields, nil)
		s.Must(err, "query message")
		if a.Code == 22 {
			continue
		}
		frame.Same(a.Code, 0, "code of the query: "+a.Remark)
		for _, m := range primitive.DecodeMessage(a.Body) {
			bodies = append(bodies, string(m.Body))
		}
	}
	return strings.Join(bodies, " ")
}
