package mq

// Whom a limit is on.
const (
	LimitBroker     = "BROKER"     // all clients together
	LimitUser       = "USER"       // a user, or * for each by itself
	LimitAddress    = "ADDRESS"    // an address; a network together; * for each address by itself
	LimitConnection = "CONNECTION" // each connection by itself
	LimitTopic      = "TOPIC"      // what is sent to a topic; set by the topic's attributes
)

// A LimitRule says how much somebody may do; 0 is no limit. Rates are per
// second.
type LimitRule struct {
	Scope        string `json:"scope"`
	Name         string `json:"name,omitempty"` // none for BROKER and CONNECTION
	SendMessages int64  `json:"sendMessages,omitempty"`
	SendBytes    int64  `json:"sendBytes,omitempty"` // of bodies and properties
	// What is pulled and popped waits for its share beyond these.
	ConsumeMessages int64 `json:"consumeMessages,omitempty"`
	ConsumeBytes    int64 `json:"consumeBytes,omitempty"` // of whole records
	Requests        int64 `json:"requests,omitempty"`
	Connections     int64 `json:"connections,omitempty"` // open at a time; BROKER and ADDRESS alone
}

// A LimitUse is a rule and what became of it.
type LimitUse struct {
	LimitRule
	// Used is what was done within the last whole second, and how many
	// connections are open. If the rule is on each of many by itself it is that
	// of Busiest, of Subjects that are known.
	Used     LimitAmounts `json:"used"`
	Busiest  string       `json:"busiest,omitempty"`
	Subjects int          `json:"subjects,omitempty"`
	// Refused is how often it refused something since it was set or the broker
	// started, and how many pulls and pops had to wait for their share.
	Refused LimitAmounts `json:"refused"`
}

// LimitAmounts are figures for each thing that can be limited. Of refusals the
// ones of sends, and of what waited, are counted under what was too much,
// messages or bytes.
type LimitAmounts struct {
	Connections     int64 `json:"connections"`
	ConsumeBytes    int64 `json:"consumeBytes"`
	ConsumeMessages int64 `json:"consumeMessages"`
	Requests        int64 `json:"requests"`
	SendBytes       int64 `json:"sendBytes"`
	SendMessages    int64 `json:"sendMessages"`
}

// A Visit is a client's connection, as the broker counts what comes over it.
type Visit interface {
	// Request counts a request of a client, who may have another name than with
	// the last one, and none while nobody has looked at who it is. ErrBusy wraps
	// which limit refuses it and what to do. vital says that it ends what was
	// begun, or lets operators act: it is counted and not refused.
	Request(by Caller, vital bool) error
	// Identified counts a request that Request let pass as nobody's as a user's,
	// too. One that is refused counts for nobody.
	Identified(user string, vital bool) error
	// End says that the connection is closed.
	End()
}
