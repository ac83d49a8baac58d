package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// ErrUnauthenticated is wrapped by errors of requests whose sender is not who
// they say: no user, a wrong signature, one that is too old.
var ErrUnauthenticated = errors.New("not authenticated")

// ErrForbidden is wrapped by errors of requests whose sender may not do that.
var ErrForbidden = errors.New("no permission")

// refuse makes an error that reads as its text and wraps kind.
func refuse(kind error, format string, args ...any) error {
	return &refusal{kind, fmt.Sprintf(format, args...)}
}

type refusal struct {
	kind error
	text string
}

// Error says who may not do what.
func (r *refusal) Error() string { return r.text }

// Unwrap is ErrUnauthenticated or ErrForbidden.
func (r *refusal) Unwrap() error { return r.kind }

// Access decides about requests and keeps users and policies. It is safe for
// concurrent use.
type Access struct {
	o     Options
	rows  Rows
	audit *audit
	table atomic.Pointer[table]
	// changing lets one change happen at a time, from looking at the table to
	// replacing it.
	changing sync.Mutex
	own      *member
	logins   logins
	guesses  *guesses
	inner    User // of the settings; nobody if its name is empty
}

// A table is who there is and who may do what. It does not change but for the
// decisions that are remembered.
type table struct {
	members map[string]*member
	taken   decisions
	gone    chan struct{} // closed when another takes its place
}

// Changed is closed when users or policies change the next time.
func (a *Access) Changed() <-chan struct{} { return a.table.Load().gone }

// set makes a table the one that counts.
func (a *Access) set(next *table) {
	next.gone = make(chan struct{})
	if old := a.table.Swap(next); old != nil {
		close(old.gone)
	}
}

// maxDecisions is how many decisions are remembered; each takes some 150 bytes,
// and at most 1 KiB with the longest names.
const maxDecisions = 1 << 16

// decisions are those that were taken.
type decisions struct {
	// mu guards the map; nothing is called while it is held.
	mu    sync.RWMutex
	known map[question]Decision
}

// A question is a need of somebody; the address counts only where a policy of
// the user looks at it.
type question struct {
	user string
	need Need
	from netip.Addr
}

