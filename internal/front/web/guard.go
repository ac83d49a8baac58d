package web

import (
	"errors"
	"net/http"
	"net/netip"

	"github.com/goddardmq/goddard/internal/mq"
)

// Guarded lets h answer only those who may do action on resource: with an
// Access those who prove it with a name and a password, without one programs
// on this machine.
func (s *Server) Guarded(action, resource string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.o.Access == nil {
			if !fromHere(r) {
				http.Error(w, "only programs on the server's machine may ask for this; enable authentication to allow users from elsewhere", http.StatusForbidden)
				return
			}
			h.ServeHTTP(w, r)
			return
		}
		user, password, _ := r.BasicAuth()
		caller, err := s.o.Access.Login(r.Context(), remote(r), user, password)
		if errors.Is(err, mq.ErrBusy) {
			http.Error(w, err.Error(), http.StatusTooManyRequests)
			return
		}
		if err != nil {
			w.Header().Set("WWW-Authenticate", `Basic realm="goddard", charset="UTF-8"`)
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		caller.Addr = remote(r)
		if err := s.o.Access.Allowed(r.Context(), caller, action, resource); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// remote is the client's address.
func remote(r *http.Request) netip.AddrPort {
	at, _ := netip.ParseAddrPort(r.RemoteAddr)
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}

// fromHere says whether a request comes from this machine, and was meant for
// it: a page of elsewhere that a browser here has open can make the browser
// ask, but only under its own host name.
func fromHere(r *http.Request) bool {
	if !remote(r).Addr().IsLoopback() {
		return false
	}
	host, err := netip.ParseAddrPort(r.Host)
	if err == nil {
		return host.Addr().IsLoopback()
	}
	addr, err := netip.ParseAddr(r.Host)
	return err == nil && addr.IsLoopback() || isLocalhost(r.Host)
}
