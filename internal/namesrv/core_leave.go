package namesrv

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// unregister takes a process out, by its address.
func (t *table) unregister(cluster, name, addr string) []notice {
	delete(t.live, liveKey{cluster, addr})
	b := t.brokers[name]
	if b == nil || addr == "" || b.cluster != cluster {
		return nil
	}
	low, _ := b.lowest()
	at := slices.IndexFunc(b.members, func(m member) bool { return !m.here && m.addr == addr })
	if at < 0 {
		return nil
	}
	b.members = slices.Delete(b.members, at, at+1)
	if len(b.members) == 0 {
		t.forget(name)
		return nil
	}
	if b.acting && b.members[0].id != masterID {
		t.changePerm(name, func(perm int32) int32 { return perm &^ mq.PermWrite })
	}
	if now, _ := b.lowest(); now.id != low.id && t.rules.notifyMin {
		return []notice{t.notice(b, addr, "")}
	}
	return nil
}

// remove takes a process out that runs in this process.
func (t *table) remove(name string, id int64) {
	b := t.brokers[name]
	if b == nil {
		return
	}
	b.members = slices.DeleteFunc(b.members, func(m member) bool { return m.here && m.id == id })
	if len(b.members) == 0 {
		t.forget(name)
	}
}

func (t *table) forget(name string) {
	delete(t.brokers, name)
	for topic := range t.topics {
		t.dropQueues(topic, name)
	}
}

// notice is addressed to the members that did not cause it: all that are left
// when one went, all but the lowest when one came.
func (t *table) notice(b *broker, offline, ha string) notice {
	low := b.members[0]
	n := notice{broker: b.name, id: low.id, addr: low.addr, port: low.port, ha: ha, offline: offline}
	for i, m := range b.members {
		if offline == "" && len(b.members) > 1 && i == 0 {
			continue
		}
		if !m.here {
			n.to = append(n.to, m.addr)
		}
	}
	return n
}

// heartbeat says that a process is alive; false if it is not registered.
func (t *table) heartbeat(cluster, addr string, now time.Time) bool {
	l := t.registered(cluster, addr)
	if l != nil {
		l.seen = now
	}
	return l != nil
}

// registered is what is known of a process that has its place in the table;
// nil if it has none, or has lost it to another that came with its id.
func (t *table) registered(cluster, addr string) *liveness {
	l := t.live[liveKey{cluster, addr}]
	if l == nil {
		return nil
	}
	b := t.brokers[l.broker]
	if b == nil || !slices.ContainsFunc(b.members, func(m member) bool { return !m.here && m.addr == addr }) {
		return nil
	}
	return l
}

// version is the data version a process last registered with.
func (t *table) version(cluster, addr string) (wire.DataVersion, bool) {
	if l := t.registered(cluster, addr); l != nil {
		return l.version, true
	}
	return wire.DataVersion{}, false
}

// expire takes out who has been silent for too long.
func (t *table) expire(now time.Time) ([]departure, []notice) {
	return t.leave(func(l *liveness) bool { return now.Sub(l.seen) > l.timeout }, now)
}

// disconnect takes out who registered last over a connection that is gone.
func (t *table) disconnect(c connID, now time.Time) ([]departure, []notice) {
	return t.leave(func(l *liveness) bool { return l.conn == c }, now)
}

func (t *table) leave(gone func(*liveness) bool, now time.Time) ([]departure, []notice) {
	var ds []departure
	for key, l := range t.live {
		if gone(l) {
			ds = append(ds, departure{key, l.broker, l.conn, now.Sub(l.seen)})
		}
	}
	slices.SortFunc(ds, func(a, b departure) int {
		return cmp.Or(strings.Compare(a.key.cluster, b.key.cluster), strings.Compare(a.key.addr, b.key.addr))
	})
	var ns []notice
	for _, d := range ds {
		ns = append(ns, t.unregister(d.key.cluster, d.broker, d.key.addr)...)
	}
	return ds, ns
}
