package broker

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// The rows of this package in the key store. Names hold no zero byte.
//
//	broker/topic/TOPIC                     mq.Topic as JSON
//	broker/group/GROUP                     mq.Group as JSON
//	broker/forbidden/GROUP                 topics that the group may not read, as JSON
//	broker/settings                        mq.KeptSettings as JSON
//	broker/version/topic, …/group          mq.DataVersion as JSON
//	broker/offset/TOPIC 0 GROUP 0 queue4   committed8, reset8 (-1 unless a reset has
//	                                       not reached a client), end8 of the log then
//	broker/mode/TOPIC 0 GROUP              mq.RequestMode as JSON
//	broker/limit/SCOPE/NAME                mq.LimitRule as JSON
//
// Numbers are big-endian.
const (
	topicRows     = "broker/topic/"
	groupRows     = "broker/group/"
	forbiddenRows = "broker/forbidden/"
	keptRow       = "broker/settings"
	versionRows   = "broker/version/"
	offsetRows    = "broker/offset/"
	modeRows      = "broker/mode/"
	limitRows     = "broker/limit/"
)

// offsetRow is the row of a group's offset in a queue.
func offsetRow(group string, q mq.Queue) []byte {
	key := make([]byte, 0, len(offsetRows)+len(q.Topic)+len(group)+6)
	key = append(key, offsetRows...)
	key = append(append(key, q.Topic...), 0)
	key = append(append(key, group...), 0)
	return binary.BigEndian.AppendUint32(key, uint32(q.ID))
}

// parseOffsetRow takes apart what offsetRow made.
func parseOffsetRow(key []byte) (group string, q mq.Queue, err error) {
	rest := strings.TrimPrefix(string(key), offsetRows)
	topic, rest, ok := strings.Cut(rest, "\x00")
	group, id, ok2 := strings.Cut(rest, "\x00")
	if !ok || !ok2 || len(id) != 4 {
		return "", q, fmt.Errorf("broker: row %q is not an offset's", key)
	}
	return group, mq.Queue{Topic: topic, ID: int32(binary.BigEndian.Uint32([]byte(id)))}, nil
}

// setJSON stores a value that must survive a power loss. The caller says in its
// error what is not stored.
func (b *Broker) setJSON(key string, v any) error {
	batch := b.store.Keys().Batch()
	batchJSON(batch, key, v)
	return b.store.Keys().Apply(batch, true)
}

// batchJSON is setJSON as part of a batch.
func batchJSON(batch *store.KeyBatch, key string, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	batch.Set([]byte(key), text)
}

// applyChange stores a change of a table of the broker together with the next
// version of the table, which v is afterwards.
func (b *Broker) applyChange(batch *store.KeyBatch, table string, v *mq.DataVersion) error {
	next := *v
	next.Counter++
	next.Timestamp = time.Now().UnixMilli()
	batchJSON(batch, versionRows+table, next)
	if err := b.store.Keys().Apply(batch, true); err != nil {
		return err
	}
	*v = next
	return nil
}

// scanJSON calls each with the rest of the key and the value of every row whose
// key starts with prefix.
func scanJSON[V any](b *Broker, prefix string, each func(name string, v V)) error {
	return b.store.Keys().Scan([]byte(prefix), func(key, value []byte) error {
		var v V
		if err := json.Unmarshal(value, &v); err != nil {
			return fmt.Errorf("broker: row %q is damaged: %w", key, err)
		}
		each(string(key[len(prefix):]), v)
		return nil
	})
}

// keepLater reports whether a row that could not be written may wait: the disk
// is full, so that it can be written once there is space. It says so once.
func (b *Broker) keepLater(err error) bool {
	if !errors.Is(err, mq.ErrDiskFull) {
		return false
	}
	if !b.unkept.Swap(true) {
		b.opts().Log.Warn("new groups, settings and consumer offsets are kept in memory only until there is space on the disk", "error", err)
	}
	return true
}

// keepRest writes the rows that wait for space.
func (b *Broker) keepRest() {
	if !b.unkept.Swap(false) {
		return
	}
	err := errors.Join(b.keepGroups(), b.keepTopics(), b.keepSettings(), b.offsets.keepRest())
	switch {
	case err == nil:
		b.opts().Log.Info("groups, settings and consumer offsets that were in memory only are kept again")
	case !errors.Is(err, mq.ErrDiskFull):
		b.opts().Log.Error("groups, settings and consumer offsets are in memory only, will try again", "error", err)
	}
	if err != nil {
		b.unkept.Store(true)
	}
}
