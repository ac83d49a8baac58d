package console

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/wire"
)

func accessRoutes() []route {
	return []route{
		{method: "GET", path: "/users", action: actGet, resource: anyCluster, what: "users", serve: listUsers},
		{method: "POST", path: "/users", action: actUpdate, resource: anyCluster, what: "create a user", serve: createUser},
		{method: "PATCH", path: "/users/{user}", action: actUpdate, resource: anyCluster, what: "change a user", serve: changeUser},
		{method: "DELETE", path: "/users/{user}", action: actUpdate, resource: anyCluster, what: "delete a user, with what was said about it", serve: deleteUser},
		{method: "GET", path: "/acls", action: actGet, resource: anyCluster, what: "who may do what", serve: listACLs},
		{method: "POST", path: "/acls", action: actUpdate, resource: anyCluster, what: "allow or deny a user something", serve: createACL},
		{method: "PATCH", path: "/acls/{subject}", action: actUpdate, resource: anyCluster, what: "add to what a user may do, or change it", serve: changeACL},
		{method: "DELETE", path: "/acls/{subject}", action: actUpdate, resource: anyCluster, what: "delete what was said about a user", serve: deleteACL},
		{method: "GET", path: "/acls/explain", action: actGet, resource: anyCluster, what: "whether a user may do something, and why", serve: explainAccess},
	}
}

// withoutAccess says what RocketMQ's brokers mean by an error of the system: that
// they have no access control.
func withoutAccess(err error) error {
	if code, refused := refusalOf(err); refused && code == wire.CodeSystemError {
		return notSupported("%v; its access control is off: authenticationEnabled and authorizationEnabled in the configuration of a RocketMQ broker switch it on", err)
	}
	return err
}

// A userView is a user.
type userView struct {
	User    string   `json:"user"`
	Type    string   `json:"type"`
	Status  string   `json:"status"`
	Brokers []string `json:"brokers"`
}

// everywhere are the masters that a request about access is for.
func (r *request) everywhere() admin.Target { return admin.Target{Cluster: r.text("cluster")} }

func listUsers(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	users, err := s.admin.Users(r.Context(), r.everywhere(), r.text("q"))
	if err != nil {
		return nil, withoutAccess(err)
	}
	all := []userView{}
	for _, u := range users {
		at := slices.IndexFunc(all, func(v userView) bool { return v.User == u.Username })
		if at < 0 {
			at, all = len(all), append(all, userView{User: u.Username, Type: u.UserType, Status: u.UserStatus})
		}
		all[at].Brokers = append(all[at].Brokers, cmp.Or(u.Broker.Name, u.Broker.Addr))
	}
	slices.SortFunc(all, func(a, b userView) int { return cmp.Compare(a.User, b.User) })
	return items{all}, nil
}

// A userChange is what is wished of a user; empty leaves a thing as it is.
type userChange struct {
	Password string `json:"password"`
	Type     string `json:"type"`
	Status   string `json:"status"`
}

// info is the change as the wire has it.
func (c *userChange) info(name string) (wire.UserInfo, error) {
	u := wire.UserInfo{Username: name, Password: c.Password, UserType: c.Type, UserStatus: c.Status}
	switch {
	case name == "":
		return u, badRequest("user is missing; name the user")
	case !slices.Contains([]string{"", "Super", "Normal"}, c.Type):
		return u, badRequest("type = %.40q; want Super or Normal", c.Type)
	case !slices.Contains([]string{"", "enable", "disable"}, c.Status):
		return u, badRequest("status = %.40q; want enable or disable", c.Status)
	}
	return u, nil
}

