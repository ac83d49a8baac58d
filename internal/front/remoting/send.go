package remoting

// SEND_MESSAGE (10), SEND_MESSAGE_V2 (310), SEND_BATCH_MESSAGE (320): a producer
// hands over a message or a batch for one queue. 10 spells its header out, the
// others use letters; every client that is still in use sends 310 and 320.
//
// Sends are gathered: those that arrived together go to the broker in one
// burst. Each is answered when it is stored as safely as the broker promises;
// see sent.go.

import (
	"strconv"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// Limits of one burst and of one batch, in messages.
const (
	maxBurst = 128
	maxBatch = 1 << 16
)

// gather decodes a send and adds it to the session's burst. What it takes from
// req is valid until Flush returns, and by then the burst is handed over.
func (s *session) gather(req *wire.Command, code wire.Code) {
	b := s.openBurst()
	if b == nil {
		return // the connection is gone
	}
	n, more := len(b.Sends), len(b.more)
	b.Sends = append(b.Sends, mq.Send{})
	send := &b.Sends[n]
	if err := s.decodeSend(req, code, send, &s.names, &b.more); err != nil {
		b.Sends[n] = mq.Send{}
		b.Sends, b.more = b.Sends[:n], b.more[:more]
		s.refuse(req, err)
		return
	}
	b.remember(req, send)
	if len(b.Sends) == maxBurst {
		s.handOver()
	}
}

// handOver gives what was gathered to the broker: sends before ends of
// transactions, which may be of theirs.
func (s *session) handOver() {
	s.acknowledge()
	if b := s.burst; b != nil && len(b.Sends) > 0 {
		s.burst = nil
		s.h.broker.Send(&b.SendBatch)
	}
	s.endTransactions()
}

// openBurst is the burst to add to. If the broker has maxBursts of this
// connection it waits for one to be done, and the connection is not read
// meanwhile; nil means that the connection ended.
func (s *session) openBurst() *burst {
	if s.burst != nil {
		return s.burst
	}
	if !s.bursts.begin(s.ctx) {
		return nil
	}
	s.burst = s.h.bursts.take(s)
	return s.burst
}

// decodeSend fills send from a request, with strings from remembered. The
// messages of a batch behind the first go into more.
func (s *session) decodeSend(req *wire.Command, code wire.Code, send *mq.Send, remembered *names, more *[]mq.Message) error {
	h := sendHeader{send: send, names: remembered}
	for i := range req.Fields {
		f := &req.Fields[i]
		letter := byte(0)
		if code == wire.SendMessage || code == wire.SendReplyMessage {
			letter = sendLetter(f.Key)
		} else if len(f.Key) == 1 {
			letter = f.Key[0]
		}
		if !h.set(letter, f.Value) {
			return notNumber(req, f)
		}
	}
	if name := h.missing(); name != "" {
		return missing(req, name)
	}
	if h.seen&(1<<('l'-'a')) != 0 && strings.HasPrefix(send.Topic, mq.RetryPrefix) {
		send.MaxReconsumes = new(h.maxReconsumes)
	}
	send.BornHost = s.bornHost
	send.SysFlag &^= mq.FlagBornHostV6 | mq.FlagStoreHostV6
	if s.bornHost.Addr().Is6() {
		send.SysFlag |= mq.FlagBornHostV6
	}
	send.Opaque = int64(req.Opaque)
	if h.batch || code == wire.SendBatchMessage {
		return decodeBatch(req.Body, send, more)
	}
	send.Body = req.Body
	return nil
}

// A sendHeader is the header of a send while it is decoded.
type sendHeader struct {
	send  *mq.Send
	names *names
	seen  uint32 // bit i is set when letter 'a'+i was there
	batch bool

	maxReconsumes int32
}

// requiredLetters are the fields that a send must have, 'a' to 'h'.
const requiredLetters = 0xFF

// set takes one field over; false means that its value is not a number.
func (h *sendHeader) set(letter byte, v []byte) bool {
	m, good := h.send, true
	switch letter {
	case 'a':
		m.Group = h.names.of(v)
	case 'b':
		m.Topic = h.names.of(v)
	case 'c':
		m.DefaultTopic = h.names.of(v)
	case 'd':
		m.DefaultQueues, good = parseInt32(v)
	case 'e':
		m.QueueID, good = parseInt32(v)
	case 'f':
		var flags int32
		flags, good = parseInt32(v)
		m.SysFlag = mq.SysFlag(flags)
	case 'g':
		m.BornTime, good = parseInt64(v)
	case 'h':
		m.Flag, good = parseInt32(v)
	case 'i':
		m.Properties = v
	case 'j':
		m.ReconsumeTimes, good = parseInt32(v)
	case 'l':
		h.maxReconsumes, good = parseInt32(v)
	case 'm':
		h.batch = string(v) == "true"
	default:
		return true
	}
	h.seen |= 1 << (letter - 'a')
	return good
}

// missing names the first required field that was not there.
func (h *sendHeader) missing() string {
	if h.seen&requiredLetters == requiredLetters {
		return ""
	}
	for i, name := range sendFields[:8] {
		if h.seen&(1<<i) == 0 {
			return name + " (" + string(rune('a'+i)) + ")"
		}
	}
	return ""
}

// sendFields are the names behind the letters, from 'a' on.
var sendFields = [...]string{
	"producerGroup", "topic", "defaultTopic", "defaultTopicQueueNums", "queueId", "sysFlag", "bornTimestamp", "flag",
	"properties", "reconsumeTimes", "unitMode", "maxReconsumeTimes", "batch",
}

// sendLetter is the letter for a name, 0 if it has none.
func sendLetter(key []byte) byte {
	for i, name := range sendFields {
		if name == string(key) {
			return 'a' + byte(i)
		}
	}
	return 0
}

// decodeBatch takes the messages of a batch apart. Those behind the first go into
// more.
func decodeBatch(body []byte, send *mq.Send, more *[]mq.Message) error {
	if strings.HasPrefix(send.Topic, mq.RetryPrefix) {
		return refusef(wire.CodeMessageIllegal, "a batch cannot be sent to the retry topic %s; send its messages one by one", send.Topic)
	}
	count, first := 0, len(*more)
	for rest := body; len(rest) > 0; count++ {
		var m wire.BatchMessage
		var err error
		if m, rest, err = wire.CutBatchMessage(rest); err != nil {
			return refusef(wire.CodeMessageIllegal, "message %d of the batch, of %d bytes, is cut off or has a wrong length (%v)", count, len(body), err)
		}
		switch count {
		case 0:
			send.Flag, send.Body, send.Properties = m.Flag, m.Body, m.Properties
		case maxBatch:
			return refusef(wire.CodeMessageIllegal, "the batch has more than %d messages; send smaller batches", maxBatch)
		default:
			*more = append(*more, mq.Message{Flag: m.Flag, Body: m.Body, Properties: m.Properties})
		}
	}
	if count == 0 {
		return refusef(wire.CodeMessageIllegal, "the batch is empty; send at least one message")
	}
	if n := len(*more); n > first {
		send.More = (*more)[first:n:n]
	}
	return nil
}

// parseInt32 reads a decimal number without making garbage.
func parseInt32(v []byte) (int32, bool) {
	n, ok := parseInt64(v)
	return int32(n), ok && n == int64(int32(n))
}

// parseInt64 reads a decimal number without making garbage.
func parseInt64(v []byte) (int64, bool) {
	if len(v) == 0 || len(v) > 18 {
		return parseAnyInt64(v)
	}
	n := int64(0)
	for _, c := range v {
		if c -= '0'; c > 9 {
			return parseAnyInt64(v)
		}
		n = 10*n + int64(c)
	}
	return n, true
}

// parseAnyInt64 is parseInt64 of what has a sign, or is long, or no number.
func parseAnyInt64(v []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil
}
