package remoting

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// Options says what a Handler answers from.
type Options struct {
	// Broker and Admin hold the messages and their settings. Required.
	Broker mq.Broker
	Admin  mq.Admin

	// Name is the broker's name as the name server gives it to clients; it is
	// part of every queue in a JSON body. Required.
	Name string

	// StoreHost is the address within the message ids that answer a send. It
	// must be the one that Broker stores, and one that clients can dial: some
	// look messages up by it. Required.
	StoreHost netip.AddrPort

	// Region is told to producers for their message traces. Default
	// "DefaultRegion".
	Region string

	// TraceOff tells producers that traces are not wanted. Default false.
	TraceOff bool

	// Access says who may do what, and Cluster is the name of the cluster among
	// what can be allowed. Nil lets everybody do everything.
	Access  *auth.Access
	Cluster string

	// NoPropertyFilter refuses subscriptions by SQL-92 expressions. Default
	// false.
	NoPropertyFilter bool

	// Log receives faults of our own. Nil discards it.
	Log *slog.Logger
}

// A Handler answers the requests of all connections. It is an rpc.Handler.
type Handler struct {
	broker      mq.Broker
	admin       mq.Admin
	name        string
	storeHost   netip.AddrPort
	region      []byte
	traceOn     []byte
	noSelectors bool
	access      *auth.Access
	guard       *guard // nil if nobody is asked who they are
	log         *slog.Logger
	table       map[wire.Code]*operation
	forms       forms
	bursts      idleBursts
}

var _ rpc.Handler = (*Handler)(nil)

// New makes a Handler; an error names the option that is missing.
func New(o Options) (*Handler, error) {
	switch {
	case o.Broker == nil || o.Admin == nil:
		return nil, fmt.Errorf("remoting: Options.Broker and Options.Admin are required")
	case o.Name == "":
		return nil, fmt.Errorf("remoting: Options.Name is required: the broker's name")
	case !o.StoreHost.IsValid():
		return nil, fmt.Errorf("remoting: Options.StoreHost is required: the broker's address in message ids")
	}
	if o.Region == "" {
		o.Region = "DefaultRegion"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{
		broker: o.Broker, admin: o.Admin, name: o.Name, storeHost: o.StoreHost,
		region: []byte(o.Region), traceOn: strconv.AppendBool(nil, !o.TraceOff),
		noSelectors: o.NoPropertyFilter, access: o.Access, guard: newGuard(o.Access, o.Cluster), log: o.Log, table: map[wire.Code]*operation{},
	}
	h.forms = newForms(h.region, h.traceOn)
	for i := range operations {
		h.table[operations[i].code] = &operations[i]
	}
	return h, nil
}

// Opened gives the connection its session.
func (h *Handler) Opened(c *rpc.Conn) { c.Session = newSession(h, c) }

// Serve answers one request, or gathers it if it is a send, an acknowledgement or
// the end of a transaction.
func (h *Handler) Serve(c *rpc.Conn, req *wire.Command) { sessionOf(c).serve(req) }

// Flush hands what has been gathered to the broker.
func (h *Handler) Flush(c *rpc.Conn) { sessionOf(c).handOver() }

// Closed takes the client out of all its groups. It returns when nothing that
// the session started is running any more.
func (h *Handler) Closed(c *rpc.Conn) { sessionOf(c).close() }

// sessionOf is the session that Opened gave to a connection.
func sessionOf(c *rpc.Conn) *session {
	s, ok := c.Session.(*session)
	if !ok {
		panic(fmt.Sprintf("BUG: connection with session %T was not opened by this handler", c.Session))
	}
	return s
}

// serve finds what answers a request and runs it as the table says.
func (s *session) serve(req *wire.Command) {
	if s.visit == nil {
		s.turnAway(req)
		return
	}
	op := s.h.table[req.Code]
	if op == nil {
		s.handOver()
		s.refuse(req, notSupported(req.Code))
		return
	}
	if err := s.enter(req, op); err != nil {
		s.refuse(req, err)
		return
	}
	if op.run == gathered {
		switch op.code {
		case wire.AckMessage:
			s.gatherAck(req)
		case wire.EndTransaction:
			s.gatherEnd(req)
		default:
			s.gather(req, op.code)
		}
		return
	}
	// What was sent before this request has been stored, or lies in the
	// broker's hands, before the request is looked at.
	s.handOver()
	if op.maxBody == 0 {
		req.Body = nil
	}
	if len(req.Body) > op.maxBody {
		s.refuse(req, badRequest("the body of %v has %d bytes, at most %d are read; split the request", req.Code, len(req.Body), op.maxBody))
		return
	}
	switch op.run {
	case beside:
		own := req.Clone()
		s.beside(func() { s.answer(own, op) })
		return
	case asking:
		if s.asking.Add(1) > maxAsking {
			s.asking.Add(-1)
			s.refuse(req, refusef(wire.CodeSystemBusy, "%d requests of this connection wait for other clients; wait for answers", maxAsking))
			return
		}
		own := req.Clone()
		if !s.start(func() { defer s.asking.Add(-1); s.answer(own, op) }) {
			s.asking.Add(-1)
		}
		return
	}
	s.answer(req, op)
}

// enter lets a request pass that no limit refuses and whose sender may do what it
// needs. Limits come first, since looking at a signature costs more; whoever sent
// a wrong one has no vital requests until a right one.
func (s *session) enter(req *wire.Command, op *operation) error {
	vital := op.vital()
	if err := s.visit.Request(mq.Caller{Addr: s.bornHost}, vital && !s.suspect); err != nil || s.h.guard == nil {
		return err
	}
	by, err := s.admit(req, op)
	if s.suspect = errors.Is(err, auth.ErrUnauthenticated); err != nil {
		return err
	}
	return s.visit.Identified(by.User, vital)
}

// answer runs what serves a request and replies with what it returns.
func (s *session) answer(req *wire.Command, op *operation) {
	resp, err := op.serve(s, req)
	if s.h.access != nil && op.access.writes() {
		s.h.access.Did(s.author(s.caller(req), req), req.Code.String(), err, what(req))
	}
	switch {
	case err != nil:
		s.refuse(req, err)
	case resp != nil:
		s.reply(req, resp)
	}
}

// reply sends the answer to req, unless nobody waits for one.
func (s *session) reply(req, resp *wire.Command) {
	if !req.Oneway() {
		s.conn.ReplyLast(resp)
		return
	}
	s.conn.Answered(resp, 1, meter.ResultOneway)
	if resp.Release != nil {
		resp.Release()
	}
}

// refuse answers req with an error.
func (s *session) refuse(req *wire.Command, err error) {
	code, remark := s.h.explain(err)
	s.reply(req, req.ReplyError(code, remark))
}
