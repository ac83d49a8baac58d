package rpc

import (
	"bytes"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/wire"
)

// answering answers each request with its fields and body, and the code of the
// field "want".
func answering() Handler {
	return funcHandler{serve: func(c *Conn, cmd *wire.Command) {
		r := &wire.Command{Opaque: cmd.Opaque, Flag: wire.FlagResponse, Fields: cmd.Fields, Body: cmd.Body, Remark: "why"}
		if want, _ := cmd.Fields.Get("want"); want == "busy" {
			r.Code = wire.CodeSystemBusy
		}
		c.Reply(r)
	}}
}

// Of a success those who asked for it get the head, of a refusal all get everything.
func TestBriefAnswersAreHeadsAndRefusalsAreWhole(t *testing.T) {
	addr, _, _ := startServer(t, answering(), ServerOptions{})
	signed := 0
	client := NewClient(ClientOptions{Hook: func(cmd *wire.Command) {
		signed++
		cmd.Fields = cmd.Fields.Add("Signature", "mine")
	}})
	defer client.Close()
	c, err := client.Conn(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	type got struct {
		resp *wire.Command
		err  error
	}
	answers := make(chan got, 1)
	done := func(resp *wire.Command, err error) {
		if err == nil {
			resp = resp.Clone()
		}
		answers <- got{resp, err}
	}
	request := func(want string) *wire.Command {
		cmd := &wire.Command{Code: wire.HeartBeat, Body: []byte("body")}
		cmd.Fields = cmd.Fields.Add("want", want)
		return cmd
	}
	ok, busy := c.Prepare(request("ok")), c.Prepare(request("busy"))
	if signed != 2 {
		t.Errorf("%d requests were signed when they were prepared", signed)
	}
	for range 3 {
		for name, ask := range map[string]func(){
			"prepared": func() { c.GoPrepared(ok, time.Minute, done) },
			"brief":    func() { c.GoBrief(request("ok"), time.Minute, done) },
		} {
			ask()
			if a := <-answers; a.err != nil || a.resp.Code != wire.CodeSuccess || string(a.resp.Body) != "body" || len(a.resp.Fields) > 0 || a.resp.Remark != "" {
				t.Errorf("%s: %+v, %v", name, a.resp, a.err)
			}
		}
		for name, ask := range map[string]func(){
			"prepared": func() { c.GoPrepared(busy, time.Minute, done) },
			"brief":    func() { c.GoBrief(request("busy"), time.Minute, done) },
			"whole":    func() { c.Go(request("ok"), time.Minute, done) },
		} {
			ask()
			a := <-answers
			if a.err != nil || a.resp.Remark != "why" {
				t.Errorf("%s: %+v, %v", name, a.resp, a.err)
				continue
			}
			if signature, _ := a.resp.Fields.Get("Signature"); signature != "mine" || (a.resp.Code == wire.CodeSystemBusy) == (name == "whole") {
				t.Errorf("%s: %+v", name, a.resp)
			}
		}
	}
}

// A prepared request fails like any other: once, by its timeout, for its size, or with the connection.
func TestPreparedRequestsFailOnce(t *testing.T) {
	addr, _, _ := startServer(t, funcHandler{}, ServerOptions{})
	client := NewClient(ClientOptions{MaxFrame: 1000})
	defer client.Close()
	c, err := client.Conn(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	outcomes := make(chan error, 3)
	done := func(_ *wire.Command, err error) { outcomes <- err }
	p := c.Prepare(&wire.Command{Code: wire.HeartBeat})
	c.GoPrepared(c.Prepare(&wire.Command{Body: make([]byte, 2000)}), time.Minute, done)
	if err := <-outcomes; !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	c.GoPrepared(p, 10*time.Millisecond, done)
	if err := <-outcomes; !errors.Is(err, ErrTimeout) {
		t.Errorf("without an answer: %v", err)
	}
	c.GoPrepared(p, time.Minute, done)
	c.Close()
	if err := <-outcomes; !errors.Is(err, ErrClosed) {
		t.Errorf("on a connection that ended: %v", err)
	}
	c.GoPrepared(p, time.Minute, done)
	if err := <-outcomes; !errors.Is(err, ErrClosed) {
		t.Errorf("on a closed connection: %v", err)
	}
	select {
	case err := <-outcomes:
		t.Errorf("one more outcome: %v", err)
	default:
	}
}

// Requests that answers lead to leave whole and in order, whatever part of them the
// socket takes at once.
func TestWhatTheSocketDoesNotTakeAtOnceFollows(t *testing.T) {
	addr, _, _ := startServer(t, echo(), ServerOptions{})
	client := NewClient(ClientOptions{})
	defer client.Close()
	c, err := client.Conn(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	const n = 60
	body := bytes.Repeat([]byte("0123456789"), 100<<10)
	prepared := c.Prepare(&wire.Command{Body: body})
	var wrong atomic.Int64
	outcomes := make(chan error, n)
	c.Go(&wire.Command{}, time.Minute, func(*wire.Command, error) {
		done := func(resp *wire.Command, err error) {
			if err == nil && !bytes.Equal(resp.Body, body) {
				wrong.Add(1)
			}
			outcomes <- err
		}
		for range n / 2 { // all in one burst, and more than a socket holds
			c.GoBrief(&wire.Command{Body: body}, time.Minute, done)
			c.GoPrepared(prepared, time.Minute, done)
		}
	})
	for range n {
		if err := <-outcomes; err != nil {
			t.Fatal(err)
		}
	}
	if wrong.Load() > 0 {
		t.Errorf("%d of %d came back changed", wrong.Load(), n)
	}
}
