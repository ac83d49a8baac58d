package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Lag is what was found out about how far a consumer group is.
type Lag struct {
	Group    string   `json:"group"`
	Disabled bool     `json:"disabled,omitempty"` // may not consume
	Model    string   `json:"model,omitempty"`
	Members  []Member `json:"members"`
	Topics   []Topic  `json:"topics"`
	Queues   []Queue  `json:"-"`
	Unknown  []string `json:"unknown,omitempty"`
}

// A Member is a client of the group.
type Member struct {
	ID            string    `json:"id"`
	Addr          string    `json:"addr"`
	Language      string    `json:"language"`
	Version       string    `json:"version"`
	Silent        string    `json:"silent,omitempty"` // why it does not say what it does
	Queues        int       `json:"queues"`           // that it reads
	Failing       float64   `json:"failing"`          // messages a second that it failed on
	Subscriptions []string  `json:"subscriptions,omitempty"`
	Newest        time.Time `json:"newest,omitzero"` // when it last consumed anything
}

// A Topic is what the group has to do with one topic.
type Topic struct {
	Name       string   `json:"name"`
	Forbidden  bool     `json:"forbidden,omitempty"`
	Unreadable []string `json:"unreadable,omitempty"` // brokers whose permission does not let it be read
	In         float64  `json:"in"`                   // messages a second that are sent, over the last minute
	Out        float64  `json:"out"`                  // that the group gets
	Limited    string   `json:"limited,omitempty"`    // the attributes that limit the group
	Parked     int      `json:"parked,omitempty"`     // message groups
	Stuck      []Stuck  `json:"stuck,omitempty"`
}

// Stuck is a message group whose first message does not get done.
type Stuck struct {
	Key    string `json:"message_group"`
	Queue  int32  `json:"queue"`
	Tries  int32  `json:"tries"`
	InHand bool   `json:"in_hand"`
	Behind int64  `json:"behind"` // messages that wait for it
}

// A Queue is how far the group is in one queue.
type Queue struct {
	Topic     string    `json:"topic"`
	Broker    string    `json:"broker"`
	Queue     int32     `json:"queue"`
	Committed int64     `json:"committed"`
	End       int64     `json:"end"`
	InHand    int64     `json:"in_hand,omitempty"` // popped and not acknowledged
	Next      time.Time `json:"next,omitzero"`     // when the first message that waits was stored
	Owner     string    `json:"owner,omitempty"`   // member that reads it
	Cached    int32     `json:"cached,omitempty"`  // messages that the owner has fetched
	First     int64     `json:"first,omitempty"`   // offset of the first of these
	Pulled    time.Time `json:"pulled,omitzero"`   // when the owner last asked
	Consumed  time.Time `json:"consumed,omitzero"` // when the owner last consumed one
	Ordered   bool      `json:"ordered,omitempty"` // the owner takes it in order
	Locked    bool      `json:"locked,omitempty"`  // and has its lock
}

func (q *Queue) lag() int64 { return max(0, q.End-q.Committed) }

// A QueueVerdict is a queue with its lag in words.
type QueueVerdict struct {
	Queue
	Lag    int64         `json:"lag"`
	Behind time.Duration `json:"-"` // age of the first message that waits
	Millis int64         `json:"behind_ms"`
	Advice `json:"verdict"`
}

// A LagAccount says why a group lags.
type LagAccount struct {
	Lag
	Total   int64          `json:"lag"`
	Queues  []QueueVerdict `json:"queues"`
	Verdict []Advice       `json:"verdict"`
}

// stale is how long a member may be without asking for or doing anything before
// that is worth a word.
const stale = 30 * time.Second

// TellLag gives account of a group's lag.
func TellLag(l Lag, now time.Time) LagAccount {
	a := LagAccount{Lag: l, Queues: []QueueVerdict{}}
	for _, q := range l.Queues {
		v := QueueVerdict{Queue: q, Lag: q.lag()}
		if v.Lag > 0 && !q.Next.IsZero() {
			v.Behind = max(0, now.Sub(q.Next))
			v.Millis = v.Behind.Milliseconds()
		}
		v.Advice = l.queue(&q, now)
		a.Total += v.Lag
		a.Queues = append(a.Queues, v)
	}
	a.Verdict = l.verdict(a, now)
	return a
}

// queue says why a queue is not read to its end.
func (l *Lag) queue(q *Queue, now time.Time) Advice {
	t := l.topic(q.Topic)
	switch {
	case q.lag() == 0 && q.InHand > 0:
		return Advice{Text: fmt.Sprintf("all is delivered, %d are in hand", q.InHand)}
	case q.lag() == 0:
		return Advice{Text: "up to date"}
	case l.Disabled, t.Forbidden, len(l.Members) == 0, slices.Contains(t.Unreadable, q.Broker):
		return Advice{Text: "nobody may read it or is there to; see the verdict"}
	case q.Owner == "" && !l.says():
		return Advice{Text: "who reads it is not known: no member says what it does"}
	case q.Owner == "" && l.pops():
		return Advice{Text: "popped by any member"}
	case q.Owner == "":
		return Advice{"no member reads it", "restart the members, or wait for them to share the queues anew (20s)"}
	case q.Ordered && !q.Locked:
		return Advice{"its owner has not got the lock of the queue: another member holds it, or did until it went (up to 60s)", ""}
	case q.Cached > 0 && !q.Consumed.IsZero() && now.Sub(q.Consumed) > stale:
		return Advice{fmt.Sprintf("its owner has %d messages and finished none for %s: it works on offset %d or hangs there", q.Cached, now.Sub(q.Consumed).Round(time.Second), q.First),
			"look at the member's threads; the message: goddard admin message index " + q.Topic + fmt.Sprintf(" --queue %d --from %d --count 1", q.Queue, q.First)}
	case !q.Pulled.IsZero() && now.Sub(q.Pulled) > stale:
		return Advice{fmt.Sprintf("its owner has not asked for messages for %s: it is suspended, or full with %d messages that it has not worked off", now.Sub(q.Pulled).Round(time.Second), q.Cached), "look at the member"}
	case q.Cached > 0:
		return Advice{Text: fmt.Sprintf("its owner works on it, %d messages are fetched", q.Cached)}
	}
	return Advice{Text: "its owner reads it"}
}

