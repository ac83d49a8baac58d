package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// kept is Rows in memory that outlive an Access.
type kept map[string][]byte

func (k kept) Scan(prefix string, f func(string, []byte) error) error {
	for key, value := range k {
		if rest, ok := strings.CutPrefix(key, prefix); ok {
			if err := f(rest, value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k kept) Apply(changes map[string][]byte) error {
	for key, value := range changes {
		if value == nil {
			delete(k, key)
		} else {
			k[key] = value
		}
	}
	return nil
}

var (
	root = mq.Caller{User: "root", Addr: netip.MustParseAddrPort("127.0.0.1:4000")}
	on   = Options{Authentication: true, Authorization: true, InitUser: `{"username":"root","password":"rootsecret"}`}
)

func open(t *testing.T, rows Rows, o Options) *Access {
	t.Helper()
	a, err := Open(rows, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func acl(t *testing.T, entries ...Entry) *ACL {
	t.Helper()
	return &ACL{Custom: entries}
}

func TestUsersAndPoliciesSurviveARestart(t *testing.T) {
	rows := kept{}
	a := open(t, rows, on)
	must(t, a.CreateUser(root, User{Name: "alice", Secret: "alicesecret"}))
	must(t, a.PutACL("alice", acl(t, entry(t, "Topic:T", "Pub", "Allow", "10.0.0.0/8"))))
	a = open(t, rows, on)
	alice := mq.Caller{User: "alice", Addr: netip.MustParseAddrPort("10.0.0.1:1")}
	must(t, a.Authenticate(alice, Sign("alicesecret", []byte("x"), []byte("y")), [][]byte{[]byte("x"), []byte("y")}, ""))
	must(t, a.Authorize(alice, Need{TopicNamed("T"), Pub}, ""))
	elsewhere := mq.Caller{User: "alice", Addr: netip.MustParseAddrPort("192.0.2.1:1")}
	if err := a.Authorize(elsewhere, Need{TopicNamed("T"), Pub}, ""); !errors.Is(err, ErrForbidden) {
		t.Errorf("from elsewhere: %v", err)
	}
	must(t, a.DeleteUser(root, "alice"))
	must(t, a.CreateUser(root, User{Name: "alice", Secret: "alicesecret"}))
	if err := open(t, rows, on).Authorize(alice, Need{TopicNamed("T"), Pub}, ""); !errors.Is(err, ErrForbidden) {
		t.Errorf("policies outlived their user: %v", err)
	}
}

func TestAChangeHoldsForTheNextRequest(t *testing.T) {
	a := open(t, kept{}, on)
	must(t, a.CreateUser(root, User{Name: "alice", Secret: "alicesecret"}))
	alice, need := mq.Caller{User: "alice"}, Need{TopicNamed("T"), Pub}
	allowed := func(want bool) {
		t.Helper()
		for range 2 { // the second answer is remembered
			if err := a.Authorize(alice, need, ""); (err == nil) != want {
				t.Errorf("answered %v", err)
			}
		}
	}
	allowed(false)
	must(t, a.PutACL("alice", acl(t, entry(t, "Topic:T", "Pub", "Allow"))))
	allowed(true)
	must(t, a.PutACL("alice", acl(t, entry(t, "Topic:T", "Pub", "Deny"))))
	allowed(false)
	r := TopicNamed("T")
	must(t, a.DeleteACL("alice", "", &r))
	allowed(false)
	super := Super
	must(t, a.UpdateUser(root, "alice", UserChange{Type: &super}))
	allowed(true)
	disabled := true
	must(t, a.UpdateUser(root, "alice", UserChange{Disabled: &disabled}))
	allowed(false)
	if err := a.Authenticate(alice, Sign("alicesecret"), nil, ""); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("a disabled user: %v", err)
	}
}

func TestOnlySuperUsersTouchSuperUsers(t *testing.T) {
	a := open(t, kept{}, on)
	must(t, a.CreateUser(root, User{Name: "alice", Secret: "alicesecret"}))
	alice, super := mq.Caller{User: "alice"}, Super
	for what, err := range map[string]error{
		"creating": a.CreateUser(alice, User{Name: "bob", Secret: "bobsecret", Type: Super}),
		"rising":   a.UpdateUser(alice, "alice", UserChange{Type: &super}),
		"changing": a.UpdateUser(alice, "root", UserChange{}),
		"deleting": a.DeleteUser(alice, "root"),
	} {
		if !errors.Is(err, ErrForbidden) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestTheLastSuperUserStays(t *testing.T) {
	a := open(t, kept{}, on)
	normal, disabled := Normal, true
	for what, err := range map[string]error{
		"deleting":  a.DeleteUser(root, "root"),
		"lowering":  a.UpdateUser(root, "root", UserChange{Type: &normal}),
		"disabling": a.UpdateUser(root, "root", UserChange{Disabled: &disabled}),
	} {
		if !errors.Is(err, mq.ErrInvalid) || !strings.Contains(err.Error(), "only super user") {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, a.CreateUser(root, User{Name: "second", Secret: "secondsecret", Type: Super}))
	must(t, a.DeleteUser(root, "root"))
}

func TestBadUsersAreRefused(t *testing.T) {
	a := open(t, kept{}, on)
	for _, u := range []User{
		{Name: "", Secret: "longenough"}, {Name: "a b", Secret: "longenough"}, {Name: "a/b", Secret: "longenough"},
		{Name: "a", Secret: ""}, {Name: "a", Secret: "      "}, {Name: "a", Secret: "short"}, {Name: "root", Secret: "longenough"},
	} {
		if err := a.CreateUser(root, u); !errors.Is(err, mq.ErrInvalid) {
			t.Errorf("%q: %v", u.Name, err)
		}
	}
}

func TestTheFirstUserIsMadeOnceAndToldOnce(t *testing.T) {
	rows := kept{}
	a := open(t, rows, Options{Authentication: true})
	name, secret, ok, err := a.MakeFirst()
	must(t, err)
	if !ok || len(secret) < 20 {
		t.Fatalf("first user %q with %d characters, %v", name, len(secret), ok)
	}
	if by, err := a.Login(context.Background(), root.Addr, name, secret); err != nil || by.User != name {
		t.Errorf("login: %v, %v", by, err)
	}
	if _, _, ok, _ := open(t, rows, Options{Authentication: true}).MakeFirst(); ok {
		t.Error("told again")
	}
	if _, _, ok, _ := open(t, kept{}, Options{}).MakeFirst(); ok {
		t.Error("made though nobody is asked who they are")
	}
}

func TestNobodyLogsInWithAWrongPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, kept{}, on)
		for _, try := range [][2]string{{"root", "rootsecre"}, {"root", "rootsecret "}, {"root", ""}, {"nobody", "rootsecret"}, {"", ""}} {
			begun := time.Now()
			if by, err := a.Login(t.Context(), root.Addr, try[0], try[1]); !errors.Is(err, ErrUnauthenticated) || by.User != "" {
				t.Errorf("%q: %v, %v", try, by, err)
			}
			if took := time.Since(begun); took < time.Second {
				t.Errorf("the answer took %v, which lets passwords be tried fast", took)
			}
		}
	})
}

func TestWhoTriesManyPasswordsAtATimeWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, kept{}, on)
		var wg sync.WaitGroup
		defer wg.Wait()
		for range maxLogins {
			wg.Go(func() { a.Login(t.Context(), root.Addr, "root", "guess") })
		}
		synctest.Wait()
		if _, err := a.Login(t.Context(), root.Addr, "root", "rootsecret"); !errors.Is(err, mq.ErrBusy) {
			t.Errorf("beside %d guesses: %v", maxLogins, err)
		}
		if _, err := a.Login(t.Context(), netip.MustParseAddrPort("10.0.0.1:1"), "root", "rootsecret"); err != nil {
			t.Errorf("from elsewhere: %v", err)
		}
		wg.Wait()
		if _, err := a.Login(t.Context(), root.Addr, "root", "rootsecret"); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		if n := len(a.logins.mu.from); n > 0 {
			t.Errorf("%d addresses are kept", n)
		}
	})
}

