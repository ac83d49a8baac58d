package explain

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Send is what was found out about sending to a topic.
type Send struct {
	Topic   string       `json:"topic"`
	Type    string       `json:"type,omitempty"` // NORMAL, FIFO, DELAY, TRANSACTION, PRIORITY, LITE; empty for any
	Size    int          `json:"size,omitempty"` // of the body; 0 for any
	Name    string       `json:"-"`              // what is wrong with the name; empty if nothing
	Routed  bool         `json:"routed"`         // the name server has a route
	Default []string     `json:"default,omitempty"`
	Brokers []SendBroker `json:"brokers"`
	Unknown []string     `json:"unknown,omitempty"`
}

// A SendBroker is a master that may take messages of the topic.
type SendBroker struct {
	Name     string `json:"name"`
	Addr     string `json:"addr"` // that clients are given
	Dial     string `json:"unreachable,omitempty"`
	Routed   bool   `json:"routed"`   // the name server says that it has the topic
	RouteOK  bool   `json:"writable"` // and that it may be written there
	Queues   int32  `json:"write_queues"`
	Has      bool   `json:"has_topic"`
	Perm     int32  `json:"topic_permission"`
	Kind     string `json:"message_type,omitempty"` // the topic's attribute
	Checks   bool   `json:"checks_type"`            // the broker refuses other types
	Allowed  int32  `json:"broker_permission"`
	Creates  bool   `json:"auto_create"`
	NoTxn    bool   `json:"rejects_transactions"`
	MaxSize  int    `json:"max_message_size"`
	DiskUsed string `json:"disk_used,omitempty"` // a share
	Full     bool   `json:"disk_full"`
	Asked    bool   `json:"-"` // it answered
}

// A SendAccount says whether a send would succeed.
type SendAccount struct {
	Send
	Succeeds bool     `json:"succeeds"`
	Verdict  string   `json:"verdict"`
	Findings []Advice `json:"findings"`
}

const (
	permWrite = 2
)

// TellSend says whether a send would succeed, and what stands in its way.
func TellSend(s Send) SendAccount {
	a := SendAccount{Send: s, Findings: []Advice{}}
	add := func(do, format string, args ...any) {
		a.Findings = append(a.Findings, Advice{fmt.Sprintf(format, args...), do})
	}
	if s.Name != "" {
		a.Verdict = "no: " + s.Name
		return a
	}
	if len(s.Brokers) == 0 {
		add("start a broker with the name server's address", "no master is registered with the name server")
		a.Verdict = "no: there is no broker"
		return a
	}
	takes := 0
	for _, b := range s.Brokers {
		if s.broker(b, add) {
			takes++
		}
	}
	switch {
	case !s.Routed && takes > 0:
		add("goddard admin topic create "+s.Topic, "the topic does not exist; the first send creates it, on the brokers that allow it")
		a.Verdict = fmt.Sprintf("yes: the send creates the topic, on %d of %d brokers", takes, len(s.Brokers))
	case !s.Routed:
		add("goddard admin topic create "+s.Topic, "the topic does not exist and no broker creates topics by themselves")
		a.Verdict = "no: the topic does not exist"
	case takes == 0:
		a.Verdict = "no: no broker takes messages of the topic"
	case takes < len(s.Brokers):
		a.Verdict = fmt.Sprintf("yes, on %d of %d brokers", takes, len(s.Brokers))
	default:
		a.Verdict = "yes"
	}
	a.Succeeds = takes > 0
	return a
}

// broker adds what is wrong with one broker and reports whether it would take
// the message.
func (s *Send) broker(b SendBroker, add addAdvice) bool {
	takes := true
	no := func(do, format string, args ...any) {
		takes = false
		add(do, b.Name+": "+format, args...)
	}
	if b.Dial != "" {
		no("open the port in firewalls, or have the broker advertise an address that clients reach: brokerIP1 (advertise)",
			"clients are given %s, which cannot be reached from here: %s", b.Addr, b.Dial)
	}
	if b.Asked {
		s.inForce(b, no)
	}
	switch {
	case b.Has || !b.Asked && b.Routed:
		s.place(b, no)
	case b.Asked && s.Routed && b.Routed:
		no("goddard admin topic create "+s.Topic+" -b "+b.Addr, "the name server says that it has the topic, and it has not")
	case s.Routed:
		return false // producers do not come here
	case !b.Creates:
		no("goddard admin broker config set auto-create-topic true -b "+b.Addr, "it does not create topics when somebody sends to them (autoCreateTopicEnable)")
	}
	return takes
}

// inForce is about the broker's own settings and its disk.
func (s *Send) inForce(b SendBroker, no addAdvice) {
	if b.Allowed&permWrite == 0 {
		no("goddard admin broker config set broker-permission 6 -b "+b.Addr, "it takes no messages at all: brokerPermission is %d", b.Allowed)
	}
	if b.Full {
		no("make room, or shorten retention: goddard admin broker config set retention 24h -b "+b.Addr, "its disk is full (%s used)", percent(b.DiskUsed))
	}
	if b.NoTxn && s.Type == "TRANSACTION" {
		no("goddard admin broker config set reject-transactions false -b "+b.Addr, "it rejects transactional messages")
	}
	if s.Size > 0 && b.MaxSize > 0 && s.Size > b.MaxSize {
		no("goddard admin broker config set max-message-size "+strconv.Itoa(s.Size)+" -b "+b.Addr, "a body of %d bytes is longer than maxMessageSize, %d", s.Size, b.MaxSize)
	}
}

// place is about the topic on a broker that has it.
func (s *Send) place(b SendBroker, no addAdvice) {
	if b.Asked && b.Perm&permWrite == 0 {
		no("goddard admin topic perm "+s.Topic+" --perm 6", "the topic's permission is %d, which is not to write", b.Perm)
	}
	if b.Routed && !b.RouteOK && (!b.Asked || b.Perm&permWrite != 0) {
		no("goddard admin namesrv add-write-perm "+b.Name, "the name server tells producers not to write there")
	}
	if b.Queues == 0 {
		no("goddard admin topic update "+s.Topic+" --write-queues 8", "the topic has no queue to write to")
	}
	if b.Checks && s.Type != "" && !slices.Contains([]string{s.Type, "MIXED"}, kindOf(b.Kind)) {
		no(fmt.Sprintf("goddard admin topic update %s --attributes +message.type=%s", s.Topic, s.Type), "the topic is made for %s messages, not for %s", kindOf(b.Kind), s.Type)
	}
}

// kindOf is a topic's message.type, which is NORMAL where nobody has said one.
func kindOf(kind string) string {
	if kind == "" || strings.EqualFold(kind, "UNSPECIFIED") {
		return "NORMAL"
	}
	return strings.ToUpper(kind)
}

func percent(share string) string {
	if f, err := strconv.ParseFloat(share, 64); err == nil {
		return fmt.Sprintf("%.0f%%", f*100)
	}
	return "unknown"
}
