package grpc

// Telemetry: a stream per client and server. The client sends its settings and
// gets them back merged with the server's; the server sends commands (see
// peer.go), which the client answers here.

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
)

// telemetryStream is the server's end of the stream.
type telemetryStream = grpc.BidiStreamingServer[rmq.TelemetryCommand, rmq.TelemetryCommand]

// A talk is one telemetry stream.
type talk struct {
	s      *Server
	stream telemetryStream
	by     caller
	client *client                    // nil before the first settings; read's alone
	out    chan *rmq.TelemetryCommand // what is to be written
}

// Telemetry serves one stream until either side ends it.
func (m messaging) Telemetry(stream telemetryStream) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	t := &talk{s: m.Server, stream: stream, by: callerOf(ctx), out: make(chan *rmq.TelemetryCommand, maxCommands)}
	in := make(chan error, 1)
	var loops sync.WaitGroup
	// Reading ends with the stream, which ends when this function returns.
	m.start(func() {
		in <- t.read()
		t.end()
	})
	var writing error
	loops.Go(func() { defer cancel(); writing = t.write(ctx) })
	var err error
	select {
	case err = <-in:
	case <-ctx.Done():
	case <-m.stopping:
	}
	cancel()
	loops.Wait()
	if err == nil || errors.Is(err, io.EOF) {
		return writing
	}
	return err
}

// write writes commands until ctx ends.
func (t *talk) write(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case command := <-t.out:
			err := t.stream.Send(command)
			t.s.countUnread(command, -1)
			if err != nil {
				return err
			}
		}
	}
}

// read takes what the client says until the stream ends. io.EOF says that the
// client ended it.
func (t *talk) read() error {
	for {
		in, err := t.stream.Recv()
		if err != nil {
			return err
		}
		if err := t.take(in); err != nil {
			return t.fault(err)
		}
	}
}

// fault is the transport's error for settings that cannot be accepted.
func (t *talk) fault(err error) error {
	if refused := refusedStream(err); !errors.Is(err, refused) {
		return refused
	}
	state := t.s.explain(err)
	code := codes.InvalidArgument
	if state.Code >= rmq.Code_INTERNAL_ERROR || state.Code < rmq.Code_BAD_REQUEST {
		code = codes.Internal
	}
	if state.Code == rmq.Code_TOO_MANY_REQUESTS {
		code = codes.ResourceExhausted
	}
	return status.Errorf(code, "process client telemetryCommand failed. %s", state.Message)
}

// take acts on one thing that the client says.
func (t *talk) take(in *rmq.TelemetryCommand) error {
	switch c := in.Command.(type) {
	case *rmq.TelemetryCommand_Settings:
		return t.settings(c.Settings)
	case *rmq.TelemetryCommand_ThreadStackTrace:
		t.answered(c.ThreadStackTrace.GetNonce(), in)
	case *rmq.TelemetryCommand_VerifyMessageResult:
		t.answered(c.VerifyMessageResult.GetNonce(), in)
	}
	return nil
}

// answered hands the answer to a command on.
func (t *talk) answered(nonce string, answer *rmq.TelemetryCommand) {
	if t.client != nil {
		t.client.answered(nonce, answer)
	}
}

// settings takes the client's settings and answers with the merged ones.
func (t *talk) settings(settings *rmq.Settings) error {
	if err := checkSettings(settings); err != nil {
		return err
	}
	c, err := t.s.remember(t.by, proto.Size(settings))
	if err != nil {
		return err
	}
	c.update(settings, t.by)
	if err := t.s.join(t.stream.Context(), c, "", true); err != nil {
		return err
	}
	answer := &rmq.TelemetryCommand{
		Status: okay(), Command: &rmq.TelemetryCommand_Settings{Settings: t.s.mergedSettings(t.stream.Context(), settings)},
	}
	t.client = c
	t.s.tellNodes(c, settings)
	if !c.attach(t.out, answer) {
		return refusef(rmq.Code_TOO_MANY_REQUESTS, "%d commands wait for the client to read them; read the stream", maxCommands)
	}
	return nil
}

// end takes the client out of its groups when its stream is gone; its next
// heartbeat, or settings on another stream, bring it back.
func (t *talk) end() {
	if t.client != nil && t.client.detach(t.out) {
		t.s.leave(t.client)
	}
	for { // nobody adds to it any more
		select {
		case command := <-t.out:
			t.s.countUnread(command, -1)
		default:
			return
		}
	}
}

// countUnread counts a command among what clients have not read, or (sign -1)
// not any more: it may have a message in it.
func (s *Server) countUnread(command *rmq.TelemetryCommand, sign int64) {
	s.unread.Add(sign * int64(proto.Size(command)))
}
