package auth

import (
	"fmt"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
)

// A ResourceType is what kind of thing a policy is about.
type ResourceType uint8

// The types. Everything stands for resources of every type, in policies only.
const (
	Everything ResourceType = iota
	Cluster
	Namespace
	Topic
	Group
)

var resourceTypes = [...]string{Everything: "Any", Cluster: "Cluster", Namespace: "Namespace", Topic: "Topic", Group: "Group"}

// String is the type as RocketMQ writes it.
func (t ResourceType) String() string { return resourceTypes[t] }

// A Pattern says which names a resource of a policy stands for.
type Pattern uint8

// The patterns.
const (
	Literal  Pattern = iota // the one of this name
	Prefixed                // those whose name begins with it
	AnyName                 // all
)

// A Resource is a topic, a group or a cluster, or in a policy a set of them.
type Resource struct {
	Type    ResourceType
	Pattern Pattern
	Name    string
}

// TopicNamed is the resource of a topic. Retry topics are their group's, see GroupNamed.
func TopicNamed(name string) Resource {
	if strings.HasPrefix(name, mq.RetryPrefix) {
		return GroupNamed(name)
	}
	return Resource{Type: Topic, Name: name}
}

// GroupNamed is the resource of a consumer group, or of the group that a retry
// topic belongs to.
func GroupNamed(name string) Resource {
	return Resource{Type: Group, Name: strings.TrimPrefix(name, mq.RetryPrefix)}
}

// ClusterNamed is the resource of a cluster.
func ClusterNamed(name string) Resource { return Resource{Type: Cluster, Name: name} }

// String is the resource as RocketMQ writes it: *, Topic:*, Topic:name, Topic:prefix*.
func (r Resource) String() string {
	switch {
	case r.Type == Everything:
		return "*"
	case r.Pattern == AnyName:
		return r.Type.String() + ":*"
	case r.Pattern == Prefixed:
		return r.Type.String() + ":" + r.Name + "*"
	}
	return r.Type.String() + ":" + r.Name
}

// ParseResource reads what String writes; the type in any case.
func ParseResource(text string) (Resource, error) {
	text = strings.TrimSpace(text)
	if text == "*" {
		return Resource{Pattern: AnyName}, nil
	}
	kind, name, ok := strings.Cut(text, ":")
	if ok && name != "" && len(text) <= maxResource {
		for i, t := range resourceTypes {
			if ResourceType(i) == Everything || !strings.EqualFold(kind, t) {
				continue
			}
			r := Resource{Type: ResourceType(i), Name: name}
			switch {
			case name == "*":
				r.Pattern, r.Name = AnyName, ""
			case strings.HasSuffix(name, "*"):
				r.Pattern, r.Name = Prefixed, strings.TrimSuffix(name, "*")
			}
			if strings.Contains(r.Name, "*") {
				break
			}
			return r, nil
		}
	}
	return Resource{}, invalidf("resource %.80q is none: want *, Topic:name, Group:name or Cluster:name of at most %d bytes, where name may be * or end in *", text, maxResource)
}

// covers reports whether a resource of a policy stands for the one that is
// asked for. One without a name is all of its type together.
func (r Resource) covers(asked Resource) bool {
	if r.Type == Everything {
		return true
	}
	if r.Type != asked.Type {
		return false
	}
	switch r.Pattern {
	case AnyName:
		return true
	case Prefixed:
		return r.Name != "" && strings.HasPrefix(asked.Name, r.Name)
	}
	return asked.Name == r.Name && r.Name != ""
}

// Actions is a set of them.
type Actions uint16

// The actions.
const (
	All Actions = 1 << iota // in policies: every action
	Any                     // in requests: whatever action some policy has
	Pub
	Sub
	Create
	Update
	Delete
	Get
	List
)

var actionNames = [...]string{"All", "Any", "Pub", "Sub", "Create", "Update", "Delete", "Get", "List"}

// Names are the actions as RocketMQ writes them.
func (a Actions) Names() []string {
	var all []string
	for i, name := range actionNames {
		if a&(1<<i) != 0 {
			all = append(all, name)
		}
	}
	return all
}

// String is the names, upper-case, with a stroke between them.
func (a Actions) String() string { return strings.ToUpper(strings.Join(a.Names(), "|")) }

// ParseActions reads names in any case; those that are unknown are an error.
func ParseActions(names []string) (Actions, error) {
	var a Actions
next:
	for _, name := range names {
		for i, known := range actionNames {
			if strings.EqualFold(strings.TrimSpace(name), known) {
				a |= 1 << i
				continue next
			}
		}
		return 0, invalidf("action %.40q is none: want some of %s", name, strings.Join(actionNames[:], ", "))
	}
	return a, nil
}

// invalidf is an error that says what should have been written differently.
func invalidf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", mq.ErrInvalid, fmt.Sprintf(format, args...))
}
