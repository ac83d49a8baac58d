package txn

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/goddardmq/goddard/internal/mq"
)

const (
	progressRow = "txn/progress"
	halfRows    = "txn/half/"
	halfRowSize = 8 + 8 + 4 + 1
)

func halfRow(at mq.QueueOffset) []byte {
	return binary.BigEndian.AppendUint64([]byte(halfRows), uint64(at))
}

func (h half) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(h.born))
	b = binary.BigEndian.AppendUint64(b, uint64(h.rest))
	b = binary.BigEndian.AppendUint32(b, uint32(h.checks))
	if h.givenUp {
		return append(b, 1)
	}
	return append(b, 0)
}

func decodeHalf(b []byte) (h half, ok bool) {
	if len(b) != halfRowSize || b[20] > 1 {
		return h, false
	}
	be := binary.BigEndian
	return half{
		born: int64(be.Uint64(b)), rest: int64(be.Uint64(b[8:])), checks: int32(be.Uint32(b[16:])), givenUp: b[20] == 1,
	}, true
}

// load reads the rows. If they are ahead of the log, of which a power cut may
// have taken the end, they are dropped and the log is read from its start.
func (l *Ledger) load() error {
	v, err := l.opts.Store.Keys().Get([]byte(progressRow))
	switch {
	case errors.Is(err, mq.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("txn: %w", err)
	case len(v) != 16:
		return fmt.Errorf("txn: row %q has %d bytes, want 16", progressRow, len(v))
	}
	c := l.mu.core
	c.next, c.op = mq.QueueOffset(binary.BigEndian.Uint64(v)), mq.QueueOffset(binary.BigEndian.Uint64(v[8:]))
	_, halves, err := l.opts.Store.Bounds(halfQueue)
	if err != nil {
		return err
	}
	_, ops, err := l.opts.Store.Bounds(opQueue)
	if err != nil {
		return err
	}
	if c.next > halves || c.op > ops {
		l.opts.Log.Warn("what is known of transactions is ahead of the log; reading them all again")
		c.next, c.op = 0, 0
		return l.dropRows()
	}
	l.saved.next, l.saved.op = c.next, c.op
	return l.opts.Store.Keys().Scan([]byte(halfRows), func(key, value []byte) error {
		h, ok := decodeHalf(value)
		if len(key) != len(halfRows)+8 || !ok {
			return fmt.Errorf("txn: row %q is damaged", key)
		}
		c.load(mq.QueueOffset(binary.BigEndian.Uint64(key[len(halfRows):])), h)
		return nil
	})
}

func (l *Ledger) dropRows() error {
	keys := l.opts.Store.Keys()
	b := keys.Batch()
	b.Delete([]byte(progressRow))
	b.DeletePrefix([]byte(halfRows))
	return keys.Apply(b, false)
}

// saveLocked writes what changed since it was last called. While ends are known
// whose half messages are not, the rows stay as they are.
func (l *Ledger) saveLocked() {
	c := l.mu.core
	if !c.known() || len(c.dirty) == 0 && c.next == l.saved.next && c.op == l.saved.op {
		return
	}
	keys := l.opts.Store.Keys()
	b := keys.Batch()
	for at, stored := range c.dirty {
		if h, ok := c.halves[at]; ok {
			b.Set(halfRow(at), h.encode())
		} else if stored {
			b.Delete(halfRow(at))
		}
	}
	v := binary.BigEndian.AppendUint64(nil, uint64(c.next))
	b.Set([]byte(progressRow), binary.BigEndian.AppendUint64(v, uint64(c.op)))
	if err := keys.Apply(b, false); err != nil {
		l.opts.Log.Error("cannot keep what is known of transactions; it will be read from the log again", "error", err)
		return
	}
	l.saved.next, l.saved.op = c.next, c.op
	for at := range c.dirty {
		if h, ok := c.halves[at]; ok && !h.stored {
			h.stored = true
			c.halves[at] = h
		}
	}
	clear(c.dirty)
}
