package grpc

import (
	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
)

// reserve takes a share of MaxUnread for size bytes, which may go beyond it once.
func (s *Server) reserve(size int64) error {
	for {
		n := s.unread.Load()
		if n >= s.o.MaxUnread {
			return refusef(rmq.Code_TOO_MANY_REQUESTS, "%d bytes of messages wait for clients to read them; read faster, or raise grpc-max-unread", n)
		}
		if s.unread.CompareAndSwap(n, n+size) {
			return nil
		}
	}
}
