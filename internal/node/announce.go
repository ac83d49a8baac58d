package node

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// publishTime bounds how long an operator who creates a topic waits for name
// servers elsewhere.
const publishTime = 3 * time.Second

// topicChanged tells the name servers of a topic that was created, changed or
// deleted: the one in this process at once, others with the next registration,
// which it brings forward.
func (n *Node) topicChanged(name string) {
	if n.registrar != nil {
		n.registrar.Changed()
	}
	if n.local == nil {
		return
	}
	// Of several changes that are told at the same time the last must be the
	// topic as it is.
	n.announcing.Lock()
	defer n.announcing.Unlock()
	t, err := n.broker.Topic(context.Background(), name)
	if err != nil {
		n.local.Withdraw(name)
		return
	}
	if err := n.local.Publish(context.Background(), t); err != nil {
		n.c.Log.Error("the name server in this process cannot be told of a topic", "topic", name, "error", err)
	}
}

// topicQueues is how many queues of a topic each broker has that the name
// servers know: the one in this process, or else those it is registered with.
func (n *Node) topicQueues(ctx context.Context, topic string) (map[string]int32, error) {
	switch {
	case n.local != nil:
		return n.local.Queues(topic)
	case n.registrar != nil:
		return n.registrar.Queues(ctx, topic)
	}
	return nil, mq.ErrTopicNotFound
}

// An announcer is the broker's mq.Admin that answers for a topic once all name
// servers know it: who creates a topic may use it at once. It answers for the
// settings of all parts.
type announcer struct {
	mq.Admin
	n *Node
}

// PutTopic creates or changes a topic and tells the name servers. One that
// cannot be told learns of it with the next registration.
func (a announcer) PutTopic(ctx context.Context, t mq.Topic) error {
	if err := a.Admin.PutTopic(ctx, t); err != nil {
		return err
	}
	kept, err := a.Topic(ctx, t.Name)
	if err != nil {
		return nil // somebody deleted it since
	}
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	if a.n.registrar == nil {
		return nil
	}
	if err := a.n.registrar.Publish(ctx, kept); err != nil {
		a.n.c.Log.Warn("a name server could not be told of a topic yet", "topic", t.Name, "error", err)
	}
	return nil
}

// Settings are those of the broker in force and those of the other parts, and
// where they come from; and the port for gRPC clients as it is, by which other
// nodes find it.
func (a announcer) Settings(ctx context.Context) map[string]string {
	all := a.n.settings(a.Admin.Settings(ctx))
	if at := a.n.GRPCAddr(); at.IsValid() {
		all[grpcPortKey] = strconv.Itoa(int(at.Port()))
	}
	return all
}

// SetSettings changes settings of the broker; those of other parts cannot change.
func (a announcer) SetSettings(ctx context.Context, kv map[string]string) error {
	own := a.Admin.Settings(ctx)
	for key := range kv {
		_, configured := a.n.configured[key]
		if _, ok := own[key]; configured && !ok {
			return fmt.Errorf("%w: %s cannot change while the broker runs; change its configuration and start it again", mq.ErrInvalid, key)
		}
	}
	return a.Admin.SetSettings(ctx, kv)
}
