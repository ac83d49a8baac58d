package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// topicPage is how many topics are asked for at once: brokers look through all
// of theirs for each page, and an answer has to fit into a frame. Where it does
// not, because topics have many attributes, smallPage does. Brokers that know no
// pages answer with all of them.
const topicPage, smallPage = 25_000, 2_000

// maxRestarts is how often a list is begun anew because it changes while it is
// read. Then it is taken as it comes.
const maxRestarts = 3

// TopicsOf are all topics of one broker and the version of the list. If it is
// the version in known, from an earlier answer, topics is nil.
func (c *Cluster) TopicsOf(ctx context.Context, addr string, known mq.DataVersion) (topics []mq.Topic, version mq.DataVersion, err error) {
	most := topicPage
	if known != (mq.DataVersion{}) {
		most = 1 // to learn the version
	}
	restarts, usual := 0, topicPage
	for {
		h := &wire.GetAllTopicConfigRequest{TopicSeq: int32(len(topics)), MaxTopicNum: int32(most), DataVersion: versionText(version)}
		resp, err := c.call(ctx, addr, wire.NewRequest(wire.GetAllTopicConfig, h))
		if _, refused := errors.AsType[*RefusedError](err); err != nil && !refused && ctx.Err() == nil && most == topicPage {
			most, usual = smallPage, smallPage
			continue
		}
		if err != nil {
			return nil, version, err
		}
		var part struct {
			Version mq.DataVersion      `json:"dataVersion"`
			Topics  map[string]mq.Topic `json:"topicConfigTable"`
		}
		if err := wire.DecodeBody(resp.Body, &part); err != nil {
			return nil, version, fmt.Errorf("%s: the list of topics cannot be read: %w", addr, err)
		}
		if most == 1 && part.Version == known {
			return nil, known, nil
		}
		if part.Version != version && len(topics) > 0 && restarts < maxRestarts {
			// The broker began at the first topic again.
			topics, restarts = nil, restarts+1
		}
		version = part.Version
		if most == 1 && len(part.Topics) == 1 {
			most = usual
			continue
		}
		topics = slices.AppendSeq(topics, maps.Values(part.Topics))
		var answer wire.GetAllTopicConfigResponse
		paged := answer.DecodeFields(resp.Fields) == nil
		if !paged || len(part.Topics) == 0 || len(topics) >= int(answer.TotalTopicNum) {
			if topics == nil {
				topics = []mq.Topic{}
			}
			return topics, version, nil
		}
	}
}

// versionText is a version as brokers take it; empty for none.
func versionText(v mq.DataVersion) string {
	if v == (mq.DataVersion{}) {
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return string(text)
}
