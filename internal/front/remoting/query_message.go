package remoting

// QUERY_MESSAGE (12): messages by key, unique key or tag, within a span of store
// time. Clients of 4.x say what the key is by the field _UNIQUE_KEY_QUERY, those
// of 5.5 also by indexType. lastKey asks for the next page: the digits behind its
// last '@' are the log position of the last message of the page before.

import (
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// maxUniqueMatches is how many messages with one unique key are returned, which
// RocketMQ decides and not the client.
const maxUniqueMatches = 32

// queryMessage answers with whole stored records.
func queryMessage(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.QueryMessageRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	r, err := lookupOf(&h)
	if err != nil {
		return nil, err
	}
	found, err := s.h.broker.Lookup(s.ctx, r)
	if err != nil {
		return nil, err
	}
	if len(found.Records) == 0 {
		return nil, refusef(wire.CodeQueryNotFound,
			"can not find message, maybe time range not correct: topic %s has none with the key %.200q stored between the times asked for", h.Topic, h.Key)
	}
	resp := ok(req, &wire.QueryMessageResponse{
		IndexLastUpdateTimestamp: found.IndexedAt, IndexLastUpdatePhyoffset: int64(found.IndexedTo),
	}, nil)
	resp.Chunks = found.Records
	return resp, nil
}

// lookupOf is what a request asks for.
func lookupOf(h *wire.QueryMessageRequest) (mq.LookupRequest, error) {
	r := mq.LookupRequest{Topic: h.Topic, Key: h.Key, Max: int(h.MaxNum), From: time.UnixMilli(h.BeginTimestamp), To: time.UnixMilli(h.EndTimestamp)}
	switch {
	case h.Topic == "" || h.Key == "":
		return r, badRequest("a query needs a topic and a key")
	case h.MaxNum <= 0 && !h.UniqueKeyQuery:
		return r, badRequest("maxNum is %d; ask for at least one message", h.MaxNum)
	case h.UniqueKeyQuery:
		r.Kind, r.Max = mq.LookupUnique, maxUniqueMatches
	case h.IndexType == "U":
		r.Kind = mq.LookupUnique
	case h.IndexType == "T":
		r.Kind = mq.LookupTag
	case h.IndexType != "" && h.IndexType != "K":
		return r, badRequest("indexType is %.40q; want K (key), U (unique key) or T (tag)", h.IndexType)
	}
	if h.LastKey != "" {
		pos, err := strconv.ParseInt(h.LastKey[strings.LastIndexByte(h.LastKey, '@')+1:], 10, 64)
		if err != nil {
			return r, badRequest("lastKey %.200q does not end in @ and a log position", h.LastKey)
		}
		r.After = new(mq.LogPos(pos))
	}
	return r, nil
}
