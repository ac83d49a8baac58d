package grpc

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// Limits of one message, as RocketMQ's proxy has them.
const (
	maxProperties       = 128
	maxPropertiesBytes  = 16 << 10 // of user properties, tag and keys together
	maxMessageGroup     = 64       // bytes; less are allowed
	maxRecovery         = time.Hour
	maxMessageID        = 256 // ours: the proxy has none
	maxTraceContext     = 4 << 10
	maxUnpacked         = 64 << 20 // what a compressed body may unfold to
	keySeparator        = " "
	reservedProperty    = "property %s is used by the system; choose another name"
	propertyNotPrinting = "property %.60q or its value has control characters"
)

// reserved reports whether a property's name is not for users.
func reserved[T ~string | ~[]byte](key T) bool {
	switch string(key) {
	case mq.PropTraceOn, mq.PropRegion, mq.PropKeys, mq.PropTags, mq.PropWait, mq.PropDelay, mq.PropRetryTopic,
		mq.PropRealTopic, mq.PropRealQueueID, mq.PropTransaction, mq.PropProducerGroup, mq.PropMinOffset, mq.PropMaxOffset,
		mq.PropOriginMessageID, mq.PropReconsumeTime, mq.PropUniqueKey, mq.PropMaxReconsumeTimes, mq.PropConsumeStartTime,
		mq.PropPopReceipt, mq.PropFirstPopTime, mq.PropPreparedOffset, mq.PropDupInfo, mq.PropInstanceID,
		mq.PropCorrelationID, mq.PropReplyToClient, mq.PropTTL, mq.PropArriveTime, mq.PropPushReplyTime, mq.PropCluster,
		mq.PropMessageType, mq.PropMultiQueueOffset, mq.PropMultiDispatch, mq.PropTimerDelayMs, mq.PropTimerDelaySec,
		mq.PropTimerDeliverMs, mq.PropTimerEnqueueMs, mq.PropTimerDequeueMs, mq.PropTimerRollTimes, mq.PropTimerOutMs,
		mq.PropTimerDeleteUniq, mq.PropBornHost, mq.PropBornTimestamp, mq.PropDLQOriginTopic, mq.PropDLQOriginID,
		mq.PropTransactionID, mq.PropCheckTimes, mq.PropCheckImmunity, mq.PropShardingKey, mq.PropTraceContext,
		mq.PropInnerNum, mq.PropInnerBase, mq.PropPriority, mq.PropLiteTopic, mq.PropTimerMovedFrom, mq.PropOriginGroup,
		"BUYER_ID", "TRANSFER_FLAG", "CORRECTION_FLAG", "MQ2_FLAG", "POP_CK_OFFSET", "EXTEND_UNIQ_INFO",
		"TIMER_DELAY_LEVEL", "__CRC32#":
		return true
	}
	const n = len(mq.PropTransientPrefix)
	return len(key) >= n && string(key[:n]) == mq.PropTransientPrefix
}

// control reports whether text has control characters.
func control(text string) bool { return strings.ContainsFunc(text, unicode.IsControl) }

// blank reports whether text is nothing but white space.
func blank(text string) bool { return strings.TrimSpace(text) == "" }

// An incoming message is one that a client sends, checked.
type incoming struct {
	mq.Message
	kind  rmq.MessageType
	group string // message group
	id    string
}

// incoming checks a message and makes of it one to be stored. most is how long
// its body may be.
func (s *Server) incoming(m *rmq.Message, by caller, most int32) (in incoming, err error) {
	if err := s.checkMessage(m, most); err != nil {
		return in, err
	}
	p := m.SystemProperties
	in.kind, in.group, in.id = kindOf(p), p.GetMessageGroup(), p.GetMessageId()
	topic := m.GetTopic().GetName()
	in.Message = mq.Message{
		Topic: topic, QueueID: -1, BornTime: time.Now().UnixMilli(), BornHost: by.remote, Body: m.GetBody(),
	}
	if t := p.GetBornTimestamp(); t.IsValid() && t != nil {
		in.BornTime = t.AsTime().UnixMilli()
	}
	if p.GetBodyEncoding() == rmq.Encoding_GZIP {
		if in.Body, err = deflated(in.Body); err != nil {
			return in, err
		}
		in.SysFlag |= mq.FlagCompressed
	}
	if in.kind == rmq.MessageType_TRANSACTION {
		in.SysFlag |= mq.FlagPrepared
	}
	in.Properties = properties(m, in.kind, by, in.BornTime)
	return in, nil
}

