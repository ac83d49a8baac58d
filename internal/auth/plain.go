package auth

// Access control lists of RocketMQ 4 (plain_acl.yml): accounts with a
// permission, DENY, PUB, SUB or PUB|SUB, for topics and for groups, and one for
// those that are not named.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/goddardmq/goddard/internal/mq"
)

// maxPlain bounds a plain_acl.yml, in bytes.
const maxPlain = 4 << 20

// A Planned is a user with policies that an account becomes; the ACL is nil if
// the account has no permissions.
type Planned struct {
	User User
	ACL  *ACL
}

// A Plan is what a plain_acl.yml becomes, and a line for each thing in it that
// has no counterpart.
type Plan struct {
	Accounts []Planned
	Left     []string
}

type plainFile struct {
	GlobalWhite []string       `yaml:"globalWhiteRemoteAddresses"`
	Accounts    []plainAccount `yaml:"accounts"`
}

type plainAccount struct {
	AccessKey    string   `yaml:"accessKey"`
	SecretKey    string   `yaml:"secretKey"`
	White        string   `yaml:"whiteRemoteAddress"`
	Admin        bool     `yaml:"admin"`
	DefaultTopic string   `yaml:"defaultTopicPerm"`
	DefaultGroup string   `yaml:"defaultGroupPerm"`
	TopicPerms   []string `yaml:"topicPerms"`
	GroupPerms   []string `yaml:"groupPerms"`
}

// ParsePlain reads a plain_acl.yml. Its errors do not quote the file, which has
// secrets in it.
func ParsePlain(text []byte) (Plan, error) {
	var plan Plan
	if len(text) > maxPlain {
		return plan, invalidf("the file has %d bytes, at most %d are read", len(text), maxPlain)
	}
	var file plainFile
	if err := yaml.Unmarshal(text, &file); err != nil {
		return plan, invalidf("the file is not YAML with globalWhiteRemoteAddresses and accounts%s", whereYAML(err))
	}
	for _, white := range file.GlobalWhite {
		plan.Left = append(plan.Left, fmt.Sprintf("globalWhiteRemoteAddresses %q: everybody signs requests now; let those clients use an account", white))
	}
	seen := map[string]bool{}
	for i, account := range file.Accounts {
		if seen[account.AccessKey] {
			continue // RocketMQ takes the first
		}
		seen[account.AccessKey] = true
		p, err := account.plan()
		if err != nil {
			return Plan{}, fmt.Errorf("account %d: %w", i+1, err)
		}
		plan.Accounts = append(plan.Accounts, p)
		if account.White != "" {
			plan.Left = append(plan.Left, fmt.Sprintf("whiteRemoteAddress %q of %s: everybody signs requests now; a source in a policy narrows from where", account.White, account.AccessKey))
		}
	}
	return plan, nil
}

// whereYAML is the line that an error of the YAML reader speaks of, if it is one
// whose text has nothing of the file in it.
func whereYAML(err error) string {
	text := err.Error()
	if i := strings.Index(text, "line "); i >= 0 {
		digits := strings.TrimLeft(text[i+len("line "):], "0123456789")
		return " (" + text[i:len(text)-len(digits)] + ")"
	}
	return ""
}

// plan is the user and the policies of an account.
func (p plainAccount) plan() (Planned, error) {
	out := Planned{User: User{Name: p.AccessKey, Secret: Secret(p.SecretKey)}}
	if p.Admin {
		out.User.Type = Super
	}
	if err := out.User.check(); err != nil {
		return out, err
	}
	acl := new(ACL)
	for _, list := range []struct {
		perms []string
		of    func(string) Resource
	}{{p.TopicPerms, TopicNamed}, {p.GroupPerms, GroupNamed}} {
		for _, text := range list.perms {
			name, perm, ok := strings.Cut(text, "=")
			if name = strings.TrimSpace(name); !ok || name == "" {
				return out, invalidf("%s: %.80q is no permission: want name=PUB|SUB", p.AccessKey, text)
			}
			r := list.of(name)
			if again, err := ParseResource(r.String()); err != nil || again != r {
				return out, invalidf("%s: %.80q names no topic or group: RocketMQ 4 takes names as they are, without * and of at most %d bytes; remove it, or correct the name", p.AccessKey, name, maxResource)
			}
			e, err := plainEntry(r, perm)
			if err != nil {
				return out, err
			}
			if i := indexOf(acl.Custom, e.Resource); i >= 0 {
				acl.Custom[i] = e
			} else {
				acl.Custom = append(acl.Custom, e)
			}
		}
	}
	for _, d := range []struct {
		perm string
		kind ResourceType
	}{{p.DefaultTopic, Topic}, {p.DefaultGroup, Group}} {
		if strings.TrimSpace(d.perm) == "" {
			continue
		}
		e, err := plainEntry(Resource{Type: d.kind, Pattern: AnyName}, d.perm)
		if err != nil {
			return out, err
		}
		acl.Default = append(acl.Default, e)
	}
	if len(acl.Custom)+len(acl.Default) > 0 {
		out.ACL = acl
	}
	return out, acl.check()
}

// plainEntry is the entry of a resource with a permission of RocketMQ 4.
func plainEntry(r Resource, perm string) (Entry, error) {
	e := Entry{Resource: r, Decision: Allow}
	switch strings.ReplaceAll(strings.TrimSpace(perm), " ", "") {
	case "DENY":
		e.Actions, e.Decision = All, Deny
	case "PUB":
		e.Actions = Pub
	case "SUB":
		e.Actions = Sub
	case "PUB|SUB", "SUB|PUB", "ANY":
		e.Actions = Pub | Sub
	default:
		return e, invalidf("%v: permission %.40q is none: want DENY, PUB, SUB or PUB|SUB", r, perm)
	}
	return e, nil
}

// migrate creates what the files of RocketMQ 4 say and is not there yet: those of
// the setting, or conf/plain_acl.yml and conf/acl in RocketMQ's home.
func (a *Access) migrate(home string) error {
	names := []string{a.o.PlainACL}
	if a.o.PlainACL == "" {
		if home == "" {
			return errors.New("migrate-auth-from-v1 needs plain-acl, or ROCKETMQ_HOME in the environment: where is plain_acl.yml?")
		}
		names = []string{filepath.Join(home, "conf", "plain_acl.yml")}
		more, err := filepath.Glob(filepath.Join(home, "conf", "acl", "*.y*ml"))
		if err != nil {
			return err
		}
		names = append(more, names...)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) && a.o.PlainACL == "" {
			continue
		}
		if err != nil {
			return fmt.Errorf("plain-acl cannot be read: %w", err)
		}
		plan, err := ParsePlain(text)
		if err != nil {
			return fmt.Errorf("plain-acl: %s: %w", name, err)
		}
		if err := a.take(plan); err != nil {
			return err
		}
	}
	return nil
}

// take creates the users of a plan that are not there yet, with their policies.
func (a *Access) take(plan Plan) error {
	for _, line := range plan.Left {
		a.logger().Warn("not taken over from plain_acl.yml", "what", line)
	}
	for _, p := range plan.Accounts {
		t := a.table.Load()
		if t.members[p.User.Name] != nil {
			continue
		}
		if err := a.replace(t, newMember(p.User, p.ACL)); err != nil {
			return err
		}
		a.Did(mq.Caller{}, "create user of plain_acl.yml", nil, p.User.Name)
	}
	return nil
}
