package console

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
)

const (
	sessionCookie = "goddard_session"
	// sessionIdle and sessionAge are when a session ends: not used for so long,
	// and so old.
	sessionIdle, sessionAge = 8 * time.Hour, 7 * 24 * time.Hour
	// maxPlaces is from how many addresses a session's requests are told apart.
	maxPlaces = 16
	// maxSessions bounds the sessions; the one unused longest goes for a new one.
	maxSessions = 1000
)

// A session is a logged-in browser.
type session struct {
	who         rpc.Credentials // in memory only
	csrf        string
	began, used time.Time // used is guarded by sessions

	ctx  context.Context // ends with the session, and with it live tails
	over context.CancelFunc

	mu    sync.Mutex // guards what follows
	sites map[view]*site
}

// A view is a site as the session's user sees it from an address.
type view struct {
	*watched
	from netip.Addr // none where the site does not ask for it
}

// site is a site as the session's user sees it from an address.
func (s *session) site(w *watched, from netip.Addr) (*site, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return nil, errNoSession
	}
	key, who := view{watched: w}, s.who
	if w.behalf != nil && len(s.sites) < maxPlaces {
		key.from = from
		who.From, who.FromProof = w.behalf(who.AccessKey, from)
	}
	if at := s.sites[key]; at != nil {
		return at, nil
	}
	at, err := w.as(who)
	if err == nil {
		s.sites[key] = at
	}
	return at, err
}

// end closes what the session has open.
func (s *session) end() {
	s.over()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range s.sites {
		at.close()
	}
	s.sites = nil
}

// errNoSession is the answer to who has not logged in.
var errNoSession = &problem{status: http.StatusUnauthorized, Code: "login_required", Text: "you are not logged in, or your session is over", Fix: "log in"}

// sessions are all of them, by the value of their cookie.
type sessions struct {
	mu    sync.Mutex // guards all, and used of each
	all   map[string]*session
	now   func() time.Time
	ended chan struct{} // one is in it after a session has ended
}

func newSessions() *sessions {
	return &sessions{all: map[string]*session{}, now: time.Now, ended: make(chan struct{}, 1)}
}

// find is the session of a request; nil if it has none.
func (s *sessions) find(r *http.Request) *session {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	return s.by(cookie.Value)
}

// by is the session that a cookie's value names; nil if there is none.
func (s *sessions) by(id string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, now := s.all[id], s.now()
	if found == nil {
		return nil
	}
	if found.old(now) {
		s.drop(id)
		return nil
	}
	found.used = now
	return found
}

// old reports whether a session's time is over.
func (s *session) old(now time.Time) bool {
	return now.Sub(s.used) > sessionIdle || now.Sub(s.began) > sessionAge
}

// begin makes a session and returns the value of its cookie.
func (s *sessions) begin(user, password string) (string, *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) >= maxSessions {
		oldest := ""
		for id, x := range s.all {
			if oldest == "" || x.used.Before(s.all[oldest].used) {
				oldest = id
			}
		}
		s.drop(oldest)
	}
	id := rand.Text()
	x := &session{
		who: rpc.Credentials{AccessKey: user, SecretKey: password}, csrf: rand.Text(), began: s.now(), used: s.now(), sites: map[view]*site{},
	}
	x.ctx, x.over = context.WithCancel(context.Background())
	s.all[id] = x
	return id, x
}

// sweep ends the sessions whose time is over, and those whose user may not come
// in any more, and returns whose that are.
func (s *sessions) sweep(is func(user, password string) bool) (gone []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, x := range s.all {
		in := is(x.who.AccessKey, x.who.SecretKey)
		if !in {
			gone = append(gone, x.who.AccessKey)
		}
		if !in || x.old(s.now()) {
			s.drop(id)
		}
	}
	return gone
}

// last is the session that was used last; nil if there is none.
func (s *sessions) last() (found *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.all {
		if found == nil || x.used.After(found.used) {
			found = x
		}
	}
	return found
}

