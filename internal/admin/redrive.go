package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/wire"
)

// Where dead letters are sent, beside a topic's name.
const (
	ToRetry  = ""       // the retry topic of their group, which no other group reads
	ToOrigin = "origin" // the topic that they were sent to first, which all its groups read
)

// A Redrive says which dead letters to send again, whereto and how fast.
type Redrive struct {
	Group  string
	Filter DeadLetterFilter
	To     string  // ToRetry, ToOrigin or a topic
	Rate   float64 // messages a second; 0 for no limit
	Limit  int     // at most so many; 0 for all
	DryRun bool    // sends nothing
	// Each, if not nil, is called for each message before it is sent and may
	// change it. An error ends the run, and leaves the letter as it was.
	Each func(l *DeadLetter, m *mq.Message) error
	// Progress, if not nil, is called now and then and at the end.
	Progress func(RedriveProgress)
}

// A RedriveProgress says how far a run is.
type RedriveProgress struct {
	Sent    int           `json:"sent"`    // in a dry run, those that would be sent
	Found   int           `json:"found"`   // that an interrupted run had sent already
	Busy    int           `json:"busy"`    // that another run is sending, or was within the last minute
	Looked  int64         `json:"looked"`  // dead letters that were looked at
	Of      int64         `json:"of"`      // dead letters that there were at the start
	Elapsed time.Duration `json:"elapsed"` // nanoseconds
}

// Left is how long the run will take if it goes on as it did; false if that
// cannot be said.
func (p RedriveProgress) Left() (time.Duration, bool) {
	if p.Looked == 0 || p.Elapsed == 0 {
		return 0, false
	}
	return time.Duration(float64(p.Elapsed) * float64(p.Of-p.Looked) / float64(p.Looked)).Round(time.Second), true
}

// Redrive sends dead letters again, each at most once however often it is
// called and by whomever at the same time.
//
// Before it sends some it claims them in the ledger beside them, and afterwards
// it writes there that they are sent. If ctx ends, or sending fails, the ledger
// says exactly what was sent. A run that is killed leaves up to a hundred
// claims; a minute later the next run takes them over and asks the broker for
// each whether it was sent, by the id that its message carries. Letters of
// producers that give their messages no unique key cannot be asked for: of
// them up to a hundred may be sent twice after a kill.
func (c *Cluster) Redrive(ctx context.Context, r Redrive) (RedriveProgress, error) {
	choose, err := r.Filter.chooser()
	if err != nil {
		return RedriveProgress{}, err
	}
	queues, err := c.deadQueuesOf(ctx, r.Group, r.Filter)
	if err != nil {
		return RedriveProgress{}, err
	}
	if r.Limit <= 0 {
		r.Limit = math.MaxInt
	}
	run := &redriving{Redrive: r, c: c, choose: choose, id: strconv.FormatUint(rand.Uint64(), 36), start: time.Now()}
	for _, q := range queues {
		run.progress.Of += q.max - q.min
	}
	for _, q := range queues {
		if err = run.queue(ctx, q); err != nil {
			break
		}
	}
	run.tell()
	return run.progress, err
}

// A redriving is one run.
type redriving struct {
	Redrive
	c        *Cluster
	choose   *chooser
	id       string
	start    time.Time
	progress RedriveProgress
	claimed  time.Time       // when the letters at hand were; zero if they need no claim
	checked  map[string]bool // broker and topic where a message was seen to arrive
}

func (r *redriving) tell() {
	r.progress.Elapsed = time.Since(r.start)
	if r.Progress != nil {
		r.Progress(r.progress)
	}
}

// queue sends what is chosen in one queue.
func (r *redriving) queue(ctx context.Context, q *deadQueue) error {
	if !r.DryRun {
		if err := r.c.openLedger(ctx, q.broker); err != nil {
			return err
		}
	}
	for from := q.min; from < q.max && r.progress.Sent < r.Limit; {
		most := min(redriveBatch, r.Limit-r.progress.Sent)
		if r.Rate > 0 { // claims must not grow old
			most = min(most, max(1, int(r.Rate*claimTime.Seconds()/4)))
		}
		batch, next, err := r.c.choose(ctx, q, r.choose, from, most)
		if err != nil {
			return err
		}
		if err := r.batch(ctx, q, batch); err != nil {
			return err
		}
		r.progress.Looked += next - from
		r.progress.Busy, q.busy = r.progress.Busy+q.busy, 0
		from = next
		r.tell()
	}
	return nil
}

