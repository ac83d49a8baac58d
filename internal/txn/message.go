package txn

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// What an op message looks like: RocketMQ's tag, and a property of ours for one
// that only gives the half message up.
const (
	opTag       = "d"
	propGivenUp = "GIVEN_UP"
)

// maxRest bounds the rest that a producer may ask for, in seconds.
const maxRest = 366 * 24 * 3600

// Prepare makes a half message of one that was sent. The properties are
// appended to scratch, which is returned.
func Prepare(m *mq.Message, scratch []byte) []byte {
	start := len(scratch)
	buf := scratch
	var id []byte
	for k, v := range mq.Properties(m.Properties) {
		switch key := string(k); key {
		case mq.PropRealTopic, mq.PropRealQueueID, mq.PropTransactionID, mq.PropCheckTimes, mq.PropPreparedOffset:
			continue
		case mq.PropUniqueKey:
			id = v
			fallthrough
		default:
			buf = mq.AppendProperty(buf, key, v)
		}
	}
	buf = mq.AppendProperty(buf, mq.PropTransactionID, id)
	buf = mq.AppendProperty(buf, mq.PropRealTopic, m.Topic)
	var digits [12]byte
	buf = mq.AppendProperty(buf, mq.PropRealQueueID, strconv.AppendInt(digits[:0], int64(m.QueueID), 10))
	m.Properties = buf[start:len(buf):len(buf)]
	m.Topic, m.QueueID = halfQueue.Topic, halfQueue.ID
	m.SysFlag &^= mq.FlagTransaction
	return buf
}

// words are the properties of a half message that mean something here.
type words struct {
	topic, queue []byte // that it is meant for
	group, key   []byte
	checks, rest []byte
}

// note takes over one property, and reports whether the message that is committed
// keeps it. Of several with one key the last counts.
func (w *words) note(k, v []byte) (kept bool) {
	switch string(k) {
	case mq.PropRealTopic:
		w.topic = v
	case mq.PropRealQueueID:
		w.queue = v
	case mq.PropCheckTimes:
		w.checks = v
	case mq.PropProducerGroup:
		w.group = v
		return true
	case mq.PropUniqueKey:
		w.key = v
		return true
	case mq.PropCheckImmunity:
		w.rest = v
		return true
	default:
		return true
	}
	return false
}

// wordsOf looks at all properties once.
func wordsOf(props []byte) (w words) {
	for k, v := range mq.Properties(props) {
		w.note(k, v)
	}
	return w
}

// wordsAndKept is wordsOf that appends what the message keeps which is committed
// to scratch.
func wordsAndKept(props, scratch []byte) (w words, _ []byte) {
	for k, v := range mq.Properties(props) {
		if w.note(k, v) {
			scratch = mq.AppendProperty(scratch, string(k), v)
		}
	}
	return w, scratch
}

// half is what the core needs of a half message.
func (w *words) half(born int64) half {
	h := half{born: born}
	if w.rest != nil {
		// Not a number is no rest, but says as well that there is one.
		seconds, _ := strconv.ParseInt(string(w.rest), 10, 64)
		h.rest = max(1, min(seconds, maxRest)*1000)
	}
	if w.checks != nil {
		n, _ := strconv.ParseInt(string(w.checks), 10, 32)
		h.checks = int32(max(0, n))
	}
	hash := fnv.New64a()
	hash.Write(w.key)
	h.key = hash.Sum64()
	return h
}

// halfOf is what the core needs of a half message.
func halfOf(r mq.Record) half {
	w := wordsOf(r.Properties)
	return w.half(r.BornTime)
}

// target is where a half message is meant for. If that is in the topic last, it
// makes no garbage.
func (w *words) target(last string) (mq.Queue, error) {
	queue, err := strconv.ParseInt(string(w.queue), 10, 32)
	if len(w.topic) == 0 || err != nil || queue < 0 {
		return mq.Queue{}, fmt.Errorf("%w: %s is %q and %s is %q", mq.ErrTransaction, mq.PropRealTopic, w.topic, mq.PropRealQueueID, w.queue)
	}
	if last != string(w.topic) {
		last = string(w.topic)
	}
	return mq.Queue{Topic: last, ID: int32(queue)}, nil
}

// target is where a half message is meant for.
func target(r mq.Record) (mq.Queue, error) {
	w := wordsOf(r.Properties)
	return w.target("")
}

// committed is the message that a half message becomes, as RocketMQ delivers
// it: with its transaction in the system flag and the half's position. It has the
// properties that wordsAndKept says.
func committed(r *mq.Record, q mq.Queue, checks int32, kept []byte) mq.Message {
	if checks > 0 {
		kept = mq.AppendProperty(slices.Clip(kept), mq.PropCheckTimes, strconv.Itoa(int(checks)))
	}
	return mq.Message{
		Topic: q.Topic, QueueID: q.ID, Flag: r.Flag, SysFlag: r.SysFlag&^mq.FlagTransaction | mq.FlagCommitted,
		BornTime: r.BornTime, BornHost: r.BornHost, ReconsumeTimes: r.ReconsumeTimes, PreparedPos: int64(r.Pos),
		Properties: kept, Body: r.Body,
	}
}

