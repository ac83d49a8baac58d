package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// A problem is an answer that says what went wrong and what to do.
type problem struct {
	status int
	Text   string   `json:"error"`
	Fix    string   `json:"fix"`
	Code   string   `json:"code"`
	Done   []string `json:"done,omitempty"` // brokers that had done it before
}

// Error is what went wrong.
func (p *problem) Error() string { return p.Text }

// badRequest says what is wrong with a request.
func badRequest(format string, args ...any) error {
	text, fix := parted(fmt.Sprintf(format, args...))
	return &problem{status: http.StatusBadRequest, Code: "bad_request", Text: text, Fix: fix}
}

// notSupported says what a cluster, or this version, cannot do.
func notSupported(format string, args ...any) error {
	text, fix := parted(fmt.Sprintf(format, args...))
	return &problem{status: http.StatusNotImplemented, Code: "not_supported", Text: text, Fix: fix}
}

// parted is a sentence taken apart: what is wrong; what to do.
func parted(text string) (what, fix string) {
	what, fix, _ = strings.Cut(text, "; ")
	return what, fix
}

// A condition is a kind of error and how it is answered.
type condition struct {
	err    error
	status int
	code   string
	fix    string
}

// conditions are looked through in order.
var conditions = []condition{
	{context.DeadlineExceeded, http.StatusGatewayTimeout, "timeout", "the cluster is slow or away: look at the overview, then try again"},
	{context.Canceled, http.StatusGatewayTimeout, "timeout", "the request was given up"},
	{mq.ErrTopicNotFound, http.StatusNotFound, "not_found", "look at its spelling in the list of topics (goddard admin topic list)"},
	{mq.ErrGroupNotFound, http.StatusNotFound, "not_found", "look at its spelling in the list of groups (goddard admin group list)"},
	{mq.ErrNotOnline, http.StatusNotFound, "not_found", "start a consumer of the group first"},
	{mq.ErrNotFound, http.StatusNotFound, "not_found", ""},
	{mq.ErrInvalid, http.StatusBadRequest, "bad_request", ""},
	{mq.ErrSubscription, http.StatusBadRequest, "bad_request", "an expression is written as in TAGS = 'a' AND price > 5"},
	{mq.ErrDenied, http.StatusForbidden, "forbidden", ""},
}

// refusals are answers of servers that mean more than that they refuse.
var refusals = map[wire.Code]condition{
	wire.CodeRequestCodeNotSupported:   {nil, http.StatusNotImplemented, "not_supported", "this broker does not know the request; RocketMQ's brokers, and older ones, lack some that Goddard's have"},
	wire.CodeTopicNotExist:             {nil, http.StatusNotFound, "not_found", "look at its spelling in the list of topics (goddard admin topic list)"},
	wire.CodeSubscriptionGroupNotExist: {nil, http.StatusNotFound, "not_found", "look at its spelling in the list of groups (goddard admin group list)"},
	wire.CodeConsumerNotOnline:         {nil, http.StatusNotFound, "not_found", "start a consumer of the group first"},
	wire.CodeQueryNotFound:             {nil, http.StatusNotFound, "not_found", ""},
	wire.CodeNoPermission:              {nil, http.StatusForbidden, "forbidden", "ask an administrator of the cluster"},
	wire.CodeInvalidParameter:          {nil, http.StatusBadRequest, "bad_request", ""},
	wire.CodeConsumeMsgTimeout:         {nil, http.StatusGatewayTimeout, "timeout", "the client is busy or stopped; try again"},
	wire.CodeSystemBusy:                {nil, http.StatusServiceUnavailable, "unavailable", "the broker is busy; try again"},
	wire.CodeServiceNotAvailable:       {nil, http.StatusServiceUnavailable, "unavailable", "the broker takes no messages; its log says why"},
	wire.CodeMessageIllegal:            {nil, http.StatusBadRequest, "bad_request", ""},
}

// problemOf is how an error is answered.
func problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	text, fix := parted(err.Error())
	answer := func(c condition) *problem {
		return &problem{status: c.status, Code: c.code, Text: text, Fix: cmp.Or(fix, c.fix)}
	}
	if code, refused := refusalOf(err); refused {
		if c, known := refusals[code]; known {
			return answer(c)
		}
		return answer(condition{status: http.StatusUnprocessableEntity, code: "refused"})
	}
	for _, c := range conditions {
		if errors.Is(err, c.err) {
			return answer(c)
		}
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &problem{status: http.StatusRequestEntityTooLarge, Code: "too_large", Text: "the body of the request is too long", Fix: "send less at once; GET /session of the API says how long a body may be (limits.max_body)"}
	}
	if unreachable(err) {
		return answer(condition{status: http.StatusBadGateway, code: "unavailable", fix: "look whether that server runs and can be reached from here"})
	}
	// What package admin says in words of its own: the request cannot be met.
	return answer(condition{status: http.StatusUnprocessableEntity, code: "refused"})
}

// unreachable reports whether a server could not be reached.
func unreachable(err error) bool {
	_, broken := errors.AsType[net.Error](err)
	return broken || errors.Is(err, rpc.ErrClosed) || errors.Is(err, rpc.ErrFull) || errors.Is(err, io.EOF)
}

// refusalOf is the code that a server refused a request with.
func refusalOf(err error) (wire.Code, bool) {
	if e, ok := errors.AsType[*admin.RefusedError](err); ok {
		return e.Code, true
	}
	if e, ok := errors.AsType[*remote.ResponseError](err); ok {
		return e.Code, true
	}
	return 0, false
}

// writeProblem answers with an error.
func writeProblem(w http.ResponseWriter, p *problem) {
	writeJSON(w, p.status, p)
}

// writeJSON answers with v.
func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written as JSON","fix":"","code":"internal"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // who does not read it is gone
}
