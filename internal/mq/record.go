package mq

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"net/netip"
)

// The second word of a record says what it is.
const (
	MagicV1    uint32 = 0xDAA320A7 // topic length is one byte
	MagicV2    uint32 = 0xDAA320AB // topic length is two bytes; for topics over 127 bytes
	MagicBlank uint32 = 0xCBD43194 // filler up to the end of a segment
)

// Where the fields of a record lie, in bytes from its start. What follows
// RecordBornHost moves with the sizes of the hosts.
const (
	RecordSizeAt        = 0
	RecordMagicAt       = 4
	RecordBodyCRCAt     = 8
	RecordQueueIDAt     = 12
	RecordFlagAt        = 16
	RecordQueueOffsetAt = 20
	RecordPosAt         = 28
	RecordSysFlagAt     = 36
	RecordBornTimeAt    = 40
	RecordBornHostAt    = 48
)

const (
	host4Size = 8  // IPv4 address and port
	host6Size = 20 // IPv6 address and port

	// recordFixed is the size of a V1 record with two IPv4 hosts and neither
	// topic, properties nor body.
	recordFixed = RecordBornHostAt + host4Size + 8 + host4Size + 4 + 8 + 4 + 1 + 2

	maxTopicV1 = 127
)

// MinRecordSize is the size of the smallest record, BlankSize that of the
// smallest filler.
const (
	MinRecordSize = recordFixed
	BlankSize     = 8
)

// MaxPropertiesSize is what the two-byte length of the stored properties holds.
const MaxPropertiesSize = math.MaxInt16

// What can be wrong with stored bytes.
var (
	// ErrRecordTorn means that the bytes end before the record does.
	ErrRecordTorn = errors.New("record is cut off")
	// ErrRecordBlank means that a filler was found instead of a message.
	ErrRecordBlank = errors.New("record is a filler")
	// ErrRecordCorrupt means that the bytes are not a record.
	ErrRecordCorrupt = errors.New("record is corrupt")
)

// A Record is a stored message. Its byte slices alias what it was decoded from.
type Record struct {
	Size           int32 // of the whole record, in bytes
	Magic          uint32
	BodyCRC        uint32
	QueueID        int32
	Flag           int32
	QueueOffset    QueueOffset
	Pos            LogPos
	SysFlag        SysFlag
	BornTime       int64 // Unix milliseconds
	BornHost       netip.AddrPort
	StoreTime      int64 // Unix milliseconds
	StoreHost      netip.AddrPort
	ReconsumeTimes int32
	PreparedPos    int64
	Body           []byte
	Topic          []byte
	Properties     []byte
}

// Intact reports whether the body is the one that was stored.
func (r *Record) Intact() bool { return r.BodyCRC == BodyCRC(r.Body) }

// OffsetID is the message id that says where the message lies.
func (r *Record) OffsetID() string { return OffsetID(r.StoreHost, r.Pos) }

// Message is the record as a message to be sent again; it aliases the record.
func (r *Record) Message() Message {
	return Message{
		Topic: string(r.Topic), QueueID: r.QueueID, Flag: r.Flag, SysFlag: r.SysFlag,
		BornTime: r.BornTime, BornHost: r.BornHost, ReconsumeTimes: r.ReconsumeTimes,
		PreparedPos: r.PreparedPos, Properties: r.Properties, Body: r.Body,
	}
}

// BodyCRC is the checksum of a body as records hold it: without the sign bit.
func BodyCRC(body []byte) uint32 { return crc32.ChecksumIEEE(body) & math.MaxInt32 }

// RecordSize is the size of the record that AppendRecord makes of m. An error
// wraps ErrMessageIllegal or ErrMessageTooLarge: m cannot be stored at all.
func RecordSize(m *Message, storeHost netip.AddrPort) (int, error) {
	switch {
	case len(m.Topic) > math.MaxInt16:
		return 0, fmt.Errorf("%w: topic has %d bytes, at most %d can be stored", ErrMessageIllegal, len(m.Topic), math.MaxInt16)
	case len(m.Properties) > MaxPropertiesSize:
		return 0, fmt.Errorf("%w: properties have %d bytes, at most %d can be stored", ErrMessageIllegal, len(m.Properties), MaxPropertiesSize)
	case len(m.Body) > math.MaxInt32/2:
		return 0, fmt.Errorf("%w: body has %d bytes", ErrMessageTooLarge, len(m.Body))
	}
	n := recordFixed + len(m.Topic) + len(m.Properties) + len(m.Body)
	if hostIs6(m.BornHost) {
		n += host6Size - host4Size
	}
	if hostIs6(storeHost) {
		n += host6Size - host4Size
	}
	if len(m.Topic) > maxTopicV1 {
		n++
	}
	return n, nil
}