// Open reads users and policies and makes those that the options ask for. rows
// may be nil: then everything is forgotten with the process.
func Open(rows Rows, o Options) (*Access, error) {
	o = o.WithDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if rows == nil {
		rows = memory{}
	}
	a := &Access{o: o, rows: rows, guesses: newGuesses(), own: newMember(User{Name: ownName, Secret: newSecret(), Type: Super}, nil)}
	users, acls := map[string]User{}, map[string]*ACL{}
	err := rows.Scan(userRows, func(name string, value []byte) error {
		u, err := decodeUser(name, value)
		users[name] = u
		return err
	})
	if err != nil {
		return nil, err
	}
	err = rows.Scan(aclRows, func(name string, value []byte) error {
		acl, err := decodeACL(name, value)
		acls[name] = acl
		return err
	})
	if err != nil {
		return nil, err
	}
	t := &table{members: map[string]*member{}}
	for name, u := range users {
		t.members[name] = newMember(u, acls[name])
	}
	a.set(t)
	if a.audit, err = openAudit(o); err != nil {
		return nil, err
	}
	if err := a.begin(); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// ownName is who this process is to itself; no user can have it.
const ownName = "(this server)"

// Own is who this process is where it asks itself something by its own ports. The
// secret is made up at each start and kept nowhere.
func (a *Access) Own() (user, secret string) { return a.own.Name, string(a.own.Secret) }

// member is a user, or the process itself; nil if there is none of the name.
func (a *Access) member(name string) *member {
	if name == ownName {
		return a.own
	}
	return a.table.Load().members[name]
}

// Close closes the audit log.
func (a *Access) Close() error { return a.audit.close() }

// Authenticates reports whether requests must be signed.
func (a *Access) Authenticates() bool { return a.o.Authentication }

// Authorizes reports whether policies hold.
func (a *Access) Authorizes() bool { return a.o.Authorization }

// SignatureAge is how far the time of a signature may be from ours.
func (a *Access) SignatureAge() time.Duration { return a.o.SignatureAge }

// Unsigned reports whether requests of a code, or a call, need no signature.
func (a *Access) Unsigned(code string) bool {
	return !a.o.Authentication || slices.Contains(a.o.AuthenticationWhitelist, code)
}

// Free reports whether policies do not hold for requests of a code, or a call.
func (a *Access) Free(code string) bool {
	return !a.o.Authorization || slices.Contains(a.o.AuthorizationWhitelist, code)
}

// Authenticate finds out whether mac is the user's signature of the parts, one
// after the other. what names the request, for the audit log.
func (a *Access) Authenticate(by mq.Caller, mac []byte, parts [][]byte, what string) error {
	if len(by.User) > MaxName {
		return a.Rejected(by, what, "the name of a user has at most %d bytes; look at the access key", MaxName)
	}
	m := a.member(by.User)
	if m != nil && !m.Disabled && m.signed(mac, parts) {
		return nil
	}
	return a.unauthenticated(m, by, what)
}

// unauthenticated says why a request is not who it says.
func (a *Access) unauthenticated(m *member, by mq.Caller, what string) error {
	var err error
	switch {
	case by.User == "":
		err = refuse(ErrUnauthenticated, "username cannot be null: this server wants signed requests; give the client an access key and a secret key")
	case m == nil:
		err = refuse(ErrUnauthenticated, "User:%.80s is not found; `goddard admin user list` shows who is", by.User)
	case m.Disabled:
		err = refuse(ErrUnauthenticated, "User:%s is disabled; `goddard admin user update %s --status enable` changes that", by.User, by.User)
	default:
		err = refuse(ErrUnauthenticated, "check signature failed for User:%s; is the secret key right?", by.User)
	}
	a.audit.denied(by, what, err)
	return err
}

// Rejected is an error for a request whose signature cannot be looked at, noted
// in the audit log.
func (a *Access) Rejected(by mq.Caller, what, format string, args ...any) error {
	err := refuse(ErrUnauthenticated, format, args...)
	a.audit.denied(by, what, err)
	return err
}

// Authorize finds out whether somebody may do what a request needs. what names
// the request, for the audit log.
func (a *Access) Authorize(by mq.Caller, need Need, what string) error {
	if a.May(by, need) {
		return nil
	}
	user, resource := shown(by.User), shown(need.Resource.String())
	err := refuse(ErrForbidden, "User:%s has no permission to access %s with %v from %v; `goddard admin acl explain %s %s %s` tells why",
		user, resource, need.Actions, by.Addr.Addr(), user, resource, strings.ReplaceAll(need.Actions.String(), "|", ","))
	a.audit.denied(by, what, err)
	return err
}

// May reports whether somebody may do something; it is noted nowhere.
func (a *Access) May(by mq.Caller, need Need) bool {
	t := a.table.Load()
	m := a.member(by.User)
	if m == nil || m.Disabled {
		return false
	}
	if m.Type == Super {
		return true
	}
	q := question{user: by.User, need: need}
	if m.bySource {
		q.from = by.Addr.Addr().Unmap()
	}
	return bool(t.taken.decide(m, q))
}

// decide looks a decision up, or takes it.
func (d *decisions) decide(m *member, q question) Decision {
	d.mu.RLock()
	allowed, known := d.known[q]
	d.mu.RUnlock()
	if known {
		return allowed
	}
	allowed = m.acl.decide(q.need, q.from).Decision
	if len(q.need.Resource.Name) > maxResource {
		return allowed // no policy names it; who makes such names up is not to fill the memory
	}
	q.user, q.need.Resource.Name = strings.Clone(q.user), strings.Clone(q.need.Resource.Name)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil || len(d.known) >= maxDecisions {
		d.known = map[question]Decision{}
	}
	d.known[q] = allowed
	return allowed
}

// Allowed finds out whether somebody may do something with a resource, in the
// words of policies: GET on Topic:orders. Without authorization whoever is a user
// may do everything.
func (a *Access) Allowed(_ context.Context, by mq.Caller, action, resource string) error {
	m := a.member(by.User)
	if a.o.Authentication && (m == nil || m.Disabled) {
		return a.unauthenticated(m, by, "console")
	}
	if !a.o.Authorization {
		return nil
	}
	actions, err := ParseActions([]string{action})
	if err != nil {
		return err
	}
	r, err := ParseResource(resource)
	if err != nil {
		return err
	}
	return a.Authorize(by, Need{r, actions}, "console")
}

// Explanation is what decides about a need, with everything else that fits.
type Explanation struct {
	User            string
	Need            Need
	From            netip.Addr
	Verdict         Verdict
	Custom, Default []Entry // that fit, in the order in which they decide
}

// Explain says what decides about somebody's need, asked from an address, which
// may be none.
func (a *Access) Explain(user string, need Need, from netip.Addr) Explanation {
	from = from.Unmap()
	e := Explanation{User: user, Need: need, From: from}
	m := a.table.Load().members[user]
	switch {
	case m == nil:
		e.Verdict = Verdict{Reason: NoUser}
	case m.Disabled:
		e.Verdict = Verdict{Reason: Disabled}
	case m.Type == Super:
		e.Verdict = Verdict{Decision: Allow, Reason: SuperUser}
	default:
		e.Verdict = m.acl.decide(need, from)
		e.Custom, e.Default = m.acl.fitting(need, from)
	}
	return e
}

// String says what decides, as a sentence.
func (e Explanation) String() string {
	want := fmt.Sprintf("User:%s asks for %v on %v", e.User, e.Need.Actions, e.Need.Resource)
	if e.From.IsValid() {
		want += " from " + e.From.String()
	}
	switch e.Verdict.Reason {
	case NoUser:
		return want + ": there is no such user"
	case Disabled:
		return want + ": the user is disabled"
	case SuperUser:
		return want + ": the user is of the type Super, who may do everything"
	case CustomEntry:
		return want + ": the custom policy decides by \"" + e.Verdict.Entry.String() + "\", the narrowest resource of those that fit"
	case DefaultEntry:
		return want + ": no custom policy fits; the default policy decides by \"" + e.Verdict.Entry.String() + "\""
	}
	return want + ": no policy of the user fits, and what no policy allows is denied"
}

// logger is where the package says what an operator should read.
func (a *Access) logger() *slog.Logger { return a.o.Log }
