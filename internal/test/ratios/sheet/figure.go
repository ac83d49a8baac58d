// Package sheet keeps what was measured and turns it into tables and plots. It
// measures nothing and starts nothing.
package sheet

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// A Figure is what one row yielded for one server in one round: values by name,
// or why there are none.
type Figure struct {
	Row     string             `json:"row"`
	Server  string             `json:"server"`
	Round   int                `json:"round"` // from 1
	Values  map[string]float64 `json:"values,omitempty"`
	Missing string             `json:"missing,omitempty"`
	// Notes are what a reader of the values has to know.
	Notes []string `json:"notes,omitempty"`
	// Commands are the loads as they were run.
	Commands []string `json:"commands,omitempty"`
	Seconds  float64  `json:"seconds"` // it took
}

// Figures are all of a run, in the order in which they were measured.
type Figures []Figure

// Of is what was measured of a row and a server in a round. A later figure
// replaces an earlier one.
func (fs Figures) Of(row, server string, round int) (Figure, bool) {
	for _, f := range slices.Backward(fs) {
		if f.Row == row && f.Server == server && f.Round == round {
			return f, true
		}
	}
	return Figure{}, false
}

// Values are a row's values of a server under one name, by round; a round without
// one is left out.
func (fs Figures) Values(row, server, name string) map[int]float64 {
	all := map[int]float64{}
	for _, f := range fs {
		if f.Row != row || f.Server != server {
			continue
		}
		delete(all, f.Round)
		if v, ok := f.Values[name]; ok {
			all[f.Round] = v
		}
	}
	return all
}

// Missing is why a row has no values of a server, empty if it has some or was
// not tried.
func (fs Figures) Missing(row, server string) (why string) {
	for _, f := range fs {
		if f.Row == row && f.Server == server {
			if len(f.Values) > 0 {
				return ""
			}
			why = f.Missing
		}
	}
	return why
}

// Notes are those of all rounds of a row and a server, each once.
func (fs Figures) Notes(row, server string) (all []string) {
	for _, f := range fs {
		if f.Row != row || f.Server != server {
			continue
		}
		for _, n := range f.Notes {
			if !slices.Contains(all, n) {
				all = append(all, n)
			}
		}
	}
	return all
}

// Commands are the commands of the first round of a row, those of the servers
// one after the other, each once.
func (fs Figures) Commands(row string) (all []string) {
	first := map[string]bool{}
	for _, f := range fs {
		if f.Row != row || first[f.Server] {
			continue
		}
		first[f.Server] = true
		for _, c := range f.Commands {
			if !slices.Contains(all, c) {
				all = append(all, c)
			}
		}
	}
	return all
}

// A Raw is the file that figures are appended to as they come.
type Raw struct {
	f *os.File
	Figures
	Setup string // what the run is, so that another is not mixed in
}

// Open opens a raw file, or begins one with what the run is.
func Open(path, setup string) (*Raw, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	r := &Raw{f: f, Setup: setup}
	if err := r.load(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// head is the first line.
type head struct {
	Setup string `json:"setup"`
}

// load reads what is there. A last line that was cut short is dropped.
func (r *Raw) load() error {
	in := bufio.NewReader(r.f)
	var whole int64
	for n := 0; ; n++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if n == 0 {
			var h head
			if err := json.Unmarshal(line, &h); err != nil {
				return fmt.Errorf("line 1: %w", err)
			}
			if h.Setup != r.Setup {
				return fmt.Errorf("it belongs to another run: %q, this one is %q", h.Setup, r.Setup)
			}
		} else {
			var f Figure
			if err := json.Unmarshal(line, &f); err != nil {
				return fmt.Errorf("line %d: %w", n+1, err)
			}
			r.Figures = append(r.Figures, f)
		}
		whole += int64(len(line))
	}
	if err := r.f.Truncate(whole); err != nil {
		return err
	}
	if _, err := r.f.Seek(whole, io.SeekStart); err != nil {
		return err
	}
	if whole > 0 {
		return nil
	}
	return r.append(head{r.Setup})
}

// Add keeps a figure.
func (r *Raw) Add(f Figure) error {
	r.Figures = append(r.Figures, f)
	return r.append(f)
}

func (r *Raw) append(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = r.f.Write(append(b, '\n'))
	return err
}

// Close closes the file.
func (r *Raw) Close() error { return r.f.Close() }
