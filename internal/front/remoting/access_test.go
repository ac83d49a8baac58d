package remoting

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// A guardedRig is a handler that asks who requests come from, with users root
// (super), alice and bob (disabled), and a client for each way of signing.
type guardedRig struct {
	testing.TB
	fake   *fake
	access *auth.Access
	addr   string
}

func newGuardedRig(t testing.TB, change ...func(*auth.Options)) *guardedRig {
	t.Helper()
	o := auth.Options{Authentication: true, Authorization: true, InitUser: `{"username":"root","password":"rootsecret"}`}
	for _, c := range change {
		c(&o)
	}
	a, err := auth.Open(nil, o)
	if err != nil {
		t.Fatal(err)
	}
	r := &guardedRig{TB: t, fake: newFake(), access: a}
	root := mq.Caller{User: "root"}
	r.must(a.CreateUser(root, auth.User{Name: "alice", Secret: "alicesecret"}))
	r.must(a.CreateUser(root, auth.User{Name: "bob", Secret: "bobsecret", Disabled: true}))
	h, err := New(Options{Broker: r.fake, Admin: r.fake, Name: "broker-a", StoreHost: storeHost, Access: a, Cluster: "C"})
	r.must(err)
	server, err := rpc.Listen("127.0.0.1:0", h, rpc.ServerOptions{Drain: time.Second})
	r.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { server.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait(); a.Close() })
	r.addr = server.Addr().String()
	return r
}

func (r *guardedRig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// allow gives alice an entry.
func (r *guardedRig) allow(resource string, actions ...string) {
	r.put("Allow", resource, nil, actions)
}

func (r *guardedRig) put(decision, resource string, sources, actions []string) {
	r.Helper()
	a, err := auth.ParseACL([]auth.PolicyText{{Entries: []auth.EntryText{{Resource: resource, Actions: actions, SourceIPs: sources, Decision: decision}}}})
	r.must(err)
	r.must(r.access.PutACL("alice", a))
}

// call sends a request as somebody.
func (r *guardedRig) call(as rpc.Credentials, req *wire.Command) *wire.Command {
	r.Helper()
	client := rpc.NewClient(rpc.ClientOptions{Hook: as.Hook()})
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	resp, err := client.Call(ctx, r.addr, req)
	r.must(err)
	return resp
}

var (
	asRoot  = rpc.Credentials{AccessKey: "root", SecretKey: "rootsecret"}
	asAlice = rpc.Credentials{AccessKey: "alice", SecretKey: "alicesecret", SecurityToken: "token"}
	asBob   = rpc.Credentials{AccessKey: "bob", SecretKey: "bobsecret"}
)

// request makes a request with a body.
func request(code wire.Code, h wire.Header, body string) *wire.Command {
	req := wire.NewRequest(code, h)
	req.Body = []byte(body)
	return req
}

func TestRequestsAreFromWhoSignsThem(t *testing.T) {
	r := newGuardedRig(t)
	ask := func() *wire.Command {
		return request(wire.GetTopicConfig, &wire.GetTopicConfigRequest{Topic: "T"}, "")
	}
	r.fake.topics["T"] = mq.Topic{Name: "T"}
	for _, tt := range []struct {
		name string
		as   rpc.Credentials
		want string // in the remark; empty: let in
	}{
		{"a super user", asRoot, ""},
		{"nobody", rpc.Credentials{}, "username cannot be null"},
		{"somebody unknown", rpc.Credentials{AccessKey: "eve", SecretKey: "evesecret"}, "User:eve is not found"},
		{"a wrong secret", rpc.Credentials{AccessKey: "root", SecretKey: "alicesecret"}, "check signature failed"},
		{"a disabled user", asBob, "User:bob is disabled"},
		{"a user without policies", asAlice, "User:alice has no permission to access Topic:T with GET from 127.0.0.1; `goddard admin acl explain alice Topic:T GET` tells why"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp := r.call(tt.as, ask())
			if tt.want == "" {
				if resp.Code != wire.CodeSuccess {
					t.Errorf("answered %v: %s", resp.Code.ResponseString(), resp.Remark)
				}
			} else if resp.Code != wire.CodeNoPermission || !strings.Contains(resp.Remark, tt.want) {
				t.Errorf("answered %v: %q, want %q", resp.Code.ResponseString(), resp.Remark, tt.want)
			}
		})
	}
}

