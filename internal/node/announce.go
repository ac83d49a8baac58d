package node

import (
	"context"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// publishTime bounds how long an operator who creates a topic waits for name
// servers elsewhere.
const publishTime = 3 * time.Second

// An announcer is the broker's mq.Admin that answers for a topic once name
// servers elsewhere know it, too: who creates a topic may use it at once.
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
	if a.n.registrar == nil {
		return nil
	}
	kept, err := a.Topic(ctx, t.Name)
	if err != nil {
		return nil // somebody deleted it since
	}
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	if err := a.n.registrar.Publish(ctx, kept); err != nil {
		a.n.c.Log.Warn("a name server could not be told of a topic yet", "topic", t.Name, "error", err)
	}
	return nil
}
