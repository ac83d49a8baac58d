package grpc

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/door"
	"github.com/goddardmq/goddard/internal/mq"
)

// Options says what a Server answers from, and how. The zero value of every
// tagged field is its default.
type Options struct {
	// Broker and Admin hold the messages and their settings. Required.
	Broker mq.Broker
	Admin  mq.Admin

	// Name is the broker's name, as in routes. Required.
	Name string

	// Access says who may do what, and Cluster is the name of the cluster among
	// what can be allowed. Nil lets everybody do everything.
	Access  *auth.Access
	Cluster string

	// Version is what GetProxyRuntimeStats shows.
	Version string

	// ClientVersion is the number of the version that clients are listed with;
	// those of this protocol have none that RocketMQ's tools know.
	ClientVersion int32

	// Advertised is the host or host:port that gRPC clients are given for the
	// broker: that of a load balancer, if all nodes of a cluster say the same. Default
	// the host of advertise or, without that, what the client dialled.
	Advertised string `conf:"grpc-advertise"`

	// Door is what connections come through first. Its TLS and Only must fit
	// TLSMode. Nil lets plain ones through as they are.
	Door *door.Door

	// Peers is how this node looks at the certificates of others, which it talks
	// to by TLS unless TLSMode is off. Nil takes them as they are.
	Peers *tls.Config

	// TLSMode says how clients may connect: both takes TLS and plaintext on the
	// same port, only wants TLS, off wants plaintext. Nodes of a cluster talk to each
	// other by TLS unless it is off, so it is off on all or none. Default both, or only with
	// tls-only.
	TLSMode string `conf:"grpc-tls"`

	// MaxMessage is the longest request and answer in bytes; a call with
	// several messages must fit. RocketMQ's default is 130 MiB. Default 16
	// MiB, or what max-message-size needs.
	MaxMessage int `conf:"grpc-max-message" rocketmq:"grpcMaxInboundMessageSize"`

	// MaxConns is how many connections are open at most; further ones are
	// closed at once. Default 16384.
	MaxConns int `conf:"grpc-max-connections"`

	// MaxStreams is how many calls may be under way on one connection; the
	// client holds further ones back. Default 16384.
	MaxStreams int `conf:"grpc-max-streams"`

	// MaxCalls is how many calls may be under way on all connections, those that
	// wait for messages included; a client address may have half of what is
	// free. Further ones are refused with RESOURCE_EXHAUSTED. Default 65536.
	MaxCalls int `conf:"grpc-max-calls"`

	// MaxIncoming is how many bytes requests may take that are being received and
	// handled, on all connections; a client address may have half of what is
	// free. Beyond that requests are refused with TOO_MANY_REQUESTS before their
	// bytes are taken. Default 256 MiB, or four times grpc-max-message.
	MaxIncoming int64 `conf:"grpc-max-incoming"`

	// RequestTimeout is how long the message of a request may take to arrive
	// completely. Default 30s.
	RequestTimeout time.Duration `conf:"grpc-request-timeout"`

	// ReadTimeout is how long a stream may have something to read that its client
	// does not make room for; then the connection is closed, and messages that were
	// not read are delivered again. Default 30s.
	ReadTimeout time.Duration `conf:"grpc-read-timeout"`

	// MaxUnread is how many bytes of messages may wait for clients to read
	// them, on all connections; beyond that receiving answers
	// TOO_MANY_REQUESTS, and producers are asked about transactions later.
	// Default 256 MiB.
	MaxUnread int64 `conf:"grpc-max-unread"`

	// MaxRenewals is how many messages in hand are renewed for clients that
	// asked for it (auto renew). Default 262144.
	MaxRenewals int `conf:"grpc-max-renewals"`

	// IdleTimeout is how long a connection may be open without a call. Default
	// 120s.
	IdleTimeout time.Duration `conf:"grpc-idle-timeout" rocketmq:"grpcClientIdleTimeMills"`

	// Drain is how long stopping may take before calls are cut. It follows the
	// setting drain-timeout. Default 3s.
	Drain time.Duration

	// EmptyBody lets messages without a body in. Default false.
	EmptyBody bool `conf:"grpc-empty-body" rocketmq:"!enableMessageBodyEmptyCheck"`

	// AnyType sends a message whatever type its topic is made for. Default
	// false.
	AnyType bool `conf:"grpc-any-message-type" rocketmq:"!enableTopicMessageTypeCheck"`

	// OrderByQueue lets a group that consumes in order have more of a queue only
	// when it is done with all that it has, as RocketMQ's proxy does, and not
	// only with that of the same message group. Default false.
	OrderByQueue bool `conf:"grpc-order-by-queue"`

	// NoPropertyFilter refuses subscriptions by SQL-92 expressions. Default
	// false.
	NoPropertyFilter bool

	// Log receives what an operator should read. Nil discards it.
	Log *slog.Logger
}