func createUser(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	var in struct {
		User string `json:"user"`
		userChange
	}
	if err := r.body(&in); err != nil {
		return nil, err
	}
	u, err := in.info(in.User)
	if err != nil {
		return nil, err
	}
	if in.Password == "" {
		return nil, badRequest("password is missing; give the user one")
	}
	there, err := s.admin.User(r.Context(), r.everywhere(), in.User)
	if err != nil {
		return nil, err
	}
	if len(there) > 0 {
		return nil, &problem{status: http.StatusConflict, Code: "conflict", Text: "user " + shortened(in.User) + " exists already", Fix: "change it instead, or choose another name"}
	}
	brokers, err := s.admin.CreateUser(r.Context(), r.everywhere(), u)
	return withStatus{http.StatusCreated, placed{in.User, brokerNames(brokers)}}, err
}

// user wants the user of the path to be there.
func (r *request) user(s *site) (string, error) {
	name := r.PathValue("user")
	there, err := s.admin.User(r.Context(), r.everywhere(), name)
	if err == nil && len(there) == 0 {
		err = &problem{status: http.StatusNotFound, Code: "not_found", Text: "there is no user " + shortened(name), Fix: "look at its spelling in the list of users"}
	}
	return name, err
}

func changeUser(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	var in userChange
	if err := r.body(&in); err != nil {
		return nil, err
	}
	name, err := r.user(s)
	if err != nil {
		return nil, err
	}
	u, err := in.info(name)
	if err != nil {
		return nil, err
	}
	brokers, err := s.admin.UpdateUser(r.Context(), r.everywhere(), u)
	return placed{name, brokerNames(brokers)}, err
}

func deleteUser(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	name, err := r.user(s)
	if err != nil {
		return nil, err
	}
	brokers, err := s.admin.DeleteUser(r.Context(), r.everywhere(), name)
	return placed{name, brokerNames(brokers)}, err
}

// An aclEntry is one rule.
type aclEntry struct {
	Resource string   `json:"resource"`
	Actions  []string `json:"actions"`
	Sources  []string `json:"sources"`
	Decision string   `json:"decision"`
}

type aclPolicy struct {
	Type    string     `json:"type"`
	Entries []aclEntry `json:"entries"`
}

// An aclView is what was said about a user.
type aclView struct {
	Subject  string      `json:"subject"`
	Policies []aclPolicy `json:"policies"`
	Brokers  []string    `json:"brokers"`
}

func newEntries(entries []wire.PolicyEntryInfo) []aclEntry {
	all := []aclEntry{}
	for _, e := range entries {
		all = append(all, aclEntry{e.Resource, append([]string{}, e.Actions...), append([]string{}, e.SourceIPs...), e.Decision})
	}
	return all
}

// listACLs shows each subject as the first broker has it that has it; brokers
// that have it otherwise are listed apart.
func listACLs(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	found, err := s.admin.ACLs(r.Context(), r.everywhere(), r.text("q"), r.text("resource"))
	if err != nil {
		return nil, withoutAccess(err)
	}
	all := []aclView{}
	for _, a := range found {
		v := aclView{Subject: a.Subject, Policies: []aclPolicy{}}
		for _, p := range a.Policies {
			v.Policies = append(v.Policies, aclPolicy{cmp.Or(p.PolicyType, "Custom"), newEntries(p.Entries)})
		}
		at := slices.IndexFunc(all, func(o aclView) bool { return o.Subject == v.Subject && samePolicies(o.Policies, v.Policies) })
		if at < 0 {
			at, all = len(all), append(all, v)
		}
		all[at].Brokers = append(all[at].Brokers, cmp.Or(a.Broker.Name, a.Broker.Addr))
	}
	slices.SortStableFunc(all, func(a, b aclView) int { return cmp.Compare(a.Subject, b.Subject) })
	return items{all}, nil
}

func samePolicies(a, b []aclPolicy) bool {
	return slices.EqualFunc(a, b, func(x, y aclPolicy) bool {
		return x.Type == y.Type && slices.EqualFunc(x.Entries, y.Entries, func(e, f aclEntry) bool {
			return e.Resource == f.Resource && e.Decision == f.Decision && slices.Equal(e.Actions, f.Actions) && slices.Equal(e.Sources, f.Sources)
		})
	})
}

// An aclChange is what is to be said about a user.
type aclChange struct {
	Type    string     `json:"type"`
	Entries []aclEntry `json:"entries"`
}