// Somebody guesses root's password from as many addresses as there are. Guesses
// come slowly then; root gets in, at once from where root was before, and after
// its turn from elsewhere.
func TestWhoGuessesFromManyAddressesIsSlowAndKeepsNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, kept{}, on)
		at := func(i int) netip.AddrPort {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 1)
		}
		if _, err := a.Login(t.Context(), root.Addr, "root", "rootsecret"); err != nil {
			t.Fatal(err)
		}
		var looked atomic.Int32
		var wg sync.WaitGroup
		guess := func(from, n int) {
			for i := range n {
				wg.Go(func() {
					if _, err := a.Login(t.Context(), at(from+i), "root", "guess"); !errors.Is(err, mq.ErrBusy) {
						looked.Add(1)
					}
				})
			}
			synctest.Wait()
		}
		begun := time.Now()
		guess(0, guessBurst+5)
		if _, err := a.Login(t.Context(), root.Addr, "root", "rootsecret"); err != nil || time.Since(begun) != 0 {
			t.Errorf("from where root was before: %v after %v", err, time.Since(begun))
		}
		if _, err := a.Login(t.Context(), at(5000), "alice", "alicesecret"); !errors.Is(err, ErrUnauthenticated) || time.Since(begun) > wrongPause {
			t.Errorf("another name: %v after %v", err, time.Since(begun))
		}
		if _, err := a.Login(t.Context(), at(6000), "root", "rootsecret"); err != nil || time.Since(begun) > maxTurn {
			t.Errorf("from elsewhere: %v after %v", err, time.Since(begun))
		}
		guess(100, 500)
		wg.Wait()
		took := time.Since(begun)
		if most := guessBurst + int32(took/guessEvery); looked.Load() > most || looked.Load() < guessBurst {
			t.Errorf("%d guesses were looked at in %v, want at most %d", looked.Load(), took, most)
		}
		if n := len(a.guesses.mu.waiting); n != 0 {
			t.Errorf("%d are still thought to wait", n)
		}
		time.Sleep(time.Minute)
		begun = time.Now()
		if _, err := a.Login(t.Context(), at(7000), "root", "rootsecret"); err != nil || time.Since(begun) != 0 {
			t.Errorf("afterwards: %v after %v", err, time.Since(begun))
		}
	})
}

