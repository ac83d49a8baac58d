package grpc

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Calls of health and reflection need no user. Their streams keep a connection
// from being idle, so there are few, and they end.
const (
	maxAsides     = 256 // streams of all connections, and
	maxAsidesEach = 4   // of one
	asideTime     = 10 * time.Minute
)

// besides serves a stream of health or reflection.
func (s *Server) besides(srv any, c *call, next grpc.StreamHandler) error {
	if err := c.refused(); err != nil {
		return aside(err)
	}
	if !s.asides.take(c.from, 1) {
		return status.Errorf(codes.ResourceExhausted, "too many streams of health and reflection are open: there can be %d, and of each address half of what is free; close some", maxAsides)
	}
	defer s.asides.give(c.from, 1)
	if c.visitor != nil {
		defer c.visitor.asides.Add(-1)
		if c.visitor.asides.Add(1) > maxAsidesEach {
			return status.Errorf(codes.ResourceExhausted, "%d streams of health and reflection are open on this connection, which is the most; close some", maxAsidesEach)
		}
	}
	// The end of the stream ends its handler.
	defer time.AfterFunc(asideTime, func() {
		_ = c.raw.WriteStatus(status.Newf(codes.Unavailable, "a stream of health or reflection ends after %v; open another", asideTime))
	}).Stop()
	return aside(next(srv, c))
}

// refused is why the calls of the connection are refused; nil if they are not.
func (c *call) refused() error {
	if c.visitor == nil {
		return nil
	}
	return c.visitor.refused
}

// aside is an error as health and reflection have it: they know no status of ours.
func aside(err error) error {
	if err == nil || status.Code(err) != codes.Unknown {
		return err
	}
	return status.Error(codes.ResourceExhausted, err.Error())
}
