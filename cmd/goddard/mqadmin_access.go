package main

import (
	"strings"

	"github.com/goddardmq/goddard/internal/admin"
)

// userSheet lists users as mqadmin does: those of the first broker that has any.
// What mqadmin prints where it is told no password stands in place of each.
func (o *operation) userSheet(found []admin.PlacedUser) *sheet {
	s := o.sheet()
	if len(found) == 0 {
		return s
	}
	s.table("%-16s  %-22s  %-22s  %-22s", "#UserName", "#Password", "#UserType", "#UserStatus")
	for _, u := range found {
		if u.Broker.Addr == found[0].Broker.Addr {
			s.row(u.Username, javaNull, u.UserType, u.UserStatus)
		}
	}
	return s
}

// javaNull is how Java prints what is not there.
const javaNull = "null"

// aclSheet lists policies as mqadmin does, with a table for each broker.
func (o *operation) aclSheet(found []admin.PlacedACL) *sheet {
	s, broker := o.sheet(), ""
	for _, a := range found {
		if a.Broker.Addr != broker {
			broker = a.Broker.Addr
			s.table("%-16s  %-10s  %-22s  %-20s  %-24s  %-10s", "#Subject", "#PolicyType", "#Resource", "#Actions", "#SourceIp", "#Decision")
		}
		for _, p := range a.Policies {
			for _, e := range p.Entries {
				s.row(a.Subject, p.PolicyType, e.Resource, javaList(e.Actions), javaList(e.SourceIPs), e.Decision)
			}
		}
	}
	return s
}

// javaList is a list as Java prints it.
func javaList(all []string) string {
	if len(all) == 0 {
		return javaNull
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// changed says on which brokers something was done: under mqadmin's name in its
// sentence, which has the address of one.
func (o *operation) changed(brokers []admin.Broker, sentence, format string, args ...any) error {
	if !o.old {
		return o.done(brokers, format, args...)
	}
	s := o.sheet()
	for _, b := range brokers {
		s.line(sentence, b.Addr)
	}
	return o.print(brokers, s)
}
