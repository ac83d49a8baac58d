package limit

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// words are the kinds of which too much is refused as clients read them, flags as operators type them,
// attributes as topics have them.
var (
	words      = [kinds]string{sendMessages: "messages", sendBytes: "bytes of messages", requests: "requests", connections: "connections"}
	flags      = [kinds]string{sendMessages: "--send-messages", sendBytes: "--send-bytes", requests: "--requests", connections: "--connections"}
	attributes = [kinds]string{sendMessages: AttributeMessages, sendBytes: AttributeBytes}
)

// Attributes of topics.
const (
	AttributeMessages = "send.rate.messages"
	AttributeBytes    = "send.rate.bytes"
)

// tooMuch says which limit refuses something and what to do.
func tooMuch(m *meter, k kind, wait time.Duration) error {
	r := m.rule
	most := r.allowed.Load()[k]
	m.mu.Lock()
	used := max(m.mu.last[k], m.mu.now[k])
	m.mu.Unlock()
	return fmt.Errorf("%w: %s may %s %d %s a second, and %d were %s within one; try again in %v; operators change the limit with %s",
		mq.ErrBusy, who(r, m.name), verb(k), most, words[k], used, past(k), rounded(wait), command(r, k))
}

// tooManyConnections says the same of a connection.
func tooManyConnections(r *rule, addr netip.Addr, most int64) error {
	return fmt.Errorf("%w: %s may have %d connections open, and has; close some, or try again later; operators change the limit with %s",
		mq.ErrBusy, who(r, own(addr).String()), most, command(r, connections))
}

// who is whom a rule is on.
func who(r *rule, name string) string {
	switch r.scope {
	case mq.LimitBroker:
		return "all clients of this " + [...]string{"broker", "name server"}[r.of] + " together"
	case mq.LimitUser:
		return "user " + name
	case mq.LimitTopic:
		return "the clients of topic " + name + " together"
	case mq.LimitConnection:
		return "this connection, as any,"
	}
	if r.alone != nil && !r.network.IsSingleIP() {
		return "the addresses in " + r.name + " together"
	}
	if r.alone != nil {
		name = r.name
	}
	return "address " + name
}

func verb(k kind) string {
	if k == requests {
		return "make"
	}
	return "send"
}

func past(k kind) string {
	if k == requests {
		return "made"
	}
	return "sent"
}

// rounded is a wait as people read it, never too short.
func rounded(d time.Duration) time.Duration {
	unit := time.Millisecond
	if d >= 10*time.Second {
		unit = time.Second
	}
	return (d + unit - 1).Truncate(unit)
}

// command is what changes a limit.
func command(r *rule, k kind) string {
	if r.scope == mq.LimitTopic {
		return fmt.Sprintf("`goddard admin topic update %s --attributes +%s=N`", r.name, attributes[k])
	}
	on := map[string]string{mq.LimitBroker: "broker", mq.LimitConnection: "connection", mq.LimitUser: "user", mq.LimitAddress: "address"}[r.scope]
	if r.name != "" {
		on += " '" + r.name + "'"
	}
	if r.of == NameServer {
		on += " --namesrvs"
	}
	return fmt.Sprintf("`goddard admin limit set %s %s N`", on, flags[k])
}
