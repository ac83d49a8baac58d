package broker

import (
	"strings"

	"github.com/goddardmq/goddard/internal/lite"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/pop"
)

// liteLookStep is how many rows one look through the lite topics reads.
const liteLookStep = 4096

// lookThroughLites goes on to look through the lite topics of a parent whose
// clients want them all. It reports whether there is more to look through.
func (b *Broker) lookThroughLites() bool {
	l := b.lites
	l.mu.Lock()
	look, ok := l.mu.registry.Look()
	l.mu.Unlock()
	if !ok {
		return false
	}
	names, next, err := b.litesWithMore(look)
	if err != nil {
		b.opts().Log.Warn("the lite topics of a topic could not be looked through; that will be tried again", "topic", look.Parent, "group", look.Group, "error", err)
		return false
	}
	b.changeLites(func(r *lite.Registry[*waiting]) []*waiting { return r.Looked(look, names, next) })
	return true
}

// litesWithMore reads some rows from where a look is, and returns the lite
// topics of its parent in which its group is not at the end, and the row to go
// on from; nil if there is none.
func (b *Broker) litesWithMore(look lite.Look) (names []string, next []byte, err error) {
	rows, next, err := b.dueRows(look.From, nil, liteLookStep)
	if err != nil {
		return nil, nil, err
	}
	prefix := mq.LiteQueue(look.Parent, "")
	for _, row := range rows {
		name := liteOf(row)
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		more, err := b.liteHasMore(pop.Use{Group: look.Group, Topic: name})
		if err != nil {
			return nil, nil, err
		}
		if more {
			names = append(names, name)
		}
	}
	return names, next, nil
}

// liteHasMore reports whether a group is not at the end of a lite topic.
func (b *Broker) liteHasMore(u pop.Use) (bool, error) {
	lo, hi, err := b.store.Bounds(mq.Queue{Topic: u.Topic})
	if err != nil || lo == hi {
		return false, err
	}
	at, err := b.liteAt(u)
	return max(at, lo) < hi, err
}
