package main

import (
	"fmt"
	"strconv"
	"strings"
)

// A definition is protocol.def, read.
type definition struct {
	languages  []number
	responses  []number
	milestones []number
	series     []series
	requests   []*request
	chapters   map[*request]string // comment line above the first request of a chapter
}

// A number is a name with a value and a text.
type number struct {
	value int
	name  string
	text  string
}

// A series is a run of versions, two ordinals each.
type series struct {
	first    int
	version  string // major.minor
	from, to int
}

// A request is one request code and its headers.
type request struct {
	number
	route   string // sender>receiver
	like    string
	in, out []field
	body    string
	answer  string
}

// A field is one entry of a header.
type field struct {
	wire, name string
	typ        string // int32, int64, string, bool, bytes
	mark       string // "", *, +, ?
	text       string
}

func parse(text string) (*definition, error) {
	d := &definition{chapters: map[*request]string{}}
	var cur *request
	chapter := ""
	for i, line := range strings.Split(text, "\n") {
		var err error
		switch {
		case strings.TrimSpace(line) == "":
		case strings.HasPrefix(line, "# "):
			chapter = strings.TrimPrefix(line, "# ")
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "\t"):
			if cur == nil {
				err = fmt.Errorf("indented line outside a request")
			} else {
				err = cur.line(strings.TrimSpace(line))
			}
		default:
			before := len(d.requests)
			if err = d.entry(strings.Fields(line)); err == nil && len(d.requests) > before {
				cur = d.requests[before]
				if chapter != "" {
					d.chapters[cur], chapter = chapter, ""
				}
			}
		}
		if err != nil {
			return nil, fmt.Errorf("protocol.def:%d: %w", i+1, err)
		}
	}
	return d, d.check()
}

// entry reads a line at the margin.
func (d *definition) entry(f []string) error {
	if len(f) < 3 {
		return fmt.Errorf("%q is not an entry", strings.Join(f, " "))
	}
	value, err := strconv.Atoi(f[1])
	if err != nil {
		return err
	}
	n := number{value, f[2], strings.Join(f[3:], " ")}
	switch f[0] {
	case "language":
		d.languages = append(d.languages, n)
	case "response":
		d.responses = append(d.responses, n)
	case "milestone":
		d.milestones = append(d.milestones, n)
	case "request":
		d.requests = append(d.requests, &request{number: number{value, f[2], ""}, route: n.text})
	case "series":
		s := series{first: value, version: f[2]}
		if _, err := fmt.Sscanf(n.text, "%d..%d", &s.from, &s.to); err != nil {
			return fmt.Errorf("range %q: %w", n.text, err)
		}
		d.series = append(d.series, s)
	default:
		return fmt.Errorf("unknown entry %q", f[0])
	}
	return nil
}

// line reads an indented line of a request.
func (r *request) line(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case ">", "<":
		f, err := parseField(rest)
		if err != nil {
			return err
		}
		if word == ">" {
			r.in = append(r.in, f)
		} else {
			r.out = append(r.out, f)
		}
	case "like":
		r.like = rest
	case "body":
		r.body = rest
	case "answer":
		r.answer = rest
	default:
		if r.text != "" {
			line = r.text + " " + line
		}
		r.text = line
	}
	return nil
}

func parseField(line string) (field, error) {
	words := strings.Fields(line)
	if len(words) < 3 {
		return field{}, fmt.Errorf("field %q needs a name, a type and a text", line)
	}
	f := field{wire: words[0], name: words[0], typ: words[1], text: strings.Join(words[2:], " ")}
	if wire, name, ok := strings.Cut(f.wire, "="); ok {
		f.wire, f.name = wire, name
	}
	if n := len(f.typ) - 1; strings.ContainsRune("*+?", rune(f.typ[n])) {
		f.typ, f.mark = f.typ[:n], f.typ[n:]
	}
	switch f.typ {
	case "int32", "int64", "string", "bool", "bytes":
	default:
		return f, fmt.Errorf("field %s has the unknown type %q", f.wire, f.typ)
	}
	return f, nil
}

// check finds what single lines cannot show.
func (d *definition) check() error {
	names, values := map[string]bool{}, map[int]bool{}
	for _, r := range d.requests {
		if names[r.name] || values[r.value] {
			return fmt.Errorf("request %d %s is there twice", r.value, r.name)
		}
		names[r.name], values[r.value] = true, true
		if len(r.in) > 32 || len(r.out) > 32 {
			return fmt.Errorf("request %s has more than 32 fields", r.name)
		}
		if r.text == "" {
			return fmt.Errorf("request %s has no text", r.name)
		}
	}
	for _, r := range d.requests {
		if r.like != "" && !names[r.like] {
			return fmt.Errorf("request %s is like %s, which is not there", r.name, r.like)
		}
	}
	return nil
}
