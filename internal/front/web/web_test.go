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
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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

func (users) Login(_ context.Context, user, password string) (mq.Caller, error) {
	if user == "ann" && password == "right" || user == "bob" && password == "right" {
		return mq.Caller{User: user}, nil
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
	}{{"", "", 401}, {"ann", "wrong", 401}, {"bob", "right", 403}, {"ann", "right", 200}} {
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

// dialled is a connection to a server.
func dialled(t *testing.T, s *Server) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc
}

// asks asks for a path and reads the answer.
func asks(nc net.Conn, path string) error {
	fmt.Fprintf(nc, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	return err
}

func TestOfIdleConnectionsTheOldestMakesRoom(t *testing.T) {
	s := running(t, Options{MaxConns: 2})
	silent, used := dialled(t, s), dialled(t, s)
	if err := asks(used, "/healthz"); err != nil {
		t.Fatal(err)
	}
	third := dialled(t, s)
	if err := asks(third, "/healthz"); err != nil {
		t.Fatalf("the server is full of idle connections: %v", err)
	}
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("the connection that never asked is still open")
	}
	if err := asks(used, "/healthz"); err != nil {
		t.Errorf("the younger one went: %v", err)
	}
}

func TestABusyConnectionIsNotClosedForAnother(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	s := running(t, Options{MaxConns: 1, Ready: func(context.Context) error {
		close(begun)
		<-end
		return nil
	}})
	busy := dialled(t, s)
	first, other := make(chan error, 1), make(chan error, 1)
	go func() { first <- asks(busy, "/readyz") }()
	<-begun
	second := dialled(t, s)
	go func() { other <- asks(second, "/healthz") }()
	select {
	case err := <-other:
		t.Errorf("the second connection was answered beside the first: %v", err)
	default:
	}
	close(end)
	if err := <-first; err != nil {
		t.Errorf("the busy one: %v", err)
	}
	if err := <-other; err != nil {
		t.Errorf("the one that waited: %v", err)
	}
}

// serving runs a server whose answers may take so long.
func serving(t *testing.T, answer time.Duration, h http.HandlerFunc) *Server {
	t.Helper()
	s, err := Listen("127.0.0.1:0", Options{Ready: ready})
	if err != nil {
		t.Fatal(err)
	}
	if s.http.WriteTimeout != answerTimeout {
		t.Errorf("answers may take %v", s.http.WriteTimeout)
	}
	s.http.WriteTimeout = answer
	s.Handle("GET /test", h)
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestAnAnswerThatNobodyReadsEnds(t *testing.T) {
	ended := make(chan error, 1)
	s := serving(t, 50*time.Millisecond, func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				ended <- err
				return
			}
		}
	})
	fmt.Fprintf(dialled(t, s), "GET /test HTTP/1.1\r\nHost: x\r\n\r\n")
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

// As a live tail does.
func TestAnAnswerWithDeadlinesOfItsOwnOutlivesTheServers(t *testing.T) {
	s := serving(t, time.Nanosecond, func(w http.ResponseWriter, _ *http.Request) {
		out := http.NewResponseController(w)
		for range 3 {
			if err := out.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Error(err)
			}
			fmt.Fprintln(w, "data")
			if err := out.Flush(); err != nil {
				t.Error(err)
			}
		}
	})
	if code, body := get(t, http.DefaultClient, "http://"+s.Addr().String()+"/test"); code != 200 || strings.Count(body, "data") != 3 {
		t.Errorf("%d %q", code, body)
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
