package grpc

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
)

var update = flag.Bool("update", false, "write docs/GRPC.md from the table in table.go")

const callsPath = "../../../docs/GRPC.md"

// callsPage is docs/GRPC.md.
func callsPage() string {
	var b strings.Builder
	b.WriteString(`# Calls that gRPC clients are answered

Printed from the table in internal/front/grpc/table.go by
` + "`go test ./internal/front/grpc -run CallsPage -update`" + `. The messages are in internal/front/grpc/rmq/rocketmq.proto.

The listener is at grpc-port, with TLS and plaintext on the same port unless grpc-tls says otherwise. Health
(grpc.health.v1) and reflection answer as well, so that grpcurl works without files:

    grpcurl -plaintext 127.0.0.1:8081 list
    grpcurl -cacert goddard-data/tls/ca.pem 127.0.0.1:8081 grpc.health.v1.Health/Check

## TLS

Clients of RocketMQ 5 use TLS unless they are told otherwise, and some believe any certificate. Those that check it have to
trust its authority. Without tls-cert and tls-key that is one that the first start makes, as tls/ca.pem in the data
directory: copy it to the clients, and keep tls/ca-key.pem to yourself. The server's certificate by it stands for localhost,
127.0.0.1, ::1, the addresses of listen and advertise and, where listen is 0.0.0.0 or ::, the addresses and the name of this
machine. It is made anew at a start if these have changed or its end is less than 60 days away; the authority stays for
20 years. To try it:

    openssl s_client -connect 127.0.0.1:8081 -alpn h2 -CAfile goddard-data/tls/ca.pem -verify_return_error </dev/null

This certificate is for gRPC alone: the ports of the remoting protocol speak TLS only with tls-cert and tls-key.

## Clients

What the suite (make compat) runs against this listener and RocketMQ's proxy, and how each comes to trust an authority:

| Client | TLS | The certificate |
| --- | --- | --- |
| Java, Go, C++ | unless told otherwise | is believed, whatever it is |
| Python | tls_enable of producers and consumers | is checked; the environment variable GRPC_DEFAULT_SSL_ROOTS_FILE_PATH names the authority's file |
| Node.js | sslEnabled | likewise |
| Rust | set_enable_tls | is checked; SSL_CERT_FILE names the file |

The C++ client is in no registry: whoever has built and installed it names the folder in ROCKETMQ_CPP_CLIENT, otherwise its part
counts as skipped. C# and PHP are not run: there was no toolchain to try them with. A call of a simple consumer asks the broker of one queue, the next call that of the next queue:
with several nodes one that found nothing says nothing of the others.
`)
	for _, service := range []string{messagingService, adminService} {
		fmt.Fprintf(&b, "\n## %s\n\n| Call | Answer | Missing |\n| --- | --- | --- |\n", strings.Trim(service, "/"))
		for _, op := range operations {
			if name, ok := strings.CutPrefix(op.name, service); ok {
				fmt.Fprintf(&b, "| %s | %s | %s |\n", name, op.what, op.lack)
			}
		}
	}
	fmt.Fprintf(&b, `
## Limits

What settings bound is in CONFIG.md (grpc-…). What is fixed:

| Limit | Value |
| --- | ---: |
| messages in one send; acknowledgements in one call | %d; %d |
| messages in one receive; in one pull | %d; %d |
| properties of a message; bytes of them with tag and keys | %d; %d |
| bytes of a message group, less than | %d |
| invisible duration; how long the server renews | %v to %v; %v |
| a call that waits | %v to %v |
| streams of health and reflection; on one connection; their life | %d; %d; %v |
| a connection beyond a limit, whose calls are told | %v |
| clients with settings; until one that vanished is forgotten | %d; %v |
| commands that wait for one client; questions to it | %d; %d |
| filters that are remembered; bytes of their text | %d; %d |
`, maxBatch, maxAcks, receiveBatch, maxPull, maxProperties, maxPropertiesBytes, maxMessageGroup, leastInvisible, mostInvisible, longestRenew,
		shortestPolling, longestPolling, maxAsides, maxAsidesEach, asideTime, refusedTime, maxClients, clientTimeout, maxCommands, maxAsking, maxRemembered, maxFilterText)
	b.WriteString(memoryText)
	return b.String()
}

const memoryText = `
## Memory

What clients make the server keep is bounded, whatever they do, by these settings:

| What | Setting | What happens beyond it |
| --- | --- | --- |
| requests that are received and handled: their bytes, or what they take when they are decoded if that is more | grpc-max-incoming | TOO_MANY_REQUESTS before their bytes are taken |
| calls under way, 27 KB each while they wait | grpc-max-calls | RESOURCE_EXHAUSTED |
| messages on their way to clients | grpc-max-unread | TOO_MANY_REQUESTS |
| the time in which a request arrives | grpc-request-timeout | DEADLINE_EXCEEDED |
| the time for which a client does not read a stream | grpc-read-timeout | the connection is closed, what was not read is delivered again |

Of the first two an address may have half of what is free, so that a newcomer finds as much as any other has: one client by
itself has half of the setting, two have a third each. Clients behind one proxy are one address unless it sends a PROXY header
(proxy-protocol). With access control nothing of a stranger's request is received. Decoding a request of more than 16 KiB takes
its bytes once more, of one request for each processor. A stream holds up to 64 KiB more than that of what a client sends before it is
asked for it, or does not read.
`

func TestCallsPageFollowsTheTable(t *testing.T) {
	want := callsPage()
	if *update {
		if err := os.WriteFile(callsPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(callsPath)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/GRPC.md is not what the table says; run: go test ./internal/front/grpc -run CallsPage -update")
	}
}

func TestTableNamesEachCallOfTheDefinitionOnce(t *testing.T) {
	named := map[string]int{}
	for _, op := range operations {
		named[op.name]++
	}
	defined := map[string]int{}
	services := rmq.File_rocketmq_proto.Services()
	for i := range services.Len() {
		for j := range services.Get(i).Methods().Len() {
			m := services.Get(i).Methods().Get(j)
			defined["/"+string(m.Parent().FullName())+"/"+string(m.Name())]++
		}
	}
	if !maps.Equal(named, defined) {
		t.Errorf("the table has %v, the definition %v", slices.Sorted(maps.Keys(named)), slices.Sorted(maps.Keys(defined)))
	}
}

func TestOptionsNameWhatIsWrong(t *testing.T) {
	for want, o := range map[string]Options{
		"grpc-tls":             {TLSMode: "maybe"},
		"grpc-max-message":     {MaxMessage: 1},
		"grpc-max-connections": {MaxConns: -1},
		"grpc-max-streams":     {MaxStreams: -1},
		"grpc-max-calls":       {MaxCalls: -1},
		"grpc-max-incoming":    {MaxIncoming: 1},
		"grpc-request-timeout": {RequestTimeout: 1},
		"grpc-read-timeout":    {ReadTimeout: 1},
		"grpc-max-unread":      {MaxUnread: 1},
		"grpc-max-renewals":    {MaxRenewals: -1},
		"grpc-idle-timeout":    {IdleTimeout: time.Millisecond},
	} {
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if err := (Options{}).Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}
