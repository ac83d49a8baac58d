package goddard_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/goddardmq/goddard"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
)

// A test of your own starts a server like this, gives NameServerAddr to
// whatever RocketMQ client the program uses, and ends the context when it is
// done. So that it needs nothing else, this example uses the client of
// `goddard pub`.
func Example() {
	server, err := goddard.New(goddard.Config{}) // in memory, on free ports
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()

	client, err := remote.Dial(remote.Options{NameServers: []string{server.NameServerAddr()}})
	if err != nil {
		log.Fatal(err)
	}
	queues, err := client.WriteQueues(ctx, "greetings")
	if err != nil {
		log.Fatal(err)
	}
	sent, err := client.Send(ctx, queues[0], "example", &mq.Message{Topic: "greetings", Body: []byte("hello")})
	if err != nil {
		log.Fatal(err)
	}
	batch, err := client.Pull(ctx, remote.Pull{Group: "example", Queue: sent.Queue, From: sent.Offset})
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range batch.Records {
		fmt.Printf("offset %d: %s\n", m.QueueOffset, m.Body)
	}

	client.Close()
	stop()
	if err := <-done; err != nil {
		log.Fatal(err)
	}
	// Output: offset 0: hello
}
