package dedup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// The rows of this package; docs/FORMAT.md describes them. Numbers are
// big-endian.
const (
	allRows     = "dedup/"
	followedRow = "dedup/followed"
	keyRows     = "dedup/keys/"

	entrySize  = 8 + 8
	rowEntries = 2048
)

// An entry is a key of a message in the log.
type entry struct {
	hash   uint64
	at     mq.LogPos
	stored int64
}

// topicRows is what the rows of a topic begin with.
func topicRows(topic string) []byte { return append([]byte(keyRows+topic), 0) }

// keyRow is the row of entries of which the newest was stored at stored and the
// first lies at at.
func keyRow(topic string, stored int64, at mq.LogPos) []byte {
	key := binary.BigEndian.AppendUint64(topicRows(topic), uint64(stored))
	return binary.BigEndian.AppendUint64(key, uint64(at))
}

// parseKeyRow takes apart what keyRow made.
func parseKeyRow(key []byte) (topic string, stored int64, ok bool) {
	topic, rest, ok := strings.Cut(strings.TrimPrefix(string(key), keyRows), "\x00")
	if !ok || len(rest) != 16 {
		return "", 0, false
	}
	return topic, int64(binary.BigEndian.Uint64([]byte(rest))), true
}

// addRows adds entries, in the order of the log, to a batch.
func addRows(b *store.KeyBatch, topic string, all []entry) {
	for len(all) > 0 {
		some := all[:min(len(all), rowEntries)]
		value := make([]byte, 0, len(some)*entrySize)
		for _, e := range some {
			value = binary.BigEndian.AppendUint64(value, e.hash)
			value = binary.BigEndian.AppendUint64(value, uint64(e.at))
		}
		b.Set(keyRow(topic, some[len(some)-1].stored, some[0].at), value)
		all = all[len(some):]
	}
}

// eachEntry calls f with the entries of a row.
func eachEntry(value []byte, f func(hash uint64, at mq.LogPos)) error {
	if len(value)%entrySize != 0 {
		return fmt.Errorf("it has %d bytes, which is no multiple of %d", len(value), entrySize)
	}
	for ; len(value) > 0; value = value[entrySize:] {
		f(binary.BigEndian.Uint64(value), mq.LogPos(binary.BigEndian.Uint64(value[8:])))
	}
	return nil
}

// followed is the log position that the rows follow the log up to; ok is false
// if no topic ever wanted that.
func followed(keys *store.Keys) (at mq.LogPos, ok bool, err error) {
	v, err := keys.Get([]byte(followedRow))
	switch {
	case errors.Is(err, mq.ErrNotFound):
		return 0, false, nil
	case err != nil:
		return 0, false, fmt.Errorf("dedup: %w", err)
	case len(v) != 8:
		return 0, false, fmt.Errorf("dedup: row %q has %d bytes, want 8", followedRow, len(v))
	}
	return mq.LogPos(binary.BigEndian.Uint64(v)), true, nil
}

func setFollowed(b *store.KeyBatch, at mq.LogPos) {
	b.Set([]byte(followedRow), binary.BigEndian.AppendUint64(nil, uint64(at)))
}
