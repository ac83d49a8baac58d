package remoting

import (
	"fmt"
	"strings"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// An access is what a client needs to be allowed, in the words of RocketMQ's
// access control lists: each of the needs, and what body finds in the request's body.
type access struct {
	needs []need
	body  func(*demand) error
	text  string // what body asks for
}

// writes reports whether an operation changes what operators look after, which
// goes into the audit log.
func (x *access) writes() bool {
	for i := range x.needs {
		if a := x.needs[i].actions; a == auth.Create || a == auth.Update || a == auth.Delete {
			return true
		}
	}
	return strings.Contains(x.text, "CREATE") || strings.Contains(x.text, "UPDATE") || strings.Contains(x.text, "DELETE")
}

// maxNoted is how much of a body the audit log has, in bytes.
const maxNoted = 512

// what says for the audit log what a request is about: its header, and the start
// of its body; of one with a password the type and the status of the user.
func what(req *wire.Command) string {
	var b strings.Builder
	for i := range req.Fields {
		switch f := &req.Fields[i]; string(f.Key) {
		case fieldUser, fieldSignature, "SecurityToken":
		default:
			fmt.Fprintf(&b, "%s=%.200s ", f.Key, f.Value)
		}
	}
	if req.Code == wire.AuthCreateUser || req.Code == wire.AuthUpdateUser {
		var u wire.UserInfo
		if wire.DecodeBody(req.Body, &u) == nil {
			fmt.Fprintf(&b, "userType=%.20s userStatus=%.20s", u.UserType, u.UserStatus)
		}
	} else if len(req.Body) > 0 {
		fmt.Fprintf(&b, "%.*s", maxNoted, req.Body)
	}
	return strings.TrimSpace(b.String())
}

// A need is one action, or any of several, on what a field of the header names.
type need struct {
	actions auth.Actions
	kind    auth.ResourceType
	field   string // empty: the cluster, or all resources of the kind together
	split   string // what separates several names in the field
	absent  bool   // the field may be missing; then nothing is needed
}

// String is the access as docs/REQUESTS.md has it.
func (x access) String() string {
	var all []string
	for _, n := range x.needs {
		text := n.kind.String() + " " + n.actions.String()
		if n.field == "" && n.kind != auth.Cluster {
			text = n.kind.String() + ":* " + n.actions.String()
		}
		if n.absent {
			text += " if named"
		}
		all = append(all, text)
	}
	if x.text != "" {
		all = append(all, x.text)
	}
	if len(all) == 0 {
		return "-"
	}
	return strings.Join(all, ", ")
}

// check refuses a request whose sender may not do what it needs.
func (x *access) check(a *demand) error {
	for i := range x.needs {
		if err := x.needs[i].check(a); err != nil {
			return err
		}
	}
	if x.body != nil {
		return x.body(a)
	}
	return nil
}

// check looks at one need.
func (n *need) check(a *demand) error {
	if n.kind == auth.Cluster {
		return a.needs(n.actions, auth.ClusterNamed(a.h.guard.cluster))
	}
	var name string
	if n.field != "" {
		if name = a.field(n.field); name == "" && n.absent {
			return nil
		}
	}
	if n.split == "" {
		return n.one(a, name)
	}
	for part := range strings.SplitSeq(name, n.split) {
		if part == "" {
			continue
		}
		if err := n.one(a, part); err != nil {
			return err
		}
	}
	return nil
}

func (n *need) one(a *demand, name string) error {
	if n.kind == auth.Group {
		return a.group(n.actions, name)
	}
	return a.topic(n.actions, name)
}

// Constructors of needs.
func of(needs ...need) access { return access{needs: needs} }
func topicOf(actions auth.Actions, field string) need {
	return need{actions: actions, kind: auth.Topic, field: field}
}
func groupOf(actions auth.Actions, field string) need {
	return need{actions: actions, kind: auth.Group, field: field}
}
func clusterOf(actions auth.Actions) need                 { return need{actions: actions, kind: auth.Cluster} }
func (n need) ifNamed() need                              { n.absent = true; return n }
func (n need) each(separator string) need                 { n.split, n.absent = separator, true; return n }
func inBody(text string, body func(*demand) error) access { return access{body: body, text: text} }

// What the operations need.
var (
	consuming     = of(groupOf(auth.Sub, "consumerGroup"), topicOf(auth.Sub, "topic"))
	holding       = access{needs: []need{groupOf(auth.Sub, "consumerGroup")}, text: "Topic SUB", body: (*demand).holding}
	topicPub      = of(topicOf(auth.Pub, "topic"))
	topicPubShort = of(topicOf(auth.Pub, "b"))
	sending       = inBody("Topic PUB", func(a *demand) error { return a.sending("topic") })
	sendingShort  = inBody("Topic PUB", func(a *demand) error { return a.sending("b") })
	topicPubNamed = of(topicOf(auth.Pub, "topic").ifNamed())
	groupSub      = of(groupOf(auth.Sub, "group"))
	memberList    = of(groupOf(auth.Sub|auth.Get, "consumerGroup"))
	leaving       = of(groupOf(auth.Sub, "consumerGroup").ifNamed())
	progress      = of(groupOf(auth.Sub|auth.Get, "consumerGroup"), topicOf(auth.Sub|auth.Get, "topic"))
	committing    = of(groupOf(auth.Sub|auth.Update, "consumerGroup"), topicOf(auth.Sub|auth.Update, "topic"))

	topicGet      = of(topicOf(auth.Get, "topic"))
	topicSearch   = of(topicOf(auth.Sub|auth.Get, "topic"))
	topicRead     = of(topicOf(auth.Get, "topic").ifNamed())
	topicDelete   = of(topicOf(auth.Delete, "topic"))
	topicCreate   = of(topicOf(auth.Create, "topic"))
	topicList     = of(topicOf(auth.List, ""))
	topicGroup    = of(topicOf(auth.Get, "topic"), groupOf(auth.Get, "group"))
	topicConsumer = of(topicOf(auth.Get, "topic"), groupOf(auth.Get, "consumerGroup"))

	liteGet      = of(topicOf(auth.Get, "parentTopic"))
	liteOfClient = of(topicOf(auth.Get, "parentTopic"), groupOf(auth.Get, "group"))
	liteLook     = of(groupOf(auth.Update, "group"))
	groupGet     = of(groupOf(auth.Get, "group"))
	groupGetOf   = of(groupOf(auth.Get, "consumerGroup"))
	groupDelete  = of(groupOf(auth.Delete, "groupName"))
	groupList    = of(groupOf(auth.List, ""))
	groupReset   = of(groupOf(auth.Update, "group"), topicOf(auth.Update, "topic"))
	groupSettle  = of(groupOf(auth.Update, "consumerGroup"), topicOf(auth.Update, "topic"))
	groupStats   = of(groupOf(auth.Get, "consumerGroup"), topicOf(auth.Get, "topic").ifNamed(), topicOf(auth.Get, "topicList").each(";"))
	groupTopics  = of(groupOf(auth.Get, "group"), topicOf(auth.Get, "topic").ifNamed())
	groupPush    = of(groupOf(auth.Update, "consumerGroup"), topicOf(auth.Sub, "topic").ifNamed())
	groupClone   = of(groupOf(auth.Get, "srcGroup"), groupOf(auth.Update, "destGroup"), topicOf(auth.Update, "topic").ifNamed())
	groupCorrect = of(topicOf(auth.Get, "topic"), groupOf(auth.Get, "compareGroup"), groupOf(auth.Get, "filterGroups").each(","))

	clusterGet   = of(clusterOf(auth.Get))
	clusterWrite = of(clusterOf(auth.Update))
)

// Needs that stand in bodies.
var (
	beating    = inBody("Group SUB, Topic SUB", (*demand).beating)
	locking    = inBody("Group SUB, Topic SUB", (*demand).locking)
	checking   = inBody("Group SUB, Topic SUB", (*demand).checking)
	assigning  = inBody("Group SUB, Topic SUB", (*demand).assigning)
	acking     = inBody("Group SUB, Topic SUB", (*demand).acking)
	wishing    = inBody("Group SUB, Topic SUB", (*demand).wishing)
	modeSet    = inBody("Group UPDATE, Topic UPDATE", (*demand).modeSet)
	topicsPut  = inBody("Topic CREATE", (*demand).topicsPut)
	topicsGone = inBody("Topic DELETE", (*demand).topicsGone)
	groupPut   = inBody("Group CREATE", (*demand).groupPut)
	groupsPut  = inBody("Group CREATE", (*demand).groupsPut)
	groupsGone = inBody("Group DELETE", (*demand).groupsGone)
)

// sending is Topic PUB; who sends to a retry topic needs its group's SUB, for
// that is how clients hand messages back that brokers do not take.
func (a *demand) sending(field string) error {
	topic := a.field(field)
	if strings.HasPrefix(topic, mq.RetryPrefix) {
		return a.group(auth.Sub, topic)
	}
	return a.topic(auth.Pub, topic)
}

// holding is Topic SUB of what a consumer has in hand.
func (a *demand) holding() error {
	return a.popped(a.field("consumerGroup"), a.field("topic"))
}

func (a *demand) beating() error {
	var data wire.HeartbeatData
	if err := a.decode(&data); err != nil {
		return err
	}
	for i := range data.Consumers {
		c := &data.Consumers[i]
		if err := a.group(auth.Sub, c.GroupName); err != nil {
			return err
		}
		for j := range c.Subscriptions {
			if err := a.topic(auth.Sub, c.Subscriptions[j].Topic); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *demand) locking() error {
	var body wire.LockBody
	if err := a.decode(&body); err != nil {
		return err
	}
	if err := a.group(auth.Sub, body.ConsumerGroup); err != nil {
		return err
	}
	for i := range body.Queues {
		if err := a.topic(auth.Sub, body.Queues[i].Topic); err != nil {
			return err
		}
	}
	return nil
}

func (a *demand) checking() error {
	var body wire.CheckClientBody
	if err := a.decode(&body); err != nil {
		return err
	}
	if body.Subscription != nil {
		if err := a.topic(auth.Sub, body.Subscription.Topic); err != nil {
			return err
		}
	}
	return a.group(auth.Sub, body.Group)
}

func (a *demand) assigning() error {
	var body wire.QueryAssignmentBody
	if err := a.decode(&body); err != nil {
		return err
	}
	if err := a.group(auth.Sub, body.ConsumerGroup); err != nil {
		return err
	}
	return a.topic(auth.Sub, body.Topic)
}

func (a *demand) acking() error {
	var body wire.BatchAckBody
	if err := a.decode(&body); err != nil {
		return err
	}
	for i := range body.Acks {
		if err := a.group(auth.Sub, body.Acks[i].ConsumerGroup); err != nil {
			return err
		}
		if err := a.popped(body.Acks[i].ConsumerGroup, body.Acks[i].Topic); err != nil {
			return err
		}
	}
	return nil
}

func (a *demand) wishing() error {
	var body wire.LiteSubscriptionBody
	if err := a.decode(&body); err != nil {
		return err
	}
	for i := range body.Subscriptions {
		if err := a.group(auth.Sub, body.Subscriptions[i].Group); err != nil {
			return err
		}
		if err := a.topic(auth.Sub, body.Subscriptions[i].Topic); err != nil {
			return err
		}
	}
	return nil
}

func (a *demand) modeSet() error {
	var body wire.RequestModeBody
	if err := a.decode(&body); err != nil {
		return err
	}
	if err := a.group(auth.Update, body.ConsumerGroup); err != nil {
		return err
	}
	return a.topic(auth.Update, body.Topic)
}

func (a *demand) topicsPut() error {
	var body struct {
		Topics []struct {
			Name string `json:"topicName"`
		} `json:"topicConfigList"`
	}
	if err := a.decode(&body); err != nil {
		return err
	}
	for _, t := range body.Topics {
		if err := a.topic(auth.Create, t.Name); err != nil {
			return err
		}
	}
	return nil
}

func (a *demand) topicsGone() error {
	var body struct {
		Topics []string `json:"topicList"`
	}
	if err := a.decode(&body); err != nil {
		return err
	}
	for _, name := range body.Topics {
		if err := a.topic(auth.Delete, name); err != nil {
			return err
		}
	}
	return nil
}

// groupName is as much of a group's configuration as names it.
type groupName struct {
	Name string `json:"groupName"`
}

func (a *demand) groupPut() error {
	var body groupName
	if err := a.decode(&body); err != nil {
		return err
	}
	return a.group(auth.Create, body.Name)
}

func (a *demand) groupsPut() error {
	var body struct {
		Groups []groupName `json:"groupConfigList"`
	}
	if err := a.decode(&body); err != nil {
		return err
	}
	for _, g := range body.Groups {
		if err := a.group(auth.Create, g.Name); err != nil {
			return err
		}
	}
	return nil
}

func (a *demand) groupsGone() error {
	var body struct {
		Groups []string `json:"groupNameList"`
	}
	if err := a.decode(&body); err != nil {
		return err
	}
	for _, name := range body.Groups {
		if err := a.group(auth.Delete, name); err != nil {
			return err
		}
	}
	return nil
}
