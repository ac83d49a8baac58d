package mq

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

func TestAnOutlineSaysWhatTheRecordSays(t *testing.T) {
	for _, name := range []string{"v4", "v6", "v2"} {
		b := append(recorded(t, name), "rest"...)
		r, _, err := DecodeRecord(b)
		if err != nil {
			t.Fatal(err)
		}
		o, rest, err := CutRecord(b)
		if err != nil || string(rest) != "rest" || !sameOutline(&o, &r) {
			t.Errorf("%s: %+v, %q, %v; the record is %+v", name, o, rest, err, r)
		}
	}
}

func TestRecordsThatCannotBeAreNotCut(t *testing.T) {
	whole := recorded(t, "v4")
	changed := func(at int, to uint32) []byte {
		b := bytes.Clone(whole)
		binary.BigEndian.PutUint32(b[at:], to)
		return b
	}
	for _, test := range []struct {
		b    []byte
		want error
	}{
		{whole[:7], ErrRecordTorn}, {whole[:len(whole)-1], ErrRecordTorn}, {AppendBlank(nil, 20), ErrRecordBlank},
		{changed(RecordSizeAt, 50), ErrRecordCorrupt}, {changed(RecordMagicAt, 1), ErrRecordCorrupt},
		{changed(84, 1<<31), ErrRecordCorrupt}, {changed(84, 1<<20), ErrRecordCorrupt}, // of the body
	} {
		if o, _, err := CutRecord(test.b); !errors.Is(err, test.want) {
			t.Errorf("%x: %+v, %v, want %v", test.b, o, err, test.want)
		}
	}
}

// FuzzCutRecord cuts whatever bytes there are: what is a record has that outline.
func FuzzCutRecord(f *testing.F) {
	for _, name := range []string{"v4", "v6", "v2"} {
		f.Add(recorded(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o, rest, err := CutRecord(b)
		r, rest2, decodeErr := DecodeRecord(b)
		if decodeErr == nil && (err != nil || len(rest) != len(rest2) || !sameOutline(&o, &r)) {
			t.Fatalf("%+v, %v, the record is %+v", o, err, r)
		}
	})
}

func sameOutline(o *Outline, r *Record) bool {
	return o.QueueOffset == r.QueueOffset && o.SysFlag == r.SysFlag && bytes.Equal(o.Body, r.Body)
}
