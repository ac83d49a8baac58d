package goddard_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"github.com/goddardmq/goddard"
)

// A test of your own starts a server like this, gives NameServerAddr to
// whatever RocketMQ client the program uses, and ends the context when it is
// done. So that it needs nothing else, this example only knocks at the door.
func Example() {
	server, err := goddard.New(goddard.Config{}) // in memory, on free ports
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()

	for _, addr := range []string{server.NameServerAddr(), server.BrokerAddr()} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			log.Fatal(err)
		}
		conn.Close()
	}

	stop()
	if err := <-done; err != nil {
		log.Fatal(err)
	}
	fmt.Println("served and stopped")
	// Output: served and stopped
}

// Settings go by their names in docs/CONFIG.md; a wrong one is said by its name.
func ExampleConfig() {
	_, err := goddard.New(goddard.Config{Settings: map[string]string{"flush": "sometimes"}})
	fmt.Println(err)
	_, err = goddard.New(goddard.Config{Settings: map[string]string{"listenPort": "10911"}})
	fmt.Println(err)
	// Output:
	// goddard: Settings: flush = "sometimes": flush mode "sometimes" is neither async (ASYNC_FLUSH) nor sync (SYNC_FLUSH)
	// goddard: Settings: listenPort is set by the field Config.BrokerPort; use that
}
