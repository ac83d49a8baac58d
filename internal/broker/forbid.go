package broker

import (
	"context"
	"fmt"
	"slices"

	"github.com/goddardmq/goddard/internal/mq"
)

// maxForbidden bounds the topics that are forbidden to one group.
const maxForbidden = 10_000

// forbidden are the topics that a group may not read, sorted.
type forbidden []string

func (f forbidden) has(topic string) bool {
	_, found := slices.BinarySearch(f, topic)
	return found
}

func (b *Broker) loadForbidden() error {
	b.groups.forbidden = newTable[forbidden]()
	return scanJSON(b, forbiddenRows, func(group string, f forbidden) { b.groups.forbidden.add(group, &f) })
}

// mayRead reports whether no operator has forbidden a group a topic.
func (b *Broker) mayRead(group, topic string) bool {
	f := b.groups.forbidden.get(group)
	return f == nil || !f.has(topic)
}

// Forbidden says whether a group may not read a topic.
func (b *Broker) Forbidden(_ context.Context, group, topic string) bool {
	return !b.mayRead(group, topic)
}

// Forbid forbids a group to read a topic, or lets it. Neither has to exist.
func (b *Broker) Forbid(_ context.Context, group, topic string, no bool) error {
	if err := mq.CheckGroup(group); err != nil {
		return err
	}
	if err := mq.CheckTopic(topic); err != nil {
		return err
	}
	b.groups.mu.Lock()
	defer b.groups.mu.Unlock()
	var next forbidden
	if old := b.groups.forbidden.get(group); old != nil {
		next = slices.Clone(*old)
	}
	at, found := slices.BinarySearch(next, topic)
	switch {
	case found == no:
		return nil
	case no && len(next) >= maxForbidden:
		return fmt.Errorf("%w: %d topics are forbidden to group %s, which is as many as there may be; suspend the group instead (consumeEnable)",
			mq.ErrInvalid, len(next), group)
	case no:
		next = slices.Insert(next, at, topic)
	default:
		next = slices.Delete(next, at, at+1)
	}
	if err := b.keepForbiddenLocked(group, next); err != nil {
		return fmt.Errorf("whether group %s may read topic %s cannot be stored: %w", group, topic, err)
	}
	b.opts().Log.Info("changed what a group may read", "group", group, "topic", topic, "forbidden", no)
	return nil
}

func (b *Broker) keepForbiddenLocked(group string, f forbidden) error {
	batch, kept := b.store.Keys().Batch(), &f
	if len(f) == 0 {
		kept = nil
		batch.Delete([]byte(forbiddenRows + group))
	} else {
		batchJSON(batch, forbiddenRows+group, f)
	}
	if err := b.applyChange(batch, "group", &b.groups.mu.version); err != nil {
		return err
	}
	b.groups.forbidden.put(group, kept)
	return nil
}

// Forbiddances are all topics that are forbidden to groups.
func (b *Broker) Forbiddances(context.Context) map[string][]string {
	all := map[string][]string{}
	for group, f := range b.groups.forbidden.all() {
		all[group] = slices.Clone(*f)
	}
	return all
}