func TestAnotherAddressIsBelievedFromThisProcessAlone(t *testing.T) {
	a, other := open(t, kept{}, on), open(t, kept{}, on)
	by := mq.Caller{User: "alice", Addr: netip.MustParseAddrPort("127.0.0.1:5")}
	text, proof := a.Behalf("alice", netip.MustParseAddr("10.0.0.7"))
	if got := a.From(by, text, proof); got.User != "alice" || got.Addr.Addr().String() != "10.0.0.7" {
		t.Errorf("alice asks from %v", got)
	}
	_, foreign := other.Behalf("alice", netip.MustParseAddr("10.0.0.7"))
	for what, got := range map[string]mq.Caller{
		"another address": a.From(by, "10.0.0.8", proof), "no address": a.From(by, "here", proof), "another process's proof": a.From(by, text, foreign), "no proof": a.From(by, text, ""),
	} {
		if got != by {
			t.Errorf("%s: alice asks from %v", what, got)
		}
	}
	if got := a.From(mq.Caller{User: "bob", Addr: by.Addr}, text, proof); got.Addr != by.Addr {
		t.Errorf("bob uses alice's proof: %v", got)
	}
}

func TestSecretsDoNotShow(t *testing.T) {
	rows := kept{}
	a := open(t, rows, on)
	u := User{Name: "alice", Secret: "alicesecret"}
	text, err := json.Marshal(u)
	must(t, err)
	o := on
	o.InnerCredentials = `{"accessKey":"inner","secretKey":"innersecret"}`
	options, err := json.Marshal(struct{ A, B Secret }{o.InitUser, o.InnerCredentials})
	must(t, err)
	got, err := a.User(mq.Caller{}, "root")
	must(t, err)
	_, bad := Open(kept{}, Options{InitUser: `{"username":"root" "password":"alicesecret"}`})
	_, short := Open(kept{}, Options{InitUser: `{"username":"root","password":"alice"}`})
	_, damaged := Open(kept{"auth/user/x": []byte(`{"password":"alicesecret",}`)}, Options{})
	_, plain := ParsePlain([]byte("accounts:\n- secretKey: alicesecret\n  admin: [rootsecret]\n"))
	for _, text := range []string{
		fmt.Sprint(u), fmt.Sprintf("%+v %#v %s", u, u, u.Secret), string(text), string(options), fmt.Sprintf("%#v", got),
		fmt.Sprint(bad), fmt.Sprint(short), fmt.Sprint(damaged), fmt.Sprint(plain), fmt.Sprintf("%+v %#v", o, o),
		fmt.Sprint(a.Authenticate(root, nil, nil, "")), fmt.Sprint(a.CreateUser(root, User{Name: "b b", Secret: "alicesecret"})),
	} {
		for _, secret := range []string{"alicesecret", "rootsecret", "innersecret"} {
			if strings.Contains(text, secret) {
				t.Errorf("a secret shows: %s", text)
			}
		}
	}
	for what, err := range map[string]error{"bad": bad, "short": short, "damaged": damaged, "plain": plain} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

func TestAskingAgainAllocatesNothing(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	a := open(t, kept{}, on)
	must(t, a.CreateUser(root, User{Name: "alice", Secret: "alicesecret"}))
	must(t, a.PutACL("alice", acl(t, entry(t, "Topic:T*", "Pub", "Allow", "10.0.0.0/8"))))
	alice, need := mq.Caller{User: "alice", Addr: netip.MustParseAddrPort("10.0.0.1:1")}, Need{TopicNamed("Tabc"), Pub}
	parts := [][]byte{[]byte("some"), []byte("parts")}
	mac := Sign("alicesecret", parts...)
	ask := func() {
		must(t, a.Authenticate(alice, mac, parts, ""))
		must(t, a.Authorize(alice, need, ""))
	}
	ask()
	if n := testing.AllocsPerRun(1000, ask); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAuthorizationNeedsAuthentication(t *testing.T) {
	if _, err := Open(nil, Options{Authorization: true}); err == nil || !strings.Contains(err.Error(), "authenticationEnabled") {
		t.Errorf("opened with %v", err)
	}
}

func TestConsolesAskInWords(t *testing.T) {
	a := open(t, kept{}, on)
	must(t, a.CreateUser(root, User{Name: "alice", Secret: "alicesecret"}))
	must(t, a.PutACL("alice", acl(t, entry(t, "Topic:orders", "Get", "Allow"))))
	ctx := context.Background()
	alice, err := a.Login(ctx, root.Addr, "alice", "alicesecret")
	must(t, err)
	must(t, a.Allowed(ctx, alice, "GET", "Topic:orders"))
	for _, ask := range [][2]string{{"UPDATE", "Topic:orders"}, {"GET", "Topic:other"}, {"LIST", "Topic:*"}, {"GET", "*"}, {"GET", "Cluster:C"}} {
		if err := a.Allowed(ctx, alice, ask[0], ask[1]); !errors.Is(err, ErrForbidden) {
			t.Errorf("%v: %v", ask, err)
		}
	}
	if err := a.Allowed(ctx, alice, "GET", "nonsense"); err == nil {
		t.Error("nonsense is allowed")
	}
	if err := a.Allowed(ctx, mq.Caller{}, "GET", "Topic:orders"); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("nobody: %v", err)
	}
	o := on
	o.Authorization = false
	a = open(t, kept{}, o)
	must(t, a.Allowed(ctx, root, "UPDATE", "*"))
	if err := a.Allowed(ctx, mq.Caller{User: "gone"}, "GET", "*"); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("a user who is gone: %v", err)
	}
}

