package main

import (
	"fmt"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Requests are written and answers read field by field, by the numbers of
// service.proto: as structs they took more of the processors than all else
// that the load does.

// appendBytes appends a field with a length.
func appendBytes(b []byte, n protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
}

// sizeBytes is the size of such a field with a number below 16.
func sizeBytes(v []byte) int { return 1 + protowire.SizeBytes(len(v)) }

// appendNumber appends a field that holds a number.
func appendNumber(b []byte, n protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
}

// each calls f for the fields of a message, v being what a field with a length
// has, until f is false or the message ends or is malformed.
func each(b []byte, f func(n protowire.Number, v []byte, number uint64) bool) {
	for len(b) > 0 {
		n, form, size := protowire.ConsumeTag(b)
		if size < 0 {
			return
		}
		b = b[size:]
		var v []byte
		var number uint64
		switch form {
		case protowire.BytesType:
			v, size = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			number, size = protowire.ConsumeVarint(b)
		default:
			size = protowire.ConsumeFieldValue(n, form, b)
		}
		if size < 0 || !f(n, v, number) {
			return
		}
		b = b[size:]
	}
}

// field is the first field of a number that has a length; nil if there is none.
func field(b []byte, n protowire.Number) (v []byte) {
	each(b, func(m protowire.Number, found []byte, _ uint64) bool {
		if m == n {
			v = found
		}
		return m != n
	})
	return v
}

// count is how many fields of a number there are.
func count(b []byte, n protowire.Number) (all int64) {
	each(b, func(m protowire.Number, _ []byte, _ uint64) bool {
		if m == n {
			all++
		}
		return true
	})
	return all
}

// code is the code of a status.
func code(state []byte) (c v2.Code) {
	each(state, func(n protowire.Number, _ []byte, number uint64) bool {
		if n == 1 {
			c = v2.Code(number)
		}
		return n != 1
	})
	return c
}

// stateError is what a status says, unless that is success.
func stateError(state []byte) error {
	if code(state) == v2.Code_OK {
		return nil
	}
	s := new(v2.Status)
	if err := proto.Unmarshal(state, s); err != nil {
		return fmt.Errorf("a status that cannot be read: %w", err)
	}
	return statusError(s)
}