// givenUp is the copy of a half message among those that were given up.
func givenUp(r mq.Record, checks int32) mq.Send {
	m := r.Message()
	m.Topic, m.QueueID = mq.TopicTransCheckMax, 0
	m.Properties = without(r.Properties, mq.PropCheckTimes, mq.PropPreparedOffset)
	m.Properties = mq.AppendProperty(m.Properties, mq.PropCheckTimes, strconv.Itoa(int(checks)))
	m.Properties = mq.AppendProperty(m.Properties, mq.PropPreparedOffset, strconv.FormatInt(int64(r.QueueOffset), 10))
	return mq.Send{Message: m}
}

// renewed is a half message that was given up as it is stored once more.
func renewed(r mq.Record) mq.Send {
	m := r.Message()
	m.Topic, m.QueueID = halfQueue.Topic, halfQueue.ID
	m.Properties = without(r.Properties, mq.PropCheckTimes, mq.PropPreparedOffset)
	m.Properties = mq.AppendProperty(m.Properties, mq.PropCheckTimes, "0")
	return mq.Send{Message: m}
}

// opMessage says in the op topic that half messages are ended, or given up.
func opMessage(halves []mq.QueueOffset, givenUp bool) mq.Send {
	m := mq.Message{Topic: opQueue.Topic, QueueID: opQueue.ID, BornTime: time.Now().UnixMilli(), Body: make([]byte, 0, 12*len(halves))}
	for _, at := range halves {
		m.Body = append(strconv.AppendInt(m.Body, int64(at), 10), ',')
	}
	m.Properties = mq.AppendProperty(nil, mq.PropTags, opTag)
	if givenUp {
		m.Properties = mq.AppendProperty(m.Properties, propGivenUp, "true")
	}
	return mq.Send{Message: m}
}

// givesUp reports whether an op message only gives its half message up.
func givesUp(r mq.Record) bool {
	_, ok := mq.Property(r.Properties, propGivenUp)
	return ok
}

// offsetsOf are the offsets in the body of an op message; RocketMQ writes
// several. What is not a number is passed over.
func offsetsOf(body []byte) iter.Seq[mq.QueueOffset] {
	return func(yield func(mq.QueueOffset) bool) {
		for part := range bytes.SplitSeq(body, []byte{','}) {
			n, err := strconv.ParseInt(string(part), 10, 64)
			if err == nil && n >= 0 && !yield(mq.QueueOffset(n)) {
				return
			}
		}
	}
}

// checkOf is the question about a half message and the group it is for.
func checkOf(r mq.Record, checks int32) (group string, c mq.TransactionCheck, err error) {
	q, err := target(r)
	if err != nil {
		return "", c, err
	}
	g, _ := mq.Property(r.Properties, mq.PropProducerGroup)
	key, _ := mq.Property(r.Properties, mq.PropUniqueKey)
	m := r.Message()
	m.Topic, m.QueueID = q.Topic, q.ID
	m.Properties = without(r.Properties, mq.PropCheckTimes)
	m.Properties = mq.AppendProperty(m.Properties, mq.PropCheckTimes, strconv.Itoa(int(checks)))
	record := mq.AppendRecord(nil, &m, r.StoreHost)
	mq.PatchRecord(record, r.QueueOffset, r.Pos, r.StoreTime)
	return string(g), mq.TransactionCheck{
		Topic: q.Topic, Offset: r.QueueOffset, Pos: r.Pos, UniqueKey: string(key), OffsetID: r.OffsetID(), Record: record,
	}, nil
}

// without copies properties but for some.
func without(props []byte, keys ...string) []byte {
	kept := make([]byte, 0, len(props)+64)
	for k, v := range mq.Properties(props) {
		if !slices.Contains(keys, string(k)) {
			kept = mq.AppendProperty(kept, string(k), v)
		}
	}
	return kept
}

// clone is a record that outlives what it was decoded from.
func clone(r mq.Record) mq.Record {
	r.Body, r.Topic, r.Properties = bytes.Clone(r.Body), bytes.Clone(r.Topic), bytes.Clone(r.Properties)
	return r
}

// records goes through the messages of a batch up to the first that cannot be
// decoded.
func records(b mq.Batch) iter.Seq[mq.Record] {
	return func(yield func(mq.Record) bool) {
		for _, data := range b.Data {
			for len(data) > 0 {
				r, rest, err := mq.DecodeRecord(data)
				if err != nil || !yield(r) {
					return
				}
				data = rest
			}
		}
	}
}
