package auth

import (
	"encoding/json"
	"fmt"
)

// Rows is where users and policies are kept.
type Rows interface {
	// Scan calls f with the rest of the key and the value of every row whose key
	// starts with prefix. The value is valid during the call only.
	Scan(prefix string, f func(rest string, value []byte) error) error
	// Apply gives keys their values, or deletes those whose value is nil: all or
	// none, and so that it survives a loss of power.
	Apply(changes map[string][]byte) error
}

// The rows of this package in the key store.
//
//	auth/user/NAME   userRow as JSON, with the secret in clear: signatures need it
//	auth/acl/NAME    Policies as JSON
const (
	userRows = "auth/user/"
	aclRows  = "auth/acl/"
)

type userRow struct {
	Password string `json:"password"`
	Type     string `json:"userType"`
	Status   string `json:"userStatus"`
}

// A PolicyText is a policy as RocketMQ's tools write it, for bodies and rows.
type PolicyText struct {
	PolicyType string      `json:"policyType"`
	Entries    []EntryText `json:"entries"`
}

// An EntryText is an entry of a PolicyText.
type EntryText struct {
	Resource  string   `json:"resource"`
	Actions   []string `json:"actions"`
	SourceIPs []string `json:"sourceIps,omitempty"`
	Decision  string   `json:"decision"`
}

// Names of the two kinds of policies.
const (
	CustomPolicy  = "Custom"
	DefaultPolicy = "Default"
)

// Texts are the policies of an ACL that have entries.
func (a *ACL) Texts() []PolicyText {
	var all []PolicyText
	if a == nil {
		return nil
	}
	for _, p := range []struct {
		name    string
		entries []Entry
	}{{CustomPolicy, a.Custom}, {DefaultPolicy, a.Default}} {
		if len(p.entries) == 0 {
			continue
		}
		text := PolicyText{PolicyType: p.name}
		for _, e := range p.entries {
			text.Entries = append(text.Entries, e.Text())
		}
		all = append(all, text)
	}
	return all
}

// Text is the entry as RocketMQ's tools write it.
func (e Entry) Text() EntryText {
	t := EntryText{Resource: e.Resource.String(), Actions: e.Actions.Names(), Decision: e.Decision.String()}
	for _, p := range e.Sources {
		t.SourceIPs = append(t.SourceIPs, sourceText(p))
	}
	return t
}

// ParseACL reads what Texts wrote, or what a client sent.
func ParseACL(policies []PolicyText) (*ACL, error) {
	a := new(ACL)
	for _, p := range policies {
		kind, err := parsePolicyType(p.PolicyType)
		if err != nil {
			return nil, err
		}
		into := a.entries(kind)
		if len(p.Entries) == 0 {
			return nil, invalidf("the policy has no entries")
		}
		for _, t := range p.Entries {
			e, err := t.parse()
			if err != nil {
				return nil, err
			}
			if i := indexOf(*into, e.Resource); i >= 0 {
				return nil, invalidf("%s stands twice in the %s policy; give each resource one entry", e.Resource, kind)
			}
			*into = append(*into, e)
		}
	}
	if len(a.Custom) == 0 && len(a.Default) == 0 {
		return nil, invalidf("there are no policies")
	}
	return a, a.check()
}

// check bounds an ACL.
func (a *ACL) check() error {
	if n := max(len(a.Custom), len(a.Default)); n > maxEntries {
		return invalidf("the policy has %d entries, at most %d are allowed; use prefixes", n, maxEntries)
	}
	return nil
}

// entries is the policy of a kind.
func (a *ACL) entries(kind string) *[]Entry {
	if kind == DefaultPolicy {
		return &a.Default
	}
	return &a.Custom
}

// indexOf is where entries speak of a resource; -1 if they do not.
func indexOf(entries []Entry, r Resource) int {
	for i := range entries {
		if entries[i].Resource == r {
			return i
		}
	}
	return -1
}

func (t EntryText) parse() (Entry, error) {
	var e Entry
	var err error
	if e.Resource, err = ParseResource(t.Resource); err != nil {
		return e, err
	}
	if e.Actions, err = ParseActions(t.Actions); err != nil {
		return e, err
	}
	switch {
	case e.Actions == 0:
		return e, invalidf("the entry for %s has no actions", e.Resource)
	case e.Actions&Any != 0:
		return e, invalidf("the action Any stands in requests only; an entry wants All, or some of the others")
	case len(t.SourceIPs) > maxSources:
		return e, invalidf("the entry for %s has %d sources, at most %d are allowed; use networks", e.Resource, len(t.SourceIPs), maxSources)
	}
	for _, text := range t.SourceIPs {
		p, err := parseSource(text)
		if err != nil {
			return e, err
		}
		e.Sources = append(e.Sources, p)
	}
	e.Decision, err = parseDecision(t.Decision)
	return e, err
}

// encodeUser is the row of a user.
func encodeUser(u User) []byte { return encode(userRow{string(u.Secret), u.Type.String(), u.Status()}) }

// decodeUser reads it.
func decodeUser(name string, value []byte) (User, error) {
	var row userRow
	if json.Unmarshal(value, &row) != nil { // whose error may quote the secret
		return User{}, fmt.Errorf("auth: the row of user %q is damaged", name)
	}
	u := User{Name: name, Secret: Secret(row.Password)}
	var err error
	if u.Type, err = ParseUserType(row.Type); err == nil {
		u.Disabled, err = ParseStatus(row.Status)
	}
	if err != nil {
		return u, fmt.Errorf("auth: the row of user %q is damaged: %w", name, err)
	}
	return u, nil
}

// encodeACL is the row of a user's policies.
func encodeACL(a *ACL) []byte { return encode(a.Texts()) }

// decodeACL reads it.
func decodeACL(name string, value []byte) (*ACL, error) {
	var texts []PolicyText
	err := json.Unmarshal(value, &texts)
	if err == nil {
		var a *ACL
		if a, err = ParseACL(texts); err == nil {
			return a, nil
		}
	}
	return nil, fmt.Errorf("auth: the row of policies of %q is damaged: %w", name, err)
}

func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return text
}

// memory is Rows that are forgotten with the process.
type memory struct{}

// Scan finds nothing: who starts with it starts empty.
func (memory) Scan(string, func(string, []byte) error) error { return nil }

// Apply forgets.
func (memory) Apply(map[string][]byte) error { return nil }