// AppendRecord adds m in the stored layout to dst. RecordSize must have
// accepted m. Queue offset, log position and store time are left zero until
// PatchRecord; the host bits of SysFlag follow the hosts.
func AppendRecord(dst []byte, m *Message, storeHost netip.AddrPort) []byte {
	start := len(dst)
	magic := MagicV1
	if len(m.Topic) > maxTopicV1 {
		magic = MagicV2
	}
	flags := m.SysFlag &^ (FlagBornHostV6 | FlagStoreHostV6)
	if hostIs6(m.BornHost) {
		flags |= FlagBornHostV6
	}
	if hostIs6(storeHost) {
		flags |= FlagStoreHostV6
	}
	be := binary.BigEndian
	dst = append(dst, 0, 0, 0, 0)
	dst = be.AppendUint32(dst, magic)
	dst = be.AppendUint32(dst, BodyCRC(m.Body))
	dst = be.AppendUint32(dst, uint32(m.QueueID))
	dst = be.AppendUint32(dst, uint32(m.Flag))
	dst = be.AppendUint64(dst, 0) // queue offset
	dst = be.AppendUint64(dst, 0) // log position
	dst = be.AppendUint32(dst, uint32(flags))
	dst = be.AppendUint64(dst, uint64(m.BornTime))
	dst = appendHost(dst, m.BornHost)
	dst = be.AppendUint64(dst, 0) // store time
	dst = appendHost(dst, storeHost)
	dst = be.AppendUint32(dst, uint32(m.ReconsumeTimes))
	dst = be.AppendUint64(dst, uint64(m.PreparedPos))
	dst = be.AppendUint32(dst, uint32(len(m.Body)))
	dst = append(dst, m.Body...)
	if magic == MagicV2 {
		dst = be.AppendUint16(dst, uint16(len(m.Topic)))
	} else {
		dst = append(dst, byte(len(m.Topic)))
	}
	dst = append(dst, m.Topic...)
	dst = be.AppendUint16(dst, uint16(len(m.Properties)))
	dst = append(dst, m.Properties...)
	be.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst
}

// RecordProperties are the properties of a record that is known to be sound; nil
// if it is not. They alias rec.
func RecordProperties(rec []byte) []byte {
	be := binary.BigEndian
	if len(rec) < MinRecordSize {
		return nil
	}
	at := storeTimeAt(rec) + 8 + host4Size + 4 + 8
	if SysFlag(be.Uint32(rec[RecordSysFlagAt:]))&FlagStoreHostV6 != 0 {
		at += host6Size - host4Size
	}
	if at+4 > len(rec) {
		return nil
	}
	at += 4 + int(be.Uint32(rec[at:]))
	if at+2 > len(rec) {
		return nil
	}
	if be.Uint32(rec[RecordMagicAt:]) == MagicV2 {
		at += 2 + int(be.Uint16(rec[at:]))
	} else {
		at += 1 + int(rec[at])
	}
	if at+2 > len(rec) {
		return nil
	}
	return rec[at+2:]
}

// PatchRecord fills in what is known only once a record has its place. rec
// starts with a record made by AppendRecord.
func PatchRecord(rec []byte, offset QueueOffset, pos LogPos, storeTime int64) {
	be := binary.BigEndian
	be.PutUint64(rec[RecordQueueOffsetAt:], uint64(offset))
	be.PutUint64(rec[RecordPosAt:], uint64(pos))
	be.PutUint64(rec[storeTimeAt(rec):], uint64(storeTime))
}

// storeTimeAt is where the store time of a record lies.
func storeTimeAt(rec []byte) int {
	if SysFlag(binary.BigEndian.Uint32(rec[RecordSysFlagAt:]))&FlagBornHostV6 != 0 {
		return RecordBornHostAt + host6Size
	}
	return RecordBornHostAt + host4Size
}

// AppendBlank adds a filler of size bytes, at least BlankSize, of which only
// the first eight mean something.
func AppendBlank(dst []byte, size int) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(size))
	dst = binary.BigEndian.AppendUint32(dst, MagicBlank)
	return append(dst, make([]byte, size-BlankSize)...)
}

// DecodeRecord takes the first record off b and returns it and what follows.
// It looks at the layout only; whether the body is whole is for Record.Intact.
// After ErrRecordBlank, Record.Size is the size of the filler and rest is what
// b holds behind it.
func DecodeRecord(b []byte) (r Record, rest []byte, err error) {
	if len(b) < BlankSize {
		return r, b, ErrRecordTorn
	}
	be := binary.BigEndian
	r.Size = int32(be.Uint32(b))
	r.Magic = be.Uint32(b[RecordMagicAt:])
	if r.Magic == MagicBlank {
		if r.Size < BlankSize {
			return r, b, fmt.Errorf("%w: filler of %d bytes", ErrRecordCorrupt, r.Size)
		}
		return r, b[min(len(b), int(r.Size)):], ErrRecordBlank
	}
	switch {
	case r.Magic != MagicV1 && r.Magic != MagicV2:
		return r, b, fmt.Errorf("%w: magic %#08x", ErrRecordCorrupt, r.Magic)
	case r.Size < MinRecordSize:
		return r, b, fmt.Errorf("%w: size %d", ErrRecordCorrupt, r.Size)
	case int(r.Size) > len(b):
		return r, b, ErrRecordTorn
	}
	rec, rest := b[:r.Size:r.Size], b[r.Size:]
	if err := r.decode(rec); err != nil {
		return r, b, err
	}
	return r, rest, nil
}

