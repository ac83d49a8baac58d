// Command nats puts load on a NATS server with JetStream, by NATS's own client,
// and prints what came of it as one line of JSON, in the form of `goddard bench
// --json`. Streams keep their messages in files.
//
//	nats produce --topic T [--size 1024] [--connections 4] [--in-flight 128] [--count N]
//	nats consume --topic T [--connections 2]     a stream over and over
//	nats e2e     --topic T [--rate 1000]
//
// A topic is a stream of that name with one subject. The module also names the
// server, so that its version stands beside the client's.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"
)

// A bench is what the flags say.
type bench struct {
	server, topic         string
	size                  int
	connections, inFlight int
	count                 int64
	rate                  float64
	span, warmup          time.Duration
}

func main() {
	kinds := map[string]func(*bench) (*report, error){"produce": produce, "consume": consume, "e2e": endToEnd}
	if len(os.Args) < 2 || kinds[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: nats produce|consume|e2e [flags]")
		os.Exit(2)
	}
	b := new(bench)
	flags := flag.NewFlagSet("nats", flag.ExitOnError)
	flags.StringVar(&b.server, "server", "127.0.0.1:4222", "host:port of the server")
	flags.StringVar(&b.topic, "topic", "bench", "stream")
	flags.IntVar(&b.size, "size", 1024, "bytes of a message, at least 8")
	flags.IntVar(&b.connections, "connections", 4, "connections")
	flags.IntVar(&b.inFlight, "in-flight", 128, "messages under way on each connection")
	flags.Int64Var(&b.count, "count", 0, "end after so many messages; 0 is no end")
	flags.Float64Var(&b.rate, "rate", 1000, "messages a second, end to end")
	flags.DurationVar(&b.span, "time", 10*time.Second, "how long to measure")
	flags.DurationVar(&b.warmup, "warmup", 0, "how long to run before that")
	flags.Parse(os.Args[2:])
	r, err := kinds[os.Args[1]](b)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "nats:", err)
		os.Exit(1)
	}
}
