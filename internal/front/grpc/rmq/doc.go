// Package rmq is the messages and services of RocketMQ 5's gRPC protocol,
// generated from rocketmq.proto.
//
// They are kept out of the process-wide registry of protobuf: a program that
// embeds Goddard may link RocketMQ's own client, whose messages have the same
// names, and protobuf panics at the second registration.
package rmq

//go:generate go run ./gen

import (
	"errors"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// registry is where the generated code registers its file and types.
var registry = struct {
	files files
	types *protoregistry.Types
}{files{new(protoregistry.Files)}, new(protoregistry.Types)}

// files are the descriptors of this package, and behind them those of the
// process, where the messages of Google's that ours are made of lie.
type files struct{ own *protoregistry.Files }

// Files finds descriptors for the reflection service.
func Files() interface {
	FindFileByPath(string) (protoreflect.FileDescriptor, error)
	FindDescriptorByName(protoreflect.FullName) (protoreflect.Descriptor, error)
} {
	return registry.files
}

// RegisterFile adds a file of this package.
func (f files) RegisterFile(d protoreflect.FileDescriptor) error { return f.own.RegisterFile(d) }

// FindFileByPath finds a file by its name.
func (f files) FindFileByPath(path string) (protoreflect.FileDescriptor, error) {
	d, err := f.own.FindFileByPath(path)
	if errors.Is(err, protoregistry.NotFound) {
		return protoregistry.GlobalFiles.FindFileByPath(path)
	}
	return d, err
}

// FindDescriptorByName finds a message, an enum or a service.
func (f files) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	d, err := f.own.FindDescriptorByName(name)
	if errors.Is(err, protoregistry.NotFound) {
		return protoregistry.GlobalFiles.FindDescriptorByName(name)
	}
	return d, err
}
