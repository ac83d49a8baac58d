//go:build crash

package crash

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/goddardmq/goddard/internal/mq"
)

const bodySize = 200

// A message is known by who sent it and its number among that producer's; it
// is sent once.
type message struct {
	producer uint32
	number   uint32
}

// body is a message's, from which it can be told and which no other has.
func (m message) body() []byte {
	b := make([]byte, bodySize)
	binary.BigEndian.PutUint32(b, m.producer)
	binary.BigEndian.PutUint32(b[4:], m.number)
	for i := 8; i < bodySize-4; i++ {
		b[i] = byte(uint32(i)*m.producer + m.number)
	}
	binary.BigEndian.PutUint32(b[bodySize-4:], crc32.ChecksumIEEE(b[:bodySize-4]))
	return b
}

// parse tells which message a record holds.
func parse(r *mq.Record) (message, error) {
	if len(r.Body) != bodySize {
		return message{}, fmt.Errorf("body of %d bytes", len(r.Body))
	}
	if !r.Intact() || crc32.ChecksumIEEE(r.Body[:bodySize-4]) != binary.BigEndian.Uint32(r.Body[bodySize-4:]) {
		return message{}, fmt.Errorf("body is damaged")
	}
	return message{binary.BigEndian.Uint32(r.Body), binary.BigEndian.Uint32(r.Body[4:])}, nil
}

// A place is where a broker said that it stored a message.
type place struct {
	queue  int32
	offset mq.QueueOffset
}
