package compat

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// An adminOutput is what an admin command printed, ours or mqadmin's, taken
// apart: the columns of its tables, and everything else by line. What differs
// from run to run is masked, so that two outputs can be compared.
type adminOutput struct {
	columns []string // of all tables, in their order
	rows    []string // of tables and all other lines, sorted
}

// A mask replaces what an expression matches.
type mask struct {
	what *regexp.Regexp
	with string
}

// masks are what differs from run to run, whatever the command.
var masks = []mask{
	{regexp.MustCompile(`20\d\d-\d\d-\d\d \d\d:\d\d:\d\d([.,]\d{3})?`), "TIME"},
	{regexp.MustCompile(`\b1[789]\d{11}\b`), "MILLIS"},
	{regexp.MustCompile(`\b[0-9A-F]{24,}\b`), "ID"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "ADDR"},
	{regexp.MustCompile(`\d+\.\d+(E-?\d+)?`), "DECIMAL"},
	{regexp.MustCompile(`\b\d+ms\b`), "SPAN"},
}

var (
	heading = regexp.MustCompile(`#[A-Za-z]`)
	blanks  = regexp.MustCompile(`\s+`)
)

// parseAdmin takes an output apart. volatile are more expressions to mask.
func parseAdmin(text string, volatile ...string) adminOutput {
	var o adminOutput
	all := slices.Clone(masks)
	for _, v := range volatile {
		all = append([]mask{{regexp.MustCompile(v), "*"}}, all...)
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(blanks.ReplaceAllString(line, " "))
		if strings.HasPrefix(line, "#") && len(heading.FindAllString(line, -1)) > 1 {
			for _, column := range strings.Split(line, "#")[1:] {
				o.columns = append(o.columns, strings.TrimSpace(column))
			}
			continue
		}
		if line == "" || noise.MatchString(line) {
			continue
		}
		for _, m := range all {
			line = m.what.ReplaceAllString(line, m.with)
		}
		o.rows = append(o.rows, line)
	}
	slices.Sort(o.rows)
	return o
}

// noise are lines of Java's own that say nothing about the command.
var noise = regexp.MustCompile(`^(RocketMQLog:|SLF4J:|OpenJDK |WARNING: )`)

// differs says how two outputs differ; empty if they do not.
func (o adminOutput) differs(other adminOutput, rows bool) string {
	if !slices.Equal(o.columns, other.columns) {
		return "columns " + strings.Join(o.columns, "|") + " and " + strings.Join(other.columns, "|")
	}
	if !rows {
		return ""
	}
	return cmp.Or(lacks("only the first has", o.rows, other.rows), lacks("only the second has", other.rows, o.rows))
}

func lacks(what string, rows, other []string) string {
	left := slices.Clone(other)
	for _, row := range rows {
		i := slices.Index(left, row)
		if i < 0 {
			return what + " the line " + row
		}
		left = slices.Delete(left, i, i+1)
	}
	return ""
}
