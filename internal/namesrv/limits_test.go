package namesrv

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// limited puts a limit on what a name server's clients do.
func (p *peer) limited(scope, name, what, most string) {
	p.t.Helper()
	want(p.t, p.ask(wire.GoddardPutLimit, nil, "scope", scope, "name", name, what, most), wire.CodeSuccess, "")
}

// asked is how many of n questions for a route are answered.
func (p *peer) asked(n int) (answered int, refusal string) {
	for range n {
		resp := p.ask(wire.GetRouteInfoByTopic, nil, "topic", "T")
		if resp.Code == wire.CodeSystemBusy {
			refusal = resp.Remark
		} else {
			answered++
		}
	}
	return answered, refusal
}

func TestRequestsBeyondALimitAreRefusedAndOperatorsAreNot(t *testing.T) {
	s := start(t, Options{})
	p := dial(t, s.Addr().String())
	p.limited("ADDRESS", "*", "requests", "5")
	n, refusal := p.asked(20)
	if n < 4 || n > 6 {
		t.Errorf("%d of 20 requests were answered", n)
	}
	for _, want := range []string{"address 127.0.0.1", "5 requests a second", "goddard admin limit set address '*' --namesrvs --requests N"} {
		if !strings.Contains(refusal, want) {
			t.Errorf("%q is missing in: %s", want, refusal)
		}
	}
	var list wire.LimitList
	if err := wire.DecodeBody(p.ask(wire.GoddardListLimits, nil).Body, &list); err != nil || len(list.Limits) != 1 || list.Limits[0].Refused.Requests == 0 {
		t.Errorf("listed: %+v, %v", list, err)
	}
	want(t, p.ask(wire.GoddardDeleteLimit, nil, "scope", "ADDRESS", "name", "*"), wire.CodeSuccess, "")
	if n, _ := p.asked(20); n != 20 {
		t.Errorf("%d of 20 requests were answered without a limit", n)
	}
	want(t, p.ask(wire.GoddardDeleteLimit, nil, "scope", "ADDRESS", "name", "*"), wire.CodeQueryNotFound, "no limit on ADDRESS *")
	want(t, p.ask(wire.GoddardPutLimit, nil, "scope", "BROKER", "sendMessages", "5"), wire.CodeInvalidParameter, "a name server takes no messages")
}

// A broker that is registered goes on registering, whatever its neighbours do; a
// new one is among those who wait.
func TestBrokersThatAreRegisteredStayBeyondALimit(t *testing.T) {
	s := start(t, Options{})
	known, other := dial(t, s.Addr().String()), dial(t, s.Addr().String())
	want(t, known.register(0, "broker-a", "C", "127.0.0.1:1001", 1, "T", "U"), wire.CodeSuccess, "")
	other.limited("BROKER", "", "requests", "1")
	other.asked(3)
	want(t, known.register(0, "broker-a", "C", "127.0.0.1:1001", 2, "T", "U"), wire.CodeSuccess, "")
	want(t, other.register(0, "broker-b", "C", "127.0.0.1:1002", 1, "T", "U"), wire.CodeSystemBusy, "all clients of this name server together")
}

func TestConnectionsBeyondALimitAreToldSoAndClosed(t *testing.T) {
	s := start(t, Options{})
	p := dial(t, s.Addr().String())
	p.limited("ADDRESS", "127.0.0.1", "connections", "1")
	late := rpc.NewClient(rpc.ClientOptions{})
	defer late.Close()
	conn, err := late.Conn(t.Context(), s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	resp, err := late.Call(t.Context(), s.Addr().String(), wire.NewRequest(wire.GetBrokerClusterInfo, nil))
	if err != nil {
		t.Fatal(err)
	}
	want(t, resp, wire.CodeSystemBusy, "may have 1 connections open")
	select {
	case <-conn.Done():
	case <-time.After(10 * time.Second):
		t.Error("the connection stays")
	}
	if n, _ := p.asked(1); n != 1 {
		t.Error("the first one is refused as well")
	}
}

func TestLimitsHoldOverARestartAndInOnePlaceOnly(t *testing.T) {
	o := Options{KVConfigPath: filepath.Join(t.TempDir(), "kv.json"), Port: -1}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	stop := serve(t, s)
	p := dial(t, s.Addr().String())
	p.limited("ADDRESS", "*", "requests", "5")
	for _, code := range []wire.Code{wire.PutKVConfig, wire.DeleteKVConfig} {
		want(t, p.ask(code, nil, "namespace", limitNamespace, "key", "ADDRESS/*", "value", "{}"), wire.CodeInvalidParameter, "goddard admin limit --namesrvs")
	}
	stop()
	p = dial(t, start(t, o).Addr().String())
	if n, _ := p.asked(20); n > 6 {
		t.Errorf("%d of 20 requests were answered after the restart", n)
	}
}

func TestABadlySignedRequestCountsBeforeItsSignatureIsLookedAt(t *testing.T) {
	a, err := auth.Open(nil, auth.Options{Authentication: true, Authorization: true, InitUser: `{"username":"root","password":"rootsecret"}`})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	s := start(t, Options{Access: a, Cluster: "C"})
	if err := s.limits.Put(mq.LimitRule{Scope: mq.LimitConnection, Requests: 3}); err != nil {
		t.Fatal(err)
	}
	wrong := rpc.NewClient(rpc.ClientOptions{Hook: rpc.Credentials{AccessKey: "root", SecretKey: "guess"}.Hook()})
	defer wrong.Close()
	got := map[wire.Code]int{}
	for range 20 { // of operators' requests, which are not refused if they are who they say
		resp, err := wrong.Call(t.Context(), s.Addr().String(), wire.NewRequest(wire.GoddardListLimits, nil))
		if err != nil {
			t.Fatal(err)
		}
		got[resp.Code]++
	}
	if got[wire.CodeNoPermission] > 5 || got[wire.CodeSystemBusy] < 15 {
		t.Errorf("answered %v", got)
	}
}

func TestOneAddressRegistersSoManyBrokersAndNoMore(t *testing.T) {
	s := start(t, Options{})
	p := dial(t, s.Addr().String())
	for i := range maxRegistered {
		want(t, p.register(0, fmt.Sprintf("broker-%d", i), "C", fmt.Sprintf("127.0.0.1:%d", 1000+i), 1, "T", "U"), wire.CodeSuccess, "")
	}
	want(t, p.register(0, "one-more", "C", "127.0.0.1:9999", 1, "T", "U"), wire.CodeSystemError, "1000 broker processes are registered from 127.0.0.1")
	want(t, p.register(0, "broker-7", "C", "127.0.0.1:1007", 2, "T", "U"), wire.CodeSuccess, "")
}
