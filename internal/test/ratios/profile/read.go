// Package profile reads the profiles of Go programs and says, per message, what
// time and memory went into. It takes no profiles and starts nothing.
package profile

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/pprof/profile"
)

// A Sample is values that were counted under one stack.
type Sample struct {
	// Stack are names of functions, the innermost first; those that were inlined
	// have names of their own.
	Stack  []string
	Values []int64 // one for each of the profile's types
}

// A Profile is what a program's runtime counted.
type Profile struct {
	Types   []string // of values: "cpu", "alloc_space", "delay"
	Samples []Sample
	// Took is how long it was counted, 0 if it counts since the start.
	Took time.Duration
}

// Read decodes a profile as Go programs write them.
func Read(compressed []byte) (*Profile, error) {
	from, err := profile.ParseData(compressed)
	if err != nil {
		return nil, fmt.Errorf("not a profile: %w", err)
	}
	p := &Profile{Took: time.Duration(from.DurationNanos)}
	for _, t := range from.SampleType {
		p.Types = append(p.Types, t.Type)
	}
	for _, counted := range from.Sample {
		s := Sample{Values: counted.Value}
		for _, l := range counted.Location {
			for _, line := range l.Line {
				if line.Function != nil {
					s.Stack = append(s.Stack, line.Function.Name)
				}
			}
		}
		p.Samples = append(p.Samples, s)
	}
	return p, nil
}

// Since leaves what was counted after an earlier profile of the same process.
func (p *Profile) Since(earlier *Profile) *Profile {
	at := map[string]int{}
	left := &Profile{Types: p.Types, Took: p.Took}
	add := func(s Sample, sign int64) {
		key := strings.Join(s.Stack, "\n")
		i, ok := at[key]
		if !ok {
			i = len(left.Samples)
			at[key] = i
			left.Samples = append(left.Samples, Sample{Stack: s.Stack, Values: make([]int64, len(left.Types))})
		}
		for n, v := range s.Values[:min(len(s.Values), len(left.Types))] {
			left.Samples[i].Values[n] += sign * v
		}
	}
	for _, s := range p.Samples {
		add(s, 1)
	}
	for _, s := range earlier.Samples {
		add(s, -1)
	}
	return left
}

// Value returns the place of a type among the values, -1 if it is not there.
func (p *Profile) Value(name string) int { return slices.Index(p.Types, name) }
