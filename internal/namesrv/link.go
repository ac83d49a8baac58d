package namesrv

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

const (
	// settle is how long changes of topics are collected.
	settle = 100 * time.Millisecond
	// firstRetry is the pause after a failure; it doubles up to the interval.
	firstRetry = time.Second
	// farewell bounds the last words to a name server.
	farewell = 3 * time.Second
	// maxPlain is the longest body that is sent as plain JSON; the compressed
	// form loses the topics' system flags.
	maxPlain = 8 << 20
)

// A link keeps the broker registered with one name server. Its goroutine is
// the only one that registers.
type link struct {
	r       *Registrar
	server  nameServer // as configured
	addr    string     // as dialled
	changed chan struct{}
	// conn is what the broker last registered over; nil before.
	conn atomic.Pointer[rpc.Conn]

	told string // last state that was logged
}

// run registers until ctx ends, and unregisters then.
func (l *link) run(ctx context.Context) {
	defer l.leave()
	pause := firstRetry
	for {
		err := l.beat(ctx)
		if ctx.Err() != nil {
			return
		}
		l.report(err)
		wait := l.r.options.Interval
		if err != nil {
			wait, pause = min(pause, wait), pause*2
		} else {
			pause = firstRetry
		}
		if !l.rest(ctx, wait, err == nil) {
			return
		}
	}
}

// report logs a change of state, once.
func (l *link) report(err error) {
	state, log := "", l.r.options.Log.With("name_server", l.server.String())
	if l.addr != l.server.String() {
		log = log.With("addr", l.addr)
	}
	if err != nil {
		state = err.Error()
	}
	switch {
	case err == nil && l.told != "registered":
		state = "registered"
		log.Info("registered with name server", "broker", l.r.options.Name)
	case err == nil:
		state = l.told
	case l.told == "" || l.told == "registered":
		log.Warn("name server cannot be reached or refuses the broker; trying again", "broker", l.r.options.Name, "reason", err)
	default:
		log.Debug("name server still cannot be reached or refuses the broker", "reason", err)
	}
	l.told = state
}

// rest waits for the next registration: for time to pass, topics to change, or
// the connection to end. Meanwhile it sends heartbeats if they are wanted. It
// returns false when ctx has ended.
func (l *link) rest(ctx context.Context, wait time.Duration, up bool) bool {
	due := time.NewTimer(wait)
	defer due.Stop()
	var lost <-chan struct{}
	var beat <-chan time.Time
	if conn := l.conn.Load(); up && conn != nil {
		lost = conn.Done()
		if l.r.options.ActingMaster {
			tick := time.NewTicker(l.r.options.HeartbeatInterval)
			defer tick.Stop()
			beat = tick.C
		}
	}
	for {
		select {
		case <-ctx.Done():
			return false
		case <-due.C:
			return true
		case <-lost:
			return sleep(ctx, settle)
		case <-l.changed:
			if up {
				return sleep(ctx, settle)
			}
		case <-beat:
			l.heartbeat()
		}
	}
}

// sleep returns false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// beat says that the broker is there. All topics are sent only when the name
// server has another version of them, or may just be forgetting the broker:
// over a connection that was not registered over before.
func (l *link) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.r.options.Timeout)
	defer cancel()
	conn, err := l.r.client.Conn(ctx, l.addr)
	if err != nil {
		return err
	}
	select {
	case <-l.changed:
	default:
	}
	topics, version := l.r.options.Topics()
	if conn == l.conn.Load() && !l.r.options.ForceRegister {
		if changed, err := l.differs(ctx, conn, version); err != nil || !changed {
			return err
		}
	}
	return l.register(ctx, conn, topics, version)
}

// differs asks whether the name server has another version of the topics.
func (l *link) differs(ctx context.Context, conn *rpc.Conn, version mq.DataVersion) (bool, error) {
	o := &l.r.options
	req := wire.NewRequest(wire.QueryDataVersion, &wire.QueryDataVersionRequest{
		BrokerName: o.Name, BrokerAddr: l.advertised(conn), ClusterName: o.Cluster, BrokerID: o.ID,
	})
	req.Body = wire.EncodeBody(dataVersion(version))
	resp, err := call(ctx, conn, req)
	if err != nil {
		return false, err
	}
	var h wire.QueryDataVersionResponse
	if err := h.DecodeFields(resp.Fields); err != nil {
		return false, err
	}
	return h.Changed, nil
}

