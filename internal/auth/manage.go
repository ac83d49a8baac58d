package auth

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
)

// A UserChange says what of a user changes; nil leaves it.
type UserChange struct {
	Secret   *Secret
	Type     *UserType
	Disabled *bool
}

// CreateUser makes a user. Only super users make super users.
func (a *Access) CreateUser(by mq.Caller, u User) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	t := a.table.Load()
	if err := u.check(); err != nil {
		return err
	}
	if u.Type == Super && !a.super(by) {
		return refuse(ErrForbidden, "The super user can only be create by super user, which User:%s is not", by.User)
	}
	if t.members[u.Name] != nil {
		return invalidf("The user is existed: %s; `goddard admin user update` changes it", u.Name)
	}
	if len(t.members) >= maxUsers {
		return invalidf("there are %d users, which is the most; delete some", len(t.members))
	}
	return a.replace(t, newMember(u, nil))
}

// UpdateUser changes a user. Only super users change super users.
func (a *Access) UpdateUser(by mq.Caller, name string, c UserChange) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	t := a.table.Load()
	old := t.members[name]
	if old == nil {
		return noUser(name)
	}
	u := old.User
	if c.Secret != nil {
		u.Secret = *c.Secret
		a.guesses.forget(name)
	}
	if c.Type != nil {
		u.Type = *c.Type
	}
	if c.Disabled != nil {
		u.Disabled = *c.Disabled
	}
	if (old.Type == Super || u.Type == Super) && !a.super(by) {
		return refuse(ErrForbidden, "The super user can only be update by super user, which User:%s is not", by.User)
	}
	if err := u.check(); err != nil {
		return err
	}
	if (u.Disabled || u.Type != Super) && t.last(old) {
		return lastSuper(name)
	}
	return a.replace(t, newMember(u, old.acl))
}

// DeleteUser removes a user with its policies; one that is not there is removed
// already.
func (a *Access) DeleteUser(by mq.Caller, name string) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	t := a.table.Load()
	old := t.members[name]
	if old == nil {
		return nil
	}
	if old.Type == Super && !a.super(by) {
		return refuse(ErrForbidden, "The super user can only be delete by super user, which User:%s is not", by.User)
	}
	if t.last(old) {
		return lastSuper(name)
	}
	if err := a.rows.Apply(map[string][]byte{userRows + name: nil, aclRows + name: nil}); err != nil {
		return err
	}
	next := t.copy()
	delete(next.members, name)
	a.guesses.forget(name)
	a.set(next)
	return nil
}

// User is one user; with the secret only if the user of inner-credentials asks,
// who can speak for every user anyway (Vouch), and whose signature was right.
func (a *Access) User(by mq.Caller, name string) (User, error) {
	m := a.table.Load().members[name]
	if m == nil {
		return User{}, noUser(name)
	}
	u := m.User
	if by.User == "" || by.User != a.inner.Name {
		u.Secret = ""
	}
	return u, nil
}

// Users are those with filter in their name, in order, without their secrets.
func (a *Access) Users(filter string) []User {
	var all []User
	for _, m := range a.table.Load().sorted() {
		if strings.Contains(m.Name, filter) {
			u := m.User
			u.Secret = ""
			all = append(all, u)
		}
	}
	return all
}

// PutACL adds entries to a user's policies; an entry of the same resource is
// replaced.
func (a *Access) PutACL(user string, add *ACL) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	t := a.table.Load()
	old := t.members[user]
	if old == nil {
		return noUser(user)
	}
	next := old.acl.clone()
	for kind, entries := range map[string][]Entry{CustomPolicy: add.Custom, DefaultPolicy: add.Default} {
		into := next.entries(kind)
		for _, e := range entries {
			if i := indexOf(*into, e.Resource); i >= 0 {
				(*into)[i] = e
			} else {
				*into = append(*into, e)
			}
		}
	}
	if err := next.check(); err != nil {
		return err
	}
	return a.replace(t, newMember(old.User, next))
}

