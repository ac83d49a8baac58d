package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/pflag"
)

// An output is how a command prints what it found.
type output string

// The two outputs.
const (
	asTable output = "table"
	asJSON  output = "json"
)

// String is part of pflag.Value.
func (o *output) String() string { return string(*o) }

// Type is part of pflag.Value.
func (o *output) Type() string { return "table|json" }

// Set is part of pflag.Value.
func (o *output) Set(text string) error {
	if output(text) != asTable && output(text) != asJSON {
		return fmt.Errorf("want table or json")
	}
	*o = output(text)
	return nil
}

// register adds --output; short is its letter, empty where mqadmin uses -o for
// something else.
func (o *output) register(f *pflag.FlagSet, short string) {
	*o = asTable
	f.VarP(o, "output", short, "how to print the result")
}

// A table is rows under headings, for a person.
type table struct {
	head []string
	rows [][]string
}

func newTable(head ...string) *table { return &table{head: head} }

// add appends a row; cells are printed as fmt prints them.
func (t *table) add(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = fmt.Sprint(c)
	}
	t.rows = append(t.rows, row)
}

// print writes v as JSON, or t for a person.
func (o output) print(w io.Writer, v any, t view) error {
	if o == asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	return t.write(w)
}