// Values of Options.TLSMode.
const (
	TLSBoth = "both"
	TLSOnly = "only"
	TLSOff  = "off"
)

// WithDefaults fills in what is not set.
func (o Options) WithDefaults() Options {
	setDefault(&o.TLSMode, TLSBoth)
	setDefault(&o.Door, &door.Door{})
	setDefault(&o.MaxMessage, 16<<20)
	setDefault(&o.MaxConns, 1<<14)
	setDefault(&o.MaxStreams, 1<<14)
	setDefault(&o.MaxCalls, 1<<16)
	setDefault(&o.MaxIncoming, max(256<<20, 4*int64(o.MaxMessage)))
	setDefault(&o.RequestTimeout, 30*time.Second)
	setDefault(&o.ReadTimeout, 30*time.Second)
	setDefault(&o.MaxUnread, 256<<20)
	setDefault(&o.MaxRenewals, 1<<18)
	setDefault(&o.IdleTimeout, 120*time.Second)
	setDefault(&o.Drain, 3*time.Second)
	setDefault(&o.Log, slog.New(slog.DiscardHandler))
	return o
}

// setDefault sets *v to def if it is zero.
func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Validate reports every bad field that an operator can set, by its name.
func (o Options) Validate() error {
	o = o.WithDefaults()
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(o.TLSMode == TLSBoth || o.TLSMode == TLSOnly || o.TLSMode == TLSOff, "grpc-tls = %q: want both, only or off", o.TLSMode)
	check(o.MaxMessage >= 64<<10 && o.MaxMessage <= 1<<30, "grpc-max-message = %d: want 65536 to %d", o.MaxMessage, 1<<30)
	check(o.MaxConns >= 1, "grpc-max-connections = %d: want 1 or more", o.MaxConns)
	check(o.MaxStreams >= 1 && o.MaxStreams <= 1<<20, "grpc-max-streams = %d: want 1 to %d", o.MaxStreams, 1<<20)
	check(o.MaxCalls >= 1, "grpc-max-calls = %d: want 1 or more", o.MaxCalls)
	check(o.MaxIncoming >= 2*int64(o.MaxMessage), "grpc-max-incoming = %d: want at least %d, twice grpc-max-message", o.MaxIncoming, 2*int64(o.MaxMessage))
	check(o.RequestTimeout >= time.Second, "grpc-request-timeout = %v: want 1s or more", o.RequestTimeout)
	check(o.ReadTimeout >= time.Second, "grpc-read-timeout = %v: want 1s or more", o.ReadTimeout)
	check(o.MaxUnread >= 1<<20, "grpc-max-unread = %d: want 1048576 or more", o.MaxUnread)
	check(o.MaxRenewals >= 1, "grpc-max-renewals = %d: want 1 or more", o.MaxRenewals)
	check(o.IdleTimeout >= time.Second, "grpc-idle-timeout = %v: want 1s or more", o.IdleTimeout)
	return errors.Join(errs...)
}

// complete reports what the program that makes a Server left out.
func (o Options) complete() error {
	switch {
	case o.Broker == nil || o.Admin == nil:
		return errors.New("grpc: Options.Broker and Options.Admin are required")
	case o.Name == "":
		return errors.New("grpc: Options.Name is required: the broker's name")
	case (o.Door.TLS == nil) != (o.TLSMode == TLSOff):
		return errors.New("grpc: Options.Door needs TLS unless grpc-tls is off")
	}
	return o.Validate()
}
