package auth

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
)

const plain = `
globalWhiteRemoteAddresses:
- 10.10.103.*
accounts:
- accessKey: RocketMQ
  secretKey: 12345678
  whiteRemoteAddress:
  admin: false
  defaultTopicPerm: DENY
  defaultGroupPerm: SUB
  topicPerms: [topicA=DENY, "topicB = PUB|SUB", topicC=SUB]
  groupPerms: [groupA=DENY, groupB=PUB|SUB]
- accessKey: rocketmq2
  secretKey: 12345678
  whiteRemoteAddress: 192.168.1.*
  admin: true
- accessKey: RocketMQ
  secretKey: another1
`

func TestPlainFilesBecomeUsersAndPolicies(t *testing.T) {
	plan, err := ParsePlain([]byte(plain))
	must(t, err)
	if len(plan.Accounts) != 2 || len(plan.Left) != 2 {
		t.Fatalf("%d accounts, not taken over: %q", len(plan.Accounts), plan.Left)
	}
	one, two := plan.Accounts[0], plan.Accounts[1]
	if one.User != (User{Name: "RocketMQ", Secret: "12345678"}) || two.User != (User{Name: "rocketmq2", Secret: "12345678", Type: Super}) || two.ACL != nil {
		t.Errorf("users %+v, %+v", one.User, two.User)
	}
	texts, err := json.Marshal(one.ACL.Texts())
	must(t, err)
	want := `[{"policyType":"Custom","entries":[{"resource":"Topic:topicA","actions":["All"],"decision":"Deny"},` +
		`{"resource":"Topic:topicB","actions":["Pub","Sub"],"decision":"Allow"},{"resource":"Topic:topicC","actions":["Sub"],"decision":"Allow"},` +
		`{"resource":"Group:groupA","actions":["All"],"decision":"Deny"},{"resource":"Group:groupB","actions":["Pub","Sub"],"decision":"Allow"}]},` +
		`{"policyType":"Default","entries":[{"resource":"Topic:*","actions":["All"],"decision":"Deny"},{"resource":"Group:*","actions":["Sub"],"decision":"Allow"}]}]`
	if string(texts) != want {
		t.Errorf("got  %s\nwant %s", texts, want)
	}
}

func TestPlainFilesAreTakenOverOnce(t *testing.T) {
	home := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(home, "conf", "acl"), 0o700))
	must(t, os.WriteFile(filepath.Join(home, "conf", "plain_acl.yml"), []byte(plain), 0o600))
	must(t, os.WriteFile(filepath.Join(home, "conf", "acl", "more.yml"), []byte("accounts:\n- accessKey: more\n  secretKey: moresecret\n"), 0o600))
	t.Setenv("ROCKETMQ_HOME", home)
	o, rows := Options{MigrateV1: true}, kept{}
	a := open(t, rows, o)
	if n := len(a.Users("")); n != 3 {
		t.Errorf("%d users", n)
	}
	must(t, a.Authorize(mq.Caller{User: "RocketMQ"}, Need{TopicNamed("topicB"), Pub}, ""))
	changed := Secret("changedsecret")
	must(t, a.UpdateUser(mq.Caller{}, "RocketMQ", UserChange{Secret: &changed}))
	a = open(t, rows, o)
	if !a.table.Load().members["RocketMQ"].secretIs("changedsecret") {
		t.Error("the file goes before what was changed since")
	}
	_, err := Open(kept{}, Options{MigrateV1: true, PlainACL: filepath.Join(home, "nowhere.yml")})
	if err == nil || !strings.Contains(err.Error(), "plain-acl cannot be read") {
		t.Errorf("a file that is not there: %v", err)
	}
}

func FuzzParsePlain(f *testing.F) {
	f.Add([]byte(plain))
	f.Add([]byte("accounts: [{accessKey: a, secretKey: &x secretsecret, topicPerms: [*x]}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		plan, err := ParsePlain(text)
		if err != nil {
			return
		}
		for _, p := range plan.Accounts {
			if err := p.User.check(); err != nil {
				t.Error(err)
			}
			if p.ACL == nil {
				continue
			}
			if _, err := decodeACL("x", encodeACL(p.ACL)); err != nil {
				t.Errorf("policies of %q do not survive a restart: %v", p.User.Name, err)
			}
		}
	})
}

func FuzzACL(f *testing.F) {
	f.Add([]byte(`[{"policyType":"Custom","entries":[{"resource":"Topic:T*","actions":["Pub"],"sourceIps":["::ffff:10.0.0.1","10.0.0.0/8"],"decision":"Allow"}]}]`), []byte("user"))
	f.Add([]byte(`[{"entries":[{"resource":"*","actions":["all"],"decision":"deny"}]}]`), []byte(`{"password":"secret","userType":"super","userStatus":"disable"}`))
	f.Fuzz(func(t *testing.T, acl, user []byte) {
		if a, err := decodeACL("x", acl); err == nil {
			again, err := decodeACL("x", encodeACL(a))
			if err != nil || string(encodeACL(again)) != string(encodeACL(a)) {
				t.Errorf("%s is not read as it is written: %v", encodeACL(a), err)
			}
		}
		if u, err := decodeUser("x", user); err == nil {
			if again, err := decodeUser("x", encodeUser(u)); err != nil || again != u {
				t.Errorf("%+v is read as %+v, %v", u, again, err)
			}
		}
	})
}

func TestDenialsAreNotedInBounds(t *testing.T) {
	var a audit
	noted := 0
	for range 10 * maxDenials {
		if note, _ := a.room(7); note {
			noted++
		}
	}
	if _, dropped := a.room(8); noted != maxDenials || dropped != 9*maxDenials {
		t.Errorf("noted %d, dropped %d", noted, dropped)
	}
}

func TestPlainNamesThatAreNoneAreRefused(t *testing.T) {
	for _, name := range []string{"foo*", "a*b", "*", strings.Repeat("x", maxResource)} {
		_, err := ParsePlain([]byte("accounts: [{accessKey: alice, secretKey: alicesecret, topicPerms: ['" + name + "=PUB']}]"))
		if err == nil || !strings.Contains(err.Error(), "names no topic or group") {
			t.Errorf("%.20s: %v", name, err)
		}
	}
}
