package node

import (
	"strings"
	"testing"
)

func TestAnAdvertisedAddressIsAHostOrHostAndPort(t *testing.T) {
	for _, good := range []string{"", "10.0.0.5", "10.0.0.5:10911", "mq.example.com", "mq:9", "::1", "[fe80::1]:10911"} {
		if err := checkAdvertise("advertise", good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"a:b:c", "a:b", "a:0", "a:65536", ":10911", "http://a", "a b", "[::1]"} {
		if checkAdvertise("advertise", bad) == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestPortsOfOneProcessDoNotClash(t *testing.T) {
	for _, tt := range []struct {
		c    Config
		want string
	}{
		{Config{ListenPort: 10911, FastPort: 10911}, "fast-port and listen-port are both 10911"},
		{Config{ListenPort: 9876}, "listen-port and namesrv-port are both 9876"},
		{Config{ListenPort: 9878}, "fast-port and namesrv-port are both 9876"},
		{Config{GRPCPort: 10911}, "grpc-port and listen-port are both 10911"},
		{Config{GRPCPort: 9876}, "grpc-port and namesrv-port are both 9876"},
		{Config{GRPCPort: 10909}, "grpc-port and fast-port are both 10909"},
		{Config{Role: RoleBroker, ListenPort: 9876}, ""},
		{Config{Role: RoleNamesrv, ListenPort: 9876}, ""},
		{Config{ListenPort: -1, NamesrvPort: -1, FastPort: -1}, ""},
	} {
		got := ""
		if err := tt.c.Validate(); err != nil {
			got = err.Error()
		}
		if tt.want == "" && got != "" || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%+v: got %q, want %q", tt.c.Role, got, tt.want)
		}
	}
}

func TestTheLargestMessageFitsIntoAGRPCAnswer(t *testing.T) {
	var c Config
	c.Broker.MaxMessageSize = 12 << 20
	c.GRPC.MaxMessage = 8 << 20
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "grpc-max-message") {
		t.Errorf("got %v", err)
	}
	c.GRPCPort = -1
	if err := c.Validate(); err != nil {
		t.Errorf("without gRPC clients: %v", err)
	}
}

func TestAZeroThatMeansTheDefaultIsRefused(t *testing.T) {
	for key, wrong := range map[string]bool{
		"retention": true, "default-topic-queues": true, "fileReservedTime": true, "broker-id": false, "trace-on": false,
	} {
		value := "0"
		if key == "trace-on" {
			value = "false"
		}
		_, _, err := Load(Source{Settings: map[string]string{key: value}})
		if (err != nil) != wrong {
			t.Errorf("%s = %s: got %v", key, value, err)
		}
	}
}
