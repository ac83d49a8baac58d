package broker

import (
	"time"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
)

// A Tracer is told what happens to messages and chooses, by their properties,
// those that it follows. Its methods do not block and keep nothing that they
// are handed beyond the call. They are safe for concurrent use.
type Tracer interface {
	// Send is told of messages that are about to be stored, as they will lie, or
	// not (Err): that were refused, handed out at most once, or are duplicates,
	// the last two of which have a Result and no Err in the end. began is when their request came. If it
	// follows any it returns what must be called once when Err or Result of all
	// of them is final and they are still in place; otherwise nil.
	Send(sends []mq.Send, began time.Time) (done func())
	// Deliver is told of stored records, one behind the other in each slice,
	// that a member of a group is about to be given, who read them from a topic;
	// one may lie in another, which is the topic's retry topic or has it as a
	// light queue.
	Deliver(group, from string, records [][]byte)
	// Commit is told that a group has all messages of a queue behind it that
	// lie before an offset.
	Commit(group string, q mq.Queue, to mq.QueueOffset)
	// Ack is told that a group is done with one message of a queue, whatever
	// it is about to do with those before.
	Ack(group string, q mq.Queue, at mq.QueueOffset)
	// Note is told of what happened to one message otherwise.
	Note(e TraceEvent)
	// Dropped is how many spans could not be written.
	Dropped() int64
}

// A TraceEvent is something that happened to one message.
type TraceEvent struct {
	Kind TraceKind
	// Message is the message as it lies afterwards; for what happens to a half
	// message, that one.
	Message *mq.Message
	// Group, From and Offset name the group that failed on a message, and where
	// the message lay that it failed on; of TraceRetry and TraceDeadLetter.
	Group  string
	From   mq.Queue
	Offset mq.QueueOffset
	Began  time.Time
	Err    error // why it did not happen
}

// A TraceKind says what happened to a message.
type TraceKind uint8

// What can happen to a message beside being sent, delivered and acknowledged.
const (
	TraceRetry      TraceKind = iota // a consumer failed on it: it will be delivered again
	TraceDeadLetter                  // it went to the dead letters of a group
	TraceRelease                     // its delay is over, it lies in its topic
	TraceCommit                      // its transaction was committed
	TraceRollback                    // its transaction was rolled back
	TraceCheck                       // its producer was asked what became of its transaction
)

// note tells the tracer, if there is one, of what just happened to a message.
func (b *Broker) note(e TraceEvent) {
	if t := b.opts().Tracer; t != nil {
		t.Note(e)
	}
}

// deliverDue is deliver of messages whose delay is over, which it notes.
func (b *Broker) deliverDue(batch *mq.SendBatch) {
	t := b.opts().Tracer
	if t == nil {
		b.deliverAs(batch, meter.KindDelay)
		return
	}
	began, done := time.Now(), batch.Done
	batch.Done = func(batch *mq.SendBatch) {
		for i := range batch.Sends {
			one := &batch.Sends[i]
			t.Note(TraceEvent{Kind: TraceRelease, Message: &one.Message, Offset: one.Result.Offset, Began: began, Err: one.Err})
		}
		done(batch)
	}
	b.deliverAs(batch, meter.KindDelay)
}

// commit stores a group's offset of a queue and notes that it moved.
func (b *Broker) commit(p *progress, queue int32, to mq.QueueOffset) error {
	t := b.opts().Tracer
	if t == nil {
		return b.offsets.commit(p, queue, to)
	}
	before := p.at(queue).committed
	if err := b.offsets.commit(p, queue, to); err != nil {
		return err
	}
	if before != to && p.at(queue).committed == to {
		t.Commit(p.group, mq.Queue{Topic: p.topic, ID: queue}, to)
	}
	return nil
}
