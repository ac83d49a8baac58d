package grpc

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

const (
	// maxClients bounds the clients whose settings are remembered, and
	// maxAllSettings the bytes of these.
	maxClients     = 1 << 16
	maxAllSettings = 64 << 20
	// clientTimeout is how long a client without a telemetry stream that says
	// nothing is remembered.
	clientTimeout = 120 * time.Second
	// maxAsking bounds the questions that wait for one client to answer.
	maxAsking = 64
	// maxCommands bounds the commands that wait to be written to one client;
	// further ones are lost, and asked again by whoever lacks an answer.
	maxCommands = 256
)

// A client is one that has sent its settings. It is the broker's way back to
// it, and the same as long as the client is remembered.
type client struct {
	id     string
	user   string // who made it known; empty if calls are not signed
	server *Server
	size   int // of its settings in bytes; under the mu of the clients

	// relaying is held while a relay is opened; it is locked before mu.
	relaying sync.Mutex

	// mu guards what follows. Nothing else is locked and nothing blocks while
	// it is held.
	mu struct {
		sync.Mutex
		settings *rmq.Settings // as the client sent them; not changed
		caller   caller
		seen     time.Time
		out      chan *rmq.TelemetryCommand // of its telemetry stream; nil without one
		asked    map[string]chan *rmq.TelemetryCommand
		asks     int
		relays   map[string]*relay // to other nodes, by their brokers
		// joined is when the broker last heard of the client as a member; zero
		// if it left since.
		joined time.Time
	}
}

// clients are all of them, by id.
type clients struct {
	// mu guards byID and the sizes. Nothing is called while it is held.
	mu struct {
		sync.Mutex
		byID map[string]*client
		size int // of all settings
	}
}

func newClients() *clients {
	c := &clients{}
	c.mu.byID = map[string]*client{}
	return c
}

// find returns a client that has sent its settings.
func (c *clients) find(id string) *client {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.byID[id]
}

// each calls f with every client.
func (c *clients) each(f func(*client)) {
	c.mu.Lock()
	all := make([]*client, 0, len(c.mu.byID))
	for _, one := range c.mu.byID {
		all = append(all, one)
	}
	c.mu.Unlock()
	for _, one := range all {
		f(one)
	}
}

// foreign reports whether a call about a client is another user's than the one
// that made it known. Calls of the whitelist are nobody's.
func (s *Server) foreign(c *client, by caller) bool {
	return s.guarded() && by.user != "" && by.user != c.user
}

// owned refuses such a call.
func (s *Server) owned(c *client, by caller, method string) error {
	if !s.foreign(c, by) {
		return nil
	}
	return s.o.Access.Rejected(mq.Caller{User: by.user, Addr: by.remote}, method,
		"the client id %q is in use by another user; give each client an id of its own", c.id)
}

// remember returns the client of an id, a new one if there is none, which sent
// settings of a size.
func (s *Server) remember(by caller, size int) (*client, error) {
	one, err := s.keep(by, size)
	if err == nil {
		err = s.owned(one, by, messagingService+"Telemetry")
	}
	return one, err
}

// keep is remember, but a client of another user stays as it is.
func (s *Server) keep(by caller, size int) (*client, error) {
	c := s.clients
	c.mu.Lock()
	defer c.mu.Unlock()
	id := by.clientID
	one, more := c.mu.byID[id], size
	if one != nil {
		if s.foreign(one, by) {
			return one, nil
		}
		more -= one.size
	}
	if c.mu.size+more > maxAllSettings {
		return nil, refusef(rmq.Code_TOO_MANY_REQUESTS, "the settings of all clients would have more than %d bytes; let clients end with shutdown, or use another server", maxAllSettings)
	}
	if one == nil {
		if len(c.mu.byID) >= maxClients {
			return nil, refusef(rmq.Code_TOO_MANY_REQUESTS, "%d clients have sent settings already; let clients end with shutdown, or use another server", maxClients)
		}
		one = &client{id: id, user: by.user, server: s}
		one.mu.seen = time.Now()
		one.mu.asked = map[string]chan *rmq.TelemetryCommand{}
		c.mu.byID[id] = one
	}
	one.size = size
	c.mu.size += more
	return one, nil
}