// DeleteACL removes a user's entry for a resource from the policy of a kind, or
// all entries of both if there is no resource.
func (a *Access) DeleteACL(user, kind string, r *Resource) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	kind, err := parsePolicyType(kind)
	if err != nil {
		return err
	}
	t := a.table.Load()
	old := t.members[user]
	switch {
	case old == nil:
		return noUser(user)
	case old.acl == nil:
		return fmt.Errorf("%w: The acl is not exist: User:%s has no policies", mq.ErrInvalid, user)
	}
	var next *ACL
	if r != nil {
		next = old.acl.clone()
		into := next.entries(kind)
		i := indexOf(*into, *r)
		if i < 0 {
			return fmt.Errorf("%w: the %s policy of User:%s has no entry for %s; `goddard admin acl get %s` shows what it has", mq.ErrInvalid, kind, user, r, user)
		}
		*into = slices.Delete(*into, i, i+1)
		if len(next.Custom) == 0 && len(next.Default) == 0 {
			next = nil
		}
	}
	return a.replace(t, newMember(old.User, next))
}

// ACL is the policies of a user; nil if it has none.
func (a *Access) ACL(user string) (*ACL, error) {
	m := a.table.Load().members[user]
	if m == nil {
		return nil, noUser(user)
	}
	return m.acl.clone(), nil
}

// An Owned is the policies of a user.
type Owned struct {
	User string
	*ACL
}

// ACLs are the policies of users with subject in "User:name", cut down to the
// entries with resource in the name of theirs.
func (a *Access) ACLs(subject, resource string) []Owned {
	var all []Owned
	for _, m := range a.table.Load().sorted() {
		if m.acl == nil || !strings.Contains("User:"+m.Name, subject) {
			continue
		}
		acl := m.acl.clone()
		other := func(e Entry) bool { return !strings.Contains(e.Resource.String(), resource) }
		acl.Custom, acl.Default = slices.DeleteFunc(acl.Custom, other), slices.DeleteFunc(acl.Default, other)
		if len(acl.Custom)+len(acl.Default) > 0 {
			all = append(all, Owned{m.Name, acl})
		}
	}
	return all
}

// super reports whether somebody may change super users: one of them, or anybody
// where nobody is asked who he is.
func (a *Access) super(by mq.Caller) bool {
	if !a.o.Authentication {
		return true
	}
	m := a.member(by.User)
	return m != nil && !m.Disabled && m.Type == Super
}

// replace stores a user with its policies and makes them hold.
func (a *Access) replace(t *table, m *member) error {
	changes := map[string][]byte{userRows + m.Name: encodeUser(m.User), aclRows + m.Name: nil}
	if m.acl != nil {
		row := encodeACL(m.acl)
		if again, err := decodeACL(m.Name, row); err != nil || !again.same(m.acl) {
			return invalidf("the policies of %s could not be read again as they are; look at the names of their resources", m.Name)
		}
		changes[aclRows+m.Name] = row
	}
	if err := a.rows.Apply(changes); err != nil {
		return err
	}
	next := t.copy()
	next.members[m.Name] = m
	a.set(next)
	return nil
}

// copy is a table that may be changed; no decisions have been taken of it.
func (t *table) copy() *table { return &table{members: maps.Clone(t.members)} }

// sorted is the members by name.
func (t *table) sorted() []*member {
	all := slices.Collect(maps.Values(t.members))
	slices.SortFunc(all, func(x, y *member) int { return strings.Compare(x.Name, y.Name) })
	return all
}

// last reports whether m is the only super user who is not disabled.
func (t *table) last(m *member) bool {
	if m.Type != Super || m.Disabled {
		return false
	}
	for _, other := range t.members {
		if other != m && other.Type == Super && !other.Disabled {
			return false
		}
	}
	return true
}

// same reports whether two ACLs have the same entries for the same resources.
func (a *ACL) same(b *ACL) bool {
	alike := func(x, y Entry) bool { return x.Resource == y.Resource && x.String() == y.String() }
	return slices.EqualFunc(a.Custom, b.Custom, alike) && slices.EqualFunc(a.Default, b.Default, alike)
}

// clone copies policies; those of nil are empty.
func (a *ACL) clone() *ACL {
	if a == nil {
		return new(ACL)
	}
	return &ACL{slices.Clone(a.Custom), slices.Clone(a.Default)}
}

func noUser(name string) error {
	return fmt.Errorf("%w: The user is not exist: %.80q; `goddard admin user create` makes one", mq.ErrInvalid, name)
}

func lastSuper(name string) error {
	return invalidf("%s is the only super user that is enabled: without it nobody could change anything; make another one first", name)
}
