package namesrv

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/rpc"
)

// Options says how a name server behaves. The zero value is ready for use.
type Options struct {
	// Listen is the address to listen on, without the port. Default 127.0.0.1;
	// 0.0.0.0 and :: mean every address of the machine.
	Listen string `conf:"listen" rocketmq:"bindAddress"`

	// Port is the port to listen on; -1 takes any free one. Default 9876.
	Port int `conf:"port" rocketmq:"listenPort"`

	// KVConfigPath is the file that holds the key-value configuration, in
	// RocketMQ's own form. Empty keeps it in memory only.
	KVConfigPath string `conf:"kv-config-path" rocketmq:"kvConfigPath"`

	// SettingsPath is the file that holds settings that were changed while the
	// server ran. Empty keeps them in memory only.
	SettingsPath string

	// ScanInterval is how often silent brokers are looked for. Default 5s.
	ScanInterval time.Duration `conf:"scan-interval" rocketmq:"scanNotActiveBrokerInterval"`

	// HideAllTopics refuses to list the topics of all clusters. Default false.
	HideAllTopics bool `conf:"hide-all-topics" rocketmq:"!enableAllTopicList" live:"true"`

	// HideTopics refuses every other list of topics. Default false.
	HideTopics bool `conf:"hide-topics" rocketmq:"!enableTopicList" live:"true"`

	// DropTopics makes a registration take away the topics of its broker that
	// it does not name. Default false: a topic stays until it is deleted.
	DropTopics bool `conf:"drop-topics" rocketmq:"deleteTopicWithBrokerRegistration" live:"true"`

	// WaitForService refuses routes for WaitTime after the start, so that
	// brokers are there when the first client asks. Default false.
	WaitForService bool `conf:"wait-for-service" rocketmq:"needWaitForService" live:"true"`

	// WaitTime is how long WaitForService refuses. Default 45s.
	WaitTime time.Duration `conf:"wait-time" rocketmq:"waitSecondsForService" live:"true"`

	// OrderTopics adds a topic's entry of the namespace ORDER_TOPIC_CONFIG to
	// its route. Default false.
	OrderTopics bool `conf:"order-topics" rocketmq:"orderMessageEnable" live:"true"`

	// HideOrderTopics does not tell brokers the namespace ORDER_TOPIC_CONFIG
	// when they register. Default false.
	HideOrderTopics bool `conf:"hide-order-topics" rocketmq:"!returnOrderTopicConfigToBroker" live:"true"`

	// ActingMaster shows the first slave of a broker without master as its
	// master, for reading, if the brokers want that. Default false.
	ActingMaster bool `conf:"acting-master" rocketmq:"supportActingMaster" live:"true"`

	// NotifyMinBrokerID tells brokers when the lowest broker id of their name
	// changes. Default false.
	NotifyMinBrokerID bool `conf:"notify-min-broker-id" rocketmq:"notifyMinBrokerIdChanged" live:"true"`

	// RPC says how connections are treated.
	RPC rpc.ServerOptions

	// TLS, if set, is how brokers are reached that have to be told of something.
	TLS *tls.Config

	// Settings adds to the settings in force what else the process was
	// configured with. Nil adds nothing.
	Settings func(inForce map[string]string) map[string]string

	// LogLevel is the least that is logged. It follows the setting log-level.
	LogLevel slog.Level `conf:"log-level" live:"true"`

	// Level is told of changes of LogLevel. Nil means that it cannot change here.
	Level *slog.LevelVar

	// Access says who may do what, and Cluster is the name of the cluster among
	// what can be allowed. Nil lets everybody do everything.
	Access  *auth.Access
	Cluster string

	// Log receives what an operator should read. Nil discards it.
	Log *slog.Logger
}

// WithDefaults fills in what was left open.
func (o Options) WithDefaults() Options {
	if o.Listen == "" {
		o.Listen = "127.0.0.1"
	}
	if o.Port == 0 {
		o.Port = 9876
	}
	if o.ScanInterval == 0 {
		o.ScanInterval = 5 * time.Second
	}
	if o.WaitTime == 0 {
		o.WaitTime = 45 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.RPC.Log == nil {
		o.RPC.Log = o.Log
	}
	return o
}

// Validate reports every bad field at once.
func (o Options) Validate() error {
	o = o.WithDefaults()
	var errs []error
	if o.Port < -1 || o.Port > 65535 {
		errs = append(errs, fmt.Errorf("port is %d; use 1 to 65535, or -1 for any free port", o.Port))
	}
	if o.ScanInterval < 0 {
		errs = append(errs, errors.New("scan-interval must be positive"))
	}
	if o.WaitTime < 0 {
		errs = append(errs, errors.New("wait-time must be positive"))
	}
	return errors.Join(errs...)
}

// rules are what the table decides by.
func (o *Options) rules() rules {
	return rules{actingMaster: o.ActingMaster, dropTopics: o.DropTopics, notifyMin: o.NotifyMinBrokerID}
}
