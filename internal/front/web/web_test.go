package web

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/goddardmq/goddard/internal/door"
	"github.com/goddardmq/goddard/internal/mq"
)

func ready(context.Context) error { return nil }

// running serves until the test ends.
func running(t *testing.T, o Options) *Server {
	t.Helper()
	if o.Ready == nil {
		o.Ready = ready
	}
	s, err := Listen("127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	return s
}

// get returns the status and the body of an answer.
func get(t *testing.T, c *http.Client, url string, change ...func(*http.Request)) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(req)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestReadinessSaysWhatIsMissing(t *testing.T) {
	var missing atomic.Pointer[error]
	s := running(t, Options{Ready: func(context.Context) error {
		if err := missing.Load(); err != nil {
			return *err
		}
		return nil
	}})
	url := "http://" + s.Addr().String()
	if code, body := get(t, http.DefaultClient, url+"/readyz"); code != 200 {
		t.Errorf("ready: %d %s", code, body)
	}
	err := errors.New("the disk is full")
	missing.Store(&err)
	if code, body := get(t, http.DefaultClient, url+"/readyz"); code != 503 || !strings.Contains(body, "the disk is full") {
		t.Errorf("not ready: %d %s", code, body)
	}
	if code, _ := get(t, http.DefaultClient, url+"/healthz"); code != 200 {
		t.Errorf("alive all the same: %d", code)
	}
}

func TestPlainAndTLSClientsShareThePort(t *testing.T) {
	made := httptest.NewUnstartedServer(nil)
	made.StartTLS()
	defer made.Close()
	roots := x509.NewCertPool()
	roots.AddCert(made.Certificate())
	secure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	for _, only := range []bool{false, true} {
		s := running(t, Options{Door: &door.Door{TLS: made.TLS, Only: only}})
		if code, _ := get(t, secure, "https://"+s.Addr().String()+"/healthz"); code != 200 {
			t.Errorf("tls-only %v: TLS client got %d", only, code)
		}
		secure.CloseIdleConnections()
		resp, err := http.Get("http://" + s.Addr().String() + "/healthz")
		if err == nil {
			resp.Body.Close()
		}
		if (err != nil) != only {
			t.Errorf("tls-only %v: plain client got error %v", only, err)
		}
	}
}

func TestProfilesAreForProgramsOnThisMachineUnlessUsersAreKnown(t *testing.T) {
	s := running(t, Options{})
	url := "http://" + s.Addr().String() + "/debug/pprof/"
	if code, body := get(t, http.DefaultClient, url); code != 200 || !strings.Contains(body, "goroutine") {
		t.Errorf("from here: %d", code)
	}
	if code, _ := get(t, http.DefaultClient, url, func(r *http.Request) { r.Host = "evil.example" }); code != 403 {
		t.Errorf("under a name that leads here: %d", code)
	}
	elsewhere := httptest.NewRecorder()
	req := httptest.NewRequest(http.MethodGet, "http://10.1.2.3:8082/debug/pprof/", nil)
	s.mux.ServeHTTP(elsewhere, req)
	if elsewhere.Code != 403 {
		t.Errorf("from %s: %d", req.RemoteAddr, elsewhere.Code)
	}
}

// users is an Access with one user who may do one thing.
type users struct{}

func (users) Login(_ context.Context, _ netip.AddrPort, user, password string) (mq.Caller, error) {
	if user == "ann" && password == "right" || user == "bob" && password == "right" {
		return mq.Caller{User: user}, nil
	}
	if user == "many" {
		return mq.Caller{}, mq.ErrBusy
	}
	return mq.Caller{}, errors.New("wrong name or password")
}

func (users) Allowed(_ context.Context, c mq.Caller, action, resource string) error {
	if c.User == "ann" && action == "UPDATE" && strings.HasPrefix(resource, "Cluster:") {
		return nil
	}
	return fmt.Errorf("%s may not %s %s", c.User, action, resource)
}

func TestGuardedPathsAskWhoItIs(t *testing.T) {
	s := running(t, Options{Access: users{}})
	url := "http://" + s.Addr().String() + "/debug/pprof/cmdline"
	for _, c := range []struct {
		user, password string
		want           int
	}{{"", "", 401}, {"ann", "wrong", 401}, {"many", "guess", 429}, {"bob", "right", 403}, {"ann", "right", 200}} {
		code, body := get(t, http.DefaultClient, strings.TrimSuffix(url, "cmdline"), func(r *http.Request) {
			if c.user != "" {
				r.SetBasicAuth(c.user, c.password)
			}
		})
		if code != c.want {
			t.Errorf("%s with password %q: %d %s, want %d", c.user, c.password, code, body, c.want)
		}
	}
}

// A stopped server cuts what does not end by itself, once it has had its time.
func TestStoppingEndsRequestsThatWait(t *testing.T) {
	s, err := Listen("127.0.0.1:0", Options{Ready: ready})
	if err != nil {
		t.Fatal(err)
	}
	begun := make(chan struct{})
	s.Handle("GET /wait", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
	}))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	nc, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprintf(nc, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
	<-begun
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run returned %v", err)
	}
	if _, err := http.ReadResponse(bufio.NewReader(nc), nil); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		t.Errorf("the client got %v", err)
	}
}

// Connections beyond the limit wait until another one is closed.
func TestConnectionsBeyondTheLimitWait(t *testing.T) {
	s := running(t, Options{MaxConns: 1})
	first, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(nc net.Conn) error {
		fmt.Fprintf(nc, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	if err := ask(first); err != nil {
		t.Fatal(err)
	}
	second, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	answered := make(chan error, 1)
	go func() { answered <- ask(second) }()
	select {
	case err := <-answered:
		t.Errorf("the second connection was answered beside the first: %v", err)
	default:
	}
	first.Close()
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestAClientBehindAProxyIsNotTakenForAProgramOnThisMachine(t *testing.T) {
	s := running(t, Options{Door: &door.Door{Proxy: true}})
	ask := func(head string) string {
		nc, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		fmt.Fprintf(nc, "%sGET /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", head)
		status, err := bufio.NewReader(nc).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	if got := ask("PROXY TCP4 192.0.2.7 127.0.0.1 4711 8082\r\n"); !strings.Contains(got, "403") {
		t.Errorf("from elsewhere, through a proxy here: %s", got)
	}
	if got := ask(""); !strings.Contains(got, "200") {
		t.Errorf("from here: %s", got)
	}
}