// maxEntries bounds the entries of one change.
const maxEntries = 200

func (c *aclChange) info(subject string) (wire.ACLInfo, error) {
	acl := wire.ACLInfo{Subject: subject}
	switch {
	case !strings.HasPrefix(subject, "User:") || subject == "User:":
		return acl, badRequest("subject = %.80q; want User: and the user's name", subject)
	case !slices.Contains([]string{"", "Custom", "Default"}, c.Type):
		return acl, badRequest("type = %.40q; want Custom or Default", c.Type)
	case len(c.Entries) == 0 || len(c.Entries) > maxEntries:
		return acl, badRequest("there are %d entries; want 1 to %d", len(c.Entries), maxEntries)
	}
	policy := wire.PolicyInfo{PolicyType: cmp.Or(c.Type, "Custom")}
	for _, e := range c.Entries {
		if e.Resource == "" || len(e.Actions) == 0 || e.Decision != "Allow" && e.Decision != "Deny" {
			return acl, badRequest("an entry wants resource, actions and decision; as in {\"resource\": \"Topic:orders\", \"actions\": [\"Pub\"], \"decision\": \"Allow\"}")
		}
		policy.Entries = append(policy.Entries, wire.PolicyEntryInfo{Resource: e.Resource, Actions: e.Actions, SourceIPs: e.Sources, Decision: e.Decision})
	}
	acl.Policies = append(acl.Policies, policy)
	return acl, nil
}

func createACL(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	var in struct {
		Subject string `json:"subject"`
		aclChange
	}
	if err := r.body(&in); err != nil {
		return nil, err
	}
	acl, err := in.info(in.Subject)
	if err != nil {
		return nil, err
	}
	brokers, err := s.admin.CreateACL(r.Context(), r.everywhere(), acl)
	return withStatus{http.StatusCreated, placed{in.Subject, brokerNames(brokers)}}, err
}

func changeACL(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	var in aclChange
	if err := r.body(&in); err != nil {
		return nil, err
	}
	acl, err := in.info(r.PathValue("subject"))
	if err != nil {
		return nil, err
	}
	brokers, err := s.admin.PutACL(r.Context(), r.everywhere(), acl)
	return placed{acl.Subject, brokerNames(brokers)}, err
}

func deleteACL(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	subject := r.PathValue("subject")
	brokers, err := s.admin.DeleteACL(r.Context(), r.everywhere(), subject, r.text("type"), r.URL.Query()["resource"])
	return placed{subject, brokerNames(brokers)}, err
}

func explainAccess(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	h := wire.GoddardExplainAccessRequest{Username: r.text("user"), Resource: r.text("resource"), Actions: r.text("action"), SourceIP: r.text("source")}
	if h.Username == "" || h.Resource == "" || h.Actions == "" {
		return nil, badRequest("user, resource or action is missing; as in user=alice&resource=Topic:orders&action=Pub")
	}
	explained, err := s.admin.Explain(r.Context(), r.everywhere(), h)
	if err != nil {
		return nil, err
	}
	type explanation struct {
		Broker   string     `json:"broker"`
		Decision string     `json:"decision"`
		Reason   string     `json:"reason"`
		Policy   string     `json:"policy"`  // the kind of the one that decides; empty if none does
		Entries  []aclEntry `json:"entries"` // that fit, the deciding one first
		Enforced bool       `json:"enforced"`
	}
	all := []explanation{}
	for _, e := range explained {
		v := explanation{Broker: cmp.Or(e.Broker.Name, e.Broker.Addr), Decision: "Deny", Reason: e.Reason, Entries: newEntries(append(e.Custom, e.Default...)), Enforced: e.Authorization}
		if e.Allowed {
			v.Decision = "Allow"
		}
		switch {
		case len(e.Custom) > 0:
			v.Policy = "Custom"
		case len(e.Default) > 0:
			v.Policy = "Default"
		}
		all = append(all, v)
	}
	return items{all}, nil
}
