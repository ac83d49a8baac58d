package grpc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/door"
	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
)

func TestNodesTalkByTLSAndCheckEachOthersCertificateIfTheyAreToldWhom(t *testing.T) {
	certified := httptest.NewTLSServer(http.NotFoundHandler())
	defer certified.Close()
	secure := func() *door.Door {
		return &door.Door{TLS: &tls.Config{Certificates: certified.TLS.Certificates, NextProtos: []string{"h2"}}}
	}
	other := newFake()
	second, err := Listen("127.0.0.1:0", Options{Broker: other, Admin: other, Name: "b2", TLSMode: TLSOnly, Door: func() *door.Door { d := secure(); d.Only = true; return d }()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- second.Run(ctx) }()
	defer func() { cancel(); <-done }()
	trusted := x509.NewCertPool()
	trusted.AddCert(certified.Certificate())
	for name, tt := range map[string]struct {
		peers *tls.Config
		want  rmq.Code
	}{
		"told nothing":            {nil, rmq.Code_OK},
		"told the right one":      {&tls.Config{RootCAs: trusted}, rmq.Code_OK},
		"told somebody else's":    {&tls.Config{RootCAs: x509.NewCertPool()}, rmq.Code_INTERNAL_SERVER_ERROR},
		"told another one's name": {&tls.Config{RootCAs: trusted, ServerName: "elsewhere"}, rmq.Code_INTERNAL_SERVER_ERROR},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(o *Options) { o.TLSMode, o.Door, o.Peers = TLSBoth, secure(), tt.peers })
			r.server.SetNodes([]Node{{"b2", second.Addr().String()}})
			resp, err := r.EndTransaction(r.ctx("p"), &rmq.EndTransactionRequest{Topic: res("T"), TransactionId: transactionID{1, 1000, "key", "b2"}.String()})
			r.want(tt.want, resp.GetStatus(), err)
			if tt.want != rmq.Code_OK && !strings.Contains(resp.Status.Message, "certificate") {
				t.Errorf("the answer says %q", resp.Status.Message)
			}
		})
	}
}
