package broker

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
)

// A sending is what the broker remembers of a batch until it is stored. It is
// reused.
type sending struct {
	b       *Broker
	done    func(*mq.SendBatch) // the front end's
	finish  func(*mq.SendBatch) // s.finished, bound once
	topics  []*topic            // of each Send; nil where nothing is counted
	kinds   []meter.Kind        // of each Send
	kind    meter.Kind          // of the last that was prepared
	room    *topic              // where the last that has to wait does
	timed   []timedSend         // the Sends that wait for times of their own
	texts   []byte              // by which they are called back, one behind the other
	now     int64               // Unix milliseconds, once somebody has asked
	scratch []byte              // properties that were added to
	names   []mq.Names          // of messages, for the store
	halves  []sentHalf
	batch   *mq.SendBatch // while it is prepared
	handed  []*mq.Send    // that are delivered at most once
	claims  []*claim      // of messages whose topics want them once
	// open is how many results of claims are not known yet, and one more until
	// the batch is stored.
	open   atomic.Int32
	traced func() // the tracer's, nil if it follows none of the messages
}

// Send stores messages; see mq.SendBatch for how the results come back.
func (b *Broker) Send(batch *mq.SendBatch) {
	s := b.sendings.Get().(*sending)
	s.done, s.topics, s.kinds, s.timed, s.scratch = batch.Done, s.topics[:0], s.kinds[:0], s.timed[:0], s.scratch[:0]
	s.names, s.now, s.room = s.names[:0], 0, nil
	s.batch = batch
	s.open.Store(1)
	live := s.b.live.Load()
	var began time.Time
	if live.Tracer != nil {
		began = time.Now()
	}
	var last *topic
	stored := false
	for i := range batch.Sends {
		one := &batch.Sends[i]
		var t *topic
		s.kind = meter.KindUnspecified
		if one.Err == nil {
			if last == nil || last.Name != one.Topic {
				last = b.findTopic(one.Topic)
			}
			t, one.Err = s.prepare(live, one, last)
			stored = stored || one.Err == nil
		}
		s.topics, s.kinds = append(s.topics, t), append(s.kinds, s.kind)
	}
	if live.Tracer != nil {
		s.traced = live.Tracer.Send(batch.Sends, began)
	}
	if !stored {
		s.finished(batch)
		return
	}
	batch.Done = s.finish
	b.store.Append(batch)
}

// finished counts what was stored and tells the front end, unless results of
// other batches are needed for that.
func (s *sending) finished(batch *mq.SendBatch) {
	for _, h := range s.halves {
		// Its producer is told the queue that it chose.
		h.send.Result.QueueID = h.queue
	}
	clear(s.halves)
	s.halves = s.halves[:0]
	count := puts{b: s.b}
	for i := range batch.Sends {
		one := &batch.Sends[i]
		if t := s.topics[i]; one.Err == nil {
			count.add(t, one, s.kinds[i])
		} else if !errors.Is(one.Err, errDuplicate) && !errors.Is(one.Err, errHanded) {
			s.b.stats.putFailed.add(1)
			s.b.figures.rejected[reasonOf(one.Err)].Add(1)
		}
	}
	count.end()
	s.endTimed()
	if len(s.claims) == 0 {
		s.end(batch)
		return
	}
	s.settle()
	s.closeOne(batch)
}

// end tells the front end.
func (s *sending) end(batch *mq.SendBatch) {
	for _, one := range s.handed {
		one.Err = nil
	}
	clear(s.handed)
	s.handed = s.handed[:0]
	if s.traced != nil {
		s.traced()
		s.traced = nil
	}
	done := s.done
	batch.Done = done
	clear(s.topics)
	clear(s.timed)
	clear(s.names)
	if cap(s.names) > keptNames {
		s.names = nil
	}
	s.done, s.batch = nil, nil
	s.b.sendings.Put(s)
	done(batch)
}

// countPut counts messages of a kind that were stored.
func (b *Broker) countPut(t *topic, one *mq.Send, kind meter.Kind) {
	count := puts{b: b}
	count.add(t, one, kind)
	count.end()
}

