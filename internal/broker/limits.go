package broker

import (
	"context"
	"fmt"

	"github.com/goddardmq/goddard/internal/limit"
	"github.com/goddardmq/goddard/internal/mq"
)

// Connect counts a client's connection; see mq.Broker.
func (b *Broker) Connect(by mq.Caller) (mq.Visit, error) {
	v, err := b.limits.Connect(by)
	if err != nil {
		return nil, err
	}
	return v, nil
}

// visitOf is the connection as the limits know it; nil if the process itself asks.
func visitOf(v mq.Visit) *limit.Visit {
	one, _ := v.(*limit.Visit)
	return one
}

// limitSend refuses what is sent to a topic beyond a limit.
func limitSend(from mq.Visit, t *topic, one *mq.Send) error {
	v := visitOf(from)
	if v == nil {
		return nil
	}
	own := t.sending.Load()
	if own == nil && !v.Limited() {
		return nil
	}
	size := len(one.Body) + len(one.Properties)
	for i := range one.More {
		size += len(one.More[i].Body) + len(one.More[i].Properties)
	}
	return v.Send(own, int64(1+len(one.More)), int64(size))
}

// limitSending puts in force what the attributes of a topic say of sending.
func (b *Broker) limitSending(name string, attributes map[string]string) {
	t := b.topics.table.get(name)
	if t == nil {
		return
	}
	messages, bytes, err := perSecond("topic", name, attributes, limit.AttributeMessages, limit.AttributeBytes)
	if err != nil {
		b.opts().Log.Warn("an attribute of a topic is unusable and has no effect; set it again or remove it", "topic", name, "error", err)
	}
	own := t.sending.Load()
	switch {
	case messages == 0 && bytes == 0:
		t.sending.Store(nil)
	case own == nil:
		t.sending.Store(limit.NewTopic(name, messages, bytes))
	default:
		own.Set(messages, bytes)
	}
}

// loadLimits reads the rows.
func (b *Broker) loadLimits() error {
	return scanJSON(b, limitRows, func(name string, r mq.LimitRule) {
		if err := b.limits.Put(r); err != nil {
			b.opts().Log.Error("a limit cannot be put in force; delete it or set it again with `goddard admin limit`", "limit", name, "error", err)
		}
	})
}

// limitRow is the row of a limit.
func limitRow(scope, name string) string { return limitRows + scope + "/" + name }

// Limits are all limits; see mq.Admin.
func (b *Broker) Limits(context.Context) []mq.LimitUse {
	all := b.limits.List()
	for _, t := range b.topics.table.all() {
		if own := t.sending.Load(); own != nil {
			all = append(all, own.Use())
		}
	}
	return all
}

// PutLimit sets a limit; see mq.Admin.
func (b *Broker) PutLimit(_ context.Context, r mq.LimitRule) error {
	r, err := b.limits.Check(r)
	if err != nil {
		return err
	}
	b.limiting.Lock()
	defer b.limiting.Unlock()
	if err := b.limits.Put(r); err != nil {
		return err
	}
	b.throttle.limitsChanged()
	if err := b.setJSON(limitRow(r.Scope, r.Name), r); err != nil {
		return fmt.Errorf("the limit holds until the broker stops, but cannot be stored: %w", err)
	}
	b.opts().Log.Info("limit set", "scope", r.Scope, "name", r.Name, "send_messages", r.SendMessages, "send_bytes", r.SendBytes,
		"consume_messages", r.ConsumeMessages, "consume_bytes", r.ConsumeBytes, "requests", r.Requests, "connections", r.Connections)
	return nil
}

// DeleteLimit takes a limit away; see mq.Admin.
func (b *Broker) DeleteLimit(_ context.Context, scope, name string) error {
	b.limiting.Lock()
	defer b.limiting.Unlock()
	was, err := b.limits.Delete(scope, name)
	if err != nil {
		return err
	}
	b.throttle.limitsChanged()
	if err := b.store.Keys().Delete([]byte(limitRow(was.Scope, was.Name)), true); err != nil {
		return fmt.Errorf("the limit is lifted until the broker starts again, but its row cannot be deleted: %w", err)
	}
	b.opts().Log.Info("limit deleted", "scope", was.Scope, "name", was.Name)
	return nil
}
