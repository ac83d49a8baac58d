// Package remote is a client of a RocketMQ cluster, ours or Java's: it finds
// queues through the name servers, sends, pulls and takes part in consumer
// groups. The command line's pub, sub, tail and bench stand on it.
//
// A Cluster keeps one connection per broker and the routes it has asked for; it
// stores nothing.
package remote

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// routeAge is how long a route is used before the name server is asked again,
// as RocketMQ's clients do.
const routeAge = 30 * time.Second

// Options says which cluster to talk to, and as whom.
type Options struct {
	// NameServers are host:port addresses. At least one is needed.
	NameServers []string
	// ClientID names this client among the members of a group. Default:
	// host name and process id.
	ClientID string
	// TLS, if set, is used for every connection.
	TLS *tls.Config
	// Credentials are who the client is; the zero value is nobody.
	Credentials rpc.Credentials
	// Log receives what went wrong and was tried again. Nil discards it.
	Log *slog.Logger
}

// A Cluster is a RocketMQ cluster as a client sees it. It is safe for
// concurrent use.
type Cluster struct {
	o   Options
	rpc *rpc.Client

	// mu guards the routes and who is told of changed groups.
	mu struct {
		sync.Mutex
		routes  map[string]route
		changed map[string]chan struct{} // by consumer group
		members map[string]*share        // by consumer group
	}
}

type route struct {
	data  *wire.TopicRouteData
	until time.Time
}

// A Queue is a queue and the broker that has it.
type Queue struct {
	mq.Queue
	Broker string // name
	Addr   string // host:port
}

// Dial prepares a Cluster; connections are made when they are first needed.
func Dial(o Options) (*Cluster, error) {
	if len(o.NameServers) == 0 {
		return nil, errors.New("no name server; give one with -n host:9876")
	}
	if o.ClientID == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "localhost"
		}
		o.ClientID = host + "@" + strconv.Itoa(os.Getpid())
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Cluster{o: o}
	c.mu.routes = map[string]route{}
	c.mu.changed = map[string]chan struct{}{}
	c.mu.members = map[string]*share{}
	c.rpc = rpc.NewClient(rpc.ClientOptions{Handler: callbacks{c}, TLS: o.TLS, Hook: o.Credentials.Hook(), Log: o.Log})
	return c, nil
}

// Close ends all connections.
func (c *Cluster) Close() { c.rpc.Close() }

// call sends a request to a broker or name server and returns the answer; an
// answer that is not SUCCESS is a *ResponseError.
func (c *Cluster) call(ctx context.Context, addr string, cmd *wire.Command) (*wire.Command, error) {
	resp, err := c.rpc.Call(ctx, addr, cmd)
	if err != nil {
		return nil, err
	}
	if resp.Code != wire.CodeSuccess {
		return resp, &ResponseError{Addr: addr, Request: cmd.Code, Code: resp.Code, Remark: resp.Remark}
	}
	return resp, nil
}

// Conn is the cluster's connection to a broker.
func (c *Cluster) Conn(ctx context.Context, addr string) (*rpc.Conn, error) {
	return c.rpc.Conn(ctx, addr)
}

// A ResponseError is an answer that refuses a request.
type ResponseError struct {
	Addr    string
	Request wire.Code
	Code    wire.Code
	Remark  string
}

// Error names request, peer and remark.
func (e *ResponseError) Error() string {
	return fmt.Sprintf("%s answered %s with %s: %s", e.Addr, e.Request, e.Code.ResponseString(), e.Remark)
}

// Permanent reports whether err is a refusal that the same request would meet
// again, however often it is tried.
func Permanent(err error) bool {
	refused, ok := errors.AsType[*ResponseError](err)
	if !ok {
		return false
	}
	switch refused.Code {
	case wire.CodeInvalidParameter, wire.CodeSubscriptionParseFailed, wire.CodeNoPermission,
		wire.CodeSubscriptionGroupNotExist, wire.CodeMessageIllegal:
		return true
	}
	return false
}

// Route is what the name servers say about a topic. A topic that nobody knows
// is an error that wraps mq.ErrTopicNotFound.
func (c *Cluster) Route(ctx context.Context, topic string) (*wire.TopicRouteData, error) {
	c.mu.Lock()
	r, ok := c.mu.routes[topic]
	c.mu.Unlock()
	if ok && time.Now().Before(r.until) {
		return r.data, nil
	}
	data, err := c.askRoute(ctx, topic)
	if err != nil {
		if ok && !errors.Is(err, mq.ErrTopicNotFound) {
			return r.data, nil
		}
		return nil, err
	}
	c.mu.Lock()
	c.mu.routes[topic] = route{data, time.Now().Add(routeAge)}
	c.mu.Unlock()
	return data, nil
}

// Forget drops what is remembered of a topic, so that the next question goes
// to the name servers.
func (c *Cluster) Forget(topic string) {
	c.mu.Lock()
	delete(c.mu.routes, topic)
	c.mu.Unlock()
}