// batch claims dead letters, sends those that it got, and writes that down.
func (r *redriving) batch(ctx context.Context, q *deadQueue, letters []*DeadLetter) error {
	if len(letters) == 0 {
		return nil
	}
	// Letters of one group may go to several topics; each is claimed for its own.
	for len(letters) > 0 {
		to := r.to(letters[0])
		n := 1
		for n < len(letters) && r.to(letters[n]) == to {
			n++
		}
		if err := r.some(ctx, q, letters[:n], to); err != nil {
			return err
		}
		letters = letters[n:]
	}
	return nil
}

func (r *redriving) some(ctx context.Context, q *deadQueue, letters []*DeadLetter, to string) error {
	for _, l := range letters {
		if lite, ok := mq.Property(l.Record.Properties, mq.PropLiteTopic); ok && r.To == ToRetry {
			return fmt.Errorf("%w: dead letter %s is of the lite topic %s of %s, and consumers of lite topics read no retry topic; use --to %s, which reaches every group that wants it",
				mq.ErrInvalid, l.ID, lite, l.Origin, ToOrigin)
		}
	}
	if r.DryRun {
		for _, l := range letters {
			m := Revive(l, to)
			if err := r.call(l, &m); err != nil {
				return err
			}
			r.progress.Sent++
		}
		return nil
	}
	// Claims must not grow old while they wait for their turn.
	if err := r.pace(ctx); err != nil {
		return err
	}
	r.claimed = time.Now()
	if err := r.c.write(ctx, q, entry{Run: r.id, To: to, Claim: spans(offsetsOf(letters))}); err != nil {
		return err
	}
	var sent, free []int64
	var failed error
	for _, l := range letters {
		held, ok := q.ledger.held(l.Offset, r.id)
		switch {
		case !ok:
			r.progress.Busy++
			continue
		case failed != nil:
			free = append(free, l.Offset)
			continue
		}
		done, doubt, err := r.one(ctx, l, to, held)
		if done {
			sent = append(sent, l.Offset)
		} else if !doubt {
			free = append(free, l.Offset)
		}
		failed = err
	}
	// What was done is written down even if the run shall end.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.c.o.Timeout)
	defer cancel()
	return errors.Join(failed, r.c.write(ctx, q, entry{Run: r.id, Sent: spans(sent), Free: spans(free)}))
}

// one sends one dead letter. doubt says that it is not known whether it did.
func (r *redriving) one(ctx context.Context, l *DeadLetter, to string, held claim) (done, doubt bool, err error) {
	if held.doubt != nil {
		found, err := r.c.wasSent(ctx, l, held.doubt)
		if err != nil {
			return false, true, err
		}
		if found {
			r.progress.Found++
			return true, false, nil
		}
	}
	if err := r.pace(ctx); err != nil {
		return false, held.doubt != nil, err
	}
	m := Revive(l, to)
	if err := r.call(l, &m); err != nil {
		return false, held.doubt != nil, err
	}
	broker, err := r.c.broker(ctx, l.From, m.Topic)
	if err != nil {
		return false, held.doubt != nil, err
	}
	if age := time.Since(r.claimed); !r.claimed.IsZero() && age > claimTime/2 {
		return false, held.doubt != nil, fmt.Errorf("dead letter %s was claimed %v ago, so that another run may be about to send it: the broker is slow; run this again, which goes on with what was not sent",
			l.ID, age.Round(time.Second))
	}
	id, _, err := r.c.send(ctx, broker, &m)
	if err != nil {
		_, refused := errors.AsType[*RefusedError](err)
		return false, !refused, fmt.Errorf("dead letter %s of %s: %w", l.ID, l.Group, err)
	}
	r.progress.Sent++
	return true, false, r.arrived(ctx, broker, m.Topic, id)
}

func (r *redriving) call(l *DeadLetter, m *mq.Message) error {
	if r.Each == nil {
		return nil
	}
	return r.Each(l, m)
}

