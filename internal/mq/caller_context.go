package mq

import "context"

type callerKey struct{}

// WithCaller says in a context who asks.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf is who asks; the zero Caller if the process itself does.
func CallerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// String is the caller for a log: its user and address, as far as they are known.
func (c Caller) String() string {
	switch {
	case c.User != "" && c.Addr.IsValid():
		return c.User + "@" + c.Addr.String()
	case c.User != "":
		return c.User
	case c.Addr.IsValid():
		return c.Addr.String()
	}
	return "this process"
}
