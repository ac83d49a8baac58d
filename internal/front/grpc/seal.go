package grpc

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// A sealed request is one whose bytes are not to be made again: a node has
// vouched for them.
type sealed []byte

// sealing is protobuf's codec, which sends sealed requests as they are.
type sealing struct{ encoding.CodecV2 }

// Marshal encodes a message.
func (c sealing) Marshal(v any) (mem.BufferSlice, error) {
	if b, ok := v.(sealed); ok {
		return mem.BufferSlice{mem.SliceBuffer(b)}, nil
	}
	return c.CodecV2.Marshal(v)
}

// seal encodes a request.
func seal(v any) (sealed, error) { return proto.Marshal(v.(proto.Message)) }

// vouching makes calls to a node carry this one's word.
func (s *Server) vouching(to string) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, o ...grpc.CallOption) error {
			request, err := seal(req)
			if err != nil {
				return err
			}
			return call(s.vouch(ctx, to, method, request), method, request, reply, conn, o...)
		}),
		grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
			return &sealedStream{open: func(request sealed) (grpc.ClientStream, error) {
				return open(s.vouch(ctx, to, method, request), desc, conn, method, o...)
			}}, nil
		}),
	}
}

// A sealedStream is a stream to a node that begins with its first message, as its
// headers vouch for that. Nothing else may be done with it before.
type sealedStream struct {
	grpc.ClientStream // nil before the first message
	open              func(first sealed) (grpc.ClientStream, error)
}

// SendMsg sends a message.
func (c *sealedStream) SendMsg(m any) error {
	request, err := seal(m)
	if err == nil && c.ClientStream == nil {
		c.ClientStream, err = c.open(request)
	}
	if err != nil {
		return err
	}
	return c.ClientStream.SendMsg(request)
}
