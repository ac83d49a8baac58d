// Package profile reads the profiles of Go programs and says, per message, what
// time and memory went into. It takes no profiles and starts nothing.
package profile

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
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

// maxSize bounds a profile that is not compressed any more.
const maxSize = 256 << 20

var errFormat = errors.New("not a profile")

// Read decodes a profile as Go programs write them.
func Read(compressed []byte) (*Profile, error) {
	in, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFormat, err)
	}
	b, err := io.ReadAll(io.LimitReader(in, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFormat, err)
	}
	if len(b) > maxSize {
		return nil, fmt.Errorf("%w: more than %d bytes", errFormat, maxSize)
	}
	r := reader{functions: map[uint64]uint64{}, locations: map[uint64][]uint64{}}
	if err := fields(b, r.field); err != nil {
		return nil, err
	}
	return r.resolve()
}

// A reader has the parts of a profile as they lie in it: they refer to one
// another by numbers, in any order.
type reader struct {
	types     []uint64 // strings
	samples   []rawSample
	functions map[uint64]uint64   // their names' strings
	locations map[uint64][]uint64 // functions, the innermost first
	strings   []string
	nanos     uint64
}

type rawSample struct{ locations, values []uint64 }

// fields calls f with each field of a message: with its number if that is what
// it is, or with its bytes.
func fields(b []byte, f func(field protowire.Number, n uint64, b []byte) error) error {
	for len(b) > 0 {
		field, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return errFormat
		}
		b = b[size:]
		var n uint64
		var inner []byte
		switch kind {
		case protowire.VarintType:
			n, size = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			inner, size = protowire.ConsumeBytes(b)
		default:
			size = protowire.ConsumeFieldValue(field, kind, b)
		}
		if size < 0 {
			return errFormat
		}
		if err := f(field, n, inner); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

// numbers adds a repeated number, which may be packed.
func numbers(to []uint64, n uint64, packed []byte) ([]uint64, error) {
	if packed == nil {
		return append(to, n), nil
	}
	for len(packed) > 0 {
		n, size := protowire.ConsumeVarint(packed)
		if size < 0 {
			return nil, errFormat
		}
		to, packed = append(to, n), packed[size:]
	}
	return to, nil
}

// The numbers of fields are those of pprof's profile.proto.
func (r *reader) field(field protowire.Number, n uint64, b []byte) error {
	switch field {
	case 1: // a type of value
		return fields(b, func(field protowire.Number, n uint64, _ []byte) error {
			if field == 1 {
				r.types = append(r.types, n)
			}
			return nil
		})
	case 2:
		return r.sample(b)
	case 4:
		return r.location(b)
	case 5:
		var id, name uint64
		err := fields(b, func(field protowire.Number, n uint64, _ []byte) error {
			switch field {
			case 1:
				id = n
			case 2:
				name = n
			}
			return nil
		})
		r.functions[id] = name
		return err
	case 6:
		r.strings = append(r.strings, string(b))
	case 10:
		r.nanos = n
	}
	return nil
}

func (r *reader) sample(b []byte) error {
	var s rawSample
	err := fields(b, func(field protowire.Number, n uint64, b []byte) (err error) {
		switch field {
		case 1:
			s.locations, err = numbers(s.locations, n, b)
		case 2:
			s.values, err = numbers(s.values, n, b)
		}
		return err
	})
	r.samples = append(r.samples, s)
	return err
}

func (r *reader) location(b []byte) error {
	var id uint64
	var functions []uint64
	err := fields(b, func(field protowire.Number, n uint64, b []byte) error {
		switch field {
		case 1:
			id = n
		case 4: // a line
			return fields(b, func(field protowire.Number, n uint64, _ []byte) error {
				if field == 1 {
					functions = append(functions, n)
				}
				return nil
			})
		}
		return nil
	})
	r.locations[id] = functions
	return err
}

func (r *reader) resolve() (*Profile, error) {
	p := &Profile{Took: time.Duration(r.nanos)}
	for _, t := range r.types {
		name, err := r.text(t)
		if err != nil {
			return nil, err
		}
		p.Types = append(p.Types, name)
	}
	for _, raw := range r.samples {
		if len(raw.values) != len(p.Types) {
			return nil, fmt.Errorf("%w: a sample of %d values, of %d types", errFormat, len(raw.values), len(p.Types))
		}
		s := Sample{}
		for _, v := range raw.values {
			s.Values = append(s.Values, int64(v))
		}
		for _, l := range raw.locations {
			for _, f := range r.locations[l] {
				name, err := r.text(r.functions[f])
				if err != nil {
					return nil, err
				}
				s.Stack = append(s.Stack, name)
			}
		}
		p.Samples = append(p.Samples, s)
	}
	return p, nil
}

func (r *reader) text(n uint64) (string, error) {
	if n >= uint64(len(r.strings)) {
		return "", fmt.Errorf("%w: text %d of %d", errFormat, n, len(r.strings))
	}
	return r.strings[n], nil
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
