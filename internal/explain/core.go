package explain

import (
	"fmt"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/filter"
	"github.com/goddardmq/goddard/internal/mq"
)

// Advice is a sentence and the command that would help; either may be empty.
type Advice struct {
	Text string `json:"text,omitempty"`
	Do   string `json:"do,omitempty"`
}

// A Place is where a stored message lies.
type Place struct {
	Topic    string    `json:"topic"`
	Broker   string    `json:"broker"`
	Queue    int32     `json:"queue"`
	Offset   int64     `json:"offset"`
	Stored   time.Time `json:"stored"`
	OffsetID string    `json:"offset_id"`
	Tries    int32     `json:"tries"`        // before this copy
	Due      time.Time `json:"due,omitzero"` // of one that waits in a delay level
}

// A Message is what was found out about one message.
type Message struct {
	Place
	Key        string        `json:"id,omitempty"` // unique key
	Tags       string        `json:"tags,omitempty"`
	Keys       string        `json:"keys,omitempty"`
	Group      string        `json:"message_group,omitempty"`
	Properties []byte        `json:"-"`
	Retention  time.Duration `json:"-"` // how long the broker keeps messages; 0 if it does not say
	Gone       bool          `json:"gone,omitempty"`
	Delayed    *Delayed      `json:"delayed,omitempty"`
	Half       *Half         `json:"half,omitempty"`
	Groups     []Group       `json:"-"`
	// Unknown lists what could not be found out, a sentence each.
	Unknown []string `json:"unknown,omitempty"`
}

// Delayed says until when a message waits.
type Delayed struct {
	Topic  string    `json:"topic"` // it is meant for
	Due    time.Time `json:"due"`
	Handle string    `json:"handle,omitempty"`
}

// Half is a transactional message that nobody has committed.
type Half struct {
	ID      string `json:"id"`
	Topic   string `json:"topic"` // it is meant for
	Group   string `json:"group"` // of its producer
	Checks  int32  `json:"checks"`
	GivenUp bool   `json:"given_up"`
}

// A Group is what one consumer group has to do with a message.
type Group struct {
	Name       string
	Online     bool
	Pulls      bool // by itself (CONSUME_ACTIVELY): it may commit or not
	Broadcasts bool // its members keep their own offsets
	Wants      *Wish
	Committed  int64 // -1 if it has none in the message's queue
	Disabled   bool  // may not consume at all
	Forbidden  bool  // may not read the topic
	Parked     string
	InHand     *InHand
	Retries    []Place // copies for another try, the oldest first
	RetryDone  int64   // committed offset in the retry queue of the last copy; -1 if none
	Dead       []Place
}

// A Wish is what a group subscribes to.
type Wish struct {
	Expression string
	Type       string // TAG, SQL92
}

// InHand says who has a popped message for how long.
type InHand struct {
	Until  time.Time `json:"until"`
	Popped time.Time `json:"popped"`
	Tries  int32     `json:"tries"`
}

// State is what has become of a message for a group.
type State string

// The states.
const (
	Consumed    State = "consumed"
	Filtered    State = "filtered out"
	Waiting     State = "waiting"
	Held        State = "in hand"
	Retrying    State = "in retry"
	DeadLetter  State = "dead letter"
	NeverRead   State = "not read"
	MembersKnow State = "broadcast"
)

// A Fate is a State in a sentence.
type Fate struct {
	Group string `json:"group"`
	State State  `json:"state"`
	Advice
}

// An Account of a message is where it is and what every group has done with it.
type Account struct {
	Message
	Where   Advice `json:"where"`
	Expires Advice `json:"expires"`
	Fates   []Fate `json:"groups"`
}

// Tell gives account of a message.
func Tell(m Message, now time.Time) Account {
	a := Account{Message: m, Where: m.where(now), Expires: m.expires(now), Fates: []Fate{}}
	for i := range m.Groups {
		a.Fates = append(a.Fates, m.fate(&m.Groups[i], now))
	}
	return a
}

