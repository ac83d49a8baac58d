package console

import (
	"compress/gzip"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
)

// policy is what pages may load: nothing but the console's own files.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; " +
	"manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// csrfHeader carries the token that only pages of the console can know.
const csrfHeader = "X-Goddard-CSRF"

// guard turns away who may not reach the console at all, and sets the headers
// that keep other pages out.
func (c *Console) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if p := c.admitted(r); p != nil {
			writeProblem(w, p)
			return
		}
		if !strings.HasPrefix(r.URL.Path, "/api/") || strings.HasSuffix(r.URL.Path, "/tail") || !acceptsGzip(r) {
			next.ServeHTTP(w, r)
			return
		}
		z := &zipped{ResponseWriter: w}
		defer z.close()
		next.ServeHTTP(z, r)
	})
}

// admitted says why a request is turned away, whatever it asks for. With
// authentication everybody may knock.
//
// Without it a browser on this machine may come, under a name of this machine:
// a page of elsewhere can make its own name point here, but the browser then
// says that name.
func (c *Console) admitted(r *http.Request) *problem {
	if c.o.Access != nil || slices.Contains(c.o.Hosts, "*") {
		return nil
	}
	host := hostOf(r.Host)
	if !here(host) && !slices.ContainsFunc(c.o.Hosts, func(name string) bool { return strings.EqualFold(name, host) }) {
		return &problem{
			status: http.StatusForbidden, Code: "forbidden", Text: "the console is not to be reached as " + shortened(host) + " while there is no authentication",
			Fix: "enable authentication, or name that host in console-hosts",
		}
	}
	if from := remoteAddr(r).Addr(); !from.IsLoopback() && len(c.o.Hosts) == 0 {
		return &problem{
			status: http.StatusForbidden, Code: "forbidden", Text: "the console answers only browsers on its own machine while there is no authentication",
			Fix: "enable authentication, or set console-hosts to the host that browsers elsewhere use for it",
		}
	}
	return nil
}

// hostOf is a Host header without its port.
func hostOf(text string) string {
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	return strings.Trim(text, "[]")
}

// here reports whether a host is this machine's name for itself.
func here(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() || strings.EqualFold(host, "localhost")
}

// remoteAddr is the client's address.
func remoteAddr(r *http.Request) netip.AddrPort {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}

// identify finds out who asks, and turns away requests that another site's
// page makes a browser send.
func (c *Console) identify(rt route, r *request) error {
	r.caller = mq.Caller{Addr: remoteAddr(r.Request)}
	token := c.csrf
	if c.o.Access != nil {
		r.session = c.proven(r)
		if r.session != nil {
			r.caller.User, token = r.session.who.AccessKey, r.session.csrf
		}
		if r.session == nil && !rt.open {
			return errNoSession
		}
	}
	if !changes(rt.method) {
		return nil
	}
	if !sameOrigin(r.Request) {
		return &problem{status: http.StatusForbidden, Code: "csrf", Text: "the request comes from a page of another site", Fix: "use the console under one address"}
	}
	if subtle.ConstantTimeCompare([]byte(r.Header.Get(csrfHeader)), []byte(token)) != 1 {
		return &problem{status: http.StatusForbidden, Code: "csrf", Text: "the request does not carry the token of this session", Fix: "reload the page; a program sends the csrf of its session in the header " + csrfHeader}
	}
	return nil
}

// proven is the session of a request, unless its user is gone, disabled or has
// another password by now.
func (c *Console) proven(r *request) *session {
	s := c.sessions.find(r.Request)
	if s == nil || c.o.Access.Is(s.who.AccessKey, s.who.SecretKey) {
		return s
	}
	c.sessions.end(r.Request)
	return nil
}

// sameOrigin reports whether a request comes from a page of the console or from
// no page at all, as far as the browser says.
func sameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host)
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.TrimSpace(name) == "gzip" && strings.ReplaceAll(weight, " ", "") != "q=0" {
			return true
		}
	}
	return false
}

// zipBelow is how short an answer is not worth packing, in bytes.
const zipBelow = 1024

// zipped packs an answer if it is long and not packed already.
type zipped struct {
	http.ResponseWriter
	status int
	began  bool // the headers are out
	z      *gzip.Writer
}

// WriteHeader waits for the first bytes, which tell whether to pack.
func (z *zipped) WriteHeader(status int) { z.status = status }

// Write packs what is long.
func (z *zipped) Write(b []byte) (int, error) {
	if !z.began {
		z.began = true
		h := z.Header()
		h.Add("Vary", "Accept-Encoding")
		if len(b) >= zipBelow && h.Get("Content-Encoding") == "" && strings.HasPrefix(h.Get("Content-Type"), "application/json") {
			h.Set("Content-Encoding", "gzip")
			h.Del("Content-Length")
			z.z, _ = gzip.NewWriterLevel(z.ResponseWriter, gzip.BestSpeed) // the level is one there is
		}
		z.ResponseWriter.WriteHeader(max(z.status, http.StatusOK))
	}
	if z.z != nil {
		return z.z.Write(b)
	}
	return z.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (z *zipped) Unwrap() http.ResponseWriter { return z.ResponseWriter }

func (z *zipped) close() {
	if !z.began && z.status != 0 {
		z.ResponseWriter.WriteHeader(z.status)
	}
	if z.z != nil {
		_ = z.z.Close() // who does not read it is gone
	}
}
