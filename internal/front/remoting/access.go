package remoting

// Who sends a request, and may they? Each request is signed by its sender:
// AccessKey names the user, Signature is base64 of the HMAC-SHA1, with the user's
// secret, of the values of all other fields in the order of their keys, and of the
// body. What a request needs stands in needs.go.

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// Fields of signed requests.
const (
	fieldUser      = "AccessKey"
	fieldSignature = "Signature"
)

// maxSignedFields bounds the fields of a signed request; RocketMQ's requests have
// a dozen.
const maxSignedFields = 128

// fieldKeyQuery is left out of what is signed by clients up to 4.9.3.
const (
	fieldKeyQuery = "_UNIQUE_KEY_QUERY"
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

// admit lets a request pass, or says why not. It runs on the reading goroutine.
func (s *session) admit(req *wire.Command, op *operation) error {
	g := s.h.guard
	by := mq.Caller{Addr: s.bornHost}
	if !g.unsigned[op.code] {
		var err error
		if by, err = s.authenticate(req); err != nil {
			return err
		}
	}
	if g.free[op.code] || len(op.access.needs) == 0 && op.access.body == nil {
		return nil
	}
	s.demand = demand{session: s, req: req, by: by}
	return op.access.check(&s.demand)
}

// authenticate finds out who signed a request.
func (s *session) authenticate(req *wire.Command) (mq.Caller, error) {
	by := mq.Caller{Addr: s.bornHost}
	sign := &s.signing
	sign.parts = sign.parts[:0]
	var signature []byte
	order, err := sign.sort(req.Fields)
	if err != nil {
		return by, err
	}
	for _, i := range order {
		f := &req.Fields[i]
		switch string(f.Key) {
		case fieldSignature:
			signature = f.Value
			continue
		case fieldUser:
			by.User = s.names.of(f.Value)
		case fieldKeyQuery:
			if req.Version <= wire.V4_9_3 {
				continue
			}
		}
		sign.parts = append(sign.parts, f.Value)
	}
	if by.User == "" {
		return by, s.h.guard.Authenticate(by, nil, nil, s.h.guard.names[req.Code])
	}
	var mac [sha1.Size + 2]byte // base64 of 20 bytes claims room for 21
	n := 0
	if base64.StdEncoding.DecodedLen(len(signature)) <= len(mac) {
		if n, err = base64.StdEncoding.Decode(mac[:], signature); err != nil {
			n = 0
		}
	}
	sign.parts = append(sign.parts, req.Body)
	return by, s.h.guard.Authenticate(by, mac[:n], sign.parts, s.h.guard.names[req.Code])
}

// A signing is memory for looking at signatures; it belongs to the reading goroutine.
type signing struct {
	order []int
	parts [][]byte
}

// sort lists the fields in the order of their keys, of those with the same key
// the last.
func (g *signing) sort(fields wire.Fields) ([]int, error) {
	if len(fields) > maxSignedFields {
		return nil, badRequest("the header has %d fields, at most %d are looked at in a signed request", len(fields), maxSignedFields)
	}
	order := g.order[:0]
	for i := range fields {
		at := len(order)
		for at > 0 && bytes.Compare(fields[order[at-1]].Key, fields[i].Key) > 0 {
			at--
		}
		if at > 0 && bytes.Equal(fields[order[at-1]].Key, fields[i].Key) {
			order[at-1] = i
			continue
		}
		order = append(order, 0)
		copy(order[at+1:], order[at:])
		order[at] = i
	}
	g.order = order
	return order, nil
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
			return nil
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
