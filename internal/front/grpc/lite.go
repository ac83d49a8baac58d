package grpc

// SyncLiteSubscription: which lite topics a client wants. Lite topics are not
// there yet; every call that names one is told so.

import (
	"context"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
)

// errLite is the answer to everything about lite topics.
var errLite = refusef(rmq.Code_NOT_IMPLEMENTED, "lite topics are not supported by this broker; use a topic of type NORMAL or FIFO")

// SyncLiteSubscription refuses.
func (messaging) SyncLiteSubscription(context.Context, *rmq.SyncLiteSubscriptionRequest) (*rmq.SyncLiteSubscriptionResponse, error) {
	return nil, errLite
}
