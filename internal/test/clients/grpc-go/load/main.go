// Command load puts load on a server of the gRPC protocol and prints what came
// of it as one line of JSON, in the form of `goddard bench --json`.
//
//	load send    [-endpoint HOST:PORT] -topic T [-size 1024] [-rate N]
//	load receive [-endpoint HOST:PORT] -topic T -group G [-batch 32]
//
// It speaks the service itself, without the client library, over plaintext and
// over HTTP/2 frames of its own making, since it shares the processors with what
// it measures. The topic and the group must be there; every message is sent by a call of its own.
// What is received is acknowledged by a call for each batch and counts when that
// has succeeded; receiving ends early when nothing is left.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// A load is what the flags say.
type load struct {
	kind, endpoint, topic, group string
	connections, inFlight        int
	size, batch                  int
	rate                         float64
	span                         time.Duration

	body       []byte
	topicField []byte // encoded, as is the other
	groupField []byte
	begin, end time.Time
}

// A report is what came of it; latencies are in microseconds.
type report struct {
	Kind      string   `json:"kind"`
	Topic     string   `json:"topic"`
	Seconds   float64  `json:"seconds"`
	Messages  int64    `json:"messages"`
	Errors    int64    `json:"errors"`
	LastError string   `json:"last_error,omitempty"`
	Bytes     int64    `json:"bytes"` // of bodies, sent or received
	Rate      float64  `json:"messages_per_second"`
	MiBRate   float64  `json:"mib_per_second"`
	Wanted    float64  `json:"wanted_rate,omitempty"`
	Latency   *latency `json:"latency_us,omitempty"`
}

type latency struct {
	Mean float64 `json:"mean"`
	P50  int64   `json:"p50"`
	P90  int64   `json:"p90"`
	P99  int64   `json:"p99"`
	P999 int64   `json:"p99_9"`
	Max  int64   `json:"max"`
}

