package console

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// base is where the API begins.
const base = "/api/v1"

// A route is one endpoint. docs/CONSOLE-API.md is printed from the table.
type route struct {
	method, path string // path below base, as http.ServeMux has patterns
	// action and resource are what Access is asked; {names} in resource stand
	// for those of the path. Without an action the handler asks by itself, or
	// nobody needs to be asked.
	action, resource string
	what             string // for people
	serve            func(*request) (any, error)
	open             bool          // answers those too who have not logged in
	wait             time.Duration // what it may take, if more than requestTime; below 0 no bound
}

// requestTime is what a request may take.
const requestTime = 15 * time.Second

// Actions of RocketMQ's access control.
const (
	actGet    = "GET"
	actList   = "LIST"
	actCreate = "CREATE"
	actUpdate = "UPDATE"
	actDelete = "DELETE"
	actPub    = "PUB"
	actSub    = "SUB"
)

const (
	anyCluster = "Cluster:*"
	ofTopic    = "Topic:{topic}"
	ofGroup    = "Group:{group}"
)

// changes reports whether a method may change something.
func changes(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// routes is the API.
func routes() []route {
	var all []route
	for _, part := range [][]route{
		sessionRoutes(), overviewRoutes(), settingRoutes(), topicRoutes(), messageRoutes(), groupRoutes(),
		deadLetterRoutes(), jobRoutes(), delayedRoutes(), connectionRoutes(), accessRoutes(), historyRoutes(),
	} {
		all = append(all, part...)
	}
	return all
}

// handler is the API and the pages.
func (c *Console) handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes() {
		mux.Handle(r.method+" "+base+r.path, c.endpoint(r))
	}
	mux.HandleFunc(elsewhere, func(w http.ResponseWriter, r *http.Request) { c.nothing(mux, w, r) })
	mux.Handle("/", c.pages)
	return c.guard(mux)
}

// elsewhere is the pattern of what is below the API and none of its endpoints.
const elsewhere = "/api/"

// nothing answers what is no endpoint, or is one of other methods only.
func (c *Console) nothing(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	var methods []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := mux.Handler(other); pattern != elsewhere {
			methods = append(methods, method)
		}
	}
	if len(methods) == 0 {
		writeProblem(w, &problem{
			status: http.StatusNotFound, Code: "not_found", Text: "there is no " + shortened(r.Method+" "+r.URL.Path), Fix: "docs/CONSOLE-API.md lists what there is",
		})
		return
	}
	allow := strings.Join(methods, ", ")
	w.Header().Set("Allow", allow)
	writeProblem(w, &problem{
		status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Text: shortened(r.Method) + " does nothing here", Fix: "use " + allow,
	})
}

// shortened bounds a text of a stranger that is shown again.
func shortened(text string) string {
	const most = 100
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// endpoint serves one route: it finds out who asks, lets Access decide, bounds
// time and size, and writes the answer.
func (c *Console) endpoint(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if rt.wait >= 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, max(rt.wait, requestTime))
			defer cancel()
		}
		r = r.WithContext(ctx)
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		req := &request{Request: r, w: w, c: c}
		v, err := c.answer(rt, req)
		switch {
		case err != nil && req.written:
			c.o.Log.Debug("the console could not finish an answer", "path", r.URL.Path, "error", err)
		case err != nil:
			writeProblem(w, problemOf(err))
		case req.written:
		default:
			status := http.StatusOK
			if s, ok := v.(withStatus); ok {
				status, v = s.status, s.v
			}
			writeJSON(w, status, v)
		}
	})
}

// withStatus is an answer that is not 200.
type withStatus struct {
	status int
	v      any
}

func (c *Console) answer(rt route, req *request) (any, error) {
	if err := c.identify(rt, req); err != nil {
		return nil, err
	}
	if changes(rt.method) && c.o.ReadOnly && !rt.open {
		return nil, &problem{status: http.StatusForbidden, Code: "forbidden", Text: "this console changes nothing", Fix: "set console-read-only to false to allow it"}
	}
	if rt.action != "" {
		if err := req.allow(rt.action, req.resource(rt.resource)); err != nil {
			return nil, err
		}
	}
	return rt.serve(req)
}
