package namesrv

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/goddardmq/goddard/internal/wire"
)

// deflate writes the compressed form of REGISTER_BROKER's body: a zlib stream of
// the data version, the topics as text, the filter servers and the mappings of
// static topics (none), each behind its length or count in four bytes. It does
// not carry the topics' order and system flags.
func deflate(all wire.TopicConfigs) ([]byte, error) {
	var out bytes.Buffer
	z, err := zlib.NewWriterLevel(&out, zlib.BestSpeed)
	if err != nil {
		return nil, err
	}
	b := appendSized(nil, wire.EncodeBody(all.DataVersion))
	b = binary.BigEndian.AppendUint32(b, uint32(len(all.Topics)))
	for _, name := range sortedKeys(all.Topics) {
		t := all.Topics[name]
		b = appendSized(b, fmt.Appendf(nil, "%s %d %d %d %s %s", t.TopicName, t.ReadQueueNums, t.WriteQueueNums,
			t.Perm, t.TopicFilterType, wire.EncodeStandardBody(t.Attributes)))
		if len(b) > 64<<10 {
			if _, err := z.Write(b); err != nil {
				return nil, err
			}
			b = b[:0]
		}
	}
	b = appendSized(b, []byte("[]"))
	b = binary.BigEndian.AppendUint32(b, 0)
	_, err = z.Write(b)
	err = errors.Join(err, z.Close())
	return out.Bytes(), err
}

func appendSized(b, part []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(part))), part...)
}
