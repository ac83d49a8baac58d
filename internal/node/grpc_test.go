package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/goddardmq/goddard/internal/door"
	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// dialled is a gRPC client of a node.
func dialled(t *testing.T, n *Node, secure *tls.Config) rmq.MessagingServiceClient {
	t.Helper()
	if secure == nil {
		return dialledBy(t, n, nil)
	}
	return dialledBy(t, n, credentials.NewTLS(secure))
}

// dialledBy is a gRPC client with credentials, without TLS if they are nil.
func dialledBy(t *testing.T, n *Node, creds credentials.TransportCredentials, o ...grpc.DialOption) rmq.MessagingServiceClient {
	t.Helper()
	if creds == nil {
		creds = insecure.NewCredentials()
	}
	conn, err := grpc.NewClient(n.GRPCAddr().String(), append(o, grpc.WithTransportCredentials(creds))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return rmq.NewMessagingServiceClient(conn)
}

func grpcContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return metadata.AppendToOutgoingContext(ctx, "x-mq-client-id", "c", "x-mq-language", "GO")
}

func TestAGRPCClientSendsReceivesAndAcknowledges(t *testing.T) {
	n, _ := started(t, inMemory(RoleAll))
	createTopic(t, n.BrokerAddr(), "T")
	c, ctx := dialled(t, n, nil), grpcContext(t)
	topic, group := &rmq.Resource{Name: "T"}, &rmq.Resource{Name: "G"}
	sent, err := c.SendMessage(ctx, &rmq.SendMessageRequest{Messages: []*rmq.Message{{
		Topic: topic, Body: []byte("hello"), SystemProperties: &rmq.SystemProperties{MessageId: "01AB", BornTimestamp: timestamppb.Now()},
	}}})
	if err != nil || sent.Status.Code != rmq.Code_OK {
		t.Fatalf("sent: %v, %v", sent, err)
	}
	receive := func() (code rmq.Code, got *rmq.Message) {
		stream, err := c.ReceiveMessage(ctx, &rmq.ReceiveMessageRequest{
			Group: group, MessageQueue: &rmq.MessageQueue{Topic: topic, Id: -1}, BatchSize: 1,
			InvisibleDuration: durationpb.New(10 * time.Second), LongPollingTimeout: durationpb.New(5 * time.Second),
		})
		if err != nil {
			t.Fatal(err)
		}
		for {
			in, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return code, got
			}
			if err != nil {
				t.Fatal(err)
			}
			if s := in.GetStatus(); s != nil {
				code = s.Code
			}
			if m := in.GetMessage(); m != nil {
				got = m
			}
		}
	}
	code, got := receive()
	if code != rmq.Code_OK || string(got.GetBody()) != "hello" || got.SystemProperties.MessageId != "01AB" || got.SystemProperties.GetDeliveryAttempt() != 1 {
		t.Fatalf("received %v %v", code, got)
	}
	changed, err := c.ChangeInvisibleDuration(ctx, &rmq.ChangeInvisibleDurationRequest{
		Group: group, Topic: topic, ReceiptHandle: got.SystemProperties.GetReceiptHandle(), InvisibleDuration: durationpb.New(0),
	})
	if err != nil || changed.Status.Code != rmq.Code_OK {
		t.Fatalf("changed: %v, %v", changed, err)
	}
	code, got = receive()
	if code != rmq.Code_OK || got.SystemProperties.GetDeliveryAttempt() != 2 || got.SystemProperties.MessageId != "01AB" {
		t.Fatalf("received again %v %v", code, got)
	}
	acked, err := c.AckMessage(ctx, &rmq.AckMessageRequest{
		Group: group, Topic: topic, Entries: []*rmq.AckMessageEntry{{MessageId: "01AB", ReceiptHandle: got.SystemProperties.GetReceiptHandle()}},
	})
	if err != nil || acked.Status.Code != rmq.Code_OK {
		t.Fatalf("acknowledged: %v, %v", acked, err)
	}
}

