package node

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// publishTime bounds how long an operator who creates a topic waits for name
// servers elsewhere.
const publishTime = 3 * time.Second

// quick is how long telling the name server in this process of all topics may
// take for it to be done at once, while whoever changed a topic waits.
const quick = 2 * time.Millisecond

// longestPause bounds the time between a change of a topic and its route.
const longestPause = time.Second

// announcements are the changes that the name server in this process has yet
// to be told. Telling it costs more the more topics there are, so where it is
// dear many changes are told together.
type announcements struct {
	cost atomic.Int64  // nanoseconds that the last one took
	wake chan struct{} // capacity 1: there is something to tell
}

// topicsChanged tells the name servers that topics were created, changed or
// deleted.
func (n *Node) topicsChanged() {
	if n.registrar != nil {
		n.registrar.Changed()
	}
	if n.local == nil {
		return
	}
	if time.Duration(n.announcements.cost.Load()) < quick {
		n.enterTopics()
		return
	}
	select {
	case n.announcements.wake <- struct{}{}:
	default:
	}
}

// enterTopics tells the name server in this process of all topics.
func (n *Node) enterTopics() {
	begin := time.Now()
	n.local.Changed()
	n.announcements.cost.Store(int64(time.Since(begin)))
}

// announce tells what topicsChanged has left, and spends at most a tenth of
// the time on it.
func (n *Node) announce(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-n.announcements.wake:
		}
		n.enterTopics()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(min(9*time.Duration(n.announcements.cost.Load()), longestPause)):
		}
	}
}

// An announcer is the broker's mq.Admin that answers for a topic once all name
// servers know it: who creates a topic may use it at once.
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
	if a.n.local != nil {
		err = a.n.local.Publish(ctx, kept)
	}
	if a.n.registrar != nil {
		err = errors.Join(err, a.n.registrar.Publish(ctx, kept))
	}
	if err != nil {
		a.n.c.Log.Warn("a name server could not be told of a topic yet", "topic", t.Name, "error", err)
	}
	return nil
}
