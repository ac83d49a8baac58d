package console

import (
	"cmp"
	"slices"
	"strings"
)

func connectionRoutes() []route {
	return []route{
		{method: "GET", path: "/producers", action: actList, resource: anyCluster, what: "a page of the connected producers", serve: listProducers},
		{method: "GET", path: "/consumers", action: actList, resource: anyCluster, what: "a page of the connected consumers", serve: listConsumers},
	}
}

// A producerRow is a connected producer.
type producerRow struct {
	Group    string `json:"group"`
	ID       string `json:"id"`
	Addr     string `json:"addr"`
	Language string `json:"language"`
	Version  string `json:"version"`
	Broker   string `json:"broker"`
}

// maxProducers bounds the producers that are kept of a site.
const maxProducers = 100_000

// matches reports whether a text in lower case is part of a field, in any case.
func matches(q string, fields ...string) bool {
	return q == "" || slices.ContainsFunc(fields, func(f string) bool { return strings.Contains(strings.ToLower(f), q) })
}

// A column is a field that a list of connections may be ordered by.
type column[T any] func(*T) string

var producerColumns = map[string]column[producerRow]{
	"group": func(p *producerRow) string { return p.Group }, "id": func(p *producerRow) string { return p.ID }, "addr": func(p *producerRow) string { return p.Addr },
}

var consumerColumns = map[string]column[consumerRow]{
	"group": func(c *consumerRow) string { return c.Group }, "id": func(c *consumerRow) string { return c.ID }, "addr": func(c *consumerRow) string { return c.Addr },
}

// pageOf is a page of rows that come in the order of their groups.
func pageOf[T any](rows []*T, sel selection, by map[string]column[T]) []*T {
	field, group := by[sel.sort], by["group"]
	switch {
	case sel.sort != "group":
		slices.SortFunc(rows, func(a, b *T) int {
			return cmp.Or(sel.turn(cmp.Compare(field(a), field(b))), cmp.Compare(group(a), group(b)))
		})
	case sel.descending:
		slices.Reverse(rows)
	}
	return cut(rows, sel.offset, sel.limit)
}

func listProducers(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	sel, err := r.selection("group", "id", "addr")
	if err != nil {
		return nil, err
	}
	l := r.current(s)
	chosen := []*producerRow{}
	if l == nil {
		return l.page(sel, chosen, 0, false), nil
	}
	group := r.text("group")
	for i := range l.producers {
		p := &l.producers[i]
		if (group == "" || p.Group == group) && matches(sel.q, p.Group, p.ID, p.Addr) {
			chosen = append(chosen, p)
		}
	}
	return l.page(sel, pageOf(chosen, sel, producerColumns), len(chosen), true), nil
}

// A consumerRow is a connected consumer.
type consumerRow struct {
	Group    string `json:"group"`
	ID       string `json:"id"`
	Addr     string `json:"addr"`
	Language string `json:"language"`
	Version  string `json:"version"`
	Type     string `json:"type"`
	Model    string `json:"model"`
}

// consumers are a group's members, by id.
func (g *groupState) consumers(group string) []consumerRow {
	all := make([]consumerRow, len(g.clients))
	for i, c := range g.clients {
		all[i] = consumerRow{group, c.ID, c.Addr, c.Language, c.Version, g.typ, g.model}
	}
	slices.SortFunc(all, func(a, b consumerRow) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

func listConsumers(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	sel, err := r.selection("group", "id", "addr")
	if err != nil {
		return nil, err
	}
	l := r.current(s)
	chosen := []*consumerRow{}
	if l == nil {
		return l.page(sel, chosen, 0, false), nil
	}
	group := r.text("group")
	if group != "" {
		s.await(r.Context(), []string{group})
	}
	known := map[string]*groupState{}
	s.states.each(func(name string, g *groupState) { known[name] = g })
	for _, row := range l.groups {
		g := known[row.name]
		if g == nil || group != "" && group != row.name {
			continue
		}
		for i := range g.members {
			if c := &g.members[i]; matches(sel.q, row.name, c.ID, c.Addr) {
				chosen = append(chosen, c)
			}
		}
	}
	return l.page(sel, pageOf(chosen, sel, consumerColumns), len(chosen), true), nil
}