// puts counts messages that were stored together, so that figures which all
// senders add to are added to once for each topic and size among them.
type puts struct {
	b        *Broker
	t        *topic // nil where it is not counted
	kind     meter.Kind
	sends    int64
	messages int64
	bytes    int64
	size     int64 // of the last messages,
	same     int64 // of which there are so many
}

// add counts the messages of a Send.
func (p *puts) add(t *topic, one *mq.Send, kind meter.Kind) {
	if p.t != t || p.kind != kind {
		p.end()
		p.t, p.kind = t, kind
	}
	p.sends++
	p.message(&one.Message)
	for i := range one.More {
		p.message(&one.More[i])
	}
}

func (p *puts) message(m *mq.Message) {
	size := int64(storedSize(m))
	if size != p.size {
		p.endSize()
		p.size = size
	}
	p.same++
	p.messages++
	p.bytes += size
}

// endSize adds messages of one size.
func (p *puts) endSize() {
	if p.t != nil && p.same > 0 {
		p.t.in.Count(p.kind, p.size, p.same)
	}
	p.same = 0
}

// end adds what was counted.
func (p *puts) end() {
	if p.sends == 0 {
		return
	}
	p.endSize()
	p.b.stats.putTotal.addMany(p.messages, p.sends)
	p.b.stats.putSize.addMany(p.bytes, p.sends)
	if p.t != nil {
		p.t.putNums.addMany(p.messages, p.sends)
		p.t.putSize.addMany(p.bytes, p.sends)
	}
	p.sends, p.messages, p.bytes = 0, 0, 0
}

// storedSize is about the size of a stored message.
func storedSize(m *mq.Message) int {
	return mq.MinRecordSize + len(m.Topic) + len(m.Properties) + len(m.Body)
}

// prepare checks a message and makes of it what is stored. t is its topic, nil
// if it does not exist. It returns the topic that the message is counted for.
func (s *sending) prepare(live *live, one *mq.Send, t *topic) (*topic, error) {
	b := s.b
	if b.closing.Load() {
		return nil, mq.ErrClosed
	}
	t, err := b.admit(live, one, t)
	if err != nil {
		return nil, err
	}
	if err := limitSend(s.batch.From, t, one); err != nil {
		return nil, err
	}
	seen := examine(one.Properties)
	s.kind = seen.counted()
	if err := checkPassing(one, &seen); err != nil {
		return nil, err
	}
	if seen.half && len(one.More) == 0 {
		if err := b.admitHalf(live, one, &seen); err != nil {
			return nil, err
		}
	}
	if err := checkSupported(one, &seen); err != nil {
		return nil, err
	}
	if err := b.checkKind(live, one, t, &seen); err != nil {
		return nil, err
	}
	if len(one.More) > 0 {
		return t, s.prepareMore(live, one, t, seen.qos)
	}
	if seen.lite {
		dispatchLite(&one.Message, t, &seen)
	}
	if strings.HasPrefix(one.Topic, mq.RetryPrefix) && seen.qos != qosZero {
		if t, err = s.retry(one, t, &seen); err != nil {
			return nil, err
		}
	}
	if seen.priority >= 0 {
		prioritize(one, t, &seen)
	}
	s.describe(live, one, &seen)
	if seen.qos == qosZero {
		return t, s.pass(one, t)
	}
	once := t.once
	switch {
	case seen.plain():
		one.Names = s.keep(&seen)
	case seen.half:
		t = s.prepareHalf(one)
	case seen.delay > 0:
		s.delay(one, &seen)
		t = s.waitingRoom(one, t)
	case seen.timer && !seen.out:
		if err := s.time(live, one, t, &seen); err != nil {
			return nil, err
		}
		t = s.waitingRoom(one, t)
	}
	// Offsets in light queues are added when the message is delivered.
	if n := len(one.Properties) + mq.LightOffsetsSize(seen.LightQueues); n > mq.MaxPropertiesSize {
		return nil, fmt.Errorf("%w: the properties have %d bytes with those that the broker adds, at most %d can be stored", mq.ErrMessageIllegal, n, mq.MaxPropertiesSize)
	}
	if once != nil && seen.unique {
		return t, s.claim(one, once)
	}
	return t, nil
}

