package namesrv

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/limit"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// refusedTime is how long a connection that is one too many has for its first
// request, which is told so.
const refusedTime = 5 * time.Second

// A session is one connection. It belongs to the goroutine that reads it.
type session struct {
	from      mq.Caller    // without a user
	id        connID       // 0 unless a broker registered over it
	visit     *limit.Visit // nil if the connection was refused
	refused   error        // why it was
	farewell  *time.Timer
	suspect   bool // its last request had a wrong signature, or none
	signature rpc.Signature
}

// sessionOf is the session of a connection that Opened saw.
func sessionOf(c *rpc.Conn) *session {
	s, ok := c.Session.(*session)
	if !ok {
		panic(fmt.Sprintf("BUG: connection with session %T was not opened by this handler", c.Session))
	}
	return s
}

// Opened implements rpc.Handler.
func (h handler) Opened(c *rpc.Conn) {
	remote := c.RemoteAddr()
	own := &session{from: mq.Caller{Addr: netip.AddrPortFrom(remote.Addr().Unmap().WithZone(""), remote.Port())}}
	if own.visit, own.refused = h.s.limits.Connect(own.from); own.refused != nil {
		own.farewell = time.AfterFunc(refusedTime, c.Finish)
	}
	c.Session = own
}

// vital reports whether a limit of requests does not refuse a request: it lets
// operators act, or what was begun go on.
func (own *session) vital(code wire.Code) bool {
	switch code {
	case wire.RegisterBroker:
		return own.id != 0
	case wire.QueryDataVersion:
		return true
	}
	return needs(code) != 0
}

// enter lets a request pass that no limit refuses and whose sender may do what it
// needs, or answers why not. Limits come first, since looking at a signature costs
// more; whoever sent a wrong one has no vital requests until a right one.
func (s *Server) enter(own *session, req *wire.Command) (refused *wire.Command) {
	vital := own.vital(req.Code)
	if err := own.visit.Request(own.from, vital && !own.suspect); err != nil {
		return req.ReplyError(wire.CodeSystemBusy, err.Error())
	}
	if s.access == nil || !s.access.Authenticates() {
		return nil
	}
	by, err := s.admit(own, req)
	if own.suspect = errors.Is(err, auth.ErrUnauthenticated); err != nil {
		return req.ReplyError(wire.CodeNoPermission, err.Error())
	}
	if err := own.visit.Identified(by.User, vital); err != nil {
		return req.ReplyError(wire.CodeSystemBusy, err.Error())
	}
	return nil
}

// admit lets a request pass and says who sends it, or says why not.
func (s *Server) admit(own *session, req *wire.Command) (by mq.Caller, err error) {
	a, by := s.access, own.from
	code := strconv.Itoa(int(req.Code))
	if !a.Unsigned(code) {
		if err := own.signature.Read(req); err != nil {
			return by, err
		}
		// Of a name that is too long as much as it takes to see that.
		user := own.signature.User
		by.User = string(user[:min(len(user), auth.MaxName+1)])
		if err := a.Authenticate(by, own.signature.MAC, own.signature.Parts, req.Code.String()); err != nil {
			return by, err
		}
		if from, other := req.Fields.Get(rpc.FieldFrom); other { // the console of this process asks for others
			proof, _ := req.Fields.Get(rpc.FieldFromProof)
			by = a.From(by, from, proof)
		}
	}
	need := needs(req.Code)
	if need == 0 || a.Free(code) {
		return by, nil
	}
	return by, a.Authorize(by, auth.Need{Resource: auth.ClusterNamed(s.cluster), Actions: need}, req.Code.String())
}
