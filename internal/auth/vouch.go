package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"

	"github.com/goddardmq/goddard/internal/mq"
)

// vouched begins what is signed here, so that it is nothing else that somebody
// signs with the same secret.
const vouched = "goddard vouches\n"

// Vouch is the proof that this server says something to another: the HMAC-SHA256
// of the parts with the secret of inner-credentials; nil without those. The parts
// are to say to whom, when and of what, as who reads them can send them again.
func (a *Access) Vouch(parts ...string) []byte {
	if a.inner.Name == "" {
		return nil
	}
	mac := hmac.New(sha256.New, []byte(a.inner.Secret))
	mac.Write([]byte(vouched))
	for _, part := range parts {
		fmt.Fprintf(mac, "%d:%s", len(part), part)
	}
	return mac.Sum(nil)
}

// Vouched finds out whether a server with the same inner-credentials says the
// parts, which name by, and whether that user is one here. what names the request,
// for the audit log.
func (a *Access) Vouched(by mq.Caller, mac []byte, what string, parts ...string) error {
	members := a.table.Load().members
	inner, user := members[a.inner.Name], members[by.User]
	switch {
	case a.inner.Name == "":
		return a.Rejected(by, what, "another server hands a call on, and this one cannot tell whether to believe it: it has no inner-credentials (innerClientAuthenticationCredentials); give all servers of the cluster the same")
	case inner == nil || inner.Disabled || !inner.secretIs(string(a.inner.Secret)):
		return a.Rejected(by, what, "another server hands a call on, and User:%s of inner-credentials, by whom it is believed, is not the one of this server any more; `goddard admin user list` shows who is", a.inner.Name)
	case !hmac.Equal(mac, a.Vouch(parts...)):
		return a.Rejected(by, what, "a call looks as if another server handed it on, but the proof is wrong; do all servers of the cluster have the same inner-credentials (innerClientAuthenticationCredentials)?")
	case user == nil || user.Disabled:
		return a.unauthenticated(user, by, what)
	}
	return nil
}
