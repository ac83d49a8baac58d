package grpc

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
)

// askTime is how long a client may take to answer what another node asks.
const askTime = 10 * time.Second

// A relay is a telemetry stream to another node on behalf of a client, whose own
// is here: the other node's way to it.
type relay struct {
	s      *Server
	c      *client
	n      *node
	stream grpc.BidiStreamingClient[rmq.TelemetryCommand, rmq.TelemetryCommand]
	end    context.CancelFunc
	// ctx has the client's headers and who it is, for its heartbeats.
	ctx context.Context

	// sending guards the stream's sending side.
	sending sync.Mutex
}

// introduce makes the client of a call known to another node, if it is known
// here. It returns when the other node has its settings.
func (s *Server) introduce(ctx context.Context, n *node) error {
	c := s.clients.find(callerOf(ctx).clientID)
	if c == nil || c.settings() == nil {
		return refusef(rmq.Code_UNRECOGNIZED_CLIENT_TYPE, "cannot find client settings for this client: send them on the telemetry stream first")
	}
	c.relaying.Lock()
	defer c.relaying.Unlock()
	if c.relay(n.Name) != nil {
		return nil
	}
	out, _ := metadata.FromOutgoingContext(s.onwards(ctx))
	life := context.WithValue(s.life, callerKey{}, callerOf(ctx))
	own, end := context.WithCancel(metadata.NewOutgoingContext(life, out))
	stream, err := n.client.Telemetry(own)
	if err != nil {
		end()
		return n.unreachable(err)
	}
	r := &relay{s: s, c: c, n: n, stream: stream, end: end, ctx: own}
	slow := time.AfterFunc(requestTimeout, end)
	err = r.send(&rmq.TelemetryCommand{Command: &rmq.TelemetryCommand_Settings{Settings: c.settings()}})
	if err == nil {
		_, err = stream.Recv() // the merged settings; the client has this node's
	}
	if !slow.Stop() && err == nil {
		err = context.DeadlineExceeded
	}
	if err != nil {
		end()
		return n.unreachable(err)
	}
	c.setRelay(n.Name, r)
	s.start(r.run)
	return nil
}

func (r *relay) send(command *rmq.TelemetryCommand) error {
	r.sending.Lock()
	defer r.sending.Unlock()
	return r.stream.Send(command)
}

// run carries the other node's commands to the client until the stream ends.
func (r *relay) run() {
	defer r.end()
	defer r.c.dropRelay(r.n.Name, r)
	for {
		in, err := r.stream.Recv()
		if err != nil {
			return
		}
		switch command := in.Command.(type) {
		case *rmq.TelemetryCommand_Settings: // it has this node's
		case *rmq.TelemetryCommand_PrintThreadStackTraceCommand:
			r.ask(command.PrintThreadStackTraceCommand.GetNonce(), in)
		case *rmq.TelemetryCommand_VerifyMessageCommand:
			r.ask(command.VerifyMessageCommand.GetNonce(), in)
		default:
			r.c.tell(in)
		}
	}
}

// ask asks the client in the other node's place, and hands back the answer.
func (r *relay) ask(theirs string, question *rmq.TelemetryCommand) {
	r.s.start(func() {
		ctx, cancel := context.WithTimeout(r.ctx, askTime)
		defer cancel()
		answer, err := r.c.ask(ctx, func(nonce string) *rmq.TelemetryCommand { return withNonce(question, nonce) })
		if err != nil {
			return // the other node waits for its own time
		}
		if err := r.send(withNonce(answer, theirs)); err != nil {
			r.s.log.Debug("a client's answer did not reach the node that asked", "broker", r.n.Name, "client_id", r.c.id, "error", err)
		}
	})
}

// withNonce is a command or an answer under another nonce.
func withNonce(command *rmq.TelemetryCommand, nonce string) *rmq.TelemetryCommand {
	other := proto.CloneOf(command)
	switch c := other.Command.(type) {
	case *rmq.TelemetryCommand_PrintThreadStackTraceCommand:
		c.PrintThreadStackTraceCommand.Nonce = nonce
	case *rmq.TelemetryCommand_VerifyMessageCommand:
		c.VerifyMessageCommand.Nonce = nonce
	case *rmq.TelemetryCommand_ThreadStackTrace:
		c.ThreadStackTrace.Nonce = nonce
	case *rmq.TelemetryCommand_VerifyMessageResult:
		c.VerifyMessageResult.Nonce = nonce
	}
	return other
}

// relay is the client's relay to a node, or nil.
func (c *client) relay(broker string) *relay {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.relays[broker]
}

func (c *client) setRelay(broker string, r *relay) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.relays == nil {
		c.mu.relays = map[string]*relay{}
	}
	c.mu.relays[broker] = r
}

func (c *client) dropRelay(broker string, r *relay) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.relays[broker] == r {
		delete(c.mu.relays, broker)
	}
}

// relays are all of a client's.
func (c *client) relays() (all []*relay) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.mu.relays {
		all = append(all, r)
	}
	return all
}

// tellNodes hands a client's settings, or (nil) its heartbeat, to the nodes that
// know it by a relay.
func (s *Server) tellNodes(c *client, settings *rmq.Settings) {
	for _, r := range c.relays() {
		s.start(func() {
			if settings != nil {
				_ = r.send(&rmq.TelemetryCommand{Command: &rmq.TelemetryCommand_Settings{Settings: settings}}) // an error ends the relay
				return
			}
			ctx, cancel := context.WithTimeout(r.ctx, requestTimeout)
			defer cancel()
			kind := c.settings().GetClientType()
			req := &rmq.HeartbeatRequest{ClientType: kind, Group: c.settings().GetSubscription().GetGroup()}
			if _, err := r.n.client.Heartbeat(ctx, req); err != nil {
				s.log.Debug("a client's heartbeat did not reach another node", "broker", r.n.Name, "client_id", c.id, "error", err)
			}
		})
	}
}

// endRelays ends a client's relays: the other nodes take it out of their groups.
func (c *client) endRelays() {
	for _, r := range c.relays() {
		r.end()
	}
}
