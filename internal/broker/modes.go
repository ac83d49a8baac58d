package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/goddardmq/goddard/internal/mq"
)

// modes are how groups get messages, as operators set it.
type modes struct {
	// mu guards the table, and orders changes of it with their rows; it is held
	// while a row is written.
	mu struct {
		sync.RWMutex
		table map[use]mq.RequestMode
	}
}

func (b *Broker) loadModes() error {
	b.modes.mu.table = map[use]mq.RequestMode{}
	return scanJSON(b, modeRows, func(_ string, m mq.RequestMode) {
		b.modes.mu.table[use{m.Group, m.Topic}] = m
	})
}

func modeRow(u use) string { return modeRows + u.topic + "\x00" + u.group }

// PutRequestMode sets how a group's clients get a topic's messages.
func (b *Broker) PutRequestMode(_ context.Context, m mq.RequestMode) error {
	switch {
	case strings.HasPrefix(m.Topic, mq.RetryPrefix):
		return fmt.Errorf("%w: retry topic is not allowed to set mode", mq.ErrDenied)
	case b.topics.table.get(m.Topic) == nil:
		return missingTopic(m.Topic)
	case b.groups.table.get(m.Group) == nil:
		return missingGroup(m.Group)
	case m.Mode != mq.ModePull && m.Mode != mq.ModePop:
		return fmt.Errorf("%w: mode is %.20q: want %s or %s", mq.ErrInvalid, m.Mode, mq.ModePull, mq.ModePop)
	}
	u := use{m.Group, m.Topic}
	b.modes.mu.Lock()
	defer b.modes.mu.Unlock()
	if err := b.setJSON(modeRow(u), m); err != nil {
		return fmt.Errorf("the request mode of group %s in topic %s cannot be stored: %w", m.Group, m.Topic, err)
	}
	b.modes.mu.table[u] = m
	b.opts().Log.Info("set request mode", "group", m.Group, "topic", m.Topic, "mode", m.Mode)
	return nil
}

// RequestModes are all that were set, sorted by topic and group.
func (b *Broker) RequestModes(context.Context) []mq.RequestMode {
	b.modes.mu.RLock()
	defer b.modes.mu.RUnlock()
	all := make([]mq.RequestMode, 0, len(b.modes.mu.table))
	for _, m := range b.modes.mu.table {
		all = append(all, m)
	}
	slices.SortFunc(all, func(x, y mq.RequestMode) int {
		if x.Topic != y.Topic {
			return strings.Compare(x.Topic, y.Topic)
		}
		return strings.Compare(x.Group, y.Group)
	})
	return all
}

// requestMode is how a group's clients get a topic's messages. What comes back
// is always pulled.
func (b *Broker) requestMode(u use) mq.RequestMode {
	b.modes.mu.RLock()
	m, ok := b.modes.mu.table[u]
	b.modes.mu.RUnlock()
	if ok {
		return m
	}
	live := b.opts()
	m = mq.RequestMode{Topic: u.topic, Group: u.group, Mode: live.RequestMode}
	if strings.HasPrefix(u.topic, mq.RetryPrefix) {
		m.Mode = mq.ModePull
	}
	if m.Mode == mq.ModePop {
		m.ShareQueues = live.PopShareQueues
	}
	return m
}

// deleteModes forgets the modes that match.
func (b *Broker) deleteModes(match func(use) bool) error {
	b.modes.mu.Lock()
	defer b.modes.mu.Unlock()
	for u := range b.modes.mu.table {
		if !match(u) {
			continue
		}
		if err := b.store.Keys().Delete([]byte(modeRow(u)), true); err != nil {
			return fmt.Errorf("the request mode of group %s in topic %s cannot be deleted: %w", u.group, u.topic, err)
		}
		delete(b.modes.mu.table, u)
	}
	return nil
}

// Waiting is how many pops of a group wait for messages of a queue of a topic,
// or (id -1) of any.
func (b *Broker) Waiting(_ context.Context, group, topic string, queue int32) int {
	return b.parking.waitingPops(use{group, topic}, queue)
}
