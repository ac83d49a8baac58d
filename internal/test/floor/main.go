//go:build linux

// Command floor measures what no broker on this machine can be better than: what
// loopback carries and how soon it answers, what the disk writes, reads and
// syncs, and a server of RocketMQ's protocol that stores nothing. Each command
// prints one line of JSON in the form of `goddard bench --json`.
//
//	floor echo   [-size 1024] [-time 10s]    one message there and back, one in flight
//	floor way    [-size 1024] [-rate 1000] [-time 10s]   the same at a fixed rate, from when a message was due
//	floor stream [-time 10s]                 bytes one way over one connection
//	floor write  -dir D [-bytes N]           a file, in pieces of 1 MiB, synced at the end
//	floor read   -dir D [-bytes N]           the same, not in the page cache
//	floor sync   -dir D [-time 10s]          4 KiB and fdatasync, one after the other
//	floor spin                               keeps the processors from halting, and measures nothing
//	floor serve  [-listen 127.0.0.1:10911] [-grpc 127.0.0.1:8081] [-dir D]   name server and broker that answer sends and keep
//	             nothing, but sync something to the disk for topic bare-sync; of topic X-N there are always messages of N bytes to pull
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/goddardmq/goddard/internal/load"
)

// A command is what the flags say.
type command struct {
	size   int
	span   time.Duration
	dir    string
	bytes  int64
	listen string
	calls  string // where to serve gRPC; empty for not at all
	rate   float64
}

func main() {
	kinds := map[string]func(*command) (*load.Report, error){
		"echo": echo, "way": way, "stream": stream, "write": write, "read": read, "sync": syncs, "serve": serve, "spin": spin,
		"answer": answer, "drain": drain, // the other ends of echo and stream
	}
	if len(os.Args) < 2 || kinds[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: floor echo|way|stream|write|read|sync|spin|serve [flags]")
		os.Exit(2)
	}
	c := new(command)
	flags := flag.NewFlagSet("floor", flag.ExitOnError)
	flags.IntVar(&c.size, "size", 1024, "bytes of a message")
	flags.DurationVar(&c.span, "time", 10*time.Second, "how long")
	flags.StringVar(&c.dir, "dir", ".", "where the disk is")
	flags.Int64Var(&c.bytes, "bytes", 1<<30, "size of the file")
	flags.StringVar(&c.listen, "listen", "127.0.0.1:10911", "where to serve")
	flags.StringVar(&c.calls, "grpc", "", "where to answer gRPC calls as well")
	flags.Float64Var(&c.rate, "rate", 1000, "messages a second")
	flags.Parse(os.Args[2:])
	r, err := kinds[os.Args[1]](c)
	if err == nil && r != nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}