// kindOf is a message's type, as its properties say.
func kindOf(p *rmq.SystemProperties) rmq.MessageType {
	switch {
	case p.GetMessageType() == rmq.MessageType_TRANSACTION:
		return rmq.MessageType_TRANSACTION
	case p.DeliveryTimestamp != nil:
		return rmq.MessageType_DELAY
	case p.GetMessageGroup() != "":
		return rmq.MessageType_FIFO
	case p.GetLiteTopic() != "":
		return rmq.MessageType_LITE
	case p.Priority != nil:
		return rmq.MessageType_PRIORITY
	}
	return rmq.MessageType_NORMAL
}

// checkMessage says what is wrong with a message.
func (s *Server) checkMessage(m *rmq.Message, most int32) error {
	switch n := len(m.GetBody()); {
	case m.SystemProperties == nil:
		return refusef(rmq.Code_ILLEGAL_MESSAGE_ID, "message id cannot be empty: the message has no system properties")
	case n == 0 && !s.o.EmptyBody:
		return refusef(rmq.Code_MESSAGE_BODY_EMPTY, "message body cannot be empty (grpc-empty-body, enableMessageBodyEmptyCheck)")
	case n > int(most):
		return refusef(rmq.Code_MESSAGE_BODY_TOO_LARGE, "message body has %d bytes, at most %d are allowed (max-message-size, maxMessageSize)", n, most)
	}
	if err := checkUserProperties(m); err != nil {
		return err
	}
	p := m.SystemProperties
	id := p.GetMessageId()
	switch {
	case blank(id):
		return refusef(rmq.Code_ILLEGAL_MESSAGE_ID, "message id cannot be empty")
	case len(id) > maxMessageID || control(id):
		return refusef(rmq.Code_ILLEGAL_MESSAGE_ID, "message id %.60q: want at most %d bytes without control characters", id, maxMessageID)
	case p.Priority != nil && p.GetPriority() < 0:
		return refusef(rmq.Code_BAD_REQUEST, "the priority is %d; want 0 or more", p.GetPriority())
	case control(p.GetTraceContext()) || len(p.GetTraceContext()) > maxTraceContext:
		return refusef(rmq.Code_MESSAGE_PROPERTIES_TOO_LARGE, "the trace context has %d bytes or control characters; want at most %d bytes of text", len(p.GetTraceContext()), maxTraceContext)
	case p.GetOrphanedTransactionRecoveryDuration().AsDuration() > maxRecovery:
		return refusef(rmq.Code_BAD_REQUEST, "the transaction recovery time of the message is too long; want at most %v", maxRecovery)
	case p.DeliveryTimestamp != nil && !p.GetDeliveryTimestamp().IsValid():
		return refusef(rmq.Code_ILLEGAL_DELIVERY_TIME, "the delivery timestamp is out of range")
	case p.GetBodyEncoding() > rmq.Encoding_GZIP:
		return refusef(rmq.Code_BAD_REQUEST, "the body encoding %d is unknown; want IDENTITY or GZIP", p.GetBodyEncoding())
	}
	if err := checkLite(p); err != nil {
		return err
	}
	return checkMessageGroup(p.GetMessageGroup())
}

// checkLite says what is wrong with the lite topic of a message.
func checkLite(p *rmq.SystemProperties) error {
	if p.LiteTopic == nil {
		return nil
	}
	if err := mq.CheckLite(p.GetLiteTopic()); err != nil {
		return err
	}
	if p.GetMessageGroup() != "" || p.DeliveryTimestamp != nil || p.Priority != nil || p.GetMessageType() == rmq.MessageType_TRANSACTION {
		return refusef(rmq.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE, "a message for a lite topic has no message group, delivery timestamp or priority, and is not transactional")
	}
	return nil
}

// checkMessageGroup says what is wrong with a message group.
func checkMessageGroup(group string) error {
	switch {
	case group == "":
		return nil
	case blank(group):
		return refusef(rmq.Code_ILLEGAL_MESSAGE_GROUP, "message group cannot be the char sequence of whitespace")
	case len(group) >= maxMessageGroup:
		return refusef(rmq.Code_ILLEGAL_MESSAGE_GROUP, "the message group has %d bytes, want less than %d", len(group), maxMessageGroup)
	case control(group):
		return refusef(rmq.Code_ILLEGAL_MESSAGE_GROUP, "message group cannot contain control character")
	}
	return nil
}

