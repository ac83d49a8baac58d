package node

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/goddardmq/goddard/internal/door"
	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// secured has a node want TLS and a client's certificate on every port, and
// returns who may connect. Server and clients have the same certificate.
func secured(t *testing.T, c *Config) door.Peers {
	t.Helper()
	dir := t.TempDir()
	if _, err := ownCertificate(dir, []string{"localhost", "127.0.0.1"}, door.Options{}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	cert, key, ca := filepath.Join(dir, serverFile), filepath.Join(dir, serverKeyFile), filepath.Join(dir, caFile)
	c.Door = door.Options{Cert: cert, Key: key, Only: true}
	c.Peers = door.Peers{TLS: true, CA: ca}
	return c.Peers
}

func tlsOf(t *testing.T, p door.Peers) *tls.Config {
	t.Helper()
	c, err := p.Config()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestABrokerRegistersWithANameServerThatTakesTLSOnly(t *testing.T) {
	c := inMemory(RoleNamesrv)
	peers := secured(t, &c)
	names, _ := started(t, c)
	b := inMemory(RoleBroker)
	b.Door, b.Peers, b.Namesrvs = c.Door, c.Peers, []string{names.NamesrvAddr().String()}
	started(t, b)
	client := rpc.NewClient(rpc.ClientOptions{TLS: tlsOf(t, peers)})
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		resp, err := client.Call(ctx, names.NamesrvAddr().String(), wire.NewRequest(wire.GetRouteInfoByTopic, &wire.GetRouteInfoByTopicRequest{Topic: mq.TopicDefault}))
		if err != nil {
			t.Fatalf("the broker did not register: %v", err)
		}
		if resp.Code == wire.CodeSuccess {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestEveryPortTakesTLSOnlyIfItIsTold(t *testing.T) {
	c := inMemory(RoleAll)
	peers := secured(t, &c)
	n, _ := started(t, c)
	for name, addr := range map[string]string{"broker": n.BrokerAddr().String(), "name server": n.NamesrvAddr().String(), "gRPC": n.GRPCAddr().String()} {
		plain, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(plain, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
		plain.SetReadDeadline(time.Now().Add(5 * time.Second))
		if got, err := io.ReadAll(plain); len(got) > 0 || err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s answers a plain connection: %q, %v", name, got, err)
		}
		plain.Close()
		secure, err := tls.Dial("tcp", addr, tlsOf(t, peers))
		if err != nil {
			t.Errorf("%s by TLS: %v", name, err)
			continue
		}
		secure.Close()
	}
}

// A proxied connection says whom it is for before anything else.
func proxied(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err == nil {
		_, err = io.WriteString(nc, "PROXY TCP4 192.0.2.7 10.0.0.1 4711 8081\r\n")
	}
	return nc, err
}

func TestGRPCClientsBehindAProxyAreListedWithTheirOwnAddress(t *testing.T) {
	for _, secure := range []bool{false, true} {
		c := inMemory(RoleAll)
		c.Door.Proxy, c.Door.ProxyFrom = true, []string{"127.0.0.0/8"}
		n, _ := started(t, c)
		createTopic(t, n.BrokerAddr(), "T")
		creds := credentials.TransportCredentials(nil)
		if secure {
			creds = credentials.NewTLS(&tls.Config{InsecureSkipVerify: true})
		}
		client := dialledBy(t, n, creds, grpc.WithContextDialer(proxied))
		stream, err := client.Telemetry(grpcContext(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(&rmq.TelemetryCommand{Command: &rmq.TelemetryCommand_Settings{Settings: &rmq.Settings{
			PubSub: &rmq.Settings_Publishing{Publishing: &rmq.Publishing{Topics: []*rmq.Resource{{Name: "T"}}}},
		}}}); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Heartbeat(grpcContext(t), &rmq.HeartbeatRequest{ClientType: rmq.ClientType_PRODUCER}); err != nil {
			t.Fatal(err)
		}
		all := n.broker.AllProducers(t.Context())
		found := false
		for _, conns := range all {
			for _, one := range conns {
				found = found || strings.HasPrefix(one.Addr, "192.0.2.7:4711")
			}
		}
		if !found {
			t.Errorf("TLS %v: producers are %+v", secure, all)
		}
	}
}
