//go:build crash

package crash

import (
	"context"
	"fmt"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// verify looks at what the restarted broker holds: at all of it, or at what
// came since the last look.
func (h *history) verify(all bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	client := rpc.NewClient(rpc.ClientOptions{})
	defer client.Close()
	before := h.verified
	ids := map[message]string{}
	if all {
		h.forget()
	}
	for q := range int32(queues) {
		if err := h.readQueue(ctx, client, q, ids); err != nil {
			return err
		}
		if h.verified[q] < before[q] {
			return fmt.Errorf("queue %d ends at %d; it had %d messages", q, h.verified[q], before[q])
		}
	}
	if err := h.checkAcks(ids); err != nil {
		return err
	}
	for at, m := range h.committer.seen {
		if h.at[m] != at {
			return fmt.Errorf("%v, which was read at %v, lies at %v", m, at, h.at[m])
		}
	}
	return h.checkOffsets(ctx, client)
}

// readQueue reads a queue to its end. A hole in its offsets fails in pull.
func (h *history) readQueue(ctx context.Context, client *rpc.Client, q int32, ids map[message]string) error {
	end, err := maxOffset(ctx, client, h.addr, q)
	if err != nil {
		return err
	}
	for h.verified[q] < end {
		records, next, err := pull(ctx, client, h.addr, q, h.verified[q])
		if err != nil {
			return err
		}
		if len(records) == 0 {
			return fmt.Errorf("queue %d has nothing at %d, its end is %d", q, h.verified[q], end)
		}
		for i := range records {
			if err := h.found(q, &records[i], ids); err != nil {
				return fmt.Errorf("queue %d offset %d: %w", q, records[i].QueueOffset, err)
			}
		}
		h.verified[q] = next
	}
	return nil
}

func (h *history) found(q int32, r *mq.Record, ids map[message]string) error {
	m, err := parse(r)
	if err != nil {
		return err
	}
	if first, twice := h.at[m]; twice {
		return fmt.Errorf("%v is here and at %v", m, first)
	}
	h.at[m] = place{q, r.QueueOffset}
	ids[m] = r.OffsetID()
	line := [2]uint32{m.producer, uint32(q)}
	if last, ok := h.last[line]; ok && m.number < last && h.strict {
		return fmt.Errorf("%v lies behind number %d", m, last)
	}
	h.last[line] = m.number
	return nil
}

// checkAcks compares what was answered with what was found.
func (h *history) checkAcks(ids map[message]string) error {
	for _, p := range h.producers {
		p.mu.Lock()
		defer p.mu.Unlock()
		for m, a := range p.mu.acked {
			at, ok := h.at[m]
			if !ok {
				return fmt.Errorf("%v was acknowledged at %v and is lost", m, a.place)
			}
			if at != a.place {
				return fmt.Errorf("%v was acknowledged at %v and lies at %v", m, a.place, at)
			}
			if id, read := ids[m]; read && id != a.id {
				return fmt.Errorf("%v was given the id %s and has %s", m, a.id, id)
			}
		}
	}
	return nil
}

func (h *history) checkOffsets(ctx context.Context, client *rpc.Client) error {
	for q := range int32(queues) {
		want := h.committer.committed[q]
		if want == 0 || !h.strict {
			continue
		}
		resp, err := client.Call(ctx, h.addr, wire.NewRequest(wire.QueryConsumerOffset, &wire.QueryConsumerOffsetRequest{
			ConsumerGroup: group, Topic: topic, QueueID: q,
		}))
		if err != nil {
			return err
		}
		var a wire.QueryConsumerOffsetResponse
		if resp.Code != wire.CodeSuccess {
			return fmt.Errorf("committed offset of queue %d: %v %s", q, resp.Code, resp.Remark)
		}
		if err := a.DecodeFields(resp.Fields); err != nil {
			return err
		}
		if got := mq.QueueOffset(a.Offset); got < want {
			return fmt.Errorf("committed offset of queue %d went back from %d to %d", q, want, got)
		}
	}
	return nil
}

func maxOffset(ctx context.Context, client *rpc.Client, addr string, q int32) (mq.QueueOffset, error) {
	resp, err := client.Call(ctx, addr, wire.NewRequest(wire.GetMaxOffset, &wire.GetMaxOffsetRequest{Topic: topic, QueueID: q}))
	if err != nil {
		return 0, err
	}
	if resp.Code != wire.CodeSuccess {
		return 0, fmt.Errorf("end of queue %d: %v %s", q, resp.Code, resp.Remark)
	}
	var a wire.GetMaxOffsetResponse
	err = a.DecodeFields(resp.Fields)
	return mq.QueueOffset(a.Offset), err
}