func (m *Message) where(now time.Time) Advice {
	switch {
	case m.Half != nil && m.Half.GivenUp:
		return Advice{fmt.Sprintf("a transaction for topic %s that was given up after %d checks of producer group %s: consumers do not see it", m.Half.Topic, m.Half.Checks, m.Half.Group),
			"goddard admin transaction commit " + m.Half.ID}
	case m.Half != nil:
		return Advice{fmt.Sprintf("a transaction for topic %s that producer group %s has neither committed nor rolled back, asked %d times so far: consumers do not see it", m.Half.Topic, m.Half.Group, m.Half.Checks),
			"goddard admin transaction check " + m.Half.ID}
	case m.Delayed != nil:
		a := Advice{Text: fmt.Sprintf("delayed: topic %s gets it at %s, %s", m.Delayed.Topic, stamp(m.Delayed.Due), fromNow(m.Delayed.Due, now))}
		if m.Delayed.Handle != "" {
			a.Do = "goddard admin delay cancel " + m.Delayed.Handle
		}
		return a
	case m.Gone:
		return Advice{Text: "its queue begins behind it: retention has taken it"}
	case strings.HasPrefix(m.Topic, mq.DLQPrefix):
		return Advice{"a dead letter of group " + strings.TrimPrefix(m.Topic, mq.DLQPrefix),
			"goddard admin dlq redrive " + strings.TrimPrefix(m.Topic, mq.DLQPrefix) + " --id " + m.OffsetID}
	}
	return Advice{Text: fmt.Sprintf("stored at %s in topic %s, broker %s, queue %d, offset %d", stamp(m.Stored), m.Topic, m.Broker, m.Queue, m.Offset)}
}

func (m *Message) expires(now time.Time) Advice {
	if m.Gone || m.Stored.IsZero() {
		return Advice{}
	}
	if m.Retention == 0 {
		return Advice{Text: "how long the broker keeps messages is not known"}
	}
	end := m.Stored.Add(m.Retention)
	if end.Before(now) {
		return Advice{Text: fmt.Sprintf("older than the retention of %s: it goes with its segment, when the newest message in that is as old", m.Retention)}
	}
	return Advice{Text: fmt.Sprintf("kept until %s at least (retention %s), unless the disk fills up before", stamp(end), m.Retention)}
}

// fate decides what a group has done with the message. What happened last is
// asked first: a dead letter was retried, a retry was consumed.
func (m *Message) fate(g *Group, now time.Time) Fate {
	f := Fate{Group: g.Name}
	say := func(s State, do, format string, args ...any) Fate {
		f.State, f.Text, f.Do = s, fmt.Sprintf(format, args...), do
		return f
	}
	switch {
	case len(g.Dead) > 0:
		d := g.Dead[len(g.Dead)-1]
		return say(DeadLetter, "goddard admin dlq redrive "+g.Name+" --id "+d.OffsetID, "given up after %d tries at %s; it lies in %s, queue %d, offset %d",
			d.Tries, stamp(d.Stored), d.Topic, d.Queue, d.Offset)
	case len(g.Retries) > 0:
		return m.retrying(g, now, say)
	case g.InHand != nil:
		if g.InHand.Until.Before(now) {
			return say(Held, "", "popped at %s and not acknowledged; its time was up at %s, it comes back at once", stamp(g.InHand.Popped), stamp(g.InHand.Until))
		}
		return say(Held, "", "popped at %s and not acknowledged; it comes back at %s, %s", stamp(g.InHand.Popped), stamp(g.InHand.Until), fromNow(g.InHand.Until, now))
	case g.Parked != "":
		return say(Waiting, fmt.Sprintf("goddard admin fifo release %s %s %s", g.Name, m.Topic, g.Parked), "its message group %s is parked for this group", g.Parked)
	case g.Broadcasts:
		return say(MembersKnow, "", "the group broadcasts: each member keeps its own offset, the broker does not know them")
	case g.Committed > m.Offset:
		return m.behind(g, say)
	case g.Wants == nil && g.Online:
		return say(NeverRead, "", "its members do not subscribe to topic %s", m.Topic)
	case g.Committed < 0 && g.Pulls:
		return say(NeverRead, "", "the group pulls by itself and has committed nothing in this queue")
	}
	return m.waiting(g, say)
}

