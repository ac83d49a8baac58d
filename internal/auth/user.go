package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"hash"
	"log/slog"
	"strings"
	"sync"
)

// Limits of names and secrets, in bytes, and of how many there may be.
const (
	// MaxName is the longest name of a user, in bytes.
	MaxName     = 255
	minSecret   = 6 // what RocketMQ 4 wanted
	maxSecret   = 255
	maxUsers    = 100_000
	maxEntries  = 1000 // of one user's policy
	maxSources  = 64   // of one entry
	maxResource = 512
)

// A Secret is a password, which is also the key of signatures. Nothing that
// prints values shows it.
type Secret string

// String hides the secret.
func (Secret) String() string { return "(hidden)" }

// GoString hides it from %#v.
func (Secret) GoString() string { return "(hidden)" }

// LogValue hides it from logs.
func (Secret) LogValue() slog.Value { return slog.StringValue("(hidden)") }

// MarshalText hides it from JSON and the like; rows are written by hand.
func (Secret) MarshalText() ([]byte, error) { return []byte("(hidden)"), nil }

// A UserType says whether policies hold for a user.
type UserType uint8

// The types.
const (
	Normal UserType = iota // may do what policies allow
	Super                  // may do everything
)

// String is the type as RocketMQ writes it.
func (t UserType) String() string { return [...]string{"Normal", "Super"}[t] }

// ParseUserType reads what String writes, in any case.
func ParseUserType(text string) (UserType, error) {
	for _, t := range []UserType{Normal, Super} {
		if strings.EqualFold(text, t.String()) {
			return t, nil
		}
	}
	return 0, invalidf("user type %.40q is none: want Super or Normal", text)
}

// Texts of a user's status, as RocketMQ writes them.
const (
	StatusEnabled  = "enable"
	StatusDisabled = "disable"
)

// ParseStatus reads a status, in any case.
func ParseStatus(text string) (disabled bool, err error) {
	switch {
	case strings.EqualFold(text, StatusEnabled):
		return false, nil
	case strings.EqualFold(text, StatusDisabled):
		return true, nil
	}
	return false, invalidf("user status %.40q is none: want %s or %s", text, StatusEnabled, StatusDisabled)
}

// A User is somebody who may be allowed something.
type User struct {
	Name     string
	Secret   Secret
	Type     UserType
	Disabled bool
}

// Status is the user's status as RocketMQ writes it.
func (u User) Status() string {
	if u.Disabled {
		return StatusDisabled
	}
	return StatusEnabled
}

// check reports what is wrong with a name or a secret.
func (u User) check() error {
	if err := checkName(u.Name); err != nil {
		return err
	}
	switch n := len(u.Secret); {
	case strings.TrimSpace(string(u.Secret)) == "":
		return invalidf("the password can not be blank: give one of %d to %d characters", minSecret, maxSecret)
	case n < minSecret || n > maxSecret:
		return invalidf("the password of %s has %d characters: want %d to %d", u.Name, n, minSecret, maxSecret)
	}
	return nil
}

// checkName refuses what could not stand in a header or a policy.
func checkName(name string) error {
	if strings.TrimSpace(name) == "" {
		return invalidf("the user name can not be blank")
	}
	strange := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`:/,*"\`, r) }
	if len(name) > MaxName || strings.ContainsFunc(name, strange) {
		return invalidf("user name %.60q: want at most %d printable characters without blank, : / , * \" and \\", name, MaxName)
	}
	return nil
}

// A member is a user as the table holds it. The pool has the user's signers, so
// that checking a signature makes no garbage.
type member struct {
	User
	acl      *ACL
	bySource bool
	signers  sync.Pool // of *signer
}

// A signer computes signatures with one user's secret.
type signer struct {
	hash.Hash
	sum [sha1.Size]byte
}

func newMember(u User, acl *ACL) *member {
	m := &member{User: u, acl: acl, bySource: acl.bySource()}
	key := []byte(u.Secret)
	m.signers.New = func() any { return &signer{Hash: hmac.New(sha1.New, key)} }
	return m
}

// signed reports whether mac is the signature of the parts, one after the other.
func (m *member) signed(mac []byte, parts [][]byte) bool {
	s := m.signers.Get().(*signer)
	defer m.signers.Put(s)
	s.Reset()
	for _, p := range parts {
		s.Write(p)
	}
	return hmac.Equal(s.Sum(s.sum[:0]), mac)
}

// secretIs compares a password in constant time.
func (m *member) secretIs(password string) bool {
	a, b := sha1.Sum([]byte(m.Secret)), sha1.Sum([]byte(password))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && len(m.Secret) == len(password)
}

// Sign is the signature of the parts, one after the other, with a secret.
func Sign(secret Secret, parts ...[]byte) []byte {
	h := hmac.New(sha1.New, []byte(secret))
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// newSecret is a password that nobody can guess.
func newSecret() Secret { return Secret(rand.Text()) }