// checkUserProperties says what is wrong with what users attach to a message:
// properties, tag and keys.
func checkUserProperties(m *rmq.Message) error {
	if n := len(m.UserProperties); n > maxProperties {
		return refusef(rmq.Code_MESSAGE_PROPERTIES_TOO_LARGE, "there are %d properties, at most %d are allowed", n, maxProperties)
	}
	size := 0
	for k, v := range m.UserProperties {
		size += len(k) + len(v)
		switch {
		case reserved(k):
			return refusef(rmq.Code_ILLEGAL_MESSAGE_PROPERTY_KEY, reservedProperty, k)
		case blank(k):
			return refusef(rmq.Code_ILLEGAL_MESSAGE_PROPERTY_KEY, "a property has no name")
		case control(k) || control(v):
			return refusef(rmq.Code_ILLEGAL_MESSAGE_PROPERTY_KEY, propertyNotPrinting, k)
		}
	}
	p := m.SystemProperties
	if tag := p.GetTag(); tag != "" {
		size += len(tag)
		switch {
		case blank(tag):
			return refusef(rmq.Code_ILLEGAL_MESSAGE_TAG, "tag cannot be the char sequence of whitespace")
		case strings.Contains(tag, "|"):
			return refusef(rmq.Code_ILLEGAL_MESSAGE_TAG, "tag cannot contain '|'")
		case control(tag):
			return refusef(rmq.Code_ILLEGAL_MESSAGE_TAG, "tag cannot contain control character")
		}
	}
	for _, key := range p.GetKeys() {
		size += len(key)
		switch {
		case key != "" && blank(key):
			return refusef(rmq.Code_ILLEGAL_MESSAGE_KEY, "key cannot be the char sequence of whitespace")
		case control(key):
			return refusef(rmq.Code_ILLEGAL_MESSAGE_KEY, "key cannot contain control character")
		}
	}
	if size > maxPropertiesBytes {
		return refusef(rmq.Code_MESSAGE_PROPERTIES_TOO_LARGE, "properties, tag and keys have %d bytes together, at most %d are allowed", size, maxPropertiesBytes)
	}
	return nil
}

// usualProperties is what all but a user's properties take as a rule, in bytes.
const usualProperties = 256

// properties are a message's as they are stored.
func properties(m *rmq.Message, kind rmq.MessageType, by caller, born int64) []byte {
	p := m.SystemProperties
	size := usualProperties
	for k, v := range m.UserProperties {
		size += len(k) + len(v) + 2
	}
	b := make([]byte, 0, size)
	for k, v := range m.UserProperties {
		b = mq.AppendProperty(b, k, v)
	}
	b = mq.AppendProperty(b, mq.PropTags, p.GetTag())
	b = mq.AppendProperty(b, mq.PropKeys, strings.Join(p.GetKeys(), keySeparator))
	b = mq.AppendProperty(b, mq.PropUniqueKey, p.GetMessageId())
	b = mq.AppendProperty(b, mq.PropProducerGroup, m.GetTopic().GetName())
	b = mq.AppendProperty(b, mq.PropShardingKey, p.GetMessageGroup())
	b = mq.AppendProperty(b, mq.PropLiteTopic, p.GetLiteTopic())
	b = mq.AppendProperty(b, mq.PropTraceContext, p.GetTraceContext())
	b = mq.AppendProperty(b, mq.PropBornTimestamp, strconv.FormatInt(born, 10))
	host := p.GetBornHost()
	if blank(host) || control(host) {
		host = by.remote.Addr().String()
	}
	b = mq.AppendProperty(b, mq.PropBornHost, host)
	if n := p.GetDeliveryAttempt(); n > 0 {
		b = mq.AppendProperty(b, mq.PropReconsumeTime, strconv.Itoa(int(n)))
	}
	if kind == rmq.MessageType_TRANSACTION {
		b = mq.AppendProperty(b, mq.PropTransaction, "true")
		if d := p.OrphanedTransactionRecoveryDuration; d != nil {
			b = mq.AppendProperty(b, mq.PropCheckImmunity, strconv.Itoa(int(d.AsDuration().Seconds())))
		}
	}
	if p.DeliveryTimestamp != nil {
		b = mq.AppendProperty(b, mq.PropTimerDeliverMs, strconv.FormatInt(p.DeliveryTimestamp.AsTime().UnixMilli(), 10))
	}
	if p.Priority != nil {
		b = mq.AppendProperty(b, mq.PropPriority, strconv.Itoa(int(p.GetPriority())))
	}
	return b
}

// deflated is a gzip body in the form that clients of the remoting protocol
// unpack, which is zlib's.
func deflated(body []byte) ([]byte, error) {
	in, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, refusef(rmq.Code_MESSAGE_CORRUPTED, "the body is not gzip, though its encoding says so: %v", err)
	}
	var b bytes.Buffer
	out := zlib.NewWriter(&b)
	n, err := io.Copy(out, io.LimitReader(in, maxUnpacked+1))
	switch {
	case err != nil:
		return nil, refusef(rmq.Code_MESSAGE_CORRUPTED, "the body cannot be unpacked: %v", err)
	case n > maxUnpacked:
		return nil, refusef(rmq.Code_MESSAGE_BODY_TOO_LARGE, "the body unpacks to more than %d bytes", maxUnpacked)
	}
	if err := out.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