// forget takes a client out, unless it is another one by then.
func (s *Server) forget(one *client) {
	c := s.clients
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.byID[one.id] == one {
		c.mu.size -= one.size
		delete(c.mu.byID, one.id)
	}
}

// leave takes a client out of all groups of the broker.
func (s *Server) leave(c *client) {
	c.mu.Lock()
	c.mu.joined = time.Time{}
	c.mu.Unlock()
	c.endRelays()
	s.broker.Leave(context.Background(), "", "", "", c, true)
}

// expireClients forgets those that vanished, and gives what they had in hand
// back.
func (s *Server) expireClients(now time.Time) {
	s.clients.each(func(c *client) {
		c.mu.Lock()
		gone := c.mu.out == nil && now.Sub(c.mu.seen) > clientTimeout
		c.mu.Unlock()
		if gone {
			s.forget(c)
			s.leave(c)
			s.giveUpRenewals(c.id)
		}
	})
}

// settings is what a client said last, nil if it said nothing.
func (c *client) settings() *rmq.Settings {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.settings
}

// update keeps what a client says about itself.
func (c *client) update(settings *rmq.Settings, by caller) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.seen = time.Now()
	c.mu.caller = by
	if settings != nil {
		c.mu.settings = settings
	}
}

// attach makes out the way to the client, on which first goes; of two streams
// the newer counts. false if first finds no room.
func (c *client) attach(out chan *rmq.TelemetryCommand, first *rmq.TelemetryCommand) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.out = out
	select {
	case out <- first:
		c.server.countUnread(first, 1)
		return true
	default:
		return false
	}
}

// detach takes out away, and reports whether it was the way to the client.
func (c *client) detach(out chan *rmq.TelemetryCommand) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.out != out {
		return false
	}
	c.mu.out = nil
	c.mu.seen = time.Now()
	for nonce, waiting := range c.mu.asked {
		close(waiting)
		delete(c.mu.asked, nonce)
	}
	return true
}

// tell sends the client a command; false if there is no way to it, or too much
// waits already.
func (c *client) tell(command *rmq.TelemetryCommand) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.out == nil {
		return false
	}
	select {
	case c.mu.out <- command:
		c.server.countUnread(command, 1)
		return true
	default:
		return false
	}
}

// ask sends the client the command made for a nonce and waits for
// the answer with the same.
func (c *client) ask(ctx context.Context, command func(nonce string) *rmq.TelemetryCommand) (*rmq.TelemetryCommand, error) {
	nonce, waiting, err := c.expect()
	if err != nil {
		return nil, err
	}
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.mu.asked, nonce)
	}()
	if !c.tell(command(nonce)) {
		return nil, fmt.Errorf("%w: client %s has no telemetry stream, or does not read it; it opens one by itself, ask again", mq.ErrNotOnline, c.id)
	}
	select {
	case answer, ok := <-waiting:
		if !ok {
			return nil, fmt.Errorf("%w: client %s went away before it answered; ask again", mq.ErrNotOnline, c.id)
		}
		return answer, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// expect makes room for an answer.
func (c *client) expect() (nonce string, answer chan *rmq.TelemetryCommand, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.mu.asked) >= maxAsking {
		return "", nil, fmt.Errorf("%w: %d questions wait for client %s; wait for its answers", mq.ErrBusy, maxAsking, c.id)
	}
	c.mu.asks++
	nonce = fmt.Sprintf("%s-%d", c.id, c.mu.asks)
	answer = make(chan *rmq.TelemetryCommand, 1)
	c.mu.asked[nonce] = answer
	return nonce, answer, nil
}

// answered hands an answer to who asked; one that nobody waits for is dropped.
func (c *client) answered(nonce string, answer *rmq.TelemetryCommand) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if waiting := c.mu.asked[nonce]; waiting != nil {
		delete(c.mu.asked, nonce)
		waiting <- answer // has room
	}
}