func TestChangedRequestsAreRefused(t *testing.T) {
	r := newGuardedRig(t)
	for name, change := range map[string]func(*wire.Command){
		"the body":     func(c *wire.Command) { c.Body = []byte(`{"topicList":["U"]}`) },
		"a field":      func(c *wire.Command) { c.Fields = c.Fields.Add("extra", "1") },
		"the name":     func(c *wire.Command) { c.Fields = c.Fields.Add("AccessKey", "alice") },
		"no signature": func(c *wire.Command) { c.Fields = c.Fields.Add("Signature", "") },
		"half of it":   func(c *wire.Command) { c.Fields = c.Fields.Add("Signature", "AAAA") },
		"no base64":    func(c *wire.Command) { c.Fields = c.Fields.Add("Signature", "\x00!!") },
		"too long":     func(c *wire.Command) { c.Fields = c.Fields.Add("Signature", strings.Repeat("A", 4000)) },
	} {
		t.Run(name, func(t *testing.T) {
			req := request(wire.DeleteTopicInBrokerList, nil, `{"topicList":["T"]}`)
			asRoot.Hook()(req)
			change(req)
			resp := r.call(rpc.Credentials{}, req)
			if resp.Code != wire.CodeNoPermission || !strings.Contains(resp.Remark, "check signature failed") {
				t.Errorf("answered %v: %q", resp.Code.ResponseString(), resp.Remark)
			}
		})
	}
}

func TestClientsUpTo493LeaveAFieldOut(t *testing.T) {
	r := newGuardedRig(t)
	for _, tt := range []struct {
		version int32
		want    wire.Code
	}{{wire.V4_9_3, wire.CodeSuccess}, {wire.V4_9_4, wire.CodeNoPermission}} {
		req := request(wire.QueryMessage, &wire.QueryMessageRequest{Topic: "T", Key: "k", MaxNum: 1, EndTimestamp: 1}, "")
		req.Version = tt.version
		asRoot.Hook()(req)
		req.Fields = req.Fields.Add("_UNIQUE_KEY_QUERY", "true")
		resp := r.call(rpc.Credentials{}, req)
		if signed := !strings.Contains(resp.Remark, "signature"); signed != (tt.want == wire.CodeSuccess) {
			t.Errorf("version %d answered %v: %q", tt.version, resp.Code.ResponseString(), resp.Remark)
		}
	}
}

