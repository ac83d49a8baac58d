package remoting

// GET_ALL_CONSUMER_OFFSET (43): all committed offsets. CLONE_GROUP_OFFSET (314):
// one group begins where another is. QUERY_CORRECTION_OFFSET (308): the
// smallest offsets of other groups. INVOKE_BROKER_TO_RESET_OFFSET (222): moves
// a group to a time or an offset.

import (
	"math"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// allOffsets answers with the committed offsets of all groups.
func allOffsets(s *session, req *wire.Command) (*wire.Command, error) {
	offsets := s.h.admin.Offsets(s.ctx)
	body := wire.ConsumerOffsets{Offsets: make(map[string]map[int32]int64, len(offsets))}
	for key, queues := range offsets {
		table := make(map[int32]int64, len(queues))
		for id, offset := range queues {
			table[id] = int64(offset)
		}
		body.Offsets[key] = table
	}
	return ok(req, nil, wire.EncodeBody(body)), nil
}

// cloneOffsets copies a group's offsets in one topic or all.
func cloneOffsets(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.CloneGroupOffsetRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	topics := []string{h.Topic}
	if h.Topic == "" {
		topics = s.h.admin.TopicsOfGroup(s.ctx, h.SrcGroup)
	}
	for _, topic := range topics {
		if err := s.h.admin.CloneOffsets(s.ctx, h.SrcGroup, h.DestGroup, topic); err != nil {
			return nil, err
		}
	}
	return ok(req, nil, nil), nil
}

// correctionOffsets answers, for each queue of a topic, with the smallest
// offset of any group but those left out; with 2^63-1 where compareGroup is not
// ahead of it.
func correctionOffsets(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.QueryCorrectionOffsetRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	left := map[string]bool{}
	for group := range strings.SplitSeq(h.FilterGroups, ",") {
		left[strings.TrimSpace(group)] = true
	}
	all := s.h.admin.Offsets(s.ctx)
	smallest := map[int32]int64{}
	for key, queues := range all {
		topic, group, _ := strings.Cut(key, "@")
		if topic != h.Topic || left[group] {
			continue
		}
		for id, offset := range queues {
			if at, found := smallest[id]; !found || int64(offset) < at {
				smallest[id] = int64(offset)
			}
		}
	}
	for id, offset := range all[h.Topic+"@"+h.CompareGroup] {
		if at, found := smallest[id]; found && at >= int64(offset) {
			smallest[id] = math.MaxInt64
		}
	}
	body := wire.CorrectionOffsets{Offsets: smallest}
	return ok(req, nil, wire.EncodeBody(body)), nil
}

// resetOffsets moves a group and answers with the offsets it has now. Whether
// connected clients are told or find out by themselves is the broker's matter.
func resetOffsets(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.InvokeBrokerToResetOffsetRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	var to *mq.QueueOffset
	if h.Offset.Set {
		to = new(mq.QueueOffset(h.Offset.Value))
	}
	moved, err := s.h.admin.ResetOffsets(s.ctx, h.Group, h.Topic, h.QueueID.Or(-1), time.UnixMilli(h.Timestamp), to, h.IsForce)
	if err != nil {
		return nil, err
	}
	body := wire.ResetOffsetBody{OffsetTable: s.h.offsetTable(moved)}
	return ok(req, nil, wire.EncodeBody(body)), nil
}
