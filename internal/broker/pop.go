package broker

import (
	"context"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// Pop is not there yet.
func (b *Broker) Pop(_ context.Context, _ mq.PopRequest, done func(mq.PopBatch, error)) {
	done(mq.PopBatch{}, mq.ErrNotSupported)
}

// Notify is not there yet.
func (b *Broker) Notify(_ context.Context, _ mq.PopRequest, done func(mq.PopStatus, error)) {
	done(mq.PopNothing, mq.ErrNotSupported)
}

// Ack is not there yet.
func (b *Broker) Ack(context.Context, []mq.Ack) []error { return []error{mq.ErrNotSupported} }

// ChangeInvisible is not there yet.
func (b *Broker) ChangeInvisible(context.Context, mq.Ack, time.Duration, bool) (mq.Receipt, error) {
	return mq.Receipt{}, mq.ErrNotSupported
}

// Bury is not there yet.
func (b *Broker) Bury(context.Context, mq.Ack) error { return mq.ErrNotSupported }

// Assign is not there yet.
func (b *Broker) Assign(context.Context, mq.AssignmentRequest) ([]mq.Assignment, error) {
	return nil, mq.ErrNotSupported
}

// PutRequestMode is not there yet.
func (b *Broker) PutRequestMode(context.Context, mq.RequestMode) error { return mq.ErrNotSupported }

// RequestModes is not there yet.
func (b *Broker) RequestModes(context.Context) []mq.RequestMode { return nil }

// Waiting is not there yet.
func (b *Broker) Waiting(context.Context, string, string, int32) int { return 0 }