// fit is a request for each operation that names topic T and group G wherever it
// can, and what alice must be allowed for it.
func fit(code wire.Code) (req *wire.Command, entries []string) {
	sub := `[{"topic":"T","subString":"*","expressionType":"TAG"}]`
	bodies := map[wire.Code]string{
		wire.HeartBeat:                            `{"clientID":"c","consumerDataSet":[{"groupName":"G","subscriptionDataSet":` + sub + `}]}`,
		wire.LockBatchMQ:                          `{"consumerGroup":"G","clientId":"c","mqSet":[{"topic":"T","queueId":0}]}`,
		wire.UnlockBatchMQ:                        `{"consumerGroup":"G","clientId":"c","mqSet":[{"topic":"T","queueId":0}]}`,
		wire.CheckClientConfig:                    `{"group":"G","subscriptionData":{"topic":"T","subString":"*"}}`,
		wire.QueryAssignment:                      `{"consumerGroup":"G","topic":"T"}`,
		wire.SetMessageRequestMode:                `{"consumerGroup":"G","topic":"T","mode":"POP"}`,
		wire.BatchAckMessage:                      `{"acks":[{"c":"G","t":"T","r":"0"}]}`,
		wire.LiteSubscriptionCtl:                  `{"subscriptionSet":[{"group":"G","topic":"T","action":"COMPLETE_REMOVE"}]}`,
		wire.UpdateAndCreateTopicList:             `{"topicConfigList":[{"topicName":"T"}]}`,
		wire.DeleteTopicInBrokerList:              `{"topicList":["T"]}`,
		wire.UpdateAndCreateSubscriptionGroup:     `{"groupName":"G"}`,
		wire.UpdateAndCreateSubscriptionGroupList: `{"groupConfigList":[{"groupName":"G"}]}`,
		wire.DeleteSubscriptionGroupList:          `{"groupNameList":["G"]}`,
	}
	req = request(code, nil, bodies[code])
	names := map[string]string{"topic": "T", "b": "T", "parentTopic": "T", "topicList": "T", "consumerGroup": "G", "group": "G", "groupName": "G", "srcGroup": "G", "destGroup": "G", "compareGroup": "G", "filterGroups": "G"}
	for key, value := range names {
		req.Fields = req.Fields.Add(key, value)
	}
	return req, entries
}

// Whatever an operation does, one without the permission in the table must not
// get to it, and one with exactly that must.
func TestEveryOperationWantsWhatItsRowSays(t *testing.T) {
	for _, op := range operations {
		t.Run(op.code.String(), func(t *testing.T) {
			text := op.access.String()
			if text == "-" {
				t.Skip("needs nothing but a user")
			}
			r := newGuardedRig(t)
			req, _ := fit(op.code)
			if resp := r.call(asAlice, req.Clone()); resp.Code != wire.CodeNoPermission || !strings.Contains(resp.Remark, "User:alice has no permission") {
				t.Fatalf("without a policy: %v %q", resp.Code.ResponseString(), resp.Remark)
			}
			for part := range strings.SplitSeq(strings.ReplaceAll(text, " if named", ""), ", ") {
				kind, actions, _ := strings.Cut(part, " ")
				resource := map[string]string{"Topic": "Topic:T", "Group": "Group:G", "Cluster": "Cluster:C", "Topic:*": "Topic:*", "Group:*": "Group:*"}[kind]
				if resource == "" {
					t.Fatalf("cannot read %q", text)
				}
				have, err := r.access.ACL("alice")
				r.must(err)
				action, _, _ := strings.Cut(actions, "|") // one is enough
				all := []string{action}
				for _, e := range have.Custom {
					if e.Resource.String() == resource {
						all = append(all, e.Actions.Names()...)
					}
				}
				r.allow(resource, all...)
			}
			if resp := r.call(asAlice, req.Clone()); resp.Code == wire.CodeNoPermission && strings.Contains(resp.Remark, "User:alice") {
				t.Errorf("with %s: %q", text, resp.Remark)
			}
		})
	}
}

func TestPoliciesLookAtWhereRequestsComeFrom(t *testing.T) {
	r := newGuardedRig(t)
	ask := func() wire.Code {
		return r.call(asAlice, request(wire.DeleteTopicInBroker, &wire.DeleteTopicInBrokerRequest{Topic: "T"}, "")).Code
	}
	r.put("Allow", "Topic:T", []string{"192.0.2.0/24"}, []string{"Delete"})
	if got := ask(); got != wire.CodeNoPermission {
		t.Errorf("from elsewhere: %v", got.ResponseString())
	}
	r.put("Allow", "Topic:T", []string{"192.0.2.0/24", "127.0.0.1"}, []string{"Delete"})
	if got := ask(); got != wire.CodeSuccess {
		t.Errorf("from here: %v", got.ResponseString())
	}
	r.put("Deny", "Topic:T", []string{"127.0.0.0/8"}, []string{"All"})
	if got := ask(); got != wire.CodeNoPermission {
		t.Errorf("where it is denied: %v", got.ResponseString())
	}
}

