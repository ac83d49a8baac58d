package remoting

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// A rig is a handler over a fake broker, served on loopback, and a client.
type rig struct {
	t       testing.TB
	fake    *fake
	handler *Handler
	client  *rpc.Conn
	asked   chan *wire.Command // requests that the broker sent to the client
	server  chan *rpc.Conn     // the server's end of each connection
}

// Opened, Serve, Flush and Closed make the rig the client's handler.
func (r *rig) Opened(*rpc.Conn) {}
func (r *rig) Flush(*rpc.Conn)  {}
func (r *rig) Closed(*rpc.Conn) {}

// Serve keeps what the broker asked and answers with its body.
func (r *rig) Serve(c *rpc.Conn, req *wire.Command) {
	r.asked <- req.Clone()
	if !req.Oneway() {
		resp := req.Reply(wire.CodeSuccess, nil)
		resp.Body = []byte("answer to " + req.Code.String())
		c.Reply(resp)
	}
}

// tap notes the server's end of each connection.
type tap struct {
	*Handler
	conns chan *rpc.Conn
}

func (p tap) Opened(c *rpc.Conn) { p.Handler.Opened(c); p.conns <- c }

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, fake: newFake(), asked: make(chan *wire.Command, 16), server: make(chan *rpc.Conn, 4)}
	h, err := New(Options{Broker: r.fake, Admin: r.fake, Name: "broker-a", StoreHost: storeHost})
	if err != nil {
		t.Fatal(err)
	}
	r.handler = h
	server, err := rpc.Listen("127.0.0.1:0", tap{h, r.server}, rpc.ServerOptions{Drain: time.Second, Calls: new(meter.Calls)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { server.Run(ctx) })
	client := rpc.NewClient(rpc.ClientOptions{Handler: r})
	t.Cleanup(func() { client.Close(); cancel(); wg.Wait() })
	if r.client, err = client.Conn(ctx, server.Addr().String()); err != nil {
		t.Fatal(err)
	}
	return r
}

// call sends a request and returns the answer.
func (r *rig) call(code wire.Code, h wire.Header, body string) *wire.Command {
	r.t.Helper()
	req := wire.NewRequest(code, h)
	req.Body = []byte(body)
	return r.send(req)
}

// send is call for a request that is made already.
func (r *rig) send(req *wire.Command) *wire.Command {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	resp, err := r.client.Call(ctx, req)
	if err != nil {
		r.t.Fatalf("%v: %v", req.Code, err)
	}
	return resp
}

// good is call for requests that must succeed.
func (r *rig) good(code wire.Code, h wire.Header, body string) *wire.Command {
	r.t.Helper()
	resp := r.call(code, h, body)
	if resp.Code != wire.CodeSuccess {
		r.t.Fatalf("%v answered %s: %s", code, resp.Code.ResponseString(), resp.Remark)
	}
	return resp
}

// want checks the response code.
func (r *rig) want(code wire.Code, resp *wire.Command) {
	r.t.Helper()
	if resp.Code != code {
		r.t.Fatalf("answered %s: %q, want %s", resp.Code.ResponseString(), resp.Remark, code.ResponseString())
	}
}

// field is a field of the answer's header.
func field(c *wire.Command, key string) string {
	v, _ := c.Fields.Get(key)
	return v
}