// decode reads everything behind the magic. rec is the whole record, at least
// MinRecordSize long.
func (r *Record) decode(rec []byte) error {
	be := binary.BigEndian
	r.BodyCRC = be.Uint32(rec[RecordBodyCRCAt:])
	r.QueueID = int32(be.Uint32(rec[RecordQueueIDAt:]))
	r.Flag = int32(be.Uint32(rec[RecordFlagAt:]))
	r.QueueOffset = QueueOffset(be.Uint64(rec[RecordQueueOffsetAt:]))
	r.Pos = LogPos(be.Uint64(rec[RecordPosAt:]))
	r.SysFlag = SysFlag(be.Uint32(rec[RecordSysFlagAt:]))
	r.BornTime = int64(be.Uint64(rec[RecordBornTimeAt:]))

	fixed := recordFixed
	if r.SysFlag&FlagBornHostV6 != 0 {
		fixed += host6Size - host4Size
	}
	if r.SysFlag&FlagStoreHostV6 != 0 {
		fixed += host6Size - host4Size
	}
	if r.Magic == MagicV2 {
		fixed++
	}
	if len(rec) < fixed {
		return fmt.Errorf("%w: size %d, fixed part has %d", ErrRecordCorrupt, len(rec), fixed)
	}
	var ok1, ok2 bool
	p := rec[RecordBornHostAt:]
	r.BornHost, p, ok1 = takeHost(p, r.SysFlag&FlagBornHostV6 != 0)
	r.StoreTime, p = int64(be.Uint64(p)), p[8:]
	r.StoreHost, p, ok2 = takeHost(p, r.SysFlag&FlagStoreHostV6 != 0)
	if !ok1 || !ok2 {
		return fmt.Errorf("%w: port over 65535", ErrRecordCorrupt)
	}
	r.ReconsumeTimes = int32(be.Uint32(p))
	r.PreparedPos = int64(be.Uint64(p[4:]))
	return r.decodeTail(p[12:], len(rec)-fixed)
}

// decodeTail reads body, topic and properties, which together have spare bytes.
func (r *Record) decodeTail(p []byte, spare int) error {
	be := binary.BigEndian
	body := int(int32(be.Uint32(p)))
	if body < 0 || body > spare {
		return fmt.Errorf("%w: body length %d", ErrRecordCorrupt, body)
	}
	p, spare = p[4:], spare-body
	r.Body, p = p[:body:body], p[body:]

	topic := int(int8(p[0]))
	p = p[1:]
	if r.Magic == MagicV2 {
		topic = int(int16(uint16(topic)<<8 | uint16(p[0])))
		p = p[1:]
	}
	if topic < 0 || topic > spare {
		return fmt.Errorf("%w: topic length %d", ErrRecordCorrupt, topic)
	}
	spare -= topic
	r.Topic, p = p[:topic:topic], p[topic:]

	props := int(int16(be.Uint16(p)))
	if props != spare {
		return fmt.Errorf("%w: properties length %d, %d bytes left", ErrRecordCorrupt, props, spare)
	}
	r.Properties = p[2 : 2+props : 2+props]
	return nil
}

func hostIs6(h netip.AddrPort) bool { return h.Addr().Is6() && !h.Addr().Is4In6() }

// appendHost writes an address and its port; one that is not set becomes
// 0.0.0.0:0.
func appendHost(dst []byte, h netip.AddrPort) []byte {
	switch addr := h.Addr(); {
	case !addr.IsValid():
		dst = append(dst, 0, 0, 0, 0)
	case hostIs6(h):
		a := addr.As16()
		dst = append(dst, a[:]...)
	default:
		a := addr.As4()
		dst = append(dst, a[:]...)
	}
	return binary.BigEndian.AppendUint32(dst, uint32(h.Port()))
}

func takeHost(p []byte, v6 bool) (h netip.AddrPort, rest []byte, ok bool) {
	var addr netip.Addr
	if v6 {
		addr, p = netip.AddrFrom16([16]byte(p)), p[16:]
	} else {
		addr, p = netip.AddrFrom4([4]byte(p)), p[4:]
	}
	port := binary.BigEndian.Uint32(p)
	return netip.AddrPortFrom(addr, uint16(port)), p[4:], port <= math.MaxUint16
}
