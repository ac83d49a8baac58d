package main

import (
	"fmt"
	"strings"
)

// reference prints docs/PROTOCOL.md: the prose, then what the definition says.
func (d *definition) reference(prose string) []byte {
	p := &printer{}
	p.f("<!-- Printed by internal/wire/gen from protocol.md and protocol.def. Change those and run go generate. -->\n")
	p.WriteString(strings.TrimRight(prose, "\n") + "\n\n")

	p.f("## Languages\n")
	var names []string
	for _, l := range d.languages {
		names = append(names, fmt.Sprintf("%d %s", l.value, l.name))
	}
	p.f("%s.\n", strings.Join(names, ", "))
	p.f("## Versions\n\nA peer's version is the ordinal of Java's `MQVersion`. Those that make a difference:\n\n| ordinal | version | |\n|---|---|---|")
	for _, m := range d.milestones {
		p.f("| %d | %s | %s |", m.value, m.name, m.text)
	}
	p.f("\n## Response codes\n\n| code | name | |\n|---|---|---|")
	for _, r := range d.responses {
		p.f("| %d | %s | %s |", r.value, r.name, r.text)
	}
	p.f("\n## Request codes\n")
	p.f("Of the fields, those with \\* must be there, those with ? mean something else than zero when they are missing, and")
	p.f("those with neither may be missing.\n")
	for _, r := range d.requests {
		if chapter := d.chapters[r]; chapter != "" {
			p.f("### %s\n", chapter)
		}
		p.request(r)
	}
	return p.Bytes()
}

func (p *printer) request(r *request) {
	p.f("#### %d %s\n", r.value, r.name)
	route := ""
	if r.route != "" {
		route = " (" + strings.ReplaceAll(r.route, ">", " → ") + ")"
	}
	p.f("%s%s\n", r.text, route)
	if r.like != "" {
		p.f("Request header: that of %s.\n", r.like)
	}
	p.fields("request", r.in)
	p.fields("response", r.out)
	if r.body != "" {
		p.f("Body: %s.\n", r.body)
	}
	if r.answer != "" {
		p.f("Answer: %s.\n", r.answer)
	}
}

func (p *printer) fields(title string, fields []field) {
	if len(fields) == 0 {
		return
	}
	p.f("| %s field | type | |\n|---|---|---|", title)
	for _, f := range fields {
		name := "`" + f.wire + "`"
		if f.name != f.wire {
			name += " " + f.name
		}
		mark := strings.ReplaceAll(strings.TrimSuffix(f.mark, "+"), "*", `\*`)
		p.f("| %s | %s%s | %s |", name, f.typ, mark, strings.ReplaceAll(f.text, "|", `\|`))
	}
	p.f("")
}
