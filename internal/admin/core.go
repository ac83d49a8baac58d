package admin

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/filter"
	"github.com/goddardmq/goddard/internal/mq"
)

// claimTime is how long a run may take between its claim of dead letters and
// its word that they were sent. After it another run may claim them, and has
// to find out first whether they were sent.
const claimTime = time.Minute

// maxSpan bounds one span of a ledger's entry, so that a foreign message in its
// topic costs nothing.
const maxSpan = 1 << 20

// A span is the offsets from its first number up to but not including its
// second.
type span [2]int64

// An entry is one message of a ledger: what a run did, or is about to do, with
// dead letters of one queue.
type entry struct {
	Group string `json:"group"`
	Queue int32  `json:"queue"`
	Run   string `json:"run"`
	To    string `json:"to,omitempty"`    // where claimed ones are to be sent
	Claim []span `json:"claim,omitempty"` // about to be sent
	Sent  []span `json:"sent,omitempty"`
	Gone  []span `json:"purged,omitempty"`
	Free  []span `json:"free,omitempty"` // claimed and not sent
}

// good reports whether an entry can be of ours.
func (e *entry) good() bool {
	for _, spans := range [][]span{e.Claim, e.Sent, e.Gone, e.Free} {
		for _, s := range spans {
			if s[0] < 0 || s[1] < s[0] || s[1]-s[0] > maxSpan {
				return false
			}
		}
	}
	return true
}

// A ledger says what has become of the dead letters of one queue. It is what
// its entries make of it in the order in which the broker stored them, so that
// of two runs that claim the same letter both know who was first.
type ledger struct {
	sent, gone offsets
	claims     map[int64]claim
}

// A claim keeps a dead letter for one run.
type claim struct {
	run   string
	to    string
	at    time.Time // by the broker's clock
	doubt *claim    // of a run that said nothing more: it may have sent the letter
}

// apply adds an entry that was stored at a time.
func (l *ledger) apply(e *entry, at time.Time) {
	if l.claims == nil {
		l.claims = map[int64]claim{}
	}
	for off := range each(e.Claim) {
		if l.sent.has(off) || l.gone.has(off) {
			continue
		}
		old, taken := l.claims[off]
		switch {
		case !taken:
			l.claims[off] = claim{run: e.Run, to: e.To, at: at}
		case old.run != e.Run && at.Sub(old.at) >= claimTime:
			l.claims[off] = claim{run: e.Run, to: e.To, at: at, doubt: &old}
		}
	}
	for off := range each(e.Free) {
		if c, ok := l.claims[off]; ok && c.run == e.Run {
			delete(l.claims, off)
		}
	}
	for _, s := range e.Sent {
		l.sent.add(s)
	}
	for _, s := range e.Gone {
		l.gone.add(s)
	}
	for off := range each(slices.Concat(e.Sent, e.Gone)) {
		delete(l.claims, off)
	}
}

// State of a dead letter.
const (
	StateWaiting = "waiting" // nothing was done with it
	StateClaimed = "claimed" // a run is sending it, or was interrupted at that
	StateSent    = "sent"    // it was sent again
	StatePurged  = "purged"  // it is not wanted
)

// state is what has become of a dead letter.
func (l *ledger) state(off int64) string {
	if l.sent.has(off) {
		return StateSent
	}
	if l.gone.has(off) {
		return StatePurged
	}
	if _, taken := l.claims[off]; taken {
		return StateClaimed
	}
	return StateWaiting
}

// free reports whether a run may claim a dead letter at a time.
func (l *ledger) free(off int64, now time.Time) bool {
	if l.sent.has(off) || l.gone.has(off) {
		return false
	}
	c, taken := l.claims[off]
	return !taken || now.Sub(c.at) >= claimTime
}

// held is the claim of a run on a dead letter.
func (l *ledger) held(off int64, run string) (claim, bool) {
	c, ok := l.claims[off]
	return c, ok && c.run == run
}

// each goes through the offsets of spans.
func each(spans []span) func(yield func(int64) bool) {
	return func(yield func(int64) bool) {
		for _, s := range spans {
			for off := s[0]; off < s[1]; off++ {
				if !yield(off) {
					return
				}
			}
		}
	}
}

// offsets is a set of offsets: spans in order that do not touch.
type offsets []span

func (o offsets) has(off int64) bool {
	i, found := slices.BinarySearchFunc(o, off, func(s span, off int64) int {
		switch {
		case s[1] <= off:
			return -1
		case s[0] > off:
			return 1
		}
		return 0
	})
	return found && i < len(o)
}

