package admin

import (
	"context"
	"fmt"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/wire"
)

// A PlacedACL is the policies of a user as one broker has them.
type PlacedACL struct {
	Broker Broker `json:"broker"`
	wire.ACLInfo
}

// PutACL adds entries to a user's policies, or replaces those for the same
// resources, on a target's masters, which it returns.
func (c *Cluster) PutACL(ctx context.Context, to Target, acl wire.ACLInfo) ([]Broker, error) {
	return c.eachMaster(ctx, to, func(addr string) error { return c.putACL(ctx, addr, wire.AuthUpdateACL, acl) })
}

// CreateACL is PutACL by the request for new policies.
func (c *Cluster) CreateACL(ctx context.Context, to Target, acl wire.ACLInfo) ([]Broker, error) {
	return c.eachMaster(ctx, to, func(addr string) error { return c.putACL(ctx, addr, wire.AuthCreateACL, acl) })
}

func (c *Cluster) putACL(ctx context.Context, addr string, code wire.Code, acl wire.ACLInfo) error {
	req := wire.NewRequest(code, &wire.AuthCreateACLRequest{Subject: acl.Subject})
	req.Body = wire.EncodeBody(acl)
	_, err := c.call(ctx, addr, req)
	return err
}

// DeleteACL removes the entries for some resources from a user's policy of a
// kind (Custom, Default; empty means Custom), or all that the user has if no
// resource is named.
func (c *Cluster) DeleteACL(ctx context.Context, to Target, subject, kind string, resources []string) ([]Broker, error) {
	if len(resources) == 0 {
		resources = []string{""}
	}
	return c.eachMaster(ctx, to, func(addr string) error {
		for _, r := range resources {
			h := wire.AuthDeleteACLRequest{Subject: subject, PolicyType: kind, Resource: r}
			if _, err := c.call(ctx, addr, wire.NewRequest(wire.AuthDeleteACL, &h)); err != nil {
				return err
			}
		}
		return nil
	})
}

// ACLs lists the policies of subjects, for resources, that have these in their
// names.
func (c *Cluster) ACLs(ctx context.Context, of Target, subject, resource string) ([]PlacedACL, error) {
	return ofMasters(ctx, c, of, func(b Broker) (all []PlacedACL, err error) {
		found, err := c.aclsOf(ctx, b.Addr, subject, resource)
		for _, a := range found {
			all = append(all, PlacedACL{b, a})
		}
		return all, err
	})
}

func (c *Cluster) aclsOf(ctx context.Context, addr, subject, resource string) ([]wire.ACLInfo, error) {
	h := wire.AuthListACLRequest{SubjectFilter: subject, ResourceFilter: resource}
	resp, err := c.call(ctx, addr, wire.NewRequest(wire.AuthListACL, &h))
	if err != nil {
		return nil, err
	}
	var all []wire.ACLInfo
	return all, decodeIfAny(resp, &all)
}

// ACL is the policies of one subject; none where it has none.
func (c *Cluster) ACL(ctx context.Context, of Target, subject string) ([]PlacedACL, error) {
	return ofMasters(ctx, c, of, func(b Broker) ([]PlacedACL, error) {
		a, err := c.aclOf(ctx, b.Addr, subject)
		if err != nil || a == nil {
			return nil, err
		}
		return []PlacedACL{{b, *a}}, nil
	})
}

// aclOf is the policies of a subject on a broker; nil if it has none.
func (c *Cluster) aclOf(ctx context.Context, addr, subject string) (*wire.ACLInfo, error) {
	resp, err := c.call(ctx, addr, wire.NewRequest(wire.AuthGetACL, &wire.AuthGetACLRequest{Subject: subject}))
	if err != nil {
		return nil, err
	}
	var a wire.ACLInfo
	if err := decodeIfAny(resp, &a); err != nil || len(a.Policies) == 0 {
		return nil, err
	}
	return &a, nil
}