func TestTheProcessIsSomebodyToItselfAlone(t *testing.T) {
	a, b := open(t, kept{}, on), open(t, kept{}, on)
	name, secret := a.Own()
	own, parts := mq.Caller{User: name}, [][]byte{[]byte("x")}
	must(t, a.Authenticate(own, Sign(Secret(secret), parts...), parts, ""))
	must(t, a.Authorize(own, Need{ClusterNamed("C"), Update}, ""))
	if err := b.Authenticate(own, Sign(Secret(secret), parts...), parts, ""); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("another process: %v", err)
	}
	if err := a.CreateUser(root, User{Name: name, Secret: "longenough"}); !errors.Is(err, mq.ErrInvalid) {
		t.Errorf("its name can be taken: %v", err)
	}
	if got := a.Users("server"); len(got) > 0 {
		t.Errorf("it is listed: %+v", got)
	}
}

func TestTheAuditLogBoundsWhatStrangersSay(t *testing.T) {
	var log strings.Builder
	o := on
	o.Log = slog.New(slog.NewJSONHandler(&log, nil))
	a := open(t, kept{}, o)
	log.Reset()
	long := strings.Repeat("x", 1<<20)
	if err := a.Authenticate(mq.Caller{User: long}, nil, nil, "A"); !errors.Is(err, ErrUnauthenticated) || len(err.Error()) > 1000 {
		t.Errorf("a name of a megabyte: %.300v", err)
	}
	if err := a.Authorize(mq.Caller{User: long}, Need{TopicNamed(long), Pub}, "B"); !errors.Is(err, ErrForbidden) || len(err.Error()) > 2000 {
		t.Errorf("a topic of a megabyte: %.300v", err)
	}
	a.Rejected(mq.Caller{User: "a\nb"}, "C", "%s", long)
	if text := log.String(); len(text) > 4000 || !strings.Contains(text, `"user":"a?b"`) || strings.Contains(text, "invalid AddrPort") {
		t.Errorf("%d bytes: %.1000s", len(text), text)
	}
}