func (o *offsets) add(s span) {
	if s[0] >= s[1] {
		return
	}
	from, _ := slices.BinarySearchFunc(*o, s[0], func(x span, at int64) int { return int(min(1, max(-1, x[1]-at))) })
	to := from
	for to < len(*o) && (*o)[to][0] <= s[1] {
		s[0], s[1] = min(s[0], (*o)[to][0]), max(s[1], (*o)[to][1])
		to++
	}
	*o = slices.Replace(*o, from, to, s)
}

// spans joins offsets in order.
func spans(all []int64) []span {
	var o offsets
	for _, off := range all {
		o.add(span{off, off + 1})
	}
	return o
}

// A DeadLetterFilter chooses dead letters; what is left out does not matter.
type DeadLetterFilter struct {
	Tag        string
	Key        string // one of its keys, or its unique key
	Expression string // SQL-92 over its properties
	Origin     string // topic that it was sent to first
	Text       string // within its body
	From, To   time.Time
	// ID is the offset message id of one dead letter.
	ID string
	// Handled takes also those that were sent again or purged.
	Handled bool
}

// A chooser is a filter ready for use.
type chooser struct {
	DeadLetterFilter
	expression *filter.Expression
}

// chooser compiles the filter.
func (f DeadLetterFilter) chooser() (*chooser, error) {
	c := &chooser{DeadLetterFilter: f}
	if f.Expression == "" {
		return c, nil
	}
	var err error
	if c.expression, err = filter.Compile(f.Expression); err != nil {
		return nil, fmt.Errorf("the expression cannot be read: %w", err)
	}
	return c, nil
}

// Check says what is wrong with a filter.
func (f DeadLetterFilter) Check() error {
	_, err := f.chooser()
	return err
}

// wants reports whether a dead letter is chosen. body unpacks its body; an
// error of it is returned.
func (c *chooser) wants(l *DeadLetter, body func(*mq.Record) ([]byte, error)) (bool, error) {
	switch {
	case !c.Handled && (l.State == StateSent || l.State == StatePurged),
		c.ID != "" && c.ID != l.ID,
		c.Tag != "" && c.Tag != l.Tags,
		c.Origin != "" && c.Origin != l.Origin,
		c.Key != "" && c.Key != l.UniqueKey && !slices.Contains(strings.Fields(l.Keys), c.Key),
		!c.From.IsZero() && l.Died.Before(c.From),
		!c.To.IsZero() && l.Died.After(c.To),
		c.expression != nil && !c.expression.MatchProperties(l.Record.Properties):
		return false, nil
	}
	if c.Text == "" {
		return true, nil
	}
	text, err := body(&l.Record)
	return err == nil && bytes.Contains(text, []byte(c.Text)), err
}

// origin is the topic that a dead letter was sent to first. retry is the retry
// topic that it came from if its group popped it, else empty.
func origin(group string, props map[string]string, topic string) (first, retry string) {
	first = topic
	for _, key := range []string{mq.PropRetryTopic, mq.PropDLQOriginTopic} {
		if props[key] != "" {
			first = props[key]
			break
		}
	}
	for _, prefix := range []string{mq.RetryTopicPopV2(group, ""), mq.RetryTopicPop(group, "")} {
		if rest, ok := strings.CutPrefix(first, prefix); ok && rest != "" {
			return rest, first
		}
	}
	return first, ""
}

// dropped are the properties of a stored message that say how it was delivered
// so far; sent along, they would be taken for wishes.
func dropped(key string) bool {
	switch key {
	case mq.PropDelay, mq.PropTimerDelaySec, mq.PropTimerDelayMs, mq.PropTimerDeliverMs, mq.PropTimerOutMs,
		mq.PropTimerDeleteUniq, mq.PropTimerEnqueueMs, mq.PropTimerDequeueMs, mq.PropTimerRollTimes, mq.PropTimerMovedFrom,
		mq.PropRealTopic, mq.PropRealQueueID, mq.PropReconsumeTime, mq.PropMaxReconsumeTimes, mq.PropConsumeStartTime,
		mq.PropTransaction, mq.PropProducerGroup, mq.PropPreparedOffset, mq.PropCheckTimes, mq.PropCheckImmunity,
		mq.PropPopReceipt, mq.PropFirstPopTime, mq.PropWait, mq.PropInnerNum, mq.PropInnerBase, mq.PropMultiDispatch,
		mq.PropMultiQueueOffset, mq.PropCluster, mq.PropRegion, mq.PropTraceOn, mq.PropMinOffset, mq.PropMaxOffset:
		return true
	}
	return strings.HasPrefix(key, mq.PropTransientPrefix)
}
