package web

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/goddardmq/goddard/internal/door"
	"github.com/goddardmq/goddard/internal/mq"
)

// An Access decides who may do what. Its errors are for the user to read.
type Access interface {
	// Login says who has that name and password.
	Login(ctx context.Context, user, password string) (mq.Caller, error)
	// Allowed is nil if the caller may do action on resource, in the words of
	// RocketMQ's access control: "GET" on "Cluster:name".
	Allowed(ctx context.Context, c mq.Caller, action, resource string) error
}

// Options says how HTTP is served. The zero value of every tagged field is its
// default.
type Options struct {
	// Ready is nil if the server can do its work; its error says what is
	// missing. Required.
	Ready func(ctx context.Context) error

	// Access decides about guarded paths. Nil leaves them to programs on this
	// machine.
	Access Access

	// Door is what connections come through first. Nil lets plain ones through
	// as they are.
	Door *door.Door

	// NoProfiles leaves the runtime's profiles out.
	NoProfiles bool

	// MaxConns is how many connections are open at most; for a further one the
	// one that has waited longest for a request is closed. Default 1024.
	MaxConns int `conf:"http-max-connections"`

	// Drain is how long stopping may take before requests are cut. It follows
	// the setting drain-timeout. Default 3s.
	Drain time.Duration

	// Log receives what an operator should read. Nil discards it.
	Log *slog.Logger
}

// WithDefaults fills in what was left open.
func (o Options) WithDefaults() Options {
	if o.Door == nil {
		o.Door = &door.Door{}
	}
	if o.MaxConns == 0 {
		o.MaxConns = 1024
	}
	if o.Drain == 0 {
		o.Drain = 3 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// check reports options that cannot be.
func (o Options) check() error {
	switch {
	case o.Ready == nil:
		return errors.New("BUG: web.Options.Ready is missing")
	case o.MaxConns < 1:
		return errors.New("http-max-connections: want at least 1")
	}
	return nil
}
