package grpc

import (
	"bytes"
	"compress/zlib"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// outgoing is a stored message as clients get it. Bodies that were packed by
// clients of the remoting protocol are unpacked, whose formats these clients do
// not know. It copies what it keeps of r.
func outgoing(r *mq.Record, topic *rmq.Resource) *rmq.Message {
	p := &rmq.SystemProperties{
		MessageId:       r.OffsetID(),
		BornTimestamp:   millis(r.BornTime),
		BornHost:        r.BornHost.Addr().String(),
		StoreTimestamp:  millis(r.StoreTime),
		StoreHost:       r.StoreHost.String(),
		QueueId:         r.QueueID,
		QueueOffset:     proto.Int64(int64(r.QueueOffset)),
		DeliveryAttempt: proto.Int32(r.ReconsumeTimes + 1),
	}
	m := &rmq.Message{Topic: topic, SystemProperties: p}
	for k, v := range mq.Properties(r.Properties) {
		if key := string(k); !systemProperty(p, key, string(v)) && !reserved(key) {
			if m.UserProperties == nil {
				m.UserProperties = map[string]string{}
			}
			m.UserProperties[key] = string(v)
		}
	}
	p.MessageType = storedKind(r.Properties)
	m.Body, p.BodyEncoding = unpacked(r)
	sum := md5.Sum(m.Body)
	p.BodyDigest = &rmq.Digest{Type: rmq.DigestType_MD5, Checksum: strings.ToUpper(hex.EncodeToString(sum[:]))}
	return m
}

// systemProperty notes a property that clients get by another way.
func systemProperty(p *rmq.SystemProperties, key, value string) bool {
	switch key {
	case mq.PropTags:
		p.Tag = &value
	case mq.PropKeys:
		p.Keys = strings.Fields(value)
	case mq.PropUniqueKey:
		p.MessageId = value
	case mq.PropShardingKey:
		p.MessageGroup = &value
	case mq.PropTraceContext:
		p.TraceContext = &value
	case mq.PropBornHost:
		p.BornHost = value
	case mq.PropLiteTopic:
		p.LiteTopic = &value
	case mq.PropTimerDeliverMs:
		if ms, err := strconv.ParseInt(value, 10, 64); err == nil && ms >= 0 {
			p.DeliveryTimestamp = millis(ms)
		}
	case mq.PropPriority:
		if n, err := strconv.ParseInt(value, 10, 32); err == nil {
			p.Priority = proto.Int32(int32(n))
		}
	case mq.PropDLQOriginTopic:
		deadLetter(p).Topic = value
	case mq.PropDLQOriginID:
		deadLetter(p).MessageId = value
	default:
		return false
	}
	return true
}

// deadLetter is where a dead letter comes from.
func deadLetter(p *rmq.SystemProperties) *rmq.DeadLetterQueue {
	if p.DeadLetterQueue == nil {
		p.DeadLetterQueue = &rmq.DeadLetterQueue{}
	}
	return p.DeadLetterQueue
}

// storedKind is a stored message's type.
func storedKind(props []byte) rmq.MessageType {
	has := func(key string) bool { _, ok := mq.Property(props, key); return ok }
	switch v, _ := mq.Property(props, mq.PropTransaction); {
	case string(v) == "true":
		return rmq.MessageType_TRANSACTION
	case has(mq.PropDelay), has(mq.PropTimerDeliverMs), has(mq.PropTimerDelaySec), has(mq.PropTimerDelayMs):
		return rmq.MessageType_DELAY
	case has(mq.PropShardingKey):
		return rmq.MessageType_FIFO
	case has(mq.PropLiteTopic):
		return rmq.MessageType_LITE
	case has(mq.PropPriority):
		return rmq.MessageType_PRIORITY
	}
	return rmq.MessageType_NORMAL
}

// gzipMagic begins a gzip body.
const gzipMagic = "\x1f\x8b"

// unpacked is a copy of a message's body as its producer wrote it. One that
// cannot be unpacked is handed over as it is.
func unpacked(r *mq.Record) ([]byte, rmq.Encoding) {
	if r.SysFlag&mq.FlagCompressed == 0 {
		return bytes.Clone(r.Body), rmq.Encoding_IDENTITY
	}
	body, err := unpack(r)
	if err != nil {
		return bytes.Clone(r.Body), rmq.Encoding_GZIP
	}
	return body, rmq.Encoding_IDENTITY
}

// unpack unpacks a body. One that a RocketMQ proxy stored is gzip, whatever its
// flag says, and is left to the client.
func unpack(r *mq.Record) ([]byte, error) {
	if bytes.HasPrefix(r.Body, []byte(gzipMagic)) {
		return nil, fmt.Errorf("gzip")
	}
	var in io.Reader
	var err error
	switch packed := bytes.NewReader(r.Body); r.SysFlag & mq.FlagCompressType {
	case 0x100:
		in = lz4.NewReader(packed)
	case 0x200:
		z, zerr := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxUnpacked))
		if zerr != nil {
			return nil, zerr
		}
		defer z.Close()
		in = z
	default:
		in, err = zlib.NewReader(packed)
	}
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(in, maxUnpacked+1))
	if err == nil && len(body) > maxUnpacked {
		err = fmt.Errorf("more than %d bytes", maxUnpacked)
	}
	return body, err
}

// millis is a time in Unix milliseconds.
func millis(ms int64) *timestamppb.Timestamp {
	t := &timestamppb.Timestamp{Seconds: ms / 1000, Nanos: int32(ms % 1000 * 1e6)}
	if t.Nanos < 0 {
		t.Seconds--
		t.Nanos += 1e9
	}
	return t
}