func TestARetryTopicIsItsGroups(t *testing.T) {
	r := newGuardedRig(t)
	r.allow("Topic:*", "Sub")
	r.allow("Group:G", "Sub")
	pull := func(topic string) wire.Code {
		return r.call(asAlice, request(wire.PullMessage, &wire.PullMessageRequest{ConsumerGroup: "G", Topic: topic, MaxMsgNums: 1}, "")).Code
	}
	if got := pull("%RETRY%H"); got != wire.CodeNoPermission {
		t.Errorf("another group's retry topic: %v", got.ResponseString())
	}
	if got := pull("%RETRY%G"); got == wire.CodeNoPermission {
		t.Error("its own retry topic is refused")
	}
}

func TestRequestsByLogPositionLookAtTheMessage(t *testing.T) {
	r := newGuardedRig(t)
	r.allow("Topic:T", "Get")
	m := mq.Message{Topic: "Secrets", BornHost: storeHost, Body: []byte("x")}
	r.fake.found = mq.AppendRecord(nil, &m, storeHost)
	view := func() wire.Code {
		return r.call(asAlice, request(wire.ViewMessageByID, &wire.ViewMessageByIDRequest{Topic: "T", Offset: 100}, "")).Code
	}
	if got := view(); got != wire.CodeNoPermission {
		t.Errorf("a message of another topic: %v", got.ResponseString())
	}
	r.allow("Topic:Secrets", "Get")
	if got := view(); got != wire.CodeSuccess {
		t.Errorf("a message that may be seen: %v", got.ResponseString())
	}
	r.fake.found = mq.AppendRecord(nil, &mq.Message{Topic: "RMQ_SYS_TRANS_HALF_TOPIC", BornHost: storeHost, Body: []byte("x"),
		Properties: mq.AppendProperty(nil, mq.PropRealTopic, "Orders")}, storeHost)
	r.allow("Topic:T", "Pub", "Get")
	end := &wire.EndTransactionRequest{Topic: "T", ProducerGroup: "P", CommitLogOffset: 100, CommitOrRollback: 8}
	if got := r.call(asAlice, request(wire.EndTransaction, end, "")).Code; got != wire.CodeNoPermission || len(r.fake.ends) > 0 {
		t.Errorf("a transaction of another topic is ended: %v", got.ResponseString())
	}
	r.allow("Topic:Orders", "Pub")
	if got := r.call(asAlice, request(wire.EndTransaction, end, "")).Code; got != wire.CodeSuccess {
		t.Errorf("a transaction of a topic that may be sent to: %v", got.ResponseString())
	}
	r.fake.found = mq.AppendRecord(nil, &m, storeHost)
	r.allow("Topic:Secrets", "Get")
	back := request(wire.ConsumerSendMsgBack, &wire.ConsumerSendMsgBackRequest{Group: "G", Offset: 100}, "")
	r.allow("Group:G", "Sub")
	if got := r.call(asAlice, back).Code; got != wire.CodeNoPermission || len(r.fake.backs) > 0 {
		t.Errorf("a message is copied to whoever names it: %v", got.ResponseString())
	}
}

func TestCodesOfTheWhitelistsPass(t *testing.T) {
	r := newGuardedRig(t, func(o *auth.Options) {
		o.AuthenticationWhitelist, o.AuthorizationWhitelist = []string{"351", "21"}, []string{"351"}
	})
	r.fake.topics["T"] = mq.Topic{Name: "T"}
	if got := r.call(rpc.Credentials{}, request(wire.GetTopicConfig, &wire.GetTopicConfigRequest{Topic: "T"}, "")); got.Code != wire.CodeSuccess {
		t.Errorf("in both lists: %v %s", got.Code.ResponseString(), got.Remark)
	}
	if got := r.call(rpc.Credentials{}, request(wire.GetAllTopicConfig, nil, "")); got.Code != wire.CodeNoPermission {
		t.Errorf("nobody is allowed something: %v %s", got.Code.ResponseString(), got.Remark)
	}
}

