package wire

// LimitList is the answer to GODDARD_LIST_LIMITS.
type LimitList struct {
	Limits []Limit `json:"limits"`
}

// Limit is a limit and what became of it. Scope may also be TOPIC, whose limits
// are its attributes.
type Limit struct {
	Busiest         string       `json:"busiest"` // of those that it is on by itself
	Connections     int64        `json:"connections"`
	ConsumeBytes    int64        `json:"consumeBytes"`
	ConsumeMessages int64        `json:"consumeMessages"`
	Name            string       `json:"name"`
	Refused         LimitAmounts `json:"refused"`
	Requests        int64        `json:"requests"`
	Scope           string       `json:"scope"`
	SendBytes       int64        `json:"sendBytes"`
	SendMessages    int64        `json:"sendMessages"`
	Subjects        int          `json:"subjects"` // how many of those are known
	Used            LimitAmounts `json:"used"`     // in the last second; connections now
}

// LimitAmounts are figures for each thing that can be limited.
type LimitAmounts struct {
	Connections     int64 `json:"connections"`
	ConsumeBytes    int64 `json:"consumeBytes"`
	ConsumeMessages int64 `json:"consumeMessages"`
	Requests        int64 `json:"requests"`
	SendBytes       int64 `json:"sendBytes"`
	SendMessages    int64 `json:"sendMessages"`
}
