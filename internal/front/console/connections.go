package console

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/goddardmq/goddard/internal/wire"
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

// listProducers asks every master who is connected. Brokers that are too old to
// say so are left out.
func (s *site) listProducers(ctx context.Context, next *lists) {
	for _, b := range next.masters {
		clients, err := s.admin.AllProducers(ctx, b.Addr)
		if code, refused := refusalOf(err); refused && code == wire.CodeRequestCodeNotSupported {
			continue
		}
		if err != nil {
			next.problem(b, "producers", err)
			continue
		}
		for _, c := range cut(clients, 0, maxProducers-len(next.producers)) {
			next.producers = append(next.producers, producerRow{c.Group, c.ID, c.Addr, c.Language, c.Version, b.Name})
		}
	}
	slices.SortFunc(next.producers, func(a, b producerRow) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Broker, b.Broker))
	})
}

// matches reports whether a text in lower case is part of a field, in any case.
func matches(q string, fields ...string) bool {
	return q == "" || slices.ContainsFunc(fields, func(f string) bool { return strings.Contains(strings.ToLower(f), q) })
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
	chosen := []producerRow{}
	if l == nil {
		return l.page(sel, chosen, 0, false), nil
	}
	group := r.text("group")
	for _, p := range l.producers {
		if (group == "" || p.Group == group) && matches(sel.q, p.Group, p.ID, p.Addr) {
			chosen = append(chosen, p)
		}
	}
	sortRows(chosen, sel, map[string]func(producerRow) string{
		"group": func(p producerRow) string { return p.Group }, "id": func(p producerRow) string { return p.ID }, "addr": func(p producerRow) string { return p.Addr },
	})
	return l.page(sel, cut(chosen, sel.offset, sel.limit), len(chosen), true), nil
}

// sortRows orders rows by a field, those that are alike as they were.
func sortRows[T any](rows []T, sel selection, by map[string]func(T) string) {
	field := by[sel.sort]
	slices.SortStableFunc(rows, func(a, b T) int { return sel.turn(cmp.Compare(field(a), field(b))) })
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
	chosen := []consumerRow{}
	if l == nil {
		return l.page(sel, chosen, 0, false), nil
	}
	group := r.text("group")
	if group != "" {
		s.await(r.Context(), []string{group})
	}
	s.states.each(func(name string, g *groupState) {
		if group != "" && group != name {
			return
		}
		for _, c := range g.clients {
			if matches(sel.q, name, c.ID, c.Addr) {
				chosen = append(chosen, consumerRow{name, c.ID, c.Addr, c.Language, c.Version, g.typ, g.model})
			}
		}
	})
	slices.SortFunc(chosen, func(a, b consumerRow) int { return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.ID, b.ID)) })
	sortRows(chosen, sel, map[string]func(consumerRow) string{
		"group": func(c consumerRow) string { return c.Group }, "id": func(c consumerRow) string { return c.ID }, "addr": func(c consumerRow) string { return c.Addr },
	})
	return l.page(sel, cut(chosen, sel.offset, sel.limit), len(chosen), true), nil
}