func TestWhoAsksIsKnownInTheHandler(t *testing.T) {
	r := newGuardedRig(t)
	_, h := r.fake, wire.GetTopicConfig
	i := slices.IndexFunc(operations, func(o operation) bool { return o.code == h })
	s := &session{h: &Handler{guard: newGuard(r.access, "C")}, bornHost: storeHost}
	req := request(operations[i].code, nil, "")
	asAlice.Hook()(req)
	if got := s.caller(req); got.User != "alice" || got.Addr != storeHost {
		t.Errorf("caller %+v", got)
	}
	s.h.guard = nil
	if got := s.caller(req); got.User != "" {
		t.Errorf("a user whom nobody has asked: %+v", got)
	}
}

func TestNobodyIsAskedAtNoCost(t *testing.T) {
	a, err := auth.Open(nil, auth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if newGuard(a, "C") != nil {
		t.Error("there is a guard though authentication is off")
	}
}

func TestAdmittingASendAllocatesNothing(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	s, req, op := signedSend(t)
	enter := func() {
		if err := s.enter(req, op); err != nil {
			t.Fatal(err)
		}
	}
	enter()
	if n := testing.AllocsPerRun(1000, enter); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// RocketMQ's proxy asks as the user of inner-credentials.
func TestWhoActsForUsersIsToldTheirPasswords(t *testing.T) {
	r := newGuardedRig(t, func(o *auth.Options) { o.InnerCredentials = `{"accessKey":"inner","secretKey":"innersecret"}` })
	ask := func(as rpc.Credentials, code wire.Code, h wire.Header) string {
		t.Helper()
		return string(r.call(as, request(code, h, "")).Body)
	}
	inner := rpc.Credentials{AccessKey: "inner", SecretKey: "innersecret"}
	alice := &wire.AuthGetUserRequest{Username: "alice"}
	if got := ask(inner, wire.AuthGetUser, alice); got != `{"password":"alicesecret","userStatus":"enable","userType":"Normal","username":"alice"}` {
		t.Errorf("inner is told %s", got)
	}
	for what, got := range map[string]string{
		"root": ask(asRoot, wire.AuthGetUser, alice), "a list": ask(inner, wire.AuthListUser, &wire.AuthListUserRequest{Filter: "alice"}),
		"inner with a wrong secret": ask(rpc.Credentials{AccessKey: "inner", SecretKey: "alicesecret"}, wire.AuthGetUser, alice),
	} {
		if strings.Contains(got, "secret") {
			t.Errorf("%s has a secret: %s", what, got)
		}
	}
	open := newGuardedRig(t, func(o *auth.Options) {
		o.InnerCredentials = `{"accessKey":"inner","secretKey":"innersecret"}`
		o.AuthenticationWhitelist, o.AuthorizationWhitelist = []string{"3004"}, []string{"3004"}
	})
	if got := string(open.call(inner, request(wire.AuthGetUser, alice, "")).Body); strings.Contains(got, "secret") || !strings.Contains(got, "alice") {
		t.Errorf("where nobody's signature is looked at: %s", got)
	}
}

func TestUsersAreManagedAsJavasToolsDo(t *testing.T) {
	r := newGuardedRig(t)
	do := func(want wire.Code, as rpc.Credentials, code wire.Code, h wire.Header, body string) string {
		t.Helper()
		resp := r.call(as, request(code, h, body))
		if resp.Code != want {
			t.Errorf("%v answered %v: %s", code, resp.Code.ResponseString(), resp.Remark)
		}
		return string(resp.Body) + resp.Remark
	}
	carol := &wire.AuthCreateUserRequest{Username: "carol"}
	do(wire.CodeSuccess, asRoot, wire.AuthCreateUser, carol, `{"password":"carolsecret","userType":"Normal","username":"carol"}`)
	do(wire.CodeInvalidParameter, asRoot, wire.AuthCreateUser, carol, `{"password":"carolsecret","username":"carol"}`)
	asCarol := rpc.Credentials{AccessKey: "carol", SecretKey: "carolsecret"}
	do(wire.CodeNoPermission, asCarol, wire.AuthCreateUser, &wire.AuthCreateUserRequest{Username: "dave"}, `{"password":"davesecret"}`)
	if got := do(wire.CodeSuccess, asRoot, wire.AuthGetUser, carol, ""); got != `{"userStatus":"enable","userType":"Normal","username":"carol"}` {
		t.Errorf("got %s", got)
	}
	if got := do(wire.CodeSuccess, asRoot, wire.AuthGetUser, &wire.AuthGetUserRequest{Username: "nobody"}, ""); got != "" {
		t.Errorf("nobody is %s", got)
	}
	do(wire.CodeSuccess, asRoot, wire.AuthUpdateUser, carol, `{"userStatus":"disable"}`)
	if got := do(wire.CodeSuccess, asRoot, wire.AuthListUser, &wire.AuthListUserRequest{Filter: "carol"}, ""); got != `[{"userStatus":"disable","userType":"Normal","username":"carol"}]` {
		t.Errorf("listed %s", got)
	}
	do(wire.CodeNoPermission, asCarol, wire.AuthListUser, nil, "")
	do(wire.CodeSuccess, asRoot, wire.AuthUpdateUser, carol, `{"userStatus":"enable","password":"othersecret"}`)
	do(wire.CodeNoPermission, asCarol, wire.AuthListUser, nil, "")

	subject := &wire.AuthCreateACLRequest{Subject: "User:carol"}
	do(wire.CodeSuccess, asRoot, wire.AuthCreateACL, subject,
		`{"subject":"User:carol","policies":[{"entries":[{"resource":"Topic:T*","actions":["PUB","sub"],"sourceIps":["10.0.0.0/8"],"decision":"ALLOW"}]}]}`)
	do(wire.CodeSuccess, asRoot, wire.AuthUpdateACL, subject,
		`{"policies":[{"policyType":"Default","entries":[{"resource":"*","actions":["All"],"decision":"Deny"}]}]}`)
	want := `{"policies":[{"entries":[{"actions":["Pub","Sub"],"decision":"Allow","resource":"Topic:T*","sourceIps":["10.0.0.0/8"]}],"policyType":"Custom"},` +
		`{"entries":[{"actions":["All"],"decision":"Deny","resource":"*"}],"policyType":"Default"}],"subject":"User:carol"}`
	if got := do(wire.CodeSuccess, asRoot, wire.AuthGetACL, subject, ""); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := do(wire.CodeSuccess, asRoot, wire.AuthListACL, &wire.AuthListACLRequest{SubjectFilter: "carol", ResourceFilter: "Topic"}, ""); !strings.Contains(got, "Topic:T*") || strings.Contains(got, "Default") {
		t.Errorf("listed %s", got)
	}
	explained := do(wire.CodeSuccess, asRoot, wire.GoddardExplainAccess, &wire.GoddardExplainAccessRequest{Username: "carol", Resource: "Topic:Tab", Actions: "Pub", SourceIP: "10.1.1.1"}, "")
	if !strings.Contains(explained, `"allowed":true`) || !strings.Contains(explained, "Allow PUB|SUB on Topic:T* from 10.0.0.0/8") {
		t.Errorf("explained by %s", explained)
	}
	do(wire.CodeSuccess, asRoot, wire.AuthDeleteACL, &wire.AuthDeleteACLRequest{Subject: "User:carol", Resource: "Topic:T*"}, "")
	do(wire.CodeSuccess, asRoot, wire.AuthDeleteACL, &wire.AuthDeleteACLRequest{Subject: "User:carol"}, "")
	do(wire.CodeInvalidParameter, asRoot, wire.AuthDeleteACL, &wire.AuthDeleteACLRequest{Subject: "User:carol"}, "")
	do(wire.CodeSuccess, asRoot, wire.AuthDeleteUser, carol, "")
	do(wire.CodeSuccess, asRoot, wire.AuthDeleteUser, carol, "")
	for _, bad := range []string{
		`{"policies":[]}`, `{"policies":[{"entries":[{"resource":"Topic:T","actions":["Any"],"decision":"Allow"}]}]}`,
		`{"policies":[{"entries":[{"resource":"T","actions":["Pub"],"decision":"Allow"}]}]}`,
		`{"policies":[{"entries":[{"resource":"Topic:T","actions":["Pub"],"decision":"Maybe"}]}]}`,
		`{"policies":[{"entries":[{"resource":"Topic:T","actions":["Pub"],"decision":"Allow","sourceIps":["here"]}]}]}`,
		`{"policies":[{"entries":[{"resource":"Topic:T","actions":["Pub"],"decision":"Allow"},{"resource":"Topic:T","actions":["Sub"],"decision":"Deny"}]}]}`,
	} {
		do(wire.CodeInvalidParameter, asRoot, wire.AuthCreateACL, &wire.AuthCreateACLRequest{Subject: "User:alice"}, bad)
	}
}

// Whatever is refused or done, the audit log says who, what and how it ended, and
// has no secret in it.
func TestTheAuditLogHasNoSecrets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	r := newGuardedRig(t, func(o *auth.Options) { o.AuditLog = file })
	r.call(asRoot, request(wire.AuthCreateUser, &wire.AuthCreateUserRequest{Username: "carol"}, `{"password":"carolsecret","userType":"Super","userStatus":"enable"}`))
	r.call(asRoot, request(wire.AuthUpdateUser, &wire.AuthCreateUserRequest{Username: "carol"}, `{"password":"carolsecret","userStatus":"gone"}`))
	r.call(asRoot, request(wire.AuthUpdateUser, &wire.AuthCreateUserRequest{Username: "carol"}, `{"password":"carolsecret",}x`))
	r.call(asRoot, request(wire.DeleteTopicInBroker, &wire.DeleteTopicInBrokerRequest{Topic: "T"}, ""))
	r.call(asAlice, request(wire.DeleteTopicInBroker, &wire.DeleteTopicInBrokerRequest{Topic: "T"}, ""))
	text, err := os.ReadFile(file)
	r.must(err)
	for _, want := range []string{
		`"msg":"administered","logger":"audit","user":"root"`, "AUTH_CREATE_USER", "username=carol userType=Super userStatus=enable", `"msg":"denied"`, "User:alice has no permission", "DELETE_TOPIC_IN_BROKER",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the audit log lacks %s:\n%s", want, text)
		}
	}
	for _, secret := range []string{"carolsecret", "rootsecret", "alicesecret", "token"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the audit log has the secret %s:\n%s", secret, text)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its permissions are %v, %v", info.Mode(), err)
	}
}