// admit says whether a message may be sent to its topic at all, and chooses
// its queue. It creates the topic where that is allowed.
func (b *Broker) admit(live *live, one *mq.Send, t *topic) (*topic, error) {
	if *live.Permission&mq.PermWrite == 0 {
		return nil, fmt.Errorf("%w: the broker[%s] sending message is forbidden (broker-permission)", mq.ErrDenied, live.Name)
	}
	if mq.SendForbidden(one.Topic) {
		return nil, fmt.Errorf("%w: sending message to topic[%s] is forbidden, it belongs to the broker", mq.ErrDenied, one.Topic)
	}
	if err := checkSize(live, one); err != nil {
		return nil, err
	}
	if t == nil {
		var err error
		if t, err = b.autoCreate(one); err != nil {
			return nil, err
		}
	}
	if t.Perm&mq.PermWrite == 0 {
		return nil, fmt.Errorf("%w: the topic[%s] sending message is forbidden; give it permission 6 with `goddard admin topic update`", mq.ErrDenied, t.Name)
	}
	if one.QueueID < 0 {
		if t.WriteQueues == 0 {
			return nil, fmt.Errorf("%w: the topic[%s] has no queues to write to", mq.ErrDenied, t.Name)
		}
		one.QueueID = int32(t.turn.Add(1) % uint32(t.WriteQueues))
	} else if one.QueueID >= max(t.ReadQueues, t.WriteQueues) {
		return nil, checkQueue(t, one.QueueID)
	}
	if t.FilterType == multiTag {
		one.SysFlag |= mq.FlagMultiTags
	}
	return t, nil
}

func checkSize(live *live, one *mq.Send) error {
	size := len(one.Body)
	for i := range one.More {
		size += len(one.More[i].Body)
	}
	if size > live.MaxMessageSize {
		return fmt.Errorf("%w: the body has %d bytes, at most %d are allowed (max-message-size, maxMessageSize)", mq.ErrMessageTooLarge, size, live.MaxMessageSize)
	}
	if n := len(one.Properties); n > mq.MaxPropertiesSize {
		return fmt.Errorf("%w: the properties have %d bytes, at most %d are allowed", mq.ErrMessageIllegal, n, mq.MaxPropertiesSize)
	}
	return nil
}

// checkSupported refuses what must not be stored as an ordinary message.
func checkSupported(one *mq.Send, seen *properties) error {
	switch {
	case !seen.half && one.SysFlag&mq.FlagTransaction != 0:
		return fmt.Errorf("%w: its system flag %#x says that it is part of a transaction, its properties do not (%s)", mq.ErrMessageIllegal, one.SysFlag, mq.PropTransaction)
	case seen.innerNum || one.SysFlag&mq.FlagInnerBatch != 0:
		return fmt.Errorf("%w: a packed batch (%s) is only for topics of batch queues, which this broker has not", mq.ErrMessageIllegal, mq.PropInnerNum)
	}
	return nil
}

// prepareMore prepares a batch, the first message of which says safely.
func (s *sending) prepareMore(live *live, one *mq.Send, t *topic, safely qos) error {
	err := s.checkMore(live, one, t, safely)
	switch {
	case err != nil:
		return err
	case safely == qosZero:
		return s.pass(one, t)
	case t.once != nil:
		return s.claimAll(one, t.once)
	}
	return nil
}

// checkMore checks the messages of a batch, which are stored as they are.
func (s *sending) checkMore(live *live, one *mq.Send, t *topic, safely qos) error {
	if strings.HasPrefix(one.Topic, mq.RetryPrefix) {
		return fmt.Errorf("%w: a batch cannot be sent to a retry topic", mq.ErrMessageIllegal)
	}
	for i := -1; i < len(one.More); i++ {
		m := &one.Message
		if i >= 0 {
			m = &one.More[i]
		}
		if len(m.Properties) > mq.MaxPropertiesSize {
			return fmt.Errorf("%w: the properties of message %d of the batch have %d bytes, at most %d are allowed", mq.ErrMessageIllegal, i+2, len(m.Properties), mq.MaxPropertiesSize)
		}
		seen := examine(m.Properties)
		if err := checkPassing(one, &seen); err != nil {
			return err
		}
		if (seen.qos == qosZero) != (safely == qosZero) {
			return fmt.Errorf("%w: some messages of the batch have %s = 0 and some have not; send them apart", mq.ErrMessageIllegal, mq.PropQoS)
		}
		if seen.delay > 0 || seen.timer || seen.half || seen.innerNum {
			return fmt.Errorf("%w: message %d of the batch is delayed, transactional or packed itself; send it alone", mq.ErrMessageIllegal, i+2)
		}
		if err := s.b.checkKind(live, one, t, &seen); err != nil {
			return fmt.Errorf("message %d of the batch: %w", i+2, err)
		}
		if seen.lite {
			dispatchLite(m, t, &seen)
		} else {
			m.Names = s.keep(&seen)
		}
	}
	return nil
}

