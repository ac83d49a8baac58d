package admin

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// Kinds of a TraceEvent, as RocketMQ's clients call them.
const (
	TracePub            = "Pub"
	TraceSubBefore      = "SubBefore"
	TraceSubAfter       = "SubAfter"
	TraceEndTransaction = "EndTransaction"
	TraceRecall         = "Recall"
)

// A TraceEvent is what a client with message trace switched on says that it did
// with a message.
type TraceEvent struct {
	Kind    string
	At      time.Time // zero if the client did not say
	Group   string
	Message string // unique key
	Topic   string
	Cost    time.Duration
	Success bool
	Host    string // of the client, or of the broker it sent to
	Request string // joins SubBefore and SubAfter
	Tries   int
	Result  string // SUCCESS, TIME_OUT, EXCEPTION, RETURNNULL, FAILED
	State   string // COMMIT_MESSAGE, ROLLBACK_MESSAGE, UNKNOW
	Checked bool   // the transaction was ended because the broker asked
}

// Trace finds what clients recorded of a message in a trace topic: empty means
// RocketMQ's own. No record is no error, nor is a trace topic that is missing.
func (c *Cluster) Trace(ctx context.Context, traceTopic, uniqueKey string) ([]TraceEvent, error) {
	if traceTopic == "" {
		traceTopic = mq.TopicTrace
	}
	found, err := c.FindMessages(ctx, Search{Topic: traceTopic, Key: uniqueKey, Kind: mq.LookupKey, Max: 64})
	if errors.Is(err, mq.ErrTopicNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []TraceEvent
	for _, m := range found {
		body, err := unpack(&m.Record)
		if err != nil {
			continue // nobody but its client could have made it readable
		}
		host := m.Record.BornHost.Addr().Unmap().String()
		for _, e := range parseTrace(string(body)) {
			if e.Message != uniqueKey {
				continue
			}
			if e.Kind != TracePub {
				e.Host = host
			}
			all = append(all, e)
		}
	}
	return all, nil
}

// Separators of trace records.
const (
	traceField = "\x01"
	traceEnd   = "\x02"
)

// parseTrace reads the body of a trace message: records of fields, as clients
// of several ages write them. What is no record is passed over.
func parseTrace(body string) []TraceEvent {
	var all []TraceEvent
	for record := range strings.SplitSeq(body, traceEnd) {
		f := traceFields(strings.Split(record, traceField))
		e := TraceEvent{Kind: f.text(0)}
		switch e.Kind {
		case TracePub:
			e.At, e.Group, e.Topic, e.Message, e.Host = f.time(1), f.text(3), f.text(4), f.text(5), f.text(8)
			e.Cost = f.millis(10)
			// The first clients had no offset id in front of the last field.
			last := 13
			if len(f) == last {
				last--
			}
			e.Success = f.text(last) == "true"
			if host := f.text(14); host != "" {
				e.Host = host
			}
		case TraceSubBefore:
			e.At, e.Group, e.Request, e.Message, e.Tries = f.time(1), f.text(3), f.text(4), f.text(5), f.number(6)
		case TraceSubAfter:
			e.Request, e.Message, e.Cost, e.Success = f.text(1), f.text(2), f.millis(3), f.text(4) == "true"
			e.Result, e.At, e.Group = consumeResult(f.text(6)), f.time(7), f.text(8)
		case TraceEndTransaction:
			e.At, e.Group, e.Topic, e.Message, e.Host = f.time(1), f.text(3), f.text(4), f.text(5), f.text(8)
			e.State, e.Checked = f.text(11), f.text(12) == "true"
		case TraceRecall:
			e.At, e.Group, e.Topic, e.Message, e.Success = f.time(1), f.text(3), f.text(4), f.text(5), f.text(6) == "true"
		default:
			continue
		}
		if e.Message != "" {
			all = append(all, e)
		}
	}
	return all
}

// traceFields are the fields of one record; one that is missing is empty.
type traceFields []string

func (f traceFields) text(i int) string {
	if i >= len(f) || f[i] == "null" {
		return ""
	}
	return f[i]
}

func (f traceFields) number(i int) int {
	n, err := strconv.Atoi(f.text(i))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func (f traceFields) millis(i int) time.Duration {
	return time.Duration(min(f.number(i), 1<<40)) * time.Millisecond
}

func (f traceFields) time(i int) time.Time {
	ms, err := strconv.ParseInt(f.text(i), 10, 64)
	if err != nil || ms < 0 || ms > 1<<45 {
		return time.Time{}
	}
	return moment(ms)
}

// consumeResult is the word for a number that clients write.
func consumeResult(code string) string {
	switch code {
	case "0":
		return "SUCCESS"
	case "1":
		return "TIME_OUT"
	case "2":
		return "EXCEPTION"
	case "3":
		return "RETURNNULL"
	case "4":
		return "FAILED"
	}
	return ""
}
