package remote

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/goddardmq/goddard/internal/mq"
)

// maxBody bounds what a compressed body may unfold to.
const maxBody = 64 << 20

// Body is a message's body as its producer wrote it, uncompressed.
func Body(r *mq.Record) ([]byte, error) {
	if r.SysFlag&mq.FlagCompressed == 0 {
		return r.Body, nil
	}
	open := func() (io.Reader, error) { return zlib.NewReader(bytes.NewReader(r.Body)) }
	switch r.SysFlag & mq.FlagCompressType {
	case 0x100:
		open = func() (io.Reader, error) { return lz4.NewReader(bytes.NewReader(r.Body)), nil }
	case 0x200:
		open = func() (io.Reader, error) {
			return zstd.NewReader(bytes.NewReader(r.Body), zstd.WithDecoderConcurrency(1))
		}
	}
	in, err := open()
	if err != nil {
		return nil, fmt.Errorf("body at offset %d: %w", r.QueueOffset, err)
	}
	if c, ok := in.(interface{ Close() }); ok {
		defer c.Close()
	}
	body, err := io.ReadAll(io.LimitReader(in, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("body at offset %d: %w", r.QueueOffset, err)
	}
	if len(body) > maxBody {
		return nil, fmt.Errorf("body at offset %d: unpacked it has more than %d MiB", r.QueueOffset, maxBody>>20)
	}
	return body, nil
}

// Wanted reports whether a message has one of the tags of an expression; the
// broker goes by their hashes only.
func Wanted(expression string, r *mq.Record) bool {
	if expression == "" || expression == "*" {
		return true
	}
	tag, _ := mq.Property(r.Properties, mq.PropTags)
	for want := range strings.SplitSeq(expression, "||") {
		if strings.TrimSpace(want) == string(tag) {
			return true
		}
	}
	return false
}
