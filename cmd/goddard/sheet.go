package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"
)

// A view is a result as a person reads it.
type view interface{ write(w io.Writer) error }

// A sheet is a result in mqadmin's form: under mqadmin's name it is printed in
// the very columns that scripts cut out, under ours as our tables are.
type sheet struct {
	old   bool
	parts []part
}

// A part is a table, or a text if it has no headings.
type part struct {
	format string // of a row, as fmt has it
	heads  []string
	rows   [][]any
	text   string
}

// sheet begins a result in mqadmin's form.
func (o *operation) sheet() *sheet { return &sheet{old: o.old} }

// table begins a table: the format of its rows and mqadmin's headings.
func (s *sheet) table(format string, heads ...string) *sheet {
	s.parts = append(s.parts, part{format: format, heads: heads})
	return s
}

// row adds a row to the table that was begun last.
func (s *sheet) row(cells ...any) {
	last := &s.parts[len(s.parts)-1]
	last.rows = append(last.rows, cells)
}

// line adds a line of text.
func (s *sheet) line(format string, args ...any) *sheet {
	s.parts = append(s.parts, part{text: fmt.Sprintf(format, args...) + "\n"})
	return s
}

func (s *sheet) write(w io.Writer) error {
	for _, p := range s.parts {
		if err := p.write(w, s.old); err != nil {
			return err
		}
	}
	return nil
}

func (p *part) write(w io.Writer, old bool) error {
	if p.heads == nil {
		_, err := io.WriteString(w, p.text)
		return err
	}
	heads := make([]any, len(p.heads))
	for i, h := range p.heads {
		heads[i] = h
	}
	if !old {
		return p.columns(w)
	}
	if _, err := fmt.Fprintf(w, asText(p.format)+"\n", heads...); err != nil {
		return err
	}
	for _, row := range p.rows {
		if _, err := fmt.Fprintf(w, p.format+"\n", row...); err != nil {
			return err
		}
	}
	return nil
}

// columns prints the table as our tables are, each cell as its own part of the
// format says.
func (p *part) columns(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for i, h := range p.heads {
		p.cell(tw, i, strings.ToUpper(strings.TrimPrefix(h, "#")))
	}
	verbs := verb.FindAllString(p.format, -1)
	for _, row := range p.rows {
		for i, cell := range row {
			p.cell(tw, i, strings.TrimSpace(fmt.Sprintf(verbs[i], cell)))
		}
	}
	return tw.Flush()
}

func (p *part) cell(w io.Writer, i int, text string) {
	end := "\t"
	if i == len(p.heads)-1 {
		end = "\n"
	}
	fmt.Fprint(w, text, end)
}

var verb = regexp.MustCompile(`%(-?\d*)(?:\.\d+)?[a-z]`)

// asText is the format of headings above a row's format: the same widths.
func asText(format string) string { return verb.ReplaceAllString(format, "%${1}s") }

// write prints the table's headings and rows in columns.
func (t *table) write(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	if len(t.head) > 0 {
		fmt.Fprintln(tw, strings.Join(t.head, "\t"))
	}
	for _, row := range t.rows {
		fmt.Fprintln(tw, strings.Join(row, "\t"))
	}
	return tw.Flush()
}
