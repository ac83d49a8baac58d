package limit

import (
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// A Topic is the limit on what is sent to a topic.
type Topic struct{ m *meter }

// NewTopic makes the limit of a topic, in messages and bytes per second; 0 is
// no limit.
func NewTopic(name string, messages, bytes int64) *Topic {
	r := newRule(Broker, key{mq.LimitTopic, name})
	t := &Topic{r.alone}
	t.Set(messages, bytes)
	return t
}

// Set changes it.
func (t *Topic) Set(messages, bytes int64) {
	allowed := amounts{sendMessages: messages, sendBytes: bytes}
	t.m.rule.allowed.Store(&allowed)
	t.m.set(allowed, time.Now())
}

// Use is the limit and what became of it.
func (t *Topic) Use() mq.LimitUse {
	u := t.m.rule.use()
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	u.Used = t.m.mu.used(time.Now()).public()
	return u
}

// take takes messages and their bytes, or says what refuses them.
func (t *Topic) take(messages, bytes int64) error {
	now := time.Now()
	t.m.mu.Lock()
	k, wait := sendMessages, t.m.mu.take(sendMessages, messages, now)
	if wait == 0 {
		if wait = t.m.mu.take(sendBytes, bytes, now); wait > 0 {
			k = sendBytes
			t.m.mu.giveBack(sendMessages, messages, now)
		}
	}
	t.m.mu.Unlock()
	if wait == 0 {
		return nil
	}
	t.m.rule.refused[k].Add(1)
	return tooMuch(t.m, k, wait)
}
