package grpc

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// What a request costs in memory beside the bytes of its texts: each message in
// it, each text, each number.
const (
	messageCost = 160
	textCost    = 40
	numberCost  = 8
)

// weigh is how many bytes a message may take in memory, which can be a hundred
// times those that it is sent in: parts that are empty cost as much as others.
// What is malformed it weighs as far as it can be read.
func weigh(b []byte, kind protoreflect.MessageDescriptor) int64 {
	cost := int64(messageCost)
	for len(b) > 0 {
		number, form, n := protowire.ConsumeTag(b)
		if n < 0 {
			return cost
		}
		b = b[n:]
		if form != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, form, b); n < 0 {
				return cost
			}
			cost += numberCost + int64(n)
			b = b[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return cost
		}
		b = b[n:]
		cost += weighField(value, kind.Fields().ByNumber(number))
	}
	return cost
}

// weighField weighs the value of a field, which may be unknown.
func weighField(value []byte, field protoreflect.FieldDescriptor) int64 {
	switch {
	case field == nil || field.Kind() == protoreflect.StringKind || field.Kind() == protoreflect.BytesKind:
		return textCost + int64(len(value))
	case field.IsMap():
		return weigh(value, field.Message()) - messageCost // an entry is its two fields
	case field.Message() != nil:
		return weigh(value, field.Message())
	}
	return numberCost * int64(1+len(value)) // numbers without tags between them
}