func TestLongNamesAreNotRemembered(t *testing.T) {
	var n names
	long := strings.Repeat("x", rememberedBytes+1)
	for range rememberedNames + 1 {
		if got := n.of([]byte(long)); got != long {
			t.Errorf("read %.10s", got)
		}
	}
	if n != (names{}) {
		t.Error("a long name is remembered")
	}
}

func TestAUserNameOfAMegabyteIsRefused(t *testing.T) {
	r := newGuardedRig(t)
	req := request(wire.GetTopicConfig, &wire.GetTopicConfigRequest{Topic: "T"}, "")
	req.Fields = req.Fields.Add("AccessKey", strings.Repeat("x", 1<<20))
	if got := r.call(rpc.Credentials{}, req); got.Code != wire.CodeNoPermission || !strings.Contains(got.Remark, "at most 255 bytes") {
		t.Errorf("answered %v: %.300s", got.Code.ResponseString(), got.Remark)
	}
}

func TestARetryTopicOfPopsIsItsTopics(t *testing.T) {
	r := newGuardedRig(t)
	r.allow("Group:order", "Sub")
	r.allow("Topic:T", "Sub")
	h := newGuard(r.access, "C")
	a := demand{session: &session{h: &Handler{guard: h}}, req: request(wire.AckMessage, nil, ""), by: mq.Caller{User: "alice"}}
	for topic, want := range map[string]bool{
		"T": true, "%RETRY%order": true, "%RETRY%order_T": true, "%RETRY%order+T": true,
		"U": false, "%RETRY%order_audit": false, "%RETRY%order+U": false, "%RETRY%other": false, "%RETRY%order_": false,
	} {
		if err := a.popped("order", topic); (err == nil) != want {
			t.Errorf("%s: %v", topic, err)
		}
	}
}

