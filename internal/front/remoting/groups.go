package remoting

// UPDATE_AND_CREATE_SUBSCRIPTIONGROUP (200), its list form (225),
// DELETE_SUBSCRIPTIONGROUP (207), its list form (5003),
// GET_ALL_SUBSCRIPTIONGROUP_CONFIG (201), GET_SUBSCRIPTIONGROUP_CONFIG (352):
// the broker's consumer groups.

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// newGroup is a group with RocketMQ's defaults, which a JSON body that leaves
// fields out means.
func newGroup() mq.Group {
	return mq.Group{
		ConsumeEnable: true, ConsumeFromMin: true, ConsumeBroadcast: true, RetryQueues: 1, RetryMax: 16,
		WhichBrokerWhenSlow: 1, NotifyConsumerIDsChange: true, ConsumeTimeoutMinutes: 15,
	}
}

// putGroup creates a group or changes it.
func putGroup(s *session, req *wire.Command) (*wire.Command, error) {
	g := newGroup()
	if err := wire.DecodeBody(req.Body, &g); err != nil {
		return nil, malformed(req, err)
	}
	if err := s.h.admin.PutGroup(s.ctx, g); err != nil {
		return nil, err
	}
	return ok(req, nil, nil), nil
}

// putGroups creates or changes groups, all or up to the first that fails.
func putGroups(s *session, req *wire.Command) (*wire.Command, error) {
	var body struct {
		Groups []json.RawMessage `json:"groupConfigList"`
	}
	if err := wire.DecodeBody(req.Body, &body); err != nil {
		return nil, malformed(req, err)
	}
	for _, text := range body.Groups {
		g := newGroup()
		if err := json.Unmarshal(text, &g); err != nil {
			return nil, malformed(req, err)
		}
		if err := s.h.admin.PutGroup(s.ctx, g); err != nil {
			return nil, err
		}
	}
	return ok(req, nil, nil), nil
}

// deleteGroup deletes one group.
func deleteGroup(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.DeleteSubscriptionGroupRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	if err := s.h.admin.DeleteGroup(s.ctx, h.GroupName, h.CleanOffset); err != nil {
		return nil, err
	}
	return ok(req, nil, nil), nil
}

// deleteGroups deletes groups, all or up to the first that fails.
func deleteGroups(s *session, req *wire.Command) (*wire.Command, error) {
	var body struct {
		Groups      []string `json:"groupNameList"`
		CleanOffset bool     `json:"cleanOffset"`
	}
	if err := wire.DecodeBody(req.Body, &body); err != nil {
		return nil, malformed(req, err)
	}
	for _, group := range body.Groups {
		if err := s.h.admin.DeleteGroup(s.ctx, group, body.CleanOffset); err != nil {
			return nil, err
		}
	}
	return ok(req, nil, nil), nil
}

// allGroups answers with all groups, or with a page of them if the asker says
// how many it can take.
func allGroups(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GetAllSubscriptionGroupConfigRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	groups, version := s.h.admin.Groups(s.ctx)
	slices.SortFunc(groups, func(a, b mq.Group) int { return strings.Compare(a.Name, b.Name) })
	total := len(groups)
	groups = page(groups, h.GroupSeq, h.MaxGroupNum, h.DataVersion, version)
	body := groupTable{DataVersion: version, Forbidden: s.forbiddenTable(groups), Groups: make(map[string]mq.Group, len(groups))}
	for _, g := range groups {
		body.Groups[g.Name] = g
	}
	return ok(req, &wire.GetAllSubscriptionGroupConfigResponse{TotalGroupNum: int32(total)}, wire.EncodeBody(body)), nil
}

// groupTable is wire.SubscriptionGroups over mq.Group, which has the same JSON.
type groupTable struct {
	DataVersion mq.DataVersion              `json:"dataVersion"`
	Forbidden   map[string]map[string]int32 `json:"forbiddenTable"`
	Groups      map[string]mq.Group         `json:"subscriptionGroupTable"`
}

// oneGroup answers with one group.
func oneGroup(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GetSubscriptionGroupConfigRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	g, err := s.h.admin.Group(s.ctx, h.Group)
	if err != nil {
		return nil, err
	}
	return ok(req, nil, wire.EncodeBody(g)), nil
}