type sayFate func(s State, do, format string, args ...any) Fate

// behind is of a message that the group's offset is past.
func (m *Message) behind(g *Group, say sayFate) Fate {
	if matches, known := m.wanted(g.Wants); known && !matches {
		return say(Filtered, "", "the group's offset is past it, and its expression %q (%s) does not want it: tag %q", g.Wants.Expression, g.Wants.Type, m.Tags)
	}
	if g.Wants == nil {
		return say(Consumed, "", "the group's offset %d is past it; what its members subscribed to at that time is not known", g.Committed)
	}
	return say(Consumed, "", "the group's offset %d is past it", g.Committed)
}

// waiting is of a message that the group has yet to reach.
func (m *Message) waiting(g *Group, say sayFate) Fate {
	ahead := "nothing is committed in its queue yet"
	if g.Committed >= 0 {
		ahead = fmt.Sprintf("%d messages of its queue are before it", m.Offset-g.Committed)
	}
	switch {
	case g.Disabled:
		return say(Waiting, "goddard admin group update "+g.Name+" --consume=true", "the group may not consume; %s", ahead)
	case g.Forbidden:
		return say(Waiting, "goddard admin group allow "+g.Name+" "+m.Topic, "the group is forbidden to read the topic; %s", ahead)
	case !g.Online:
		return say(Waiting, "start a consumer of group "+g.Name, "no consumer of the group is connected; %s", ahead)
	}
	return say(Waiting, "goddard explain lag "+g.Name, "%s", ahead)
}

// retrying is of a message that the group failed on or did not acknowledge.
func (m *Message) retrying(g *Group, now time.Time, say sayFate) Fate {
	last := g.Retries[len(g.Retries)-1]
	switch {
	case !last.Due.IsZero() && last.Due.After(now):
		return say(Retrying, "", "failed %d times; the next try is due at %s, %s", last.Tries, stamp(last.Due), fromNow(last.Due, now))
	case g.RetryDone > last.Offset && last.Due.IsZero():
		return say(Consumed, "", "at try %d, from %s", last.Tries+1, last.Topic)
	case !g.Online:
		return say(Retrying, "start a consumer of group "+g.Name, "failed %d times; the next try waits in %s, and no consumer is connected", last.Tries, last.Topic)
	}
	return say(Retrying, "goddard explain lag "+g.Name, "failed %d times; the next try waits in %s, queue %d, offset %d", last.Tries, last.Topic, last.Queue, last.Offset)
}

// wanted reports whether a wish takes the message; known is false if that
// cannot be told.
func (m *Message) wanted(w *Wish) (matches, known bool) {
	switch {
	case w == nil:
		return false, false
	case w.Type == "SQL92":
		e, err := filter.Compile(w.Expression)
		if err != nil {
			return false, false
		}
		return e.MatchProperties(m.Properties), true
	case w.Type == "" || w.Type == "TAG":
		return TakesTag(w.Expression, m.Tags), true
	}
	return false, false
}

// TakesTag reports whether an expression such as "a || b" takes a tag.
func TakesTag(expression, tag string) bool {
	if expression == "" || expression == "*" {
		return true
	}
	for want := range strings.SplitSeq(expression, "||") {
		if strings.TrimSpace(want) == tag {
			return true
		}
	}
	return false
}

// stamp is a time for a person.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// fromNow is how far a time is from now.
func fromNow(t, now time.Time) string {
	d := t.Sub(now).Round(time.Second)
	if d < 0 {
		return "which is " + (-d).String() + " ago"
	}
	return "in " + d.String()
}