func TestTheFirstStartMakesACertificateThatLaterStartsKeep(t *testing.T) {
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	first, err := ownCertificate(dir, []string{"localhost", "10.0.0.5"}, door.Options{}, log)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(filepath.Join(dir, caFile))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("the authority's file holds no certificate")
	}
	leaf := func(c *door.Files) *x509.Certificate {
		cert, err := x509.ParseCertificate(c.Current(time.Now()).Certificates[0].Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	for _, name := range []string{"localhost", "10.0.0.5"} {
		if _, err := leaf(first).Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("a client that dials %s: %v", name, err)
		}
	}
	second, err := ownCertificate(dir, []string{"localhost"}, door.Options{}, log)
	if err != nil || !leaf(second).Equal(leaf(first)) {
		t.Errorf("a later start made another certificate, %v", err)
	}
	third, err := ownCertificate(dir, []string{"localhost", "mq.example.com"}, door.Options{}, log)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leaf(third).Verify(x509.VerifyOptions{Roots: roots, DNSName: "mq.example.com"}); err != nil {
		t.Errorf("a new name was not added by the old authority: %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, caKeyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the authority's key: %v, %v", info.Mode(), err)
	}
}

func TestADamagedAuthorityIsMovedAsideAndMadeAnew(t *testing.T) {
	dir := t.TempDir()
	var text strings.Builder
	log := slog.New(slog.NewTextHandler(&text, nil))
	open := func() error { _, err := ownCertificate(dir, []string{"localhost"}, door.Options{}, log); return err }
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, caFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := open(); err != nil {
		t.Fatal(err)
	}
	write("")
	if err := open(); err != nil {
		t.Errorf("with an empty file: %v", err)
	}
	write("somebody's own")
	if err := open(); err != nil || !strings.Contains(text.String(), "damaged") {
		t.Errorf("with a damaged file: %v, and the log says %q", err, text.String())
	}
	if kept, err := os.ReadFile(filepath.Join(dir, caFile+".damaged")); err != nil || string(kept) != "somebody's own" {
		t.Errorf("what was there is lost: %q, %v", kept, err)
	}
}

func TestAChangedCertificateIsUsedWithoutARestart(t *testing.T) {
	dir := t.TempDir()
	var text strings.Builder
	c, err := ownCertificate(dir, []string{"localhost"}, door.Options{}, slog.New(slog.NewTextHandler(&text, nil)))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	old := c.Current(now)
	ca, key, err := readPair(filepath.Join(dir, caFile), filepath.Join(dir, caKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := makeCertificate(dir, []string{"localhost"}, ca, key); err != nil {
		t.Fatal(err)
	}
	later := now.Add(time.Hour)
	for _, name := range []string{serverFile, serverKeyFile} {
		if err := os.Chtimes(filepath.Join(dir, name), later, later); err != nil {
			t.Fatal(err)
		}
	}
	if c.Current(now) != old {
		t.Error("the files are looked at more often than is said")
	}
	renewed := c.Current(now.Add(door.ReloadEvery + time.Second))
	if renewed == old {
		t.Error("the changed certificate is not used")
	}
	if err := os.WriteFile(filepath.Join(dir, serverFile), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c.Current(now.Add(time.Minute)) != renewed || !strings.Contains(text.String(), "cannot be read") {
		t.Error("a damaged file took the good certificate away, or nobody was told")
	}
}

func TestGRPCClientsMayUseTLSAsTheModeSays(t *testing.T) {
	for mode, want := range map[string]struct{ plain, secure bool }{"both": {true, true}, "only": {false, true}, "off": {true, false}} {
		c := inMemory(RoleAll)
		c.GRPC.TLSMode = mode
		n, _ := started(t, c)
		ask := func(secure *tls.Config) bool {
			ctx, cancel := context.WithTimeout(grpcContext(t), 5*time.Second)
			defer cancel()
			resp, err := dialled(t, n, secure).QueryRoute(ctx, &rmq.QueryRouteRequest{Topic: &rmq.Resource{Name: mq.TopicSelfTest}})
			return err == nil && resp.Status.Code == rmq.Code_ILLEGAL_TOPIC
		}
		if ask(nil) != want.plain {
			t.Errorf("grpc-tls = %s: plaintext works: %v, want %v", mode, !want.plain, want.plain)
		}
		if ask(&tls.Config{InsecureSkipVerify: true}) != want.secure {
			t.Errorf("grpc-tls = %s: TLS works: %v, want %v", mode, !want.secure, want.secure)
		}
	}
}

func TestGRPCClientsThatComeBackResumeTheirTLSSession(t *testing.T) {
	n, _ := started(t, inMemory(RoleAll))
	c := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	for i := range 2 {
		conn, err := tls.Dial("tcp", n.GRPCAddr().String(), c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil { // the ticket comes before it
			t.Fatal(err)
		}
		if resumed := conn.ConnectionState().DidResume; resumed != (i > 0) {
			t.Errorf("connection %d: resumed is %v", i, resumed)
		}
		conn.Close()
	}
}