// Half messages are shown to the members of a producer group, which anybody may
// name: the heartbeat's user has to be allowed to send to the topic.
func TestAProducerIsKnownByItsUser(t *testing.T) {
	r := newGuardedRig(t)
	beat := request(wire.HeartBeat, nil, `{"clientID":"c","producerDataSet":[{"groupName":"P"}]}`)
	if got := r.call(asAlice, beat); got.Code != wire.CodeSuccess {
		t.Fatalf("answered %v: %s", got.Code.ResponseString(), got.Remark)
	}
	r.fake.mu.Lock()
	m := r.fake.joined[len(r.fake.joined)-1]
	r.fake.mu.Unlock()
	if m.User != "alice" || m.May == nil || m.May("T") {
		t.Errorf("without a policy: %q may", m.User)
	}
	r.allow("Topic:T", "Pub")
	if !m.May("T") || m.May("U") {
		t.Error("the policy of now does not hold")
	}
}

// Whoever is slowed down is told so before his signature is looked at, and after
// a wrong one nothing of his is vital until a right one.
func TestLimitsComeBeforeSignatures(t *testing.T) {
	r := newGuardedRig(t)
	wrong, root := rpc.Credentials{AccessKey: "root", SecretKey: "guess12"}, rpc.Credentials{AccessKey: "root", SecretKey: "rootsecret"}
	beat := func() *wire.Command { return request(wire.HeartBeat, nil, `{"clientID":"c"}`) }
	one := rpc.NewClient(rpc.ClientOptions{})
	defer one.Close()
	slow := func(err error) {
		r.fake.mu.Lock()
		defer r.fake.mu.Unlock()
		r.fake.slow = err
	}
	for i, step := range []struct {
		slow error
		as   rpc.Credentials
		req  *wire.Command
		want wire.Code
	}{
		{mq.ErrBusy, wrong, request(wire.GetMaxOffset, &wire.GetMaxOffsetRequest{Topic: "T"}, ""), wire.CodeSystemBusy},
		{mq.ErrBusy, wrong, beat(), wire.CodeNoPermission},
		{mq.ErrBusy, wrong, beat(), wire.CodeSystemBusy},
		{mq.ErrBusy, root, beat(), wire.CodeSystemBusy},
		{nil, root, beat(), wire.CodeSuccess},
		{mq.ErrBusy, root, beat(), wire.CodeSuccess},
	} {
		slow(step.slow)
		step.as.Hook()(step.req)
		got, err := one.Call(t.Context(), r.addr, step.req)
		if err != nil {
			t.Fatal(err)
		}
		if got.Code != step.want {
			t.Errorf("request %d is answered %v: %s", i, got.Code.ResponseString(), got.Remark)
		}
	}
}