// keptNames is how many names an idle sending has room for at most.
const keptNames = 1 << 10

// keep keeps the names that were seen in a message until it is stored.
func (s *sending) keep(seen *properties) *mq.Names {
	s.names = append(s.names, seen.Names)
	return &s.names[len(s.names)-1]
}

// retry sends a message that came back from its consumer to the dead letters,
// if it has been tried often enough.
func (s *sending) retry(one *mq.Send, t *topic, seen *properties) (*topic, error) {
	g, popped, err := s.b.retryGroup(one.Topic)
	if err != nil {
		return nil, err
	}
	limit := g.RetryMax
	if one.MaxReconsumes != nil {
		limit = *one.MaxReconsumes
	}
	// An ordered consumer cannot take the message out of its turn. Pops can, and
	// count tries when a delivery is over.
	if popped && one.ReconsumeTimes <= limit || one.ReconsumeTimes < limit && !s.b.locks.held(g.Name) {
		return t, nil
	}
	dead, err := s.b.createTopic(innerTopic(mq.DLQTopic(g.Name), 1))
	if err != nil {
		return nil, err
	}
	s.b.countDead(g.Name, one.Topic)
	one.Topic, one.QueueID = dead.Name, 0
	one.Properties = mq.AppendSettingProperty(nil, one.Properties, mq.PropDelay, "-1")
	*seen = examine(one.Properties)
	return dead, nil
}

// describe adds the properties that the broker adds to every message.
func (s *sending) describe(live *live, one *mq.Send, seen *properties) {
	start := len(s.scratch)
	buf := s.scratch
	if seen.ours {
		for k, v := range mq.Properties(one.Properties) {
			if name := string(k); !ours(name) && !strings.HasPrefix(name, mq.PropTransientPrefix) {
				buf = mq.AppendProperty(buf, name, v)
			}
		}
	} else {
		buf = append(buf, one.Properties...)
		if n := len(buf); n > start && buf[n-1] != propertyEnd {
			buf = append(buf, propertyEnd)
		}
	}
	if !seen.unique {
		n := len(buf) + len(mq.PropUniqueKey) + 1
		buf = s.b.ids.appendProperty(buf)
		seen.UniqueKey = buf[n : len(buf)-1]
	}
	buf = append(buf, live.suffix...)
	s.scratch = buf
	one.Properties = buf[start:len(buf):len(buf)]
}

// waitingRoom is the topic that a message is counted for which is stored, for
// now, in a topic of the broker's; t where it is not.
func (s *sending) waitingRoom(one *mq.Send, t *topic) *topic {
	if one.Topic == t.Name {
		return t
	}
	if s.room == nil || s.room.Name != one.Topic {
		s.room = s.b.topics.table.get(one.Topic)
	}
	return s.room
}

// delay sends a message to the queue of its delay level.
func (s *sending) delay(one *mq.Send, seen *properties) {
	if seen.timer || seen.real {
		// A delay level wins over a delay of the message's own.
		props := one.Properties
		one.Properties = nil
		for k, v := range mq.Properties(props) {
			if name := string(k); !timerProperty(name) && name != mq.PropRealTopic && name != mq.PropRealQueueID {
				one.Properties = mq.AppendProperty(one.Properties, name, v)
			}
		}
	}
	level := min(int(seen.delay), s.b.timer.Levels())
	buf, start := s.extend(one.Properties)
	buf = mq.AppendProperty(buf, mq.PropRealTopic, one.Topic)
	var id [12]byte
	buf = mq.AppendProperty(buf, mq.PropRealQueueID, strconv.AppendInt(id[:0], int64(one.QueueID), 10))
	s.scratch = buf
	one.Properties = buf[start:len(buf):len(buf)]
	one.Topic, one.QueueID, one.Names = mq.TopicSchedule, int32(level-1), s.keep(seen)
}

