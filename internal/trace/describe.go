package trace

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
)

// maxText bounds each text that is copied out of a message, in bytes.
const maxText = 256

// A part is what is written of one message.
type part struct {
	line
	topic    string // that the message is meant for
	queue    int32
	offset   mq.QueueOffset // -1 if not known
	id       string         // unique key
	keys     string
	tag      string
	group    string // of ordered messages: the sharding key
	producer string
	kind     string // normal, fifo, delay, transaction
	level    int64  // of delay, 0 if none
	due      int64  // Unix milliseconds, 0 if none
	size     int    // of the body
	tries    int32
	host     netip.AddrPort // of the producer

	err string
	// duplicate says that it was sent before and stored then.
	duplicate bool
	// passed says that a delivery is not held until it is acknowledged.
	passed bool
}

// describe copies what is written of a message.
func describe(l line, m *mq.Message) part {
	p := part{
		line: l, topic: m.Topic, queue: m.QueueID, offset: -1, kind: "normal", size: len(m.Body), tries: m.ReconsumeTimes, host: m.BornHost,
	}
	waits := m.Topic == mq.TopicSchedule || m.Topic == mq.TopicTimer || m.Topic == mq.TopicTransHalf
	for k, v := range mq.Properties(m.Properties) {
		p.note(string(k), v, waits)
	}
	p.topic = clip(p.topic)
	return p
}

// note looks at a property. waits says that the message does not lie in the
// topic that it is meant for.
func (p *part) note(key string, v []byte, waits bool) {
	switch key {
	case mq.PropUniqueKey:
		p.id = clip(v)
	case mq.PropKeys:
		p.keys = clip(v)
	case mq.PropTags:
		p.tag = clip(v)
	case mq.PropShardingKey:
		p.group = clip(v)
		p.kind = "fifo"
	case mq.PropProducerGroup:
		p.producer = clip(v)
	case mq.PropTransaction:
		p.kind = "transaction"
	case mq.PropDelay:
		if p.level, _ = strconv.ParseInt(string(v), 10, 32); p.level > 0 {
			p.kind = "delay"
		}
	case mq.PropTimerOutMs:
		p.due, _ = strconv.ParseInt(string(v), 10, 64)
		p.kind = "delay"
	case mq.PropRealTopic:
		if waits {
			p.topic = string(v)
		}
	case mq.PropRealQueueID:
		if n, err := strconv.ParseInt(string(v), 10, 32); err == nil && waits {
			p.queue = int32(n)
		}
	}
}

// clip copies the beginning of a text.
func clip[T ~string | ~[]byte](text T) string {
	return strings.ToValidUTF8(string(text[:min(len(text), maxText)]), "")
}