// end forgets the session of a request.
func (s *sessions) end(r *http.Request) {
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.drop(cookie.Value)
	}
}

// endAll forgets all sessions.
func (s *sessions) endAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.all {
		s.drop(id)
	}
}

// drop forgets a session. s.mu is held.
func (s *sessions) drop(id string) {
	x := s.all[id]
	if x == nil {
		return
	}
	x.end()
	delete(s.all, id)
	select {
	case s.ended <- struct{}{}:
	default:
	}
}

func sessionRoutes() []route {
	return []route{
		{method: "GET", path: "/session", open: true, what: "who is logged in, what there is to see, and the token that changing requests carry", serve: getSession},
		{method: "POST", path: "/session/login", open: true, what: "log in", serve: login},
		{method: "POST", path: "/session/logout", open: true, what: "log out", serve: logout},
	}
}

// A sessionView is the answer to GET /session.
type sessionView struct {
	Authentication bool       `json:"authentication"`
	User           string     `json:"user"`
	CSRF           string     `json:"csrf"`
	Version        string     `json:"version"`
	ReadOnly       bool       `json:"read_only"`
	Sites          []siteView `json:"sites"`
	Limits         limitsView `json:"limits"`
}

type siteView struct {
	Name     string   `json:"name"`
	Namesrvs []string `json:"namesrvs"`
}

type limitsView struct {
	MaxBody int `json:"max_body"`
	Page    int `json:"page"`
	Tails   int `json:"tails"`
	Scan    int `json:"scan"`
}

func (c *Console) sessionView(s *session) sessionView {
	v := sessionView{
		Authentication: c.o.Access != nil, CSRF: c.csrf, Sites: []siteView{},
		Limits: limitsView{MaxBody: maxBody, Page: maxPage, Tails: c.o.MaxTails, Scan: maxLooked},
	}
	if v.Authentication && s == nil {
		return v // strangers learn nothing
	}
	if s != nil {
		v.User, v.CSRF = s.who.AccessKey, s.csrf
	}
	v.Version, v.ReadOnly = c.o.Version, c.o.ReadOnly
	for _, at := range c.sites {
		v.Sites = append(v.Sites, siteView{at.name, at.namesrvs})
	}
	return v
}

func getSession(r *request) (any, error) { return r.c.sessionView(r.session), nil }

func login(r *request) (any, error) {
	var in struct {
		User     string `json:"user"`
		Password string `json:"password"`
	}
	if err := r.body(&in); err != nil {
		return nil, err
	}
	if r.c.o.Access == nil {
		return r.c.sessionView(nil), nil
	}
	caller, err := r.c.o.Access.Login(r.Context(), r.caller.Addr, in.User, in.Password)
	if errors.Is(err, mq.ErrBusy) {
		return nil, &problem{status: http.StatusTooManyRequests, Code: "too_many", Text: "too many log in at the moment", Fix: "try again in some seconds"}
	}
	if err != nil {
		r.c.o.Log.Warn("a login to the console failed", "user", shortened(in.User), "from", r.caller.Addr)
		text, fix := parted(err.Error())
		return nil, &problem{status: http.StatusUnauthorized, Code: "login_required", Text: text, Fix: cmp.Or(fix, "look at user and password")}
	}
	r.c.sessions.end(r.Request)
	id, s := r.c.sessions.begin(caller.User, in.Password)
	for _, w := range r.c.sites {
		w.lend(s)
	}
	r.cookie(id, int(sessionAge/time.Second))
	return r.c.sessionView(s), nil
}

// pause waits, but not beyond ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func logout(r *request) (any, error) {
	r.c.sessions.end(r.Request)
	if r.c.o.Access != nil {
		r.cookie("", -1)
	}
	return r.c.sessionView(nil), nil
}

func (r *request) cookie(value string, age int) {
	http.SetCookie(r.w, &http.Cookie{
		Name: sessionCookie, Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	})
}