// register sends everything.
func (l *link) register(ctx context.Context, conn *rpc.Conn, topics []mq.Topic, version mq.DataVersion) error {
	o := &l.r.options
	h := &wire.RegisterBrokerRequest{
		BrokerName: o.Name, BrokerAddr: l.advertised(conn), ClusterName: o.Cluster, BrokerID: o.ID,
		HaServerAddr: net.JoinHostPort(l.host(conn), strconv.Itoa(int(o.HAPort))),
	}
	all := wire.TopicConfigs{DataVersion: dataVersion(version), Topics: topicConfigs(topics)}
	body := wire.EncodeBody(wire.RegisterBrokerBody{Topics: all})
	if len(body) > maxPlain {
		h.Compressed = true
		var err error
		if body, err = deflate(all); err != nil {
			return err
		}
	}
	h.BodyCrc32 = wire.BodyCRC(body)
	if o.ActingMaster {
		h.HeartbeatTimeoutMillis = o.SilentAfter.Milliseconds()
	}
	// Its mere presence tells brokers from 5.0 on from older ones.
	h.EnableActingMaster = wire.Some(o.ActingMaster)
	req := wire.NewRequest(wire.RegisterBroker, h)
	req.Body = body
	if _, err := call(ctx, conn, req); err != nil {
		return err
	}
	l.conn.Store(conn)
	return nil
}

// heartbeat tells the name server that the broker is alive; a lost one shows
// as the connection's end.
func (l *link) heartbeat() {
	o, conn := &l.r.options, l.conn.Load()
	_ = conn.Oneway(wire.NewRequest(wire.BrokerHeartbeat, &wire.BrokerHeartbeatRequest{
		ClusterName: o.Cluster, BrokerAddr: l.advertised(conn), BrokerName: o.Name, BrokerID: o.ID,
		HeartbeatTimeoutMills: o.SilentAfter.Milliseconds(),
	}))
}

// publish tells the name server of one topic.
func (l *link) publish(ctx context.Context, t mq.Topic) error {
	conn := l.conn.Load()
	if conn == nil {
		return fmt.Errorf("broker is not registered with name server %s yet", l.server)
	}
	req := wire.NewRequest(wire.RegisterTopicInNamesrv, &wire.RegisterTopicInNamesrvRequest{Topic: t.Name})
	body := wire.TopicRouteData{Queues: []wire.QueueData{queueData(l.r.options.Name, topicConfig(t))}}
	req.Body = body.Encode(true)
	if _, err := call(ctx, conn, req); err != nil {
		return fmt.Errorf("name server %s: %w", l.server, err)
	}
	return nil
}

// leave unregisters, if the broker is registered.
func (l *link) leave() {
	conn := l.conn.Load()
	if conn == nil || conn.Context().Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	o := &l.r.options
	_, err := call(ctx, conn, wire.NewRequest(wire.UnregisterBroker, &wire.UnregisterBrokerRequest{
		BrokerName: o.Name, BrokerAddr: l.advertised(conn), ClusterName: o.Cluster, BrokerID: o.ID,
	}))
	if err != nil {
		o.Log.Warn("broker could not be unregistered", "name_server", l.server.String(), "reason", err)
	}
}

// host is the host that clients are given for the broker.
func (l *link) host(conn *rpc.Conn) string {
	if addr := l.r.options.Advertised; addr != "" {
		if host, _, err := net.SplitHostPort(addr); err == nil {
			return host
		}
		return addr
	}
	return hostOf(conn).WithZone("").String()
}

// advertised is the address that clients are given for the broker.
func (l *link) advertised(conn *rpc.Conn) string {
	o := &l.r.options
	if _, _, err := net.SplitHostPort(o.Advertised); err == nil {
		return o.Advertised
	}
	return net.JoinHostPort(l.host(conn), strconv.Itoa(int(o.Port)))
}

// call makes an error of every answer but success.
func call(ctx context.Context, conn *rpc.Conn, req *wire.Command) (*wire.Command, error) {
	resp, err := conn.Call(ctx, req)
	if err != nil {
		return nil, err
	}
	if resp.Code != wire.CodeSuccess {
		return nil, fmt.Errorf("%v was answered with code %d: %s", req.Code, resp.Code, resp.Remark)
	}
	return resp, nil
}
