package admin

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// A fake answers requests by their codes.
type fake map[wire.Code]func(*wire.Command) *wire.Command

func (fake) Opened(*rpc.Conn) {}
func (fake) Flush(*rpc.Conn)  {}
func (fake) Closed(*rpc.Conn) {}

func (f fake) Serve(c *rpc.Conn, cmd *wire.Command) {
	if answer := f[cmd.Code]; answer != nil {
		c.Reply(answer(cmd))
		return
	}
	c.Reply(cmd.ReplyError(wire.CodeRequestCodeNotSupported, "not here"))
}

// says answers with a body.
func says(body string) func(*wire.Command) *wire.Command {
	return func(cmd *wire.Command) *wire.Command {
		resp := cmd.Reply(wire.CodeSuccess, nil)
		resp.Body = []byte(body)
		return resp
	}
}

// refuses answers with a code.
func refuses(code wire.Code, remark string) func(*wire.Command) *wire.Command {
	return func(cmd *wire.Command) *wire.Command { return cmd.ReplyError(code, remark) }
}

// serve runs a fake server and returns its address.
func serve(t *testing.T, f fake) string {
	t.Helper()
	s, err := rpc.Listen("127.0.0.1:0", f, rpc.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s.Addr().String()
}

func dialed(t *testing.T, addrs ...string) *Cluster {
	t.Helper()
	c, err := Dial(Options{Namesrvs: addrs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Java writes the ids of brokers as bare keys.
const twoClusters = `{"brokerAddrTable":{"a":{"brokerAddrs":{0:"10.0.0.1:10911",1:"10.0.0.2:10911"},"brokerName":"a","cluster":"east"},` +
	`"b":{"brokerAddrs":{0:"10.0.0.3:10911"},"brokerName":"b","cluster":"west"}},"clusterAddrTable":{"west":["b"],"east":["a"]}}`

func TestMastersOfATarget(t *testing.T) {
	c := dialed(t, serve(t, fake{wire.GetBrokerClusterInfo: says(twoClusters)}))
	for _, tt := range []struct {
		target Target
		want   string // addresses, or an error
	}{
		{Target{Cluster: "east"}, "10.0.0.1:10911"},
		{Target{Addr: "1.2.3.4:5"}, "1.2.3.4:5"},
		{Target{}, "there are several clusters (east, west); choose one with -c"},
		{Target{Cluster: "north"}, "there is no cluster north; the name server knows east, west"},
	} {
		brokers, err := c.Masters(t.Context(), tt.target)
		var got []string
		for _, b := range brokers {
			got = append(got, b.Addr)
		}
		if err != nil {
			got = append(got, err.Error())
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.target, got, tt.want)
		}
	}
}

func TestTheNextNameServerIsAskedWhenOneIsDown(t *testing.T) {
	up := serve(t, fake{wire.GetBrokerClusterInfo: says(twoClusters)})
	c := dialed(t, "127.0.0.1:1", up)
	brokers, err := c.Brokers(t.Context())
	if err != nil || len(brokers) != 3 {
		t.Errorf("got %v, %v", brokers, err)
	}
}

// The same key on both sides: a refusal is an answer, not a reason to ask on.
func TestARefusalNamesWhoWhatAndWhy(t *testing.T) {
	addr := serve(t, fake{wire.GetKVConfig: refuses(wire.CodeSystemError, "broken\n  at java.lang.Thread")})
	_, err := dialed(t, addr).KV(t.Context(), "space", "key")
	want := addr + " answered SYSTEM_ERROR(1) to GET_KV_CONFIG(101): broken"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestWhatIsNotThereIsTheWordsError(t *testing.T) {
	addr := serve(t, fake{
		wire.GetKVConfig:                refuses(wire.CodeQueryNotFound, ""),
		wire.GetRouteInfoByTopic:        refuses(wire.CodeTopicNotExist, ""),
		wire.GetBrokerClusterInfo:       says(`{"brokerAddrTable":{},"clusterAddrTable":{}}`),
		wire.GetConsumerConnectionList:  refuses(wire.CodeConsumerNotOnline, ""),
		wire.GetSubscriptionGroupConfig: refuses(wire.CodeSubscriptionGroupNotExist, ""),
	})
	c := dialed(t, addr)
	on := Target{Addr: addr}
	for want, do := range map[error]func() error{
		mq.ErrNotFound:      func() error { _, err := c.KV(t.Context(), "space", "key"); return err },
		mq.ErrTopicNotFound: func() error { _, _, err := c.TopicStatus(t.Context(), "topic"); return err },
		mq.ErrNotOnline:     func() error { _, err := c.Consumers(t.Context(), on, "group"); return err },
		mq.ErrGroupNotFound: func() error { _, err := c.FindGroup(t.Context(), on, "group"); return err },
	} {
		if err := do(); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	if _, err := c.Masters(t.Context(), Target{}); err == nil || err.Error() != "no broker has registered with the name server" {
		t.Errorf("got %v", err)
	}
}

func TestABodyThatCannotBeReadIsAnError(t *testing.T) {
	addr := serve(t, fake{wire.GetBrokerClusterInfo: says(`{"brokerAddrTable":`), wire.GetAllTopicListFromNameServer: says("")})
	c := dialed(t, addr)
	if _, err := c.Brokers(t.Context()); err == nil {
		t.Error("half a body was read")
	}
	if _, err := c.Topics(t.Context()); err == nil {
		t.Error("no body was read")
	}
}

func TestASettingOfAnyTextArrives(t *testing.T) {
	for _, value := range []string{"", "v", "x=y", `C:\store`, "two\nlines"} {
		cmd, err := propertyRequest(wire.UpdateBrokerConfig, "k", value)
		if err != nil {
			t.Fatal(err)
		}
		got, err := settingsIn("here", cmd)
		if want := map[string]string{"k": value}; err != nil || !maps.Equal(got, want) {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
	if _, err := propertyRequest(wire.UpdateBrokerConfig, "", "v"); err == nil {
		t.Error("a setting without a name was accepted")
	}
}
