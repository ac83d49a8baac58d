package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// A lane makes one call after the other.
type lane struct {
	*load
	ctx    context.Context
	stub   v2.MessagingServiceClient
	queue  *v2.MessageQueue
	number int
	calls  int

	messages, errors int64
	err              error
	took             []int64 // microseconds
	last             time.Time
}

// run makes calls until the time is up. With a fixed rate each call has its
// time, and a late one counts from then on, so that a server that holds up a
// lane does not hide the calls behind.
func (l *lane) run(begin time.Time, lanes int) {
	end := begin.Add(l.span)
	every := time.Duration(0)
	if l.rate > 0 {
		every = time.Duration(float64(lanes) / l.rate * float64(time.Second))
	}
	due := begin.Add(every * time.Duration(l.number) / time.Duration(lanes))
	for {
		from := time.Now()
		if every > 0 {
			time.Sleep(time.Until(due))
			from, due = due, due.Add(every)
		}
		if !from.Before(end) {
			return
		}
		n, err := l.call()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			l.errors++
			l.err = err
			if l.errors > 1000 {
				return
			}
			continue
		}
		l.last = time.Now()
		l.messages += n
		l.took = append(l.took, l.last.Sub(from).Microseconds())
	}
}

// call returns how many messages went through; io.EOF if nothing is left.
func (l *lane) call() (int64, error) {
	ctx, cancel := context.WithTimeout(l.ctx, 30*time.Second)
	defer cancel()
	if l.kind == "send" {
		return l.send(ctx)
	}
	return l.receive(ctx)
}

func (l *lane) send(ctx context.Context) (int64, error) {
	l.calls++
	a, err := l.stub.SendMessage(ctx, &v2.SendMessageRequest{Messages: []*v2.Message{{
		Topic: &v2.Resource{Name: l.topic}, Body: make([]byte, l.size),
		SystemProperties: &v2.SystemProperties{
			MessageId: fmt.Sprintf("01%016X%04X%012X", time.Now().UnixNano(), l.number, l.calls), MessageType: v2.MessageType_NORMAL,
			BodyEncoding: v2.Encoding_IDENTITY, BornTimestamp: timestamppb.Now(), BornHost: "127.0.0.1",
		},
	}}})
	if err == nil {
		err = statusError(a.GetStatus())
	}
	return 1, err
}

func (l *lane) receive(ctx context.Context) (int64, error) {
	const messageNotFound = v2.Code_MESSAGE_NOT_FOUND
	group := &v2.Resource{Name: l.group}
	stream, err := l.stub.ReceiveMessage(ctx, &v2.ReceiveMessageRequest{
		Group: group, MessageQueue: l.queue, FilterExpression: everything(), BatchSize: int32(l.batch),
		InvisibleDuration: durationpb.New(time.Minute), LongPollingTimeout: durationpb.New(5 * time.Second),
	})
	if err != nil {
		return 0, err
	}
	ack := &v2.AckMessageRequest{Group: group, Topic: l.queue.Topic}
	for {
		a, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		if a.GetStatus().GetCode() == messageNotFound {
			return 0, io.EOF
		}
		if a.GetStatus() != nil && a.GetStatus().GetCode() != v2.Code_OK {
			return 0, statusError(a.GetStatus())
		}
		if m := a.GetMessage(); m != nil {
			ack.Entries = append(ack.Entries, &v2.AckMessageEntry{MessageId: m.SystemProperties.MessageId, ReceiptHandle: m.SystemProperties.GetReceiptHandle()})
		}
	}
	if len(ack.Entries) == 0 {
		return 0, io.EOF
	}
	a, err := l.stub.AckMessage(ctx, ack)
	if err == nil {
		err = statusError(a.GetStatus())
	}
	return int64(len(ack.Entries)), err
}
