package pop

import (
	"errors"
	"slices"
	"sync"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// An edit is a change of rows whose stripes are locked until it ends. A row is read
// once and written once, however many of its messages are let go.
type edit struct {
	h    *Holds
	rows []edited
	at   map[rowID]int // in rows; nil while there are few

	key, value []byte // written over and over
}

// An edited row may not be there, or not any more: then nothing is left in it.
type edited struct {
	row
	stripe int
	taken  int // messages that were let go
}

// fewRows is how many rows are looked through rather than hashed.
const fewRows = 4

// edits are those that wait to be used again: acknowledgements may come one by one.
var edits = sync.Pool{New: func() any { return new(edit) }}

// edit begins an edit, which ends in end.
func (h *Holds) edit() *edit {
	e := edits.Get().(*edit)
	e.h = h
	return e
}

// end ends an edit, before the stripes are unlocked.
func (e *edit) end() {
	clear(e.rows)
	e.h, e.rows, e.at = nil, e.rows[:0], nil
	edits.Put(e)
}

// find is the row that a message is in and where in it; nil if it is not in hand.
// The row is valid until the next call.
func (e *edit) find(p *Place) (*edited, int, error) {
	ids := [2]rowID{{Use: p.Use, due: p.Due, first: p.First, many: true}, p.alone()}
	for _, id := range ids {
		if r := e.known(id); r != nil {
			if i := r.find(p.Offset); i >= 0 {
				return r, i, nil
			}
		}
	}
	for _, id := range ids {
		r, err := e.load(id)
		if err != nil {
			return nil, 0, err
		}
		if i := r.find(p.Offset); i >= 0 {
			return r, i, nil
		}
	}
	return nil, 0, nil
}

// take lets a message go, if it is there.
func (e *edit) take(p *Place) (hold Hold, there bool, err error) {
	r, i, err := e.find(p)
	if r == nil {
		return hold, false, err
	}
	hold = r.hold(i)
	r.left = slices.Delete(r.left, i, i+1)
	r.taken++
	return hold, true, nil
}

// known is a row that need not be read; nil if it must.
func (e *edit) known(id rowID) *edited {
	if i := e.loaded(id); i >= 0 {
		return &e.rows[i]
	}
	stripe := e.h.stripe(id.Use)
	if r, ok := e.h.stripes[stripe].recent.take(id); ok {
		return e.add(edited{row: r, stripe: stripe})
	}
	return nil
}

// load reads a row, unless it is known.
func (e *edit) load(id rowID) (*edited, error) {
	if r := e.known(id); r != nil {
		return r, nil
	}
	r := edited{row: row{rowID: id}, stripe: e.h.stripe(id.Use)}
	e.key = id.appendKey(e.key[:0])
	value, err := e.h.opts.Store.Keys().Get(e.key)
	if err == nil {
		err = r.decodeValue(value)
	}
	if err != nil && !errors.Is(err, mq.ErrNotFound) {
		return nil, err
	}
	return e.add(r), nil
}

func (e *edit) add(r edited) *edited {
	e.rows = append(e.rows, r)
	if e.at != nil {
		e.at[r.rowID] = len(e.rows) - 1
	}
	return &e.rows[len(e.rows)-1]
}

// loaded is where a row is that was read; -1 if it was not.
func (e *edit) loaded(id rowID) int {
	if n := len(e.rows) - 1; n >= 0 && e.rows[n].rowID == id {
		return n
	}
	if len(e.rows) <= fewRows {
		return slices.IndexFunc(e.rows, func(r edited) bool { return r.rowID == id })
	}
	if e.at == nil {
		e.at = make(map[rowID]int, 2*len(e.rows))
		for i := range e.rows {
			e.at[e.rows[i].rowID] = i
		}
	}
	if i, ok := e.at[id]; ok {
		return i
	}
	return -1
}

// write adds what has changed to a batch.
func (e *edit) write(b *store.KeyBatch) {
	for i := range e.rows {
		r := &e.rows[i]
		if r.taken == 0 {
			continue
		}
		e.key = r.appendKey(e.key[:0])
		if len(r.left) == 0 {
			b.Delete(e.key)
			continue
		}
		e.value = r.appendValue(e.value[:0])
		b.Set(e.key, e.value)
	}
}

// give adds a row of its own for a message to a batch, after write.
func (e *edit) give(b *store.KeyBatch, h *Hold) {
	id := h.alone()
	if r := e.known(id); r != nil {
		r.left = nil // it is written over
	}
	e.key, e.value = id.appendKey(e.key[:0]), h.appendValue(e.value[:0])
	b.Set(e.key, e.value)
}

// done notes that the key store has what write and give added, if that was anything.
func (e *edit) done() {
	for i := range e.rows {
		if r := &e.rows[i]; len(r.left) > 0 {
			e.h.stripes[r.stripe].recent.put(r.row)
		}
	}
}

// maxRecent bounds the rows of a stripe that stay in memory.
const maxRecent = 16

// recent are rows as the key store has them that were written last: what is popped
// is acknowledged soon, and then need not be read. Whoever takes one and does not
// put it back leaves only the key store to know it.
type recent struct {
	rows [maxRecent]row // free where nothing is left
	next int            // to be replaced
}

func (c *recent) take(id rowID) (row, bool) {
	for i := range c.rows {
		r := &c.rows[i]
		if r.first == id.first && r.due == id.due && len(r.left) > 0 && r.rowID == id {
			found := *r
			*r = row{}
			return found, true
		}
	}
	return row{}, false
}

func (c *recent) put(r row) {
	for i := range c.rows {
		if len(c.rows[i].left) == 0 {
			c.rows[i] = r
			return
		}
	}
	c.rows[c.next] = r
	c.next = (c.next + 1) % maxRecent
}
