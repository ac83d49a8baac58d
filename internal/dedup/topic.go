package dedup

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// A Topic wants each of its messages once.
type Topic struct {
	r    *Register
	name string

	// mu guards the table and the entries that no row holds, which lie in the
	// order of the log.
	mu struct {
		sync.Mutex
		table   table
		unsaved []entry
		removed bool
	}
}

// Claim asks whether a message with this key may be stored. If mine is true it
// may, and Settle must be called with what became of it. Otherwise it must not:
// later is called with the result of the first message, before Claim returns
// or from another goroutine. An error says that this cannot be decided.
func (t *Topic) Claim(key []byte, later func(mq.SendResult, error)) (mine bool, err error) {
	void := none
	for {
		v, at := t.ask(key, void, later)
		switch v {
		case verdictStore:
			return true, nil
		case verdictWait:
			return false, nil
		case verdictFull:
			return false, fmt.Errorf("%w: %d unique keys are remembered against duplicates, more messages of topic %s are not accepted; wait, raise max-dedup-keys or shorten the topic's %s",
				mq.ErrBusy, t.r.count.Load(), t.name, Attribute)
		}
		first, ok, err := t.first(key, at)
		if err != nil {
			return false, err
		}
		if ok {
			t.r.duplicates.Add(1)
			later(first, nil)
			return false, nil
		}
		void = at
	}
}

func (t *Topic) ask(key []byte, void mq.LogPos, later func(mq.SendResult, error)) (verdict, mq.LogPos) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.mu.table.count
	v, at := t.mu.table.claim(key, void, t.r.count.Load() < t.r.opts.MaxKeys(), later)
	t.r.count.Add(int64(t.mu.table.count - before))
	if v == verdictWait {
		t.r.duplicates.Add(1)
	}
	return v, at
}

// Settle says what became of a message whose key was claimed.
func (t *Topic) Settle(key string, r mq.SendResult, err error) {
	t.mu.Lock()
	waiters := t.mu.table.settle(key)
	t.mu.Unlock()
	for _, w := range waiters {
		w(r, err)
	}
}

// first is what the sender of the message at a place was answered; false if
// that message has another key, or does not count any more.
func (t *Topic) first(key []byte, at mq.LogPos) (r mq.SendResult, ok bool, err error) {
	data, err := t.r.opts.Store.ReadAt(at)
	if errors.Is(err, mq.ErrNotFound) {
		return r, false, nil
	}
	if err != nil {
		return r, false, fmt.Errorf("whether the message is a duplicate cannot be seen: %w", err)
	}
	rec, _, err := mq.DecodeRecord(data)
	if err != nil {
		return r, false, fmt.Errorf("whether the message is a duplicate cannot be seen: %w", err)
	}
	has, _ := mq.Property(rec.Properties, mq.PropUniqueKey)
	if string(has) != string(key) || topicOf(string(rec.Topic), rec.Properties) != t.name || !t.counts(rec.StoreTime) {
		return r, false, nil
	}
	// The topic may have been deleted and made again.
	all, err := t.r.opts.Store.Entries(mq.Queue{Topic: string(rec.Topic), ID: rec.QueueID}, rec.QueueOffset, 1)
	if err != nil || len(all) == 0 || all[0].Pos != at {
		return r, false, err
	}
	return t.r.answer(&rec), true, nil
}

// counts reports whether a message of this age makes others duplicates.
func (t *Topic) counts(stored int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Now().UnixMilli()-stored < t.mu.table.window
}

// answer is what the sender of a stored message was answered.
func (r *Register) answer(rec *mq.Record) mq.SendResult {
	res := mq.SendResult{Status: mq.SendOK, QueueID: rec.QueueID, Offset: rec.QueueOffset, Pos: rec.Pos, StoreTime: rec.StoreTime}
	switch string(rec.Topic) {
	case mq.TopicTransHalf:
		// Its producer was told the queue that it chose.
		id, _ := mq.Property(rec.Properties, mq.PropRealQueueID)
		n, _ := strconv.ParseInt(string(id), 10, 32)
		res.QueueID = int32(n)
	case mq.TopicTimer:
		key, _ := mq.Property(rec.Properties, mq.PropUniqueKey)
		text, _ := mq.Property(rec.Properties, mq.PropTimerOutMs)
		due, _ := strconv.ParseInt(string(text), 10, 64)
		res.Handle = mq.RecallHandle{Topic: topicOf(mq.TopicTimer, rec.Properties), Broker: r.opts.Broker, Due: due, Key: string(key)}.String()
	}
	return res
}

// topicOf is the topic that a message was sent to, whatever it waits in.
func topicOf(topic string, props []byte) string {
	switch topic {
	case mq.TopicSchedule, mq.TopicTimer, mq.TopicTransHalf:
		meant, _ := mq.Property(props, mq.PropRealTopic)
		return string(meant)
	}
	return topic
}