// pace waits until the rate allows one more message.
func (r *redriving) pace(ctx context.Context) error {
	if r.Rate <= 0 || r.progress.Sent == 0 {
		return ctx.Err()
	}
	due := r.start.Add(time.Duration(float64(r.progress.Sent) / r.Rate * float64(time.Second)))
	select {
	case <-time.After(time.Until(due)):
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// arrived looks once for each topic where a message came to lie: while members
// of a group consume in order, brokers put what is sent to its retry topic
// among its dead letters.
func (r *redriving) arrived(ctx context.Context, b Broker, topic, id string) error {
	if topic == "" || r.checked[b.Addr+" "+topic] {
		return nil
	}
	_, pos, err := mq.ParseOffsetID(id)
	if err != nil {
		return fmt.Errorf("%s answered with the message id %q: %w", b.Addr, id, err)
	}
	m, err := r.c.messageAt(ctx, b, pos)
	if err != nil {
		return err
	}
	if lies := string(m.Record.Topic); lies != topic {
		return fmt.Errorf("the broker put the message that was to go to %s into %s: members of group %s consume in order, and cannot take it out of its turn; use --to %s, or stop them first",
			topic, lies, r.Group, ToOrigin)
	}
	if r.checked == nil {
		r.checked = map[string]bool{}
	}
	r.checked[b.Addr+" "+topic] = true
	return nil
}

// to is the topic that a dead letter is to be sent to.
func (r *redriving) to(l *DeadLetter) string { return Destination(l, r.To) }

// Destination is the topic that a dead letter is sent to: to is ToRetry,
// ToOrigin or a topic.
func Destination(l *DeadLetter, to string) string {
	switch {
	case to == ToOrigin:
		return l.Origin
	case to != ToRetry:
		return to
	case l.retry != "":
		return l.retry
	}
	if _, popped := mq.Property(l.Record.Properties, mq.PropFirstPopTime); popped {
		return mq.RetryTopicPop(l.Group, l.Origin)
	}
	return mq.RetryTopic(l.Group)
}

// broker is the one to send a message for a topic to: the one that has the
// dead letter, if it has the topic or makes it, else one that has it.
func (c *Cluster) broker(ctx context.Context, near Broker, topic string) (Broker, error) {
	if mq.IsRetryTopic(topic) {
		return near, nil
	}
	masters, err := c.routeMasters(ctx, topic)
	if errors.Is(err, mq.ErrTopicNotFound) {
		return Broker{}, fmt.Errorf("%w; create it with `goddard admin topic create %s`, or choose another topic with --to", err, topic)
	}
	if err != nil {
		return Broker{}, err
	}
	for _, b := range masters {
		if b.Addr == near.Addr {
			return b, nil
		}
	}
	return masters[0], nil
}

// Revive is the message that a dead letter is sent again as. Its tries are
// counted anew; its properties say where it comes from, so that a second death
// is recognised.
func Revive(l *DeadLetter, to string) mq.Message {
	const kept = mq.FlagCompressed | mq.FlagCompressType | mq.FlagMultiTags
	m := l.Record.Message()
	m.Topic, m.QueueID, m.PreparedPos, m.ReconsumeTimes = to, -1, 0, 0
	m.SysFlag &= kept
	m.Properties = nil
	retry := to == mq.RetryTopic(l.Group)
	for k, v := range mq.Properties(l.Record.Properties) {
		switch key := string(k); {
		case dropped(key), key == mq.PropRetryTopic, key == mq.PropOriginMessageID && !retry:
		default:
			m.Properties = mq.AppendProperty(m.Properties, key, v)
		}
	}
	set := func(key, value string) { m.Properties = mq.AppendSettingProperty(nil, m.Properties, key, value) }
	if retry {
		// Clients show their listeners this topic instead of the retry topic.
		set(mq.PropRetryTopic, l.Origin)
	}
	times, _ := mq.Property(l.Record.Properties, mq.PropRedrivenTimes)
	n, _ := strconv.Atoi(string(times))
	set(mq.PropDLQOriginTopic, l.Origin)
	set(mq.PropDLQOriginID, cmp.Or(l.OriginID, l.ID))
	set(mq.PropRedrivenFrom, l.ID)
	set(mq.PropRedrivenTimes, strconv.Itoa(n+1))
	return m
}

// unpack is a message's body as its producer wrote it.
func unpack(r *mq.Record) ([]byte, error) { return remote.Body(r) }

// DeadLetterLimit is how often a group lets its messages be tried again on a
// broker, for DeadLetter.Why.
func (c *Cluster) DeadLetterLimit(ctx context.Context, l *DeadLetter) (int32, error) {
	g, err := c.Group(ctx, l.From.Addr, l.Group)
	if refusedWith(err, wire.CodeSubscriptionGroupNotExist) {
		return NewGroup(l.Group).RetryMax, nil
	}
	return g.RetryMax, err
}
