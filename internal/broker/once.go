package broker

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/dedup"
	"github.com/goddardmq/goddard/internal/mq"
)

// errDuplicate keeps a message from being stored. Its sender never sees it.
var errDuplicate = errors.New("the message is a duplicate")

// A claim is one on the unique key of a message whose topic wants it once.
type claim struct {
	send   *mq.Send
	topic  *dedup.Topic
	key    string
	mine   bool // the message is stored; otherwise another one has its key
	alone  bool // the send has no other messages
	result mq.SendResult
	err    error
}

// dedupWindow is what a topic's attribute says; 0 if it has none.
func dedupWindow(t *mq.Topic) (time.Duration, error) {
	text, ok := t.Attributes[dedup.Attribute]
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if most := int64(dedup.MaxWindow / time.Second); err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%w: attribute %s of topic %s is %.40q: want seconds from 1 to %d", mq.ErrInvalid, dedup.Attribute, t.Name, text, most)
	}
	if strings.HasPrefix(t.Name, mq.RetryPrefix) || strings.HasPrefix(t.Name, mq.DLQPrefix) {
		return 0, fmt.Errorf("%w: topic %s takes what consumers failed on, which comes more than once; %s is for other topics", mq.ErrInvalid, t.Name, dedup.Attribute)
	}
	return time.Duration(n) * time.Second, nil
}

// single is the topic's memory of unique keys, nil if it has no window.
func (b *Broker) single(t *mq.Topic) (*dedup.Topic, error) {
	window, err := dedupWindow(t)
	if err != nil {
		return nil, err
	}
	return b.dedup.Set(t.Name, window)
}

// claim claims the key of a message that is ready to be stored. If another has
// it, the message gets errDuplicate, and its result when that is known. A dead
// letter that is sent again has the key of the message that died, and is no
// duplicate of it.
func (s *sending) claim(one *mq.Send, t *dedup.Topic) error {
	key, ok := mq.Property(one.Properties, mq.PropUniqueKey)
	if _, redriven := mq.Property(one.Properties, mq.PropRedrivenFrom); !ok || redriven {
		return nil
	}
	c, err := s.ask(one, t, key)
	if err != nil {
		return err
	}
	c.alone = true
	if !c.mine {
		return errDuplicate
	}
	return nil
}

// claimAll claims the keys of a batch, out of which it takes the messages whose
// keys others have.
func (s *sending) claimAll(one *mq.Send, t *dedup.Topic) error {
	kept := make([]mq.Message, 0, 1+len(one.More))
	for i := -1; i < len(one.More); i++ {
		m := &one.Message
		if i >= 0 {
			m = &one.More[i]
		}
		key, _ := mq.Property(m.Properties, mq.PropUniqueKey)
		c, err := s.ask(one, t, key)
		if err != nil {
			return err
		}
		if c.mine {
			kept = append(kept, *m)
		}
	}
	if len(kept) == 0 {
		return errDuplicate
	}
	first := kept[0]
	one.Body, one.Flag, one.Properties, one.More = first.Body, first.Flag, first.Properties, kept[1:]
	return nil
}

// ask claims one key. A message without one is its own.
func (s *sending) ask(one *mq.Send, t *dedup.Topic, key []byte) (*claim, error) {
	c := &claim{send: one, topic: t, key: string(key), mine: true}
	if len(key) > 0 {
		s.open.Add(1)
		batch := s.batch
		mine, err := t.Claim(key, func(r mq.SendResult, err error) {
			c.result, c.err = r, err
			s.closeOne(batch)
		})
		if c.mine = mine; mine || err != nil {
			s.open.Add(-1) // finished closes the last
		}
		if err != nil {
			return nil, err
		}
	}
	s.claims = append(s.claims, c)
	return c, nil
}

// settle tells those who wait for the keys of this batch what became of them.
func (s *sending) settle() {
	var last *mq.Send
	n := 0
	for _, c := range s.claims {
		if !c.mine {
			continue
		}
		if c.send != last {
			last, n = c.send, 0
		}
		if c.err = c.send.Err; c.err == nil {
			c.result = partOf(&c.send.Result, n)
		}
		n++
		if c.key != "" {
			c.topic.Settle(c.key, c.result, c.err)
		}
	}
}

// partOf is the result of the message with number n of a batch.
func partOf(r *mq.SendResult, n int) mq.SendResult {
	part := *r
	part.MorePos = nil
	if n > 0 {
		part.Pos, part.Offset = r.MorePos[n-1], r.Offset+mq.QueueOffset(n)
	}
	return part
}

// closeOne notes that another result of a batch is known, and with the last of
// them tells the front end.
func (s *sending) closeOne(batch *mq.SendBatch) {
	if s.open.Add(-1) == 0 {
		s.applyClaims()
		s.end(batch)
	}
}

// applyClaims puts the results of duplicates where their senders look for them.
func (s *sending) applyClaims() {
	for from := 0; from < len(s.claims); {
		to := from + 1
		for to < len(s.claims) && s.claims[to].send == s.claims[from].send {
			to++
		}
		applyTo(s.claims[from].send, s.claims[from:to])
		from = to
	}
	clear(s.claims)
	s.claims = s.claims[:0]
}

// applyTo makes one result of those of a send's messages.
func applyTo(one *mq.Send, claims []*claim) {
	if one.Err != nil && !errors.Is(one.Err, errDuplicate) {
		return
	}
	one.Err = nil
	all := claims[0].result
	all.MorePos = one.Result.MorePos[:0]
	if claims[0].alone && claims[0].mine {
		all.MorePos = one.Result.MorePos
	}
	for i, c := range claims {
		if c.err != nil {
			one.Err = c.err
			return
		}
		if i > 0 {
			all.MorePos = append(all.MorePos, c.result.Pos)
		}
	}
	one.Result = all
}
