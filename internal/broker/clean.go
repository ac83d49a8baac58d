package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// Clean removes messages that retention lets go, at once.
func (b *Broker) Clean(context.Context) error {
	if b.closing.Load() {
		return mq.ErrClosed
	}
	removed, err := b.store.Clean(time.Now())
	b.opts().Log.Info("retention was run by hand", "segments_removed", removed)
	if err != nil {
		return fmt.Errorf("removing old messages failed: %w", err)
	}
	return nil
}

// TrimIndexes deletes what indexes know of messages that are gone.
func (b *Broker) TrimIndexes(context.Context) error {
	if b.closing.Load() {
		return mq.ErrClosed
	}
	if err := b.store.Trim(); err != nil {
		return fmt.Errorf("trimming the indexes failed: %w", err)
	}
	return nil
}
