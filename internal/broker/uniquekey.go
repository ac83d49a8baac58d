package broker

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// uniqueKeys makes unique message ids for messages whose client made none. They
// have the form of RocketMQ's: 10 bytes that tell processes apart, the
// milliseconds of the month in 4, a counter in 2, as 32 hex digits.
type uniqueKeys struct {
	process [10]byte
	counter atomic.Uint32
}

func newUniqueKeys() *uniqueKeys {
	k := new(uniqueKeys)
	binary.BigEndian.PutUint64(k.process[:], rand.Uint64())
	binary.BigEndian.PutUint16(k.process[8:], uint16(rand.Uint32()))
	return k
}

// appendProperty adds the property with the next id to props.
func (k *uniqueKeys) appendProperty(props []byte) []byte {
	now := time.Now()
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, now.Location())
	raw := k.process[:len(k.process):len(k.process)]
	raw = binary.BigEndian.AppendUint32(raw, uint32(now.Sub(month).Milliseconds()))
	raw = binary.BigEndian.AppendUint16(raw, uint16(k.counter.Add(1)))
	text := []byte(hex.EncodeToString(raw))
	for i, c := range text {
		if c >= 'a' {
			text[i] = c - 'a' + 'A'
		}
	}
	return mq.AppendProperty(props, mq.PropUniqueKey, text)
}
