package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Options says who must prove what. The zero value lets everybody do everything.
type Options struct {
	// Authentication wants every request signed by a user. Default false.
	Authentication bool `conf:"authentication" rocketmq:"authenticationEnabled"`

	// Authorization lets users do only what policies allow them; those of the type
	// Super may do everything. It needs authentication. Default false.
	Authorization bool `conf:"authorization" rocketmq:"authorizationEnabled"`

	// InitUser is a super user to create at the start, if there is none of the name:
	// {"username":"NAME","password":"SECRET"}. It is shown by no command; keep the
	// file that it stands in from others. Without it, and without any user, a super
	// user admin is made, whose password is printed once. Default none.
	InitUser Secret `conf:"init-user" rocketmq:"initAuthenticationUser"`

	// MetricsUser is a user to create at the start, if there is none of the name, who
	// may read metrics, which is GET on the cluster, and nothing else:
	// {"username":"NAME","password":"SECRET"}. It is shown by no command. Default none.
	MetricsUser Secret `conf:"metrics-user"`

	// InnerCredentials is who the broker is towards name servers and other brokers,
	// and a super user here, who alone is told passwords, as RocketMQ's proxy needs:
	// {"accessKey":"NAME","secretKey":"SECRET"}. It is shown by no command. Default
	// none.
	InnerCredentials Secret `conf:"inner-credentials" rocketmq:"innerClientAuthenticationCredentials"`

	// AuthenticationWhitelist are request codes, and gRPC calls such as
	// apache.rocketmq.v2.QueryRouteRequest, that need no signature. Default none.
	AuthenticationWhitelist []string `conf:"authentication-whitelist" rocketmq:"authenticationWhitelist"`

	// AuthorizationWhitelist are likewise those for which policies do not hold.
	// Default none.
	AuthorizationWhitelist []string `conf:"authorization-whitelist" rocketmq:"authorizationWhitelist"`

	// MigrateV1 creates, at the start, the users and policies of PlainACL that are not
	// there yet. Default false.
	MigrateV1 bool `conf:"migrate-auth-from-v1" rocketmq:"migrateAuthFromV1Enabled"`

	// PlainACL is the file of RocketMQ 4's access control lists. Default
	// conf/plain_acl.yml in the directory that ROCKETMQ_HOME names.
	PlainACL string `conf:"plain-acl"`

	// SignatureAge is how far the time of a signed gRPC call may be from this
	// machine's; calls outside are refused, so that a call that somebody recorded is
	// of no use later. RocketMQ looks at no times. Most clients sign with their local
	// time and call it UTC; where all of them and this machine run in UTC, 5m is
	// better. Default 15h.
	SignatureAge time.Duration `conf:"signature-age"`

	// AuditLog is a file that gets a line of JSON for each administrative and each
	// denied request. Default none: then they go to the log of the process.
	AuditLog string `conf:"audit-log"`

	// Insecure lets a server without authentication listen where other machines can
	// reach it. Default false.
	Insecure bool `conf:"insecure"`

	// Log receives what an operator should read. Nil discards it.
	Log *slog.Logger
}

// WithDefaults fills in what was left open.
func (o Options) WithDefaults() Options {
	if o.SignatureAge == 0 {
		o.SignatureAge = 15 * time.Hour
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Validate reports every bad field at once, by the names of docs/CONFIG.md.
func (o Options) Validate() error {
	o = o.WithDefaults()
	var errs []error
	if o.Authorization && !o.Authentication {
		errs = append(errs, errors.New("authorization needs authentication: who a request comes from must be known; set authentication = true (authenticationEnabled) as well"))
	}
	if o.SignatureAge < time.Second {
		errs = append(errs, fmt.Errorf("signature-age = %v: want 1s or more", o.SignatureAge))
	}
	if _, _, err := o.InitialUser(); err != nil {
		errs = append(errs, err)
	}
	if _, _, err := o.Scraper(); err != nil {
		errs = append(errs, err)
	}
	if _, _, err := o.InnerUser(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// InitialUser is the user to create; ok is false if there is none.
func (o Options) InitialUser() (u User, ok bool, err error) {
	return userOf("init-user", o.InitUser, Super)
}

// Scraper is the user who may read metrics; ok is false if there is none.
func (o Options) Scraper() (u User, ok bool, err error) {
	return userOf("metrics-user", o.MetricsUser, Normal)
}

// userOf reads a setting that names a user.
func userOf(name string, setting Secret, kind UserType) (u User, ok bool, err error) {
	var text struct{ Username, Password string }
	if ok, err = parseCredentials(setting, &text); !ok || err != nil {
		return u, false, jsonError(name, `{"username":"NAME","password":"SECRET"}`, err)
	}
	u = User{Name: text.Username, Secret: Secret(text.Password), Type: kind}
	if err := u.check(); err != nil {
		return u, false, fmt.Errorf("%s: %w", name, err)
	}
	return u, true, nil
}

// InnerUser is who the broker itself is; ok is false if it is nobody.
func (o Options) InnerUser() (u User, ok bool, err error) {
	var text struct{ AccessKey, SecretKey string }
	if ok, err = parseCredentials(o.InnerCredentials, &text); !ok || err != nil {
		return u, false, jsonError("inner-credentials", `{"accessKey":"NAME","secretKey":"SECRET"}`, err)
	}
	u = User{Name: text.AccessKey, Secret: Secret(text.SecretKey), Type: Super}
	if err := u.check(); err != nil {
		return u, false, fmt.Errorf("inner-credentials (innerClientAuthenticationCredentials): %w", err)
	}
	return u, true, nil
}

// parseCredentials reads a setting that is JSON; false if it is not set.
func parseCredentials(text Secret, into any) (bool, error) {
	if text == "" {
		return false, nil
	}
	return true, json.Unmarshal([]byte(text), into)
}

// jsonError says what a setting wants, without what it is: that has a secret.
func jsonError(name, want string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s is not JSON as it must be: want %s", name, want)
}