// says reports whether any member says what it does.
func (l *Lag) says() bool {
	return slices.ContainsFunc(l.Members, func(m Member) bool { return m.Silent == "" })
}

// pops reports whether messages are in hand out of order, as those of pops are.
func (l *Lag) pops() bool {
	return slices.ContainsFunc(l.Queues, func(q Queue) bool { return q.InHand > 0 })
}

func (l *Lag) topic(name string) Topic {
	for _, t := range l.Topics {
		if t.Name == name {
			return t
		}
	}
	return Topic{Name: name}
}

// verdict is the group's state in sentences, what weighs most first.
func (l *Lag) verdict(a LagAccount, now time.Time) []Advice {
	var all []Advice
	add := func(do, format string, args ...any) { all = append(all, Advice{fmt.Sprintf(format, args...), do}) }
	if l.Disabled {
		add("goddard admin group update "+l.Group+" --consume=true", "the group may not consume")
	}
	if len(l.Members) == 0 {
		add("start a consumer of group "+l.Group, "no consumer is connected")
	}
	for _, t := range l.Topics {
		l.aboutTopic(t, a, add)
	}
	l.aboutMembers(a, now, add)
	switch {
	case len(l.Queues) == 0 && len(all) == 0:
		add("", "the group has committed nothing yet, so how far it is can not be told")
	case a.Total == 0 && len(all) == 0:
		add("", "the group is up to date")
	}
	if a.Total > 0 && len(all) == 0 {
		l.aboutRates(a, add)
	}
	return all
}

type addAdvice func(do, format string, args ...any)

func (l *Lag) aboutTopic(t Topic, a LagAccount, add addAdvice) {
	if t.Forbidden {
		add("goddard admin group allow "+l.Group+" "+t.Name, "the group is forbidden to read topic %s", t.Name)
	}
	if len(t.Unreadable) > 0 {
		add("goddard admin topic perm "+t.Name+" --perm 6", "topic %s cannot be read on %s: its permission, or the broker's", t.Name, strings.Join(t.Unreadable, ", "))
	}
	if t.Limited != "" && a.Total > 0 {
		add("goddard admin group describe "+l.Group, "the group is slowed down to %s", t.Limited)
	}
	if t.Parked > 0 {
		add("goddard admin fifo list "+l.Group+" "+t.Name, "%d message groups of topic %s are parked", t.Parked, t.Name)
	}
	for _, s := range t.Stuck[:min(len(t.Stuck), 3)] {
		add(fmt.Sprintf("goddard admin fifo park %s %s %s", l.Group, t.Name, s.Key),
			"message group %q of topic %s, queue %d does not get on: its first message was tried %d times, %d wait for it", s.Key, t.Name, s.Queue, s.Tries, s.Behind)
	}
}

func (l *Lag) aboutMembers(a LagAccount, now time.Time, add addAdvice) {
	subscribed := map[string][]string{} // members by what they subscribe to
	for _, m := range l.Members {
		if len(m.Subscriptions) > 0 {
			key := strings.Join(m.Subscriptions, ", ")
			subscribed[key] = append(subscribed[key], m.ID)
		}
		if m.Failing > 0 {
			add("look at the log of "+m.ID, "%s fails on %.1f messages a second; they come back later", m.ID, m.Failing)
		}
	}
	if len(subscribed) > 1 {
		add("give all members of a group the same subscriptions", "the members subscribe to different things, so messages are lost between them: %s", differences(subscribed))
	}
	owned := 0
	for _, q := range l.Queues {
		if q.Owner != "" {
			owned++
		}
	}
	idle := 0
	for _, m := range l.Members {
		if m.Silent == "" && m.Queues == 0 {
			idle++
		}
	}
	if idle > 0 && owned > 0 && a.Total > 0 && !l.pops() {
		add("give the topic more queues, or run fewer members", "%d of %d members have no queue to read", idle, len(l.Members))
	}
	hanging := 0
	for _, q := range a.Queues {
		if q.Lag > 0 && q.Do != "" {
			hanging++
		}
	}
	if hanging > 0 {
		add("see the queues below", "%d of %d queues do not get on", hanging, len(a.Queues))
	}
}

func differences(subscribed map[string][]string) string {
	var all []string
	for what, who := range subscribed {
		slices.Sort(who)
		all = append(all, strings.Join(who, ", ")+" to "+what)
	}
	slices.SortFunc(all, cmp.Compare[string])
	return strings.Join(all, "; ")
}

// aboutRates is about a group in which nothing is wrong but the lag.
func (l *Lag) aboutRates(a LagAccount, add addAdvice) {
	var in, out float64
	for _, t := range l.Topics {
		in, out = in+t.In, out+t.Out
	}
	switch {
	case out == 0:
		add("look at the members", "%d messages wait and the group got none within the last minute", a.Total)
	case out > in:
		add("", "%d messages wait; %.0f a second come in and %.0f go out, so the group is there in about %s", a.Total, in, out, time.Duration(float64(a.Total)/(out-in)*float64(time.Second)).Round(time.Second))
	default:
		add("run more members, up to the number of queues", "%d messages wait; %.0f a second come in and %.0f go out, so it will be more", a.Total, in, out)
	}
}
