package mq

import (
	"fmt"
	"strings"
	"time"
)

// A lite topic lies below a topic of the type LITE, its parent: a message that
// names one in PropLiteTopic lies in the light queue LiteQueue, beside its own
// queue. Sending to it makes it. Consumers of a group that is bound to the
// parent (attribute lite.bind.topic) say one by one which lite topics they want.
const (
	// MaxLiteTopic is the longest name of a lite topic, in bytes.
	MaxLiteTopic = 64

	liteMark = LitePrefix + "$"
	liteCut  = "$"
)

// LiteQueue is the topic of the light queue that a lite topic's messages lie in.
func LiteQueue(parent, lite string) string { return liteMark + parent + liteCut + lite }

// IsLite reports whether a topic is the light queue of a lite topic.
func IsLite(topic string) bool { return strings.HasPrefix(topic, liteMark) }

// SplitLite takes apart what LiteQueue made.
func SplitLite(topic string) (parent, lite string, ok bool) {
	rest, ok := strings.CutPrefix(topic, liteMark)
	if !ok {
		return "", "", false
	}
	parent, lite, ok = strings.Cut(rest, liteCut)
	return parent, lite, ok && parent != "" && lite != ""
}

// CheckLite says why a name cannot be a lite topic's; the error wraps
// ErrLiteTopic.
func CheckLite(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: it is empty", ErrLiteTopic)
	case len(name) > MaxLiteTopic:
		return fmt.Errorf("%w: it has %d bytes, at most %d are allowed", ErrLiteTopic, len(name), MaxLiteTopic)
	}
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return fmt.Errorf("%w: %.60q holds something else than letters, digits, - and _", ErrLiteTopic, name)
		}
	}
	return nil
}

// A LiteAction is what a LiteSubscription does.
type LiteAction uint8

// What can be done to the lite topics that a client wants.
const (
	LiteAdd    LiteAction = iota // it wants those named as well
	LiteRemove                   // it does not want those named any more
	LiteSet                      // it wants those named and no others
	LiteClear                    // it wants none; it is leaving
)

// A LiteSubscription changes which lite topics a client wants. What it wants is
// forgotten when it neither changes it, nor says it again with LiteSet, nor pops
// for two minutes.
type LiteSubscription struct {
	Action   LiteAction
	ClientID string
	Group    string
	Topic    string   // the parent
	Lites    []string // names of lite topics
	// Version, if not 0, grows with every LiteSet of the client; an older one
	// than the last changes nothing.
	Version int64
	// Begin is where the group goes on in lite topics that are new to the
	// client, with LiteAdd.
	Begin LiteBegin
	// Peer learns of subscriptions that end because another client's begins.
	Peer Peer
}

// A LiteBegin says where in a lite topic a group goes on.
type LiteBegin struct {
	From  LiteFrom
	Value int64 // an offset, a number of messages, or Unix milliseconds
}

// A LiteFrom is a kind of LiteBegin.
type LiteFrom uint8

// Where a group can go on in a lite topic.
const (
	LiteLast   LiteFrom = iota // where it was, or at the first message
	LiteMin                    // at the first message
	LiteMax                    // behind the last message
	LiteOffset                 // at the offset Value
	LiteTail                   // Value messages before the end
	LiteTime                   // at the first message stored at Value or later
)

// A LitePopRequest asks for messages of whatever lite topics the client wants:
// in order in each of them, and none of one of which the group has any in hand.
type LitePopRequest struct {
	ClientID    string
	Group       string
	Topic       string // the parent
	MaxMessages int    // at most MaxPop
	Invisible   time.Duration
	// Wait is how long the request may be parked while there is nothing for it.
	Wait time.Duration
	// AttemptID is as in a PopRequest.
	AttemptID string
}
