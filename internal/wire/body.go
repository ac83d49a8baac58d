package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// EncodeBody writes a body as Java's peers do, which is not quite JSON: keys of
// maps that are numbers or structs stand without quotes, {0:"a"} and
// {{"topic":"t"}:1}. Fields come in the order of their names; nil pointers and,
// with omitempty, empty strings and collections are left out; nil collections
// are written as empty ones. v is one of this package's body types, or anything
// made of structs with json tags, maps, slices, strings, numbers and booleans.
func EncodeBody(v any) []byte { return encodeBody(v, false) }

// EncodeStandardBody is EncodeBody in standard JSON, for peers that ask for it.
// Keys that are structs become strings that hold JSON, which Java's peers do not
// read.
func EncodeStandardBody(v any) []byte { return encodeBody(v, true) }

// DecodeBody reads a body in either form into v, a pointer to a body type.
// Unknown keys are passed over.
func DecodeBody(b []byte, v any) error {
	if len(b) == 0 {
		return errors.New("body is empty")
	}
	std, err := appendStandardJSON(make([]byte, 0, len(b)+len(b)/8), b)
	if err != nil {
		return fmt.Errorf("malformed body: %w", err)
	}
	if err := json.Unmarshal(std, v); err != nil {
		return fmt.Errorf("malformed body: %w", err)
	}
	return nil
}

func encodeBody(v any, standard bool) []byte {
	e := bodyEncoder{standard: standard, plans: map[reflect.Type][]plan{}}
	e.value(reflect.ValueOf(v))
	return e.b
}

// A bodyEncoder writes one body.
type bodyEncoder struct {
	b        []byte
	standard bool
	plans    map[reflect.Type][]plan
}

// A plan says how one field of a struct is written.
type plan struct {
	index     int
	key       string // quoted, with colon
	name      string
	omitEmpty bool
}

func (e *bodyEncoder) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			e.b = append(e.b, "null"...)
			return
		}
		e.value(v.Elem())
	case reflect.Struct:
		e.structure(v)
	case reflect.Map:
		e.mapping(v)
	case reflect.Slice, reflect.Array:
		e.b = append(e.b, '[')
		for i := range v.Len() {
			if i > 0 {
				e.b = append(e.b, ',')
			}
			e.value(v.Index(i))
		}
		e.b = append(e.b, ']')
	case reflect.String:
		e.b = appendQuoted(e.b, readOnlyBytes(v.String()))
	case reflect.Bool:
		e.b = strconv.AppendBool(e.b, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.b = strconv.AppendInt(e.b, v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		e.b = strconv.AppendUint(e.b, v.Uint(), 10)
	case reflect.Float32, reflect.Float64:
		e.float(v.Float())
	default:
		panic("wire: a body cannot hold a " + v.Type().String())
	}
}

// float writes a number; Java reads what is not one as 0.
func (e *bodyEncoder) float(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		f = 0
	}
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		e.b = strconv.AppendFloat(e.b, f, 'f', 1, 64)
	} else {
		e.b = strconv.AppendFloat(e.b, f, 'g', -1, 64)
	}
}

func (e *bodyEncoder) structure(v reflect.Value) {
	e.b = append(e.b, '{')
	first := true
	for _, p := range e.plan(v.Type()) {
		f := v.Field(p.index)
		if f.Kind() == reflect.Pointer && f.IsNil() || p.omitEmpty && emptyValue(f) {
			continue
		}
		if !first {
			e.b = append(e.b, ',')
		}
		first = false
		e.b = append(e.b, p.key...)
		e.value(f)
	}
	e.b = append(e.b, '}')
}

func emptyValue(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.String:
		return v.Len() == 0
	default:
		return v.IsZero()
	}
}

// plan says which fields a struct has, by name.
func (e *bodyEncoder) plan(t reflect.Type) []plan {
	if p, ok := e.plans[t]; ok {
		return p
	}
	var plans []plan
	for f := range t.Fields() {
		tag := f.Tag.Get("json")
		if !f.IsExported() || tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if name == "" {
			name = f.Name
		}
		plans = append(plans, plan{f.Index[0], `"` + name + `":`, name, options == "omitempty"})
	}
	slices.SortFunc(plans, func(a, b plan) int { return strings.Compare(a.name, b.name) })
	e.plans[t] = plans
	return plans
}

// mapping writes a map in the order of its keys' text.
func (e *bodyEncoder) mapping(v reflect.Value) {
	type entry struct {
		key   []byte
		value reflect.Value
	}
	entries := make([]entry, 0, v.Len())
	for it := v.MapRange(); it.Next(); {
		entries = append(entries, entry{e.key(it.Key()), it.Value()})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(string(a.key), string(b.key)) })
	e.b = append(e.b, '{')
	for i, entry := range entries {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.b = append(append(e.b, entry.key...), ':')
		e.value(entry.value)
	}
	e.b = append(e.b, '}')
}

// key is the text of a key. A string is quoted; all else is only in standard
// JSON.
func (e *bodyEncoder) key(k reflect.Value) []byte {
	sub := bodyEncoder{standard: e.standard, plans: e.plans}
	sub.value(k)
	if k.Kind() != reflect.String && e.standard {
		return appendQuoted(nil, sub.b)
	}
	return sub.b
}