func (c *Cluster) askRoute(ctx context.Context, topic string) (*wire.TopicRouteData, error) {
	var last error
	for _, addr := range c.o.NameServers {
		resp, err := c.call(ctx, addr, wire.NewRequest(wire.GetRouteInfoByTopic,
			&wire.GetRouteInfoByTopicRequest{Topic: topic, AcceptStandardJsonOnly: true}))
		if refused, ok := errors.AsType[*ResponseError](err); ok && refused.Code == wire.CodeTopicNotExist {
			return nil, fmt.Errorf("topic %s: %w", topic, mq.ErrTopicNotFound)
		}
		if err != nil {
			last = err
			continue
		}
		data := new(wire.TopicRouteData)
		if err := wire.DecodeBody(resp.Body, data); err != nil {
			return nil, fmt.Errorf("route of %s from %s: %w", topic, addr, err)
		}
		return data, nil
	}
	if _, refused := errors.AsType[*ResponseError](last); refused {
		return nil, fmt.Errorf("no name server of %s gave the route: %w", strings.Join(c.o.NameServers, ";"), last)
	}
	return nil, fmt.Errorf("no name server of %s answered: %w", strings.Join(c.o.NameServers, ";"), last)
}

// WriteQueues lists the queues of a topic that can be written to, sorted. For
// a topic that does not exist yet they are those it would be created with.
func (c *Cluster) WriteQueues(ctx context.Context, topic string) ([]Queue, error) {
	data, err := c.Route(ctx, topic)
	limit := int32(1 << 30)
	if errors.Is(err, mq.ErrTopicNotFound) {
		// RocketMQ's producers take the template's route, and ask for at
		// most this many queues.
		limit = DefaultQueues
		if data, err = c.Route(ctx, mq.TopicDefault); errors.Is(err, mq.ErrTopicNotFound) {
			return nil, fmt.Errorf("%w: %s, and name servers know no broker that creates topics on first use; create it with `goddard admin topic create %s`",
				mq.ErrTopicNotFound, topic, topic)
		}
	}
	if err != nil {
		return nil, err
	}
	return queues(data, topic, mq.PermWrite, func(q wire.QueueData) int32 { return min(q.WriteQueueNums, limit) })
}

// ReadQueues lists the queues of a topic that can be read, sorted. A light queue
// is queue 0 of each broker that creates topics on first use, for name servers
// have no routes to light queues.
func (c *Cluster) ReadQueues(ctx context.Context, topic string) ([]Queue, error) {
	data, err := c.Route(ctx, topic)
	if mq.IsLight(topic) && errors.Is(err, mq.ErrTopicNotFound) {
		if data, err = c.Route(ctx, mq.TopicDefault); errors.Is(err, mq.ErrTopicNotFound) {
			return nil, fmt.Errorf("name servers know no route to the light queue %s, and no broker that creates topics on first use, by which it could be found", topic)
		}
		if err == nil {
			return queues(data, topic, mq.PermRead, func(wire.QueueData) int32 { return 1 })
		}
	}
	if err != nil {
		return nil, err
	}
	return queues(data, topic, mq.PermRead, func(q wire.QueueData) int32 { return q.ReadQueueNums })
}

func queues(data *wire.TopicRouteData, topic string, perm int32, count func(wire.QueueData) int32) ([]Queue, error) {
	masters := map[string]string{}
	for _, b := range data.Brokers {
		if addr, ok := b.Addrs[0]; ok {
			masters[b.BrokerName] = addr
		}
	}
	var all []Queue
	forbidden := 0
	for _, qd := range data.Queues {
		addr, ok := masters[qd.BrokerName]
		if !ok {
			continue
		}
		if qd.Perm&perm == 0 {
			forbidden++
			continue
		}
		for id := range count(qd) {
			all = append(all, Queue{mq.Queue{Topic: topic, ID: id}, qd.BrokerName, addr})
		}
	}
	if len(all) == 0 && forbidden > 0 {
		state := "read-only"
		if perm == mq.PermRead {
			state = "not readable"
		}
		return nil, fmt.Errorf("topic %s is %s: %w; `goddard admin topic perm %s --perm 6` allows both", topic, state, mq.ErrDenied, topic)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("topic %s has no queue that can be used on a running broker; see `goddard admin topic route %s`", topic, topic)
	}
	slices.SortFunc(all, func(a, b Queue) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Broker, b.Broker), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// callbacks answers what brokers ask of a client.
type callbacks struct{ c *Cluster }

func (callbacks) Opened(*rpc.Conn) {}
func (callbacks) Flush(*rpc.Conn)  {}
func (callbacks) Closed(*rpc.Conn) {}

func (h callbacks) Serve(conn *rpc.Conn, cmd *wire.Command) {
	if cmd.Code == wire.NotifyConsumerIDsChanged {
		group, _ := cmd.Fields.Get("consumerGroup")
		h.c.tellChanged(group)
		return
	}
	if cmd.Code == wire.GetConsumerRunningInfo && !cmd.Oneway() {
		h.c.tellRunning(conn, cmd)
		return
	}
	if !cmd.Oneway() {
		conn.Reply(cmd.ReplyError(wire.CodeRequestCodeNotSupported, "this client does not answer such a request"))
	}
}

func (c *Cluster) tellChanged(group string) {
	c.mu.Lock()
	ch := c.mu.changed[group]
	c.mu.Unlock()
	if ch != nil {
		select {
		case ch <- struct{}{}:
		default: // a change is already waiting to be seen
		}
	}
}