func TestDecisionsAboutVeryLongNamesAreNotKept(t *testing.T) {
	a := open(t, kept{}, on)
	must(t, a.CreateUser(root, User{Name: "alice", Secret: "alicesecret"}))
	for _, n := range []int{maxResource, maxResource + 1, 1 << 20} {
		a.Authorize(mq.Caller{User: "alice"}, Need{TopicNamed(strings.Repeat("x", n)), Pub}, "")
	}
	if n := len(a.table.Load().taken.known); n != 1 {
		t.Errorf("%d decisions are kept, want the one about the short name", n)
	}
}

func TestAnotherSecretInTheSettingsIsTold(t *testing.T) {
	var log strings.Builder
	rows, o := kept{}, on
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	open(t, rows, o)
	log.Reset()
	open(t, rows, o)
	if log.Len() > 0 {
		t.Errorf("said without need: %s", log.String())
	}
	o.InitUser = `{"username":"root","password":"anothersecret"}`
	open(t, rows, o)
	if text := log.String(); !strings.Contains(text, "init-user") || !strings.Contains(text, "user=root") || strings.Contains(text, "anothersecret") {
		t.Errorf("said %q", text)
	}
}

func TestWhatCouldNotBeReadAgainIsNotStored(t *testing.T) {
	rows := kept{}
	a := open(t, rows, on)
	must(t, a.CreateUser(root, User{Name: "alice", Secret: "alicesecret"}))
	for _, name := range []string{"a*b", "foo*", strings.Repeat("x", maxResource)} {
		bad := Entry{Resource: Resource{Type: Topic, Name: name}, Actions: Pub, Decision: Allow}
		if err := a.PutACL("alice", acl(t, bad)); !errors.Is(err, mq.ErrInvalid) {
			t.Errorf("%.20s: %v", name, err)
		}
	}
	open(t, rows, on)
}

func TestTheUserForMetricsMayReadThemAndNothingElse(t *testing.T) {
	a, err := Open(nil, Options{
		Authentication: true, Authorization: true,
		InitUser: `{"username":"root","password":"rootsecret"}`, MetricsUser: `{"username":"metrics","password":"scrape-me"}`,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	by := mq.Caller{User: "metrics"}
	if !a.May(by, Need{ClusterNamed("C"), Get}) {
		t.Error("metrics may not be read")
	}
	for _, n := range []Need{{ClusterNamed("C"), Update}, {TopicNamed("T"), Pub}, {TopicNamed("T"), Get}, {GroupNamed("G"), Sub}} {
		if a.May(by, n) {
			t.Errorf("%v on %v is allowed", n.Actions, n.Resource)
		}
	}
	if err := (Options{Authentication: true, MetricsUser: "secret"}).Validate(); err == nil || !strings.Contains(err.Error(), "metrics-user is not JSON") || strings.Contains(err.Error(), `"secret"`) {
		t.Errorf("a bad setting: %v", err)
	}
}
