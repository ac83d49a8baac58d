package remoting

// AUTH_CREATE_ACL (3006), AUTH_UPDATE_ACL (3007), AUTH_DELETE_ACL (3008),
// AUTH_GET_ACL (3009), AUTH_LIST_ACL (3010): policies of users.
// GODDARD_EXPLAIN_ACCESS (20030): what decides about a request.

import (
	"net/netip"
	"strings"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/wire"
)

// subjectUser is the user that a subject names.
func subjectUser(subject string) (string, error) {
	kind, name, found := strings.Cut(subject, ":")
	if !found || !strings.EqualFold(kind, "User") || name == "" {
		return "", badRequest("subject %.80q is none: want User:name", subject)
	}
	return name, nil
}

// putPolicies adds entries to a user's policies, or replaces those for the same
// resources; creating and updating are the same to RocketMQ.
func putPolicies(s *session, req *wire.Command) (*wire.Command, error) {
	a, err := s.users(req)
	if err != nil {
		return nil, err
	}
	var h wire.AuthCreateACLRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	var info wire.ACLInfo
	if err := wire.DecodeBody(req.Body, &info); err != nil {
		return nil, malformed(req, err)
	}
	subject := h.Subject
	if info.Subject != "" { // goes before the header's, as with RocketMQ
		subject = info.Subject
	}
	user, err := subjectUser(subject)
	if err != nil {
		return nil, err
	}
	acl, err := auth.ParseACL(policyTexts(info.Policies))
	if err != nil {
		return nil, err
	}
	return changed(req, a.PutACL(user, acl))
}

// deletePolicies removes a user's entry for a resource, or all that it has.
func deletePolicies(s *session, req *wire.Command) (*wire.Command, error) {
	a, err := s.users(req)
	if err != nil {
		return nil, err
	}
	var h wire.AuthDeleteACLRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	user, err := subjectUser(h.Subject)
	if err != nil {
		return nil, err
	}
	var of *auth.Resource
	if h.Resource != "" {
		r, err := auth.ParseResource(h.Resource)
		if err != nil {
			return nil, err
		}
		of = &r
	}
	return changed(req, a.DeleteACL(user, h.PolicyType, of))
}

// onePolicies answers with a user's policies; without a body if it has none.
func onePolicies(s *session, req *wire.Command) (*wire.Command, error) {
	a, err := s.users(req)
	if err != nil {
		return nil, err
	}
	var h wire.AuthGetACLRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	user, err := subjectUser(h.Subject)
	if err != nil {
		return nil, err
	}
	acl, err := a.ACL(user)
	if err != nil {
		return nil, err
	}
	texts := acl.Texts()
	if len(texts) == 0 {
		return ok(req, nil, nil), nil
	}
	return ok(req, nil, wire.EncodeBody(wire.ACLInfo{Subject: "User:" + user, Policies: policyInfos(texts)})), nil
}

// listPolicies answers with the policies of those users, and for those resources,
// that have the filters in their names.
func listPolicies(s *session, req *wire.Command) (*wire.Command, error) {
	a, err := s.users(req)
	if err != nil {
		return nil, err
	}
	var h wire.AuthListACLRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	var all []wire.ACLInfo
	for _, o := range a.ACLs(h.SubjectFilter, h.ResourceFilter) {
		all = append(all, wire.ACLInfo{Subject: "User:" + o.User, Policies: policyInfos(o.Texts())})
	}
	if len(all) == 0 {
		return ok(req, nil, nil), nil
	}
	return ok(req, nil, wire.EncodeBody(all)), nil
}

// explainAccess answers with what decides about a need.
func explainAccess(s *session, req *wire.Command) (*wire.Command, error) {
	a, err := s.users(req)
	if err != nil {
		return nil, err
	}
	var h wire.GoddardExplainAccessRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	var need auth.Need
	if need.Resource, err = auth.ParseResource(h.Resource); err != nil {
		return nil, err
	}
	if need.Actions, err = auth.ParseActions(strings.FieldsFunc(h.Actions, func(r rune) bool { return r == ',' || r == '|' })); err != nil {
		return nil, err
	}
	var from netip.Addr
	if h.SourceIP != "" {
		if from, err = netip.ParseAddr(h.SourceIP); err != nil {
			return nil, badRequest("source %.60q is no IP address", h.SourceIP)
		}
	}
	e := a.Explain(h.Username, need, from.Unmap())
	return ok(req, nil, wire.EncodeBody(wire.AccessExplanation{
		Allowed: bool(e.Verdict.Decision), Reason: e.String(), Custom: entryInfos(e.Custom), Default: entryInfos(e.Default),
		Authentication: a.Authenticates(), Authorization: a.Authorizes(),
	})), nil
}

// policyTexts is what the wire says, for package auth.
func policyTexts(infos []wire.PolicyInfo) (all []auth.PolicyText) {
	for _, p := range infos {
		if len(p.Entries) == 0 {
			continue
		}
		text := auth.PolicyText{PolicyType: p.PolicyType}
		for _, e := range p.Entries {
			text.Entries = append(text.Entries, auth.EntryText{Resource: e.Resource, Actions: e.Actions, SourceIPs: e.SourceIPs, Decision: e.Decision})
		}
		all = append(all, text)
	}
	return all
}

// policyInfos is the reverse.
func policyInfos(texts []auth.PolicyText) (all []wire.PolicyInfo) {
	for _, p := range texts {
		all = append(all, wire.PolicyInfo{PolicyType: p.PolicyType, Entries: entryTextInfos(p.Entries)})
	}
	return all
}

func entryTextInfos(entries []auth.EntryText) []wire.PolicyEntryInfo {
	all := make([]wire.PolicyEntryInfo, 0, len(entries))
	for _, e := range entries {
		all = append(all, wire.PolicyEntryInfo{Resource: e.Resource, Actions: e.Actions, SourceIPs: e.SourceIPs, Decision: e.Decision})
	}
	return all
}

func entryInfos(entries []auth.Entry) []wire.PolicyEntryInfo {
	texts := make([]auth.EntryText, 0, len(entries))
	for _, e := range entries {
		texts = append(texts, e.Text())
	}
	return entryTextInfos(texts)
}
