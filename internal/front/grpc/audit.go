package grpc

import (
	"strings"

	"google.golang.org/grpc"

	"github.com/goddardmq/goddard/internal/auth"
)

// handled is what a call's handler answers. A call of an operator that changes
// something, or was to, is noted, as requests of the remoting protocol are; denied
// ones are noted where they are denied.
func (s *Server) handled(c *call, srv any, handle grpc.MethodHandler) (any, error) {
	if s.o.Access == nil || !strings.HasPrefix(c.method, adminService) {
		return handle(srv, c.ctx, c.RecvMsg, nil)
	}
	var received any
	resp, err := handle(srv, c.ctx, func(m any) error {
		err := c.RecvMsg(m)
		if err == nil {
			received = m
		}
		return err
	}, nil)
	if about, changes := s.changed(received); changes {
		s.o.Access.Did(s.caller(c.ctx), c.method, err, about...)
	}
	return resp, err
}

// changed is what a request is about, and whether it changes something of that.
func (s *Server) changed(req any) (about []string, changes bool) {
	if req == nil {
		return nil, false
	}
	needs, _ := s.needsOf(req)
	for _, n := range needs {
		changes = changes || n.Actions&(auth.Create|auth.Update|auth.Delete) != 0
		about = append(about, n.Resource.String())
	}
	return about, changes
}
