package auth

import (
	"net/netip"
	"strings"
)

// A Need is what a request wants of a resource: any one of the actions is
// enough.
type Need struct {
	Resource Resource
	Actions  Actions
}

// A Decision is what a policy says.
type Decision bool

// The decisions.
const (
	Deny  Decision = false
	Allow Decision = true
)

// String is the decision as RocketMQ writes it.
func (d Decision) String() string {
	if d {
		return "Allow"
	}
	return "Deny"
}

// An Entry is one rule of a policy.
type Entry struct {
	Resource Resource
	Actions  Actions
	Sources  []netip.Prefix // from where; none means anywhere
	Decision Decision
}

// An ACL is the policies of one user. The custom ones go before the default ones.
type ACL struct {
	Custom, Default []Entry
}

// A Reason says why a request is allowed or denied.
type Reason uint8

// The reasons.
const (
	NoUser       Reason = iota // there is no such user
	Disabled                   // the user is disabled
	SuperUser                  // the user may do everything
	NoPolicy                   // no policy of the user fits
	CustomEntry                // a custom policy decides
	DefaultEntry               // a default policy does
)

// A Verdict is the answer to a need, and what it rests on.
type Verdict struct {
	Decision Decision
	Reason   Reason
	Entry    Entry // that decides, if an entry does
}

// decide is what a user's policies say about a need, asked from an address. Of
// the custom entries that fit resource, action and source the one of the
// narrowest resource decides; only where none fits the default ones are looked at.
func (a *ACL) decide(need Need, from netip.Addr) Verdict {
	if a == nil {
		return Verdict{Reason: NoPolicy}
	}
	if best := winner(a.Custom, need, from); best >= 0 {
		return Verdict{Decision: a.Custom[best].Decision, Reason: CustomEntry, Entry: a.Custom[best]}
	}
	if best := winner(a.Default, need, from); best >= 0 {
		return Verdict{Decision: a.Default[best].Decision, Reason: DefaultEntry, Entry: a.Default[best]}
	}
	return Verdict{Reason: NoPolicy}
}

// winner is the index of the entry that decides; -1 if none fits.
func winner(entries []Entry, need Need, from netip.Addr) int {
	best := -1
	for i := range entries {
		if entries[i].fits(need, from) && (best < 0 || before(&entries[i], &entries[best])) {
			best = i
		}
	}
	return best
}

// fits reports whether an entry is about what is needed.
func (e *Entry) fits(need Need, from netip.Addr) bool {
	return e.Resource.covers(need.Resource) && e.Actions.permit(need.Actions) && e.from(from)
}

// permit reports whether the actions of an entry have one of those that are needed.
func (a Actions) permit(need Actions) bool {
	return a != 0 && (need&Any != 0 || a&All != 0 || a&need != 0)
}

// from reports whether an entry is about requests from an address.
func (e *Entry) from(addr netip.Addr) bool {
	if len(e.Sources) == 0 {
		return true
	}
	for _, p := range e.Sources {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// before reports whether x decides before y, both of which fit: a resource of one
// type before *, a name before a prefix, a long prefix before a short one, that
// before all names, and among equals the one that denies.
func before(x, y *Entry) bool {
	a, b := x.Resource, y.Resource
	switch {
	case (a.Type == Everything) != (b.Type == Everything):
		return b.Type == Everything
	case a.Pattern != b.Pattern:
		return a.Pattern < b.Pattern
	case a.Pattern == Prefixed && len(a.Name) != len(b.Name):
		return len(a.Name) > len(b.Name)
	}
	return !bool(x.Decision) && bool(y.Decision)
}

// fitting lists the entries that fit in the order in which they decide.
func (a *ACL) fitting(need Need, from netip.Addr) (custom, byDefault []Entry) {
	if a == nil {
		return nil, nil
	}
	list := func(entries []Entry) (all []Entry) {
		rest := append([]Entry(nil), entries...)
		for {
			best := winner(rest, need, from)
			if best < 0 {
				return all
			}
			all = append(all, rest[best])
			rest = append(rest[:best], rest[best+1:]...)
		}
	}
	return list(a.Custom), list(a.Default)
}

// bySource reports whether any entry looks at where a request comes from.
func (a *ACL) bySource() bool {
	if a == nil {
		return false
	}
	for _, entries := range [][]Entry{a.Custom, a.Default} {
		for i := range entries {
			if len(entries[i].Sources) > 0 {
				return true
			}
		}
	}
	return false
}

// String is the entry as `goddard admin acl explain` prints it.
func (e Entry) String() string {
	var b strings.Builder
	b.WriteString(e.Decision.String() + " " + e.Actions.String() + " on " + e.Resource.String())
	for i, p := range e.Sources {
		b.WriteString([]string{" from ", ", "}[min(i, 1)] + sourceText(p))
	}
	return b.String()
}

// sourceText is a source as RocketMQ writes it: an address, or a network with its length.
func sourceText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// parseSource reads an address or a network.
func parseSource(text string) (netip.Prefix, error) {
	text = strings.TrimSpace(text)
	if p, err := netip.ParsePrefix(text); err == nil {
		if !p.Addr().Is4In6() {
			return p.Masked(), nil
		}
		if bits := p.Bits() - 96; bits >= 0 { // requests come from the IPv4 address
			return netip.PrefixFrom(p.Addr().Unmap(), bits).Masked(), nil
		}
		return netip.Prefix{}, invalidf("source %.60q is of IPv4 addresses within IPv6, and of others: write it as an IPv4 network such as 10.0.0.0/8", text)
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.Prefix{}, invalidf("source %.60q is none: want an IP address or a network such as 10.0.0.0/8", text)
}

// parseDecision reads a decision, in any case.
func parseDecision(text string) (Decision, error) {
	switch {
	case strings.EqualFold(text, "Allow"):
		return Allow, nil
	case strings.EqualFold(text, "Deny"):
		return Deny, nil
	}
	return Deny, invalidf("decision %.40q is none: want Allow or Deny", text)
}

// parsePolicyType reads the kind of a policy, in any case; empty means Custom.
func parsePolicyType(text string) (string, error) {
	switch {
	case text == "" || strings.EqualFold(text, CustomPolicy):
		return CustomPolicy, nil
	case strings.EqualFold(text, DefaultPolicy):
		return DefaultPolicy, nil
	}
	return "", invalidf("policy type %.40q is none: want Custom or Default", text)
}
