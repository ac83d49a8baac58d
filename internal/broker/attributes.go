package broker

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/dedup"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rate"
)

// Names of the attributes that this broker acts on.
const (
	attrMessageType    = "message.type"
	attrPriorityFactor = "priority.factor"

	attrLiteExpiration   = "lite.topic.expiration" // minutes, -1 for never
	attrLiteBind         = "lite.bind.topic"
	attrLiteModel        = "lite.sub.model"
	attrLiteQuota        = "lite.sub.client.quota"
	attrLiteResetEvicted = "lite.sub.reset.offset.exclusive"
	attrLiteResetLeft    = "lite.sub.reset.offset.unsubscribe"
	attrLiteWildcard     = "lite.sub.wildcard" // set at all, whatever it says
)

// An attribute is one that topics or groups can have.
type attribute struct {
	name string
	// fixed says that it stays what it was when its topic or group was created.
	fixed bool
	// check says what is wrong with a value, in words that follow "want".
	check func(value string) (want string)
	// only lists the values that mean something here; nil means all. The others
	// are RocketMQ's and refused with the reason why.
	only []string
	why  string
}

// topicAttributes are the attributes of topics, with RocketMQ's names and
// values. One that is not listed is refused.
var topicAttributes = []attribute{
	{name: attrMessageType, check: oneOf("UNSPECIFIED", "NORMAL", "FIFO", "DELAY", "TRANSACTION", "PRIORITY", "LITE", "MIXED")},
	{
		name: "queue.type", fixed: true, check: oneOf("SimpleCQ", "BatchCQ"),
		only: []string{"SimpleCQ"}, why: "queues of packed batches are not supported; batches are stored message by message",
	},
	{
		name: "cleanup.policy", fixed: true, check: oneOf("DELETE", "COMPACTION"),
		only: []string{"DELETE"}, why: "compaction is not supported",
	},
	{
		name: "reserve.time", check: between(-1, maxLong),
		only: []string{"-1"}, why: "all topics share one log and its retention (fileReservedTime)",
	},
	{name: dedup.Attribute, check: between(1, int64(dedup.MaxWindow/time.Second))},
	{name: attrRateMessages, check: between(1, rate.Max)},
	{name: attrRateBytes, check: between(1, rate.Max)},
	{name: attrLiteExpiration, check: between(-1, 30*24*60)},
}

// groupAttributes are the attributes of consumer groups.
var groupAttributes = []attribute{
	{name: attrPriorityFactor, check: between(0, 100)},
	{name: attrRateMessages, check: between(1, rate.Max)},
	{name: attrRateBytes, check: between(1, rate.Max)},
	{name: attrLiteBind, check: anyText},
	{name: attrLiteModel, check: oneOf("Shared", "Exclusive")},
	{name: attrLiteResetEvicted, check: trueOrFalse},
	{name: attrLiteResetLeft, check: trueOrFalse},
	{name: attrLiteQuota, check: between(-1, maxLong)},
	// What is ready for a client is bounded by what it wants; there is no other
	// list of events to bound.
	{name: "lite.sub.client.max.event.cnt", check: between(10, maxLong)},
	{name: attrLiteWildcard, check: anyText},
}

const (
	maxLong = 1<<63 - 1
	// maxAttributeChanges bounds the changes of one request.
	maxAttributeChanges = 64
)

func oneOf(values ...string) func(string) string {
	return func(value string) string {
		if slices.Contains(values, value) {
			return ""
		}
		return strings.Join(values, ", ")
	}
}

func between(lo, hi int64) func(string) string {
	return func(value string) string {
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= lo && n <= hi {
			return ""
		}
		return fmt.Sprintf("a whole number from %d to %d", lo, hi)
	}
}

func trueOrFalse(value string) string {
	if strings.EqualFold(value, "true") || strings.EqualFold(value, "false") {
		return ""
	}
	return "true or false"
}

func anyText(value string) string {
	if value != "" {
		return ""
	}
	return "some text"
}

// alterAttributes is old with changes applied: "+key" sets, "-key" removes, and
// a key without a sign says what is there already. created means that topic or
// group is new. All changes are made or none.
func alterAttributes(known []attribute, created bool, old, changes map[string]string) (map[string]string, error) {
	if len(changes) > maxAttributeChanges {
		return nil, fmt.Errorf("%w: %d attributes are changed at once, at most %d are allowed", mq.ErrInvalid, len(changes), maxAttributeChanges)
	}
	result := maps.Clone(old)
	if result == nil {
		result = map[string]string{}
	}
	for _, key := range slices.Sorted(maps.Keys(changes)) {
		value := changes[key]
		if had, ok := old[key]; ok && had == value {
			continue
		}
		name := strings.TrimLeft(key, "+-")
		if len(key) != len(name)+1 || name == "" {
			return nil, fmt.Errorf("%w: attribute %.60q: write +key=value to set it, -key to remove it", mq.ErrInvalid, key)
		}
		if _, ok := changes["-"+name]; ok && key[0] == '+' {
			return nil, fmt.Errorf("%w: attribute %.60s is set and removed at once", mq.ErrInvalid, name)
		}
		set := key[0] == '+'
		if err := alterAttribute(known, created, old, name, value, set); err != nil {
			return nil, err
		}
		if set {
			result[name] = value
		} else {
			delete(result, name)
		}
	}
	return result, nil
}

// alterAttribute says why an attribute cannot be set to value, or removed.
func alterAttribute(known []attribute, created bool, old map[string]string, name, value string, set bool) error {
	i := slices.IndexFunc(known, func(a attribute) bool { return a.name == name })
	if i < 0 {
		return fmt.Errorf("%w: there is no attribute %.60q; there are %s", mq.ErrInvalid, name, attributeNames(known))
	}
	a := known[i]
	if !set {
		if _, ok := old[name]; !ok {
			return fmt.Errorf("%w: attribute %s is not set and cannot be removed", mq.ErrInvalid, name)
		}
	}
	if a.fixed && !created {
		return fmt.Errorf("%w: attribute %s can only be set when it is created", mq.ErrInvalid, name)
	}
	if !set {
		return nil
	}
	if want := a.check(value); want != "" {
		return fmt.Errorf("%w: attribute %s = %.60q: want %s", mq.ErrInvalid, name, value, want)
	}
	if a.only != nil && !slices.Contains(a.only, value) {
		return fmt.Errorf("%w: attribute %s = %.60q: %s", mq.ErrInvalid, name, value, a.why)
	}
	return nil
}

func attributeNames(known []attribute) string {
	var names []string
	for _, a := range known {
		names = append(names, a.name)
	}
	return strings.Join(names, ", ")
}

// checkMixed says why a topic may not take messages of every type.
func (b *Broker) checkMixed(changes map[string]string) error {
	if changes["+"+attrMessageType] == "MIXED" && !b.opts().MixedMessageType {
		return fmt.Errorf("%w: MIXED message type is not supported: give the topic the one type that it is for, or set mixed-message-type (enableMixedMessageType)", mq.ErrInvalid)
	}
	return nil
}