func main() {
	l := new(load)
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	flags.StringVar(&l.endpoint, "endpoint", "127.0.0.1:8081", "host:port of the server")
	flags.StringVar(&l.topic, "topic", "", "topic")
	flags.StringVar(&l.group, "group", "", "consumer group")
	flags.IntVar(&l.connections, "connections", 4, "connections")
	flags.IntVar(&l.inFlight, "in-flight", 64, "calls at a time on each connection")
	flags.IntVar(&l.size, "size", 1024, "bytes of a body")
	flags.IntVar(&l.batch, "batch", 32, "messages at most of one receive")
	flags.Float64Var(&l.rate, "rate", 0, "messages a second in all; 0 for as many as there can be")
	flags.DurationVar(&l.span, "time", 10*time.Second, "how long")
	if len(os.Args) < 2 || os.Args[1] != "send" && os.Args[1] != "receive" {
		fmt.Fprintln(os.Stderr, "usage: load send|receive [flags]")
		flags.PrintDefaults()
		os.Exit(2)
	}
	l.kind = os.Args[1]
	flags.Parse(os.Args[2:])
	r, err := l.run()
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func (l *load) run() (*report, error) {
	l.body = make([]byte, l.size)
	l.topicField = appendBytes(nil, 2, []byte(l.topic))
	l.groupField = appendBytes(nil, 2, []byte(l.group))
	var lanes []*lane
	var conns []*conn
	for number := range l.connections {
		clientID := fmt.Sprintf("load-%d-%d", os.Getpid(), number)
		queue, err := l.settle(clientID)
		if err != nil {
			return nil, err
		}
		c, err := l.dial(clientID)
		if err != nil {
			return nil, err
		}
		conns = append(conns, c)
		for range l.inFlight {
			lanes = append(lanes, &lane{conn: c, receive: l.receiving(queue), number: len(lanes)})
		}
	}
	l.begin = time.Now()
	l.end = l.begin.Add(l.span)
	failures := make([]error, len(conns))
	var all sync.WaitGroup
	for i, c := range conns {
		all.Go(func() { failures[i] = c.run(lanes[i*l.inFlight:(i+1)*l.inFlight], i, len(conns)) })
	}
	all.Wait()
	return l.sum(lanes), errors.Join(failures...)
}

// receiving is a request to receive, encoded.
func (l *load) receiving(queue *v2.MessageQueue) []byte {
	b, err := proto.Marshal(&v2.ReceiveMessageRequest{
		Group: &v2.Resource{Name: l.group}, MessageQueue: queue, FilterExpression: everything(), BatchSize: int32(l.batch),
		InvisibleDuration: durationpb.New(time.Minute), LongPollingTimeout: durationpb.New(5 * time.Second),
	})
	if err != nil {
		panic(err) // of a message made here
	}
	return b
}

// settle gives the server a client's settings, for as long as the program runs,
// and returns the queue to receive from.
func (l *load) settle(clientID string) (*v2.MessageQueue, error) {
	conn, err := grpc.NewClient(l.endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	stub := v2.NewMessagingServiceClient(conn)
	ctx := metadata.AppendToOutgoingContext(context.Background(), "x-mq-client-id", clientID,
		"x-mq-language", "GO", "x-mq-client-version", "5.1.3", "x-mq-protocol", "v2")
	topic := &v2.Resource{Name: l.topic}
	settings := &v2.Settings{ClientType: v2.ClientType_PRODUCER.Enum(), RequestTimeout: durationpb.New(10 * time.Second),
		PubSub: &v2.Settings_Publishing{Publishing: &v2.Publishing{Topics: []*v2.Resource{topic}}}}
	if l.kind == "receive" {
		settings.ClientType = v2.ClientType_SIMPLE_CONSUMER.Enum()
		settings.PubSub = &v2.Settings_Subscription{Subscription: &v2.Subscription{Group: l.groupName(),
			Subscriptions: []*v2.SubscriptionEntry{{Topic: topic, Expression: everything()}}}}
	}
	stream, err := stub.Telemetry(ctx)
	if err != nil {
		return nil, err
	}
	if err := stream.Send(&v2.TelemetryCommand{Command: &v2.TelemetryCommand_Settings{Settings: settings}}); err != nil {
		return nil, err
	}
	if _, err = stream.Recv(); err != nil || l.kind != "receive" {
		return nil, err
	}
	endpoints, err := l.endpoints()
	if err != nil {
		return nil, err
	}
	a, err := stub.QueryAssignment(ctx, &v2.QueryAssignmentRequest{Topic: topic, Group: l.groupName(), Endpoints: endpoints})
	if err != nil {
		return nil, err
	}
	if len(a.GetAssignments()) == 0 {
		return nil, fmt.Errorf("no queues to receive from: %v", a.GetStatus())
	}
	return a.Assignments[0].MessageQueue, nil
}

func (l *load) endpoints() (*v2.Endpoints, error) {
	host, text, _ := strings.Cut(l.endpoint, ":")
	port, err := strconv.ParseInt(text, 10, 32)
	return &v2.Endpoints{Scheme: v2.AddressScheme_IPv4, Addresses: []*v2.Address{{Host: host, Port: int32(port)}}}, err
}

func (l *load) groupName() *v2.Resource { return &v2.Resource{Name: l.group} }

func everything() *v2.FilterExpression {
	return &v2.FilterExpression{Type: v2.FilterType_TAG, Expression: "*"}
}

// sum reports what the lanes did. The time ends with the last success.
func (l *load) sum(lanes []*lane) *report {
	r := &report{Kind: l.kind, Topic: l.topic, Wanted: l.rate}
	var took []int64
	last, total := l.begin, 0.0
	for _, one := range lanes {
		r.Messages += one.messages
		r.Bytes += one.bytes
		r.Errors += one.errors
		if one.err != nil {
			r.LastError = one.err.Error()
		}
		if one.ended.After(last) {
			last = one.ended
		}
		took = append(took, one.took...)
	}
	if r.Messages == 0 {
		return r
	}
	r.Seconds = last.Sub(l.begin).Seconds()
	r.Rate = float64(r.Messages) / r.Seconds
	r.MiBRate = float64(r.Bytes) / (1 << 20) / r.Seconds
	slices.Sort(took)
	for _, t := range took {
		total += float64(t)
	}
	at := func(part float64) int64 { return took[int(part*float64(len(took)-1))] }
	r.Latency = &latency{Mean: total / float64(len(took)), P50: at(0.5), P90: at(0.9), P99: at(0.99), P999: at(0.999), Max: at(1)}
	return r
}

var errStatus = errors.New("status")

func statusError(s *v2.Status) error {
	if s.GetCode() == v2.Code_OK {
		return nil
	}
	return fmt.Errorf("%w %d: %s", errStatus, s.GetCode(), s.GetMessage())
}
