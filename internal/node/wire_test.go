package node

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/wire"
)

// Whoever may change settings from afar must not get at files, programs or
// addresses of this machine, nor at who may do what. The list is that of all
// settings there are.
func TestNoPathAddressOrAccessIsSetOverTheWire(t *testing.T) {
	c := inMemory(RoleAll)
	c.Auth.InitUser, c.Auth.InnerCredentials = `{"username":"root","password":"rootsecret"}`, `{"accessKey":"inner","secretKey":"innersecret"}`
	n, _ := started(t, c)
	refused := func(code wire.Code, key, value string) {
		t.Helper()
		req := wire.NewRequest(code, nil)
		req.Body = []byte(key + "=" + value + "\n")
		at := n.BrokerAddr()
		if code == wire.UpdateNamesrvConfig {
			at = n.NamesrvAddr()
		}
		if resp := answered(t, at, req); resp.Code == wire.CodeSuccess || resp.Remark == "" {
			t.Errorf("%v sets %s to %s: %v %s", code, key, value, resp.Code.ResponseString(), resp.Remark)
		}
	}
	owner := reflect.TypeFor[auth.Options]().PkgPath()
	texts := 0
	for _, s := range Settings() {
		typ := reflect.TypeFor[Config]().FieldByIndex(s.index).Type
		text := typ.Kind() == reflect.String || typ == reflect.TypeFor[[]string]()
		if !text && s.Owner != owner {
			continue
		}
		texts++
		for _, key := range []string{s.Name, s.Java} {
			for _, value := range []string{"/tmp/elsewhere", "192.0.2.1:1", "true"} {
				if key != "" {
					refused(wire.UpdateBrokerConfig, key, value)
					refused(wire.UpdateNamesrvConfig, key, value)
				}
			}
		}
	}
	if texts < 20 {
		t.Errorf("only %d settings are texts or about access", texts)
	}
	for _, key := range []string{"authConfigPath", "storePathCommitLog", "configBlackList", "messageStorePlugIn", "rocketmqHome"} {
		refused(wire.UpdateBrokerConfig, key, "/tmp/elsewhere")
		refused(wire.UpdateNamesrvConfig, key, "/tmp/elsewhere")
	}
}

func TestSettingsShowNoSecrets(t *testing.T) {
	c := inMemory(RoleAll)
	c.Auth.InitUser, c.Auth.InnerCredentials = `{"username":"root","password":"rootsecret"}`, `{"accessKey":"inner","secretKey":"innersecret"}`
	n, _ := started(t, c)
	var printed strings.Builder
	if err := Print(&printed, c, false); err != nil {
		t.Fatal(err)
	}
	_, _, bad := Load(Source{Role: RoleAll, File: writeConf(t, "initAuthenticationUser={\"username\":\"root\",\"password\":\"rootsecret\"}\nlistenPort=x\n")})
	badUser := c
	badUser.Auth.InitUser = `{"username":"root","password":"rootsecret"`
	for what, text := range map[string]string{
		"Print":                printed.String(),
		"a bad file":           fmt.Sprint(bad),
		"a bad user":           fmt.Sprint(badUser.Validate()),
		"the configuration":    fmt.Sprintf("%+v %#v", c.Auth, c.Auth),
		"GET_BROKER_CONFIG":    string(asked(t, n.BrokerAddr(), wire.NewRequest(wire.GetBrokerConfig, nil)).Body),
		"GET_NAMESRV_CONFIG":   string(asked(t, n.NamesrvAddr(), wire.NewRequest(wire.GetNamesrvConfig, nil)).Body),
		"GET_BROKER_RUNTIME":   string(asked(t, n.BrokerAddr(), wire.NewRequest(wire.GetBrokerRuntimeInfo, nil)).Body),
		"AUTH_LIST_USER":       string(asked(t, n.BrokerAddr(), wire.NewRequest(wire.AuthListUser, nil)).Body),
		"GET_ALL_TOPIC_CONFIG": string(asked(t, n.BrokerAddr(), wire.NewRequest(wire.GetAllTopicConfig, nil)).Body),
	} {
		if strings.Contains(text, "rootsecret") || strings.Contains(text, "innersecret") {
			t.Errorf("%s shows a secret: %s", what, text)
		}
	}
	if badUser.Validate() == nil {
		t.Error("a bad user is taken")
	}
}
