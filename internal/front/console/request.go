package console

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

const (
	// maxBody bounds the body of a request: a message of the usual largest size
	// as base64, and some.
	maxBody = 6 << 20
	// maxPage and usualPage are how many entries of a list are given at once.
	maxPage, usualPage = 500, 50
)

// A request is one call of the API.
type request struct {
	*http.Request
	w       http.ResponseWriter
	c       *Console
	caller  mq.Caller
	session *session // nil without authentication
	written bool     // the handler has answered by itself
	at      *site
}

// allow asks Access.
func (r *request) allow(action, resource string) error {
	if r.c.o.Access == nil {
		return nil
	}
	if err := r.c.o.Access.Allowed(r.Context(), r.caller, action, resource); err != nil {
		text, fix := parted(err.Error())
		return &problem{status: http.StatusForbidden, Code: "forbidden", Text: text, Fix: fix}
	}
	return nil
}

// resource fills the names of the path into a pattern.
func (r *request) resource(pattern string) string {
	for _, name := range []string{"topic", "group"} {
		pattern = strings.ReplaceAll(pattern, "{"+name+"}", r.PathValue(name))
	}
	return pattern
}

// site is the place that the request is about.
func (r *request) site() (*site, error) {
	if r.at != nil {
		return r.at, nil
	}
	name := r.text("site")
	at := slices.IndexFunc(r.c.sites, func(w *watched) bool { return w.name == name })
	switch {
	case len(r.c.sites) == 0:
		return nil, notSupported("this process has no name server that the console could ask; set console-namesrv")
	case name == "":
		at = 0
	case at < 0:
		return nil, &problem{status: http.StatusNotFound, Code: "not_found", Text: "there is no site " + shortened(name), Fix: "choose one at the top of the page; the setting console-namesrv adds more"}
	}
	w := r.c.sites[at]
	w.touch()
	if r.session == nil {
		r.at = w.eyes.Load()
		return r.at, nil
	}
	var err error
	r.at, err = r.session.site(w, r.caller.Addr.Addr())
	return r.at, err
}

// text is a parameter of the query.
func (r *request) text(name string) string { return r.URL.Query().Get(name) }

// flag reports whether a parameter of the query is set.
func (r *request) flag(name string) bool {
	v := r.text(name)
	return v != "" && v != "0" && v != "false"
}

// number is a parameter of the query between two bounds, usual if it is missing.
func (r *request) number(name string, usual, least, most int) (int, error) {
	text := r.text(name)
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, badRequest("%s = %.40q; want a whole number from %d to %d", name, text, least, most)
	}
	return n, nil
}

// moment is a parameter of the query that is a time, zero if it is missing.
func (r *request) moment(name string) (time.Time, error) { return moment(name, r.text(name)) }

// moment reads a time: RFC 3339 or milliseconds since 1970. Empty means none.
func moment(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms >= 0 && ms < 1<<45 {
		return time.UnixMilli(ms), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.Year() < 1970 || t.Year() > 3000 {
		return time.Time{}, badRequest("%s = %.40q is no time; want one as 2026-01-31T08:00:00Z, or milliseconds since 1970", name, text)
	}
	return t, nil
}

// body reads the request's JSON into v, a pointer to a struct. Fields that v
// does not have are refused, for they would be wishes that nobody fulfils.
func (r *request) body(v any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return badRequest("the body of a request is JSON; send the header Content-Type: application/json")
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		if _, long := errors.AsType[*http.MaxBytesError](err); long {
			return err
		}
		return badRequest("the body of the request cannot be read: %s; docs/CONSOLE-API.md has an example", strings.TrimPrefix(shortened(err.Error()), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badRequest("there is more behind the JSON of the request; send one object")
	}
	return nil
}

// stamp is a time as answers have it; empty, and left out, if it is zero.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

// stampMillis is the same for Unix milliseconds.
func stampMillis(ms int64) string {
	if ms <= 0 {
		return ""
	}
	return stamp(time.UnixMilli(ms))
}
