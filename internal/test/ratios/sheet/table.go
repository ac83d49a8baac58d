package sheet

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// A Line is one line of a table: a value of a row.
type Line struct {
	Row, Value string
	Title      string
	Decimals   int
	// Reach is what is to be reached, in words.
	Reach string
	// Floor, if set, is a row and a value of another server's that bounds this one.
	Floor [2]string
}

// A Table says whose figures stand side by side: ours, and ratios to each of the
// others. Without others it has medians and their ends alone.
type Table struct {
	Ours   string
	Others []string
	// Floors are the servers whose figures are the floors; none leaves them out.
	Floors []string
	Lines  []Line
	// Names are servers as they are printed.
	Names map[string]string
}

// Write prints the table as Markdown: medians, ratios of medians, and in brackets
// the smallest and the largest ratio of one round. A row without values says why
// below the table.
func (t *Table) Write(w io.Writer, fs Figures) error {
	heads := []string{""}
	for _, s := range t.servers() {
		heads = append(heads, t.name(s))
	}
	for _, s := range t.Others {
		heads = append(heads, t.name(t.Ours)+" / "+t.name(s))
	}
	if len(t.Floors) > 0 {
		heads = append(heads, "floor")
	}
	if len(t.Others) > 0 {
		heads = append(heads, "to reach")
	} else {
		heads = append(heads, "least..most")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| %s |\n|---%s|---|\n", strings.Join(heads, " | "), strings.Repeat("|--:", len(heads)-2))
	var missing, notes []string
	for _, l := range t.Lines {
		cells := []string{l.Title}
		for _, s := range t.servers() {
			cells = append(cells, t.cell(fs, l, s, &missing))
		}
		for _, s := range t.Others {
			cells = append(cells, ratio(Over(fs.Values(l.Row, t.Ours, l.Value), fs.Values(l.Row, s, l.Value))))
		}
		if len(t.Floors) > 0 {
			cells = append(cells, t.floor(fs, l))
		}
		if len(t.Others) > 0 {
			cells = append(cells, l.Reach)
		} else {
			cells = append(cells, ends(SpreadOf(All(fs.Values(l.Row, t.Ours, l.Value))), l.Decimals))
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	for _, l := range t.Lines {
		for _, s := range t.servers() {
			for _, n := range fs.Notes(l.Row, s) {
				notes = once(notes, fmt.Sprintf("%s, %s: %s", l.Row, t.name(s), oneLine(n)))
			}
		}
	}
	bullets(&b, "Not measured:", missing)
	bullets(&b, "To know:", notes)
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *Table) servers() []string { return append(slices.Clone(t.Others), t.Ours) }

func (t *Table) name(server string) string {
	if n := t.Names[server]; n != "" {
		return n
	}
	return server
}

// cell is a median, or a dash and a note of why there is none.
func (t *Table) cell(fs Figures, l Line, server string, missing *[]string) string {
	s := SpreadOf(All(fs.Values(l.Row, server, l.Value)))
	if s.N > 0 {
		return number(s.Median, l.Decimals)
	}
	if why := fs.Missing(l.Row, server); why != "" {
		*missing = once(*missing, fmt.Sprintf("%s, %s: %s", l.Row, t.name(server), oneLine(why)))
		return "not measured"
	}
	return "–"
}

func (t *Table) floor(fs Figures, l Line) string {
	for _, server := range t.Floors {
		if s := SpreadOf(All(fs.Values(l.Floor[0], server, l.Floor[1]))); s.N > 0 {
			return number(s.Median, l.Decimals)
		}
	}
	return ""
}

// once adds a text that is not there yet.
func once(to []string, text string) []string {
	if slices.Contains(to, text) {
		return to
	}
	return append(to, text)
}

func bullets(b *strings.Builder, title string, items []string) {
	if len(items) == 0 {
		return
	}
	b.WriteString("\n" + title + "\n\n")
	for _, item := range items {
		b.WriteString("- " + item + "\n")
	}
}

func ratio(s Spread) string {
	switch s.N {
	case 0:
		return "–"
	case 1:
		return figure(s.Median)
	default:
		return fmt.Sprintf("%s (%s..%s)", figure(s.Median), figure(s.Min), figure(s.Max))
	}
}

// ends are the smallest and the largest value of several.
func ends(s Spread, decimals int) string {
	if s.N < 2 {
		return ""
	}
	return number(s.Min, decimals) + ".." + number(s.Max, decimals)
}

// figure prints a ratio with two digits that mean something.
func figure(v float64) string {
	switch {
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 1:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v >= 0.1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default:
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
}

// number groups the digits before the point in threes.
func number(v float64, decimals int) string {
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	whole, rest, _ := strings.Cut(text, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		rest = "." + rest
	}
	return sign + whole + rest
}

// oneLine keeps a reason out of the way of the table.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 300 {
		s = string(r[:300]) + " …"
	}
	return s
}
