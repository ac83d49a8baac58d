package web

import (
	"net"
	"net/http"
	"sync"

	"github.com/goddardmq/goddard/internal/door"
)

// A room counts what is open, and knows who in it waits for nothing: where it is
// full, the one that has been idle longest makes place for a new one.
type room struct {
	mu   sync.Mutex // guards what follows
	free *sync.Cond // on mu: there may be a place
	left int        // places
	idle []*counted // that have no request, the oldest first
	over bool       // the listener is closed
}

func newRoom(places int) *room {
	r := &room{left: places}
	r.free = sync.NewCond(&r.mu)
	return r
}

// take waits for a place; false if the listener was closed meanwhile.
func (r *room) take() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.left == 0 && !r.over {
		if len(r.idle) == 0 {
			r.free.Wait()
			continue
		}
		oldest := r.idle[0]
		r.forget(oldest)
		r.mu.Unlock()
		_ = oldest.Close() // its client sees as much as there is to see
		r.mu.Lock()
	}
	if r.over {
		return false
	}
	r.left--
	return true
}

// leave gives a place back.
func (r *room) leave(c *counted) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c != nil {
		r.forget(c)
	}
	r.left++
	r.free.Signal()
}

// close ends all waiting.
func (r *room) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	r.free.Broadcast()
}

// forget takes a connection out of the idle ones. r.mu is held.
func (r *room) forget(c *counted) {
	for i, x := range r.idle {
		if x == c {
			r.idle = append(r.idle[:i], r.idle[i+1:]...)
			return
		}
	}
}

// changed is http.Server's word on a connection.
func (r *room) changed(nc net.Conn, state http.ConnState) {
	c, ours := door.Raw(nc).(*counted)
	if !ours {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(c)
	if state == http.StateNew || state == http.StateIdle {
		r.idle = append(r.idle, c)
		r.free.Signal()
	}
}

// A limited listener accepts what there is room for.
type limited struct {
	net.Listener
	room *room
}

// Accept takes the next connection, for which one that is idle may have to go.
func (l *limited) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if !l.room.take() {
		nc.Close()
		return nil, net.ErrClosed
	}
	return &counted{Conn: nc, room: l.room}, nil
}

// Close closes it.
func (l *limited) Close() error {
	l.room.close()
	return l.Listener.Close()
}

// A counted connection makes room when it is closed.
type counted struct {
	net.Conn
	room *room
	once sync.Once
}

// Close closes it.
func (c *counted) Close() error {
	c.once.Do(func() { c.room.leave(c) })
	return c.Conn.Close()
}
