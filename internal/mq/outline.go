package mq

import (
	"encoding/binary"
	"fmt"
)

// An Outline is what can be told of a record without decoding it.
type Outline struct {
	QueueOffset QueueOffset
	SysFlag     SysFlag
	Body        []byte // in the record
}

// CutRecord takes the first record off b as DecodeRecord does, but looks at no
// more than where it lies in its queue, and whether its size and that of its body
// can be true.
func CutRecord(b []byte) (o Outline, rest []byte, err error) {
	if len(b) < BlankSize {
		return o, b, ErrRecordTorn
	}
	be := binary.BigEndian
	size, magic := int(int32(be.Uint32(b))), be.Uint32(b[RecordMagicAt:])
	switch {
	case magic == MagicBlank:
		return o, b, ErrRecordBlank
	case magic != MagicV1 && magic != MagicV2:
		return o, b, fmt.Errorf("%w: magic %#08x", ErrRecordCorrupt, magic)
	case size < MinRecordSize:
		return o, b, fmt.Errorf("%w: size %d", ErrRecordCorrupt, size)
	case size > len(b):
		return o, b, ErrRecordTorn
	}
	rec := b[:size]
	o.QueueOffset = QueueOffset(be.Uint64(rec[RecordQueueOffsetAt:]))
	o.SysFlag = SysFlag(be.Uint32(rec[RecordSysFlagAt:]))
	at := storeTimeAt(rec) + 8 + host4Size + 4 + 8
	if o.SysFlag&FlagStoreHostV6 != 0 {
		at += host6Size - host4Size
	}
	if at+4 > size {
		return o, b, fmt.Errorf("%w: size %d", ErrRecordCorrupt, size)
	}
	n := int(int32(be.Uint32(rec[at:])))
	// Behind the body are two lengths at least.
	if n < 0 || n > size-at-4-3 {
		return o, b, fmt.Errorf("%w: body length %d", ErrRecordCorrupt, n)
	}
	o.Body = rec[at+4 : at+4+n]
	return o, b[size:], nil
}
