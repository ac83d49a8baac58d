package wire

import (
	"encoding/binary"
	"fmt"
	"math"
)

// batchFixed is the size of a BatchMessage with neither body nor properties.
const batchFixed = 4 + 4 + 4 + 4 + 4 + 2

// A BatchMessage is one message in the body of SEND_BATCH_MESSAGE.
type BatchMessage struct {
	Flag       int32
	Body       []byte
	Properties []byte // at most 32767 bytes
}

// AppendBatchMessage adds m to the body of a batch.
func AppendBatchMessage(dst []byte, m BatchMessage) []byte {
	be := binary.BigEndian
	dst = be.AppendUint32(dst, uint32(batchFixed+len(m.Body)+len(m.Properties)))
	dst = be.AppendUint64(dst, 0) // magic and checksum, which nobody reads
	dst = be.AppendUint32(dst, uint32(m.Flag))
	dst = be.AppendUint32(dst, uint32(len(m.Body)))
	dst = append(dst, m.Body...)
	dst = be.AppendUint16(dst, uint16(len(m.Properties)))
	return append(dst, m.Properties...)
}

// CutBatchMessage takes the first message off the body of a batch. It aliases b.
func CutBatchMessage(b []byte) (m BatchMessage, rest []byte, err error) {
	be := binary.BigEndian
	if len(b) < batchFixed {
		return m, b, fmt.Errorf("batch: %d bytes left, a message has at least %d", len(b), batchFixed)
	}
	size, n := int(int32(be.Uint32(b))), int(int32(be.Uint32(b[16:])))
	if size < batchFixed || size > len(b) || n < 0 || n > size-batchFixed {
		return m, b, fmt.Errorf("batch: a message has size %d and a body of %d in %d bytes", size, n, len(b))
	}
	props := int(be.Uint16(b[20+n:]))
	if props > math.MaxInt16 || props != size-batchFixed-n {
		return m, b, fmt.Errorf("batch: a message has properties of %d bytes, not %d", props, size-batchFixed-n)
	}
	return BatchMessage{
		Flag: int32(be.Uint32(b[12:])), Body: b[20 : 20+n : 20+n], Properties: b[22+n : size : size],
	}, b[size:], nil
}
