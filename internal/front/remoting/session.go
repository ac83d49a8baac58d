package remoting

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/filter"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// What one connection may hold.
const (
	maxBeside       = 64              // requests that run beside the others, and batches of ends of transactions; more wait unread
	maxAsking       = 256             // requests that wait for a client to answer; more are refused
	maxBursts       = 32              // bursts of sends that the broker has not finished
	maxPulls        = 1 << 13         // pulls and pops without an answer
	maxUnread       = 16 << 20        // bytes of pulled or popped messages that the client has not read
	maxRemembered   = 64              // subscriptions whose filter is remembered
	refusedTime     = 5 * time.Second // that a connection which is one too many has for its first request
	rememberedNames = 8               // topics and groups whose string is remembered
	rememberedBytes = 255             // of such a string; longer ones are not
)

// A session is what a connection's client has told us and what it waits for.
// Fields without a lock belong to the connection's reading goroutine.
type session struct {
	h        *Handler
	conn     *rpc.Conn
	ctx      context.Context // ends with the connection
	remote   string
	bornHost netip.AddrPort
	visit    mq.Visit // nil if the connection was refused
	suspect  bool     // its last request had a wrong signature, or none
	refused  error    // why it was
	farewell *time.Timer

	names     names
	signature rpc.Signature
	demand    demand               // the last; its memory is used again
	filters   map[string]mq.Filter // by tag expression
	beats     map[string]beat      // last full heartbeat, by client id
	client    string               // whose heartbeats come; empty if nobody's, or several clients'
	clients   bool                 // they are several clients'

	selectors map[string]*filter.Expression // by SQL expression
	selected  int                           // bytes of their text

	burst   *burst   // being gathered; nil if nothing is
	bursts  bursts   // that are not done
	acks    acks     // being gathered
	endings *endings // being gathered; nil if nothing is

	popHeader wire.PopMessageRequest // of the last pop: its strings are used again

	language atomic.Int32  // of the client, as its last heartbeat said
	slots    chan struct{} // one taken by each request that runs beside
	asking   atomic.Int32  // requests that wait for a client
	pulls    atomic.Int32  // pulls and pops without an answer

	// work counts the session's goroutines; close waits for them.
	work sync.WaitGroup

	// mu guards how much the client has yet to read of what it pulled or popped,
	// what waits for it to do so, and the start of goroutines. Nothing else is
	// locked and nothing blocks while it is held.
	mu struct {
		sync.Mutex
		unread int
		held   []waiter
		closed bool
	}
}

// A waiter is a pull or a pop that asks the broker when it is run.
type waiter interface{ run() }

// newSession is the session of a connection that has just been opened.
func newSession(h *Handler, c *rpc.Conn) *session {
	remote := c.RemoteAddr()
	s := &session{
		h: h, conn: c, ctx: mq.WithCaller(c.Context(), mq.Caller{Addr: c.RemoteAddr()}),
		remote:    remote.String(),
		bornHost:  netip.AddrPortFrom(remote.Addr().Unmap().WithZone(""), remote.Port()),
		filters:   map[string]mq.Filter{},
		beats:     map[string]beat{},
		selectors: map[string]*filter.Expression{},
		bursts:    bursts{room: make(chan struct{}, 1)},
		slots:     make(chan struct{}, maxBeside),
	}
	if s.visit, s.refused = h.broker.Connect(mq.Caller{Addr: s.bornHost}); s.refused != nil {
		s.visit, s.farewell = nil, time.AfterFunc(refusedTime, c.Finish)
	}
	return s
}

// turnAway answers the first request of a connection that was refused, and ends
// it.
func (s *session) turnAway(req *wire.Command) {
	s.refuse(req, s.refused)
	s.conn.Finish()
}

// close ends what the session has going on and takes its client out of all
// groups. Sends that the broker still has stay with the broker.
func (s *session) close() {
	s.mu.Lock()
	s.mu.closed = true
	s.mu.held = nil
	s.mu.Unlock()
	s.work.Wait()
	if s.visit == nil {
		s.farewell.Stop()
		return
	}
	s.visit.End()
	s.h.broker.Leave(context.WithoutCancel(s.ctx), "", "", "", s, true)
}

// beside runs f on a goroutine of the session's. With maxBeside of them running
// it waits, and the connection is not read meanwhile.
func (s *session) beside(f func()) {
	s.launch(func() { defer s.leave(); f() })
}

// launch is beside of a function that calls leave when it is through.
func (s *session) launch(f func()) {
	select {
	case s.slots <- struct{}{}:
	case <-s.ctx.Done():
		return
	}
	if !s.start(f) {
		<-s.slots
	}
}

// leave makes room for what launch starts next.
func (s *session) leave() { <-s.slots }

// start runs f on a goroutine of the session's; false if the session is closed.
func (s *session) start(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return false
	}
	s.work.Go(f)
	return true
}

// ok is the answer to req that carries header, which may be nil, and body.
func ok(req *wire.Command, header wire.Header, body []byte) *wire.Command {
	resp := req.Reply(wire.CodeSuccess, header)
	resp.Body = body
	return resp
}

// names remembers the strings a client used last, so that reading them again
// from a header makes no garbage.
type names struct {
	last [rememberedNames]string
	next int
}

// of is v as a string.
func (n *names) of(v []byte) string {
	for _, s := range n.last {
		if s == string(v) {
			return s
		}
	}
	s := string(v)
	if len(s) > rememberedBytes {
		return s
	}
	n.last[n.next] = s
	n.next = (n.next + 1) % len(n.last)
	return s
}
