package load

import (
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/wire"
)

// A draft is a message that is written anew for each request, in memory that is
// used again: it is sent, and so encoded, before the next is begun.
type draft struct {
	born    int64
	props   []byte
	body    []byte
	key     []byte
	text    [64]byte // scratch memory for a property
	request wire.Command
}

// begin starts a message of size bytes with a key of its own.
func (d *draft) begin(keys *remote.Keys, now time.Time, size int) {
	if d.body == nil {
		d.body = make([]byte, size)
	}
	d.born = now.UnixMilli()
	d.key = keys.AppendNext(d.key[:0])
	d.props = mq.AppendProperty(d.props[:0], mq.PropUniqueKey, d.key)
}

func (d *draft) property(key string, value []byte) { d.props = mq.AppendProperty(d.props, key, value) }

// sendTo is the request that stores the message in a queue.
func (d *draft) sendTo(q remote.Queue) (*wire.Command, error) {
	m := mq.Message{Topic: q.Topic, QueueID: q.ID, BornTime: d.born, Properties: d.props, Body: d.body}
	return &d.request, remote.PutSendRequest(&d.request, q, "goddard-bench", &m)
}
