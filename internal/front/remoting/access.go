package remoting

// Who sends a request, and may they? Each request is signed by its sender:
// AccessKey names the user, Signature is base64 of the HMAC-SHA1, with the user's
// secret, of the values of all other fields in the order of their keys, and of the
// body. What a request needs stands in needs.go.

import (
	"strconv"
	"strings"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// Fields of signed requests.
const (
	fieldUser      = "AccessKey"
	fieldSignature = "Signature"
)

// A guard is what a Handler knows about access control.
type guard struct {
	*auth.Access
	cluster        string
	unsigned, free map[wire.Code]bool
	names          map[wire.Code]string // for the audit log
}

// newGuard is nil if nobody is demand who they are.
func newGuard(a *auth.Access, cluster string) *guard {
	if a == nil || !a.Authenticates() {
		return nil
	}
	g := &guard{Access: a, cluster: cluster, unsigned: map[wire.Code]bool{}, free: map[wire.Code]bool{}, names: map[wire.Code]string{}}
	for _, op := range operations {
		code := strconv.Itoa(int(op.code))
		g.names[op.code] = op.code.String()
		g.unsigned[op.code], g.free[op.code] = a.Unsigned(code), a.Free(code)
	}
	return g
}

// caller is who sends a request: the user, once admit has let it pass, and where
// from.
func (s *session) caller(req *wire.Command) mq.Caller {
	c := mq.Caller{Addr: s.bornHost}
	if g := s.h.guard; g != nil && !g.unsigned[req.Code] {
		c.User, _ = req.Fields.Get(fieldUser)
	}
	return c
}

// admit lets a request pass and says who sends it, or says why not. It runs on
// the reading goroutine.
func (s *session) admit(req *wire.Command, op *operation) (by mq.Caller, err error) {
	g := s.h.guard
	by.Addr = s.bornHost
	if !g.unsigned[op.code] {
		if by, err = s.authenticate(req); err != nil {
			return by, err
		}
	}
	if g.free[op.code] || len(op.access.needs) == 0 && op.access.body == nil {
		return by, nil
	}
	s.demand = demand{session: s, req: req, by: by}
	return by, op.access.check(&s.demand)
}

// authenticate finds out who signed a request.
func (s *session) authenticate(req *wire.Command) (mq.Caller, error) {
	by := mq.Caller{Addr: s.bornHost}
	if err := s.signature.Read(req); err != nil {
		return by, badRequest("%v", err)
	}
	// Of a name that is too long as much as it takes to see that.
	by.User = s.names.of(s.signature.User[:min(len(s.signature.User), auth.MaxName+1)])
	if err := s.h.guard.Authenticate(by, s.signature.MAC, s.signature.Parts, s.h.guard.names[req.Code]); err != nil {
		return by, err
	}
	return s.author(by, req), nil
}

// author is who asks, at the address where that user is: the console of this
// process asks for others.
func (s *session) author(by mq.Caller, req *wire.Command) mq.Caller {
	from, other := req.Fields.Get(rpc.FieldFrom)
	if !other || s.h.guard == nil {
		return by
	}
	proof, _ := req.Fields.Get(rpc.FieldFromProof)
	return s.h.guard.From(by, from, proof)
}

// A demand is a request whose needs are being looked at.
type demand struct {
	*session
	req *wire.Command
	by  mq.Caller
}

// needs refuses the request unless its sender may do one of the actions.
func (a *demand) needs(actions auth.Actions, r auth.Resource) error {
	return a.h.guard.Authorize(a.by, auth.Need{Resource: r, Actions: actions}, a.h.guard.names[a.req.Code])
}

// topic is needs of a topic; a retry topic is its group's.
func (a *demand) topic(actions auth.Actions, name string) error {
	return a.needs(actions, auth.TopicNamed(name))
}

// group is needs of a group.
func (a *demand) group(actions auth.Actions, name string) error {
	return a.needs(actions, auth.GroupNamed(name))
}

// popped is topic SUB of what a group has popped, whose own SUB is looked at as
// well: retry topics of pops have the topic behind the group's name.
func (a *demand) popped(group, topic string) error {
	if rest, ok := strings.CutPrefix(topic, mq.RetryPrefix); ok {
		if rest, ok = strings.CutPrefix(rest, group); ok && rest != "" && (rest[0] == '_' || rest[0] == '+') {
			topic = rest[1:]
		}
	}
	return a.topic(auth.Sub, topic)
}

// field is what a field of the header says; of several the last counts.
func (a *demand) field(key string) string {
	fields := a.req.Fields
	for i := len(fields) - 1; i >= 0; i-- {
		if string(fields[i].Key) == key {
			return a.names.of(fields[i].Value)
		}
	}
	return ""
}

// decode reads the body of a request to find the names in it.
func (a *demand) decode(into any) error {
	if err := wire.DecodeBody(a.req.Body, into); err != nil {
		return malformed(a.req, err)
	}
	return nil
}

// mayRead refuses a record to whoever may not have its topic: requests by log
// position name the topic as they like. A group that hands back what it popped has it.
func (s *session) mayRead(req *wire.Command, group string, actions auth.Actions, record []byte) error {
	g := s.h.guard
	if g == nil || g.free[req.Code] {
		return nil
	}
	r, _, err := mq.DecodeRecord(record)
	if err != nil {
		return err
	}
	a := demand{session: s, req: req, by: s.caller(req)}
	if group != "" {
		return a.popped(group, string(r.Topic))
	}
	return a.topic(actions, string(r.Topic))
}

// producer is who sends a heartbeat, and what tells whether that user may send to
// a topic: anybody may name any producer group, and half messages are shown to its
// members. Where heartbeats need no signature everybody may.
func (s *session) producer(req *wire.Command) (user string, may func(topic string) bool) {
	g, by := s.h.guard, s.caller(req)
	if g == nil || g.unsigned[req.Code] || !g.Authorizes() {
		return by.User, nil
	}
	return by.User, func(topic string) bool {
		return g.May(by, auth.Need{Resource: auth.TopicNamed(topic), Actions: auth.Pub})
	}
}

// mayEnd is what refuses the end of a half message to whoever may not send to its
// topic, which old clients do not name and others name as they like; nil if nobody
// is refused.
func (s *session) mayEnd(req *wire.Command) func(topic string) error {
	g := s.h.guard
	if g == nil || g.free[req.Code] {
		return nil
	}
	by, audited := s.caller(req), g.names[req.Code]
	return func(topic string) error {
		return g.Authorize(by, auth.Need{Resource: auth.TopicNamed(topic), Actions: auth.Pub}, audited)
	}
}
