package remoting

// QUERY_CONSUMER_OFFSET (14), UPDATE_CONSUMER_OFFSET (15): where a group is.
// SEARCH_OFFSET_BY_TIMESTAMP (29), GET_MAX_OFFSET (30), GET_MIN_OFFSET (31),
// GET_EARLIEST_MSG_STORETIME (32): what a queue holds.

import (
	"errors"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// queryConsumerOffset answers with the group's offset. Without one, it is that
// of the first message if the queue is young, else the client decides.
func queryConsumerOffset(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.QueryConsumerOffsetRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	q := mq.Queue{Topic: h.Topic, ID: h.QueueID}
	offset, err := s.h.broker.Offset(s.ctx, h.ConsumerGroup, q)
	switch {
	case err == nil:
		return ok(req, &wire.QueryConsumerOffsetResponse{Offset: int64(offset)}, nil), nil
	case !errors.Is(err, mq.ErrNotFound):
		return nil, err
	}
	if !h.SetZeroIfNotFound.Or(true) {
		return nil, refusef(wire.CodeQueryNotFound, "group %s has no offset in queue %d of %s and asked not to get 0", h.ConsumerGroup, h.QueueID, h.Topic)
	}
	lo, hi, err := s.h.broker.Bounds(s.ctx, q)
	if err == nil && hi > max(0, lo) && mq.Young(h.Topic, lo, hi) {
		return ok(req, &wire.QueryConsumerOffsetResponse{Offset: int64(max(0, lo))}, nil), nil
	}
	return nil, refusef(wire.CodeQueryNotFound, "group %s has no offset in queue %d of %s; the client begins where it is set to", h.ConsumerGroup, h.QueueID, h.Topic)
}

// updateConsumerOffset commits an offset.
func updateConsumerOffset(s *session, req *wire.Command) (*wire.Command, error) {
	for _, key := range []string{"queueId", "commitOffset"} {
		if _, there := req.Fields.Get(key); !there {
			return nil, badRequest("an offset cannot be committed without %s", key)
		}
	}
	var h wire.UpdateConsumerOffsetRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	q := mq.Queue{Topic: h.Topic, ID: h.QueueID}
	if err := s.h.broker.SetOffset(s.ctx, h.ConsumerGroup, q, mq.QueueOffset(h.CommitOffset)); err != nil {
		return nil, err
	}
	return ok(req, nil, nil), nil
}

// searchOffset finds the offset that belongs to a time.
func searchOffset(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.SearchOffsetByTimestampRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	upper := h.BoundaryType == "UPPER" || h.BoundaryType == "upper"
	offset, err := s.h.broker.Locate(s.ctx, mq.Queue{Topic: h.Topic, ID: h.QueueID}, time.UnixMilli(h.Timestamp), upper)
	if err != nil {
		return nil, err
	}
	return ok(req, &wire.SearchOffsetByTimestampResponse{Offset: int64(offset)}, nil), nil
}

// maxOffset answers with the offset behind the queue's last message.
func maxOffset(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GetMaxOffsetRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	_, hi, err := s.h.broker.Bounds(s.ctx, mq.Queue{Topic: h.Topic, ID: h.QueueID})
	if err != nil {
		return nil, err
	}
	return ok(req, &wire.GetMaxOffsetResponse{Offset: int64(hi)}, nil), nil
}

// minOffset answers with the offset of the queue's first message.
func minOffset(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GetMinOffsetRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	lo, _, err := s.h.broker.Bounds(s.ctx, mq.Queue{Topic: h.Topic, ID: h.QueueID})
	if err != nil {
		return nil, err
	}
	return ok(req, &wire.GetMinOffsetResponse{Offset: int64(lo)}, nil), nil
}

// earliestTime answers with when the queue's first message was stored, -1 if it
// holds none.
func earliestTime(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GetEarliestMsgStoreTimeRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	at, err := s.h.broker.EarliestTime(s.ctx, mq.Queue{Topic: h.Topic, ID: h.QueueID})
	if err != nil {
		return nil, err
	}
	return ok(req, &wire.GetEarliestMsgStoreTimeResponse{Timestamp: millis(at)}, nil), nil
}

// millis is t in Unix milliseconds, -1 if it is not set.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return -1
	}
	return t.UnixMilli()
}