// What stands between key and value and behind a value (see mq.Properties).
const (
	propertyEquals = 1
	propertyEnd    = 2
)

// properties is what the broker wants to know about those of a message, and what
// the store will: both look at each message that is stored.
type properties struct {
	mq.Names
	delay    int64 // level, 0 if none
	delayed  bool  // says a level, even if it is 0
	half     bool  // of a transaction
	timer    bool  // has a delay of its own,
	when     when  // this one
	out      bool  // says when that delay ended: it is over
	unique   bool  // has a unique key
	ours     bool  // has some that the broker sets or drops
	real     bool  // says where it is meant for
	recalls  bool  // calls another one back
	moved    bool  // stands in for one that waited
	innerNum bool
	sharding bool  // belongs into an order
	priority int32 // -1 if none
	lite     bool  // names a lite topic, this one:
	liteName []byte
	qos      qos
}

// plain reports whether a message is stored as it came, in its own topic.
func (seen *properties) plain() bool {
	return !seen.half && seen.delay <= 0 && (!seen.timer || seen.out) && !seen.lite
}

// examine looks at all properties once.
func examine(props []byte) (seen properties) {
	seen.priority = -1
	for len(props) > 0 {
		end := bytes.IndexByte(props, propertyEnd)
		entry := props
		if end >= 0 {
			entry, props = props[:end], props[end+1:]
		} else {
			props = nil
		}
		eq := bytes.IndexByte(entry, propertyEquals)
		if eq <= 0 || eq == len(entry)-1 {
			continue
		}
		seen.note(entry[:eq], entry[eq+1:])
	}
	return seen
}

func (seen *properties) note(key, value []byte) {
	switch string(key) {
	case mq.PropUniqueKey:
		seen.unique, seen.UniqueKey = true, value
	case mq.PropKeys:
		seen.Keys = value
	case mq.PropTags:
		seen.Tag = value
	case mq.PropDelay:
		seen.delay, _ = strconv.ParseInt(string(value), 10, 32)
		seen.delayed = true
	case mq.PropTransaction:
		seen.half = strings.EqualFold(string(value), "true")
	case mq.PropTimerDelaySec:
		seen.timer = true
		seen.when.say(inSeconds, value)
	case mq.PropTimerDelayMs:
		seen.timer = true
		seen.when.say(inMillis, value)
	case mq.PropTimerDeliverMs:
		seen.timer = true
		seen.when.say(atTime, value)
	case mq.PropTimerDeleteUniq:
		seen.recalls = true
	case mq.PropTimerMovedFrom:
		seen.moved = true
	case mq.PropTimerOutMs:
		seen.out = true
	case mq.PropRealTopic, mq.PropRealQueueID:
		seen.real = true
	case mq.PropQoS:
		seen.qos = parseQoS(value)
	case mq.PropInnerNum:
		seen.innerNum = true
	case mq.PropShardingKey:
		seen.sharding = true
	case mq.PropPriority:
		seen.priority = parsePriority(value)
	case mq.PropMultiDispatch:
		seen.LightQueues = value
	case mq.PropLiteTopic:
		seen.lite, seen.liteName = true, value
	case mq.PropCluster, mq.PropRegion, mq.PropTraceOn:
		seen.ours = true
	default:
		if len(key) > 2 && key[0] == '_' && key[1] == '_' && strings.HasPrefix(string(key), mq.PropTransientPrefix) {
			seen.ours = true
		}
	}
}

// ours reports whether the broker sets a property itself.
func ours(key string) bool {
	return key == mq.PropCluster || key == mq.PropRegion || key == mq.PropTraceOn
}

func timerProperty(key string) bool {
	return key == mq.PropTimerDelaySec || key == mq.PropTimerDelayMs || key == mq.PropTimerDeliverMs
}
