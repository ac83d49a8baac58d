package wire

// UserInfo is a user, in the requests from AUTH_CREATE_USER on. Answers of
// Goddard have no password.
type UserInfo struct {
	Password   string `json:"password,omitempty"`
	UserStatus string `json:"userStatus,omitempty"` // enable, disable
	UserType   string `json:"userType,omitempty"`   // Super, Normal
	Username   string `json:"username"`
}

// ACLInfo is the policies of a subject, in the requests from AUTH_CREATE_ACL on.
type ACLInfo struct {
	Policies []PolicyInfo `json:"policies"`
	Subject  string       `json:"subject"` // User:name
}

// PolicyInfo is one policy of an ACLInfo.
type PolicyInfo struct {
	Entries    []PolicyEntryInfo `json:"entries"`
	PolicyType string            `json:"policyType,omitempty"` // Custom, Default
}

// PolicyEntryInfo is one entry of a policy.
type PolicyEntryInfo struct {
	Actions   []string `json:"actions"`
	Decision  string   `json:"decision"` // Allow, Deny
	Resource  string   `json:"resource"` // *, Topic:name, Topic:prefix*, …
	SourceIPs []string `json:"sourceIps,omitempty"`
}

// AccessExplanation is the answer to GODDARD_EXPLAIN_ACCESS.
type AccessExplanation struct {
	Allowed        bool              `json:"allowed"`
	Reason         string            `json:"reason"`         // what decides, as a sentence
	Custom         []PolicyEntryInfo `json:"custom"`         // entries that fit, the deciding one first
	Default        []PolicyEntryInfo `json:"default"`        // likewise; they decide if Custom is empty
	Authentication bool              `json:"authentication"` // whether requests must be signed
	Authorization  bool              `json:"authorization"`  // whether policies hold
}