// CopyACL copies the policies of a subject, or of all if it is empty, from one
// broker to another, and returns the subjects.
func (c *Cluster) CopyACL(ctx context.Context, from, to, subject string) ([]string, error) {
	var all []wire.ACLInfo
	var err error
	if subject == "" {
		all, err = c.aclsOf(ctx, from, "", "")
	} else if a, e := c.aclOf(ctx, from, subject); e != nil {
		err = e
	} else if a == nil {
		err = fmt.Errorf("%s has no policies of %s", from, subject)
	} else {
		all = append(all, *a)
	}
	if err != nil {
		return nil, err
	}
	var done []string
	for _, a := range all {
		if err := c.putACL(ctx, to, wire.AuthCreateACL, a); err != nil {
			return done, err
		}
		done = append(done, a.Subject)
	}
	return done, nil
}

// An Explained is what a broker says decides.
type Explained struct {
	Broker Broker `json:"broker"`
	wire.AccessExplanation
}

// Explain asks a target's masters what decides about a request.
func (c *Cluster) Explain(ctx context.Context, of Target, h wire.GoddardExplainAccessRequest) ([]Explained, error) {
	return ofMasters(ctx, c, of, func(b Broker) ([]Explained, error) {
		var e wire.AccessExplanation
		err := c.ask(ctx, b.Addr, wire.NewRequest(wire.GoddardExplainAccess, &h), &e)
		if refusedWith(err, wire.CodeRequestCodeNotSupported) {
			return nil, fmt.Errorf("%s does not explain what it decides: RocketMQ has no such request", b.Addr)
		}
		if err != nil {
			return nil, err
		}
		return []Explained{{b, e}}, nil
	})
}

// A PlannedAccount is what becomes of one account of a plain_acl.yml.
type PlannedAccount struct {
	User     string            `json:"user"`
	Type     string            `json:"userType"`
	Policies []auth.PolicyText `json:"policies"`
	Exists   []string          `json:"exists,omitempty"` // brokers that have the user already; it is left alone there
}

// A PlainPlan is what a plain_acl.yml becomes.
type PlainPlan struct {
	Accounts []PlannedAccount `json:"accounts"`
	Left     []string         `json:"left"` // what has no counterpart
}

// ImportPlain creates on a target's masters the users of a plain_acl.yml that are
// not there yet, with their policies; with dry it only says what it would do.
func (c *Cluster) ImportPlain(ctx context.Context, to Target, text []byte, dry bool) (PlainPlan, error) {
	plan, err := auth.ParsePlain(text)
	out := PlainPlan{Left: plan.Left}
	if err != nil {
		return out, err
	}
	brokers, err := c.Masters(ctx, to)
	if err != nil {
		return out, err
	}
	for _, p := range plan.Accounts {
		account := PlannedAccount{User: p.User.Name, Type: p.User.Type.String(), Policies: p.ACL.Texts()}
		for _, b := range brokers {
			exists, err := c.importAccount(ctx, b.Addr, p, dry)
			if err != nil {
				return out, err
			}
			if exists {
				account.Exists = append(account.Exists, b.Addr)
			}
		}
		out.Accounts = append(out.Accounts, account)
	}
	return out, nil
}

// importAccount creates one user unless it is there.
func (c *Cluster) importAccount(ctx context.Context, addr string, p auth.Planned, dry bool) (exists bool, err error) {
	u, err := c.userOf(ctx, addr, p.User.Name)
	if err != nil || u != nil || dry {
		return u != nil, err
	}
	info := wire.UserInfo{Username: p.User.Name, Password: string(p.User.Secret), UserType: p.User.Type.String()}
	if err := c.putUser(ctx, addr, wire.AuthCreateUser, info); err != nil || p.ACL == nil {
		return false, err
	}
	acl := wire.ACLInfo{Subject: "User:" + p.User.Name}
	for _, t := range p.ACL.Texts() {
		policy := wire.PolicyInfo{PolicyType: t.PolicyType}
		for _, e := range t.Entries {
			policy.Entries = append(policy.Entries, wire.PolicyEntryInfo{Resource: e.Resource, Actions: e.Actions, SourceIPs: e.SourceIPs, Decision: e.Decision})
		}
		acl.Policies = append(acl.Policies, policy)
	}
	return false, c.putACL(ctx, addr, wire.AuthCreateACL, acl)
}
