package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/dedup"
	"github.com/goddardmq/goddard/internal/limit"
	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/pop"
)

// Topic filter types.
const (
	singleTag = "SINGLE_TAG"
	multiTag  = "MULTI_TAG"
)

// Bits of a topic's system flag.
const (
	topicUnit    int32 = 1 // belongs to a unit
	topicUnitSub int32 = 2 // has subscribers in a unit
)

// A topic is a topic's configuration, which does not change, and its counters,
// which its next configuration takes over.
type topic struct {
	mq.Topic
	once *dedup.Topic // remembers unique keys; nil if messages may come twice
	*topicCounters
}

type topicCounters struct {
	putNums, putSize *counter
	in               meter.Counts
	special          atomic.Pointer[special]     // nil until there is something to count
	turn             atomic.Uint32               // queue that a message without one goes to next
	sending          atomic.Pointer[limit.Topic] // nil: no limit on what is sent to it
}

// topics are all topics of the broker.
type topics struct {
	table *table[topic]
	light *topicCounters // of all light queues together
	// rounds are of topics that are created and changed.
	rounds rounds[*topicPut]
	// mu serializes changes of the table together with their rows; it is held
	// while rows are written.
	mu struct {
		sync.Mutex
		version mq.DataVersion
		unkept  map[string]bool // in the table, without a row
	}
}

// systemTopics are the topics that the broker needs or that RocketMQ's tools
// expect to find.
func systemTopics(o Options, levels int) []mq.Topic {
	rw := mq.PermRead | mq.PermWrite
	t := func(name string, queues int32, perm int32) mq.Topic {
		return mq.Topic{Name: name, ReadQueues: queues, WriteQueues: queues, Perm: perm, FilterType: singleTag}
	}
	all := []mq.Topic{
		t(mq.TopicSelfTest, 1, rw), t(mq.TopicBenchmark, 1024, rw), t(mq.TopicOffsetMoved, 1, rw),
		t(o.Cluster, 16, rw|mq.PermInherit), t(o.Name, 1, rw|mq.PermInherit),
		t(mq.TopicSchedule, int32(max(18, levels)), rw),
		t(o.Cluster+"_"+mq.TopicReplySuffix, 1, rw),
		t("rmq_sys_REVIVE_LOG_"+o.Cluster, 8, rw),
		t("rmq_sys_SYNC_BROKER_MEMBER_"+o.Name, 1, mq.PermInherit),
		t(mq.TopicTransHalf, 1, rw), t(mq.TopicTransOp, 1, rw), t(mq.TopicTransCheckMax, 1, rw), t(mq.TopicTimer, 1, rw),
	}
	if *o.AutoCreateTopic {
		all = append(all, t(mq.TopicDefault, o.TopicQueues, rw|mq.PermInherit))
	}
	if o.TraceTopic {
		all = append(all, t(o.TraceTopicName, 1, rw))
	}
	return all
}

// loadTopics reads the rows and adds the system topics, which have none.
func (b *Broker) loadTopics() error {
	b.topics.table = newTable[topic]()
	b.topics.mu.unkept = map[string]bool{}
	b.topics.light = b.newCounters(mq.LitePrefix)
	b.topics.mu.version.Timestamp = time.Now().UnixMilli()
	for _, t := range systemTopics(b.opts().Options, b.timer.Levels()) {
		b.topics.table.add(t.Name, b.newTopic(t))
	}
	err := scanJSON(b, versionRows+"topic", func(_ string, v mq.DataVersion) { b.topics.mu.version = v })
	if err != nil {
		return err
	}
	var errs []error
	err = scanJSON(b, topicRows, func(name string, t mq.Topic) {
		made := b.newTopic(t)
		var err error
		if made.once, err = b.single(&t); errors.Is(err, mq.ErrInvalid) {
			b.opts().Log.Warn("an attribute of a topic is unusable and has no effect; set it again or remove it", "topic", name, "attribute", dedup.Attribute,
				"command", fmt.Sprintf("goddard admin topic update %s --attributes -%s", name, dedup.Attribute), "error", err)
			err = nil
		}
		errs = append(errs, err)
		b.topics.table.add(name, made)
		b.limitTopic(name, t.Attributes)
	})
	return errors.Join(append(errs, err)...)
}

// setTopic makes t known.
func (b *Broker) setTopic(t mq.Topic) *topic {
	made := b.newTopic(t)
	b.topics.table.put(t.Name, made)
	return made
}

// newTopic gives t the counters of the topic that it replaces.
func (b *Broker) newTopic(t mq.Topic) *topic {
	if t.Attributes == nil {
		t.Attributes = map[string]string{}
	}
	made := &topic{Topic: t}
	if old := b.topics.table.get(t.Name); old != nil {
		made.topicCounters = old.topicCounters
	} else {
		made.topicCounters = b.newCounters(t.Name)
	}
	return made
}

func (b *Broker) newCounters(name string) *topicCounters {
	return &topicCounters{
		putNums: b.stats.counter(statTopicPutNums, name), putSize: b.stats.counter(statTopicPutSize, name),
	}
}

// A topicPut is a topic to be stored, and what became of that.
type topicPut struct {
	mq.Topic
	create bool // only if there is none; otherwise its attributes are changes of those that there are
	found  bool // there was one
	made   *topic
	err    error
}

// putTopic makes a change together with those that come at the same time.
func (b *Broker) putTopic(p *topicPut) { b.topics.rounds.do(p.Name, p, b.putTopics) }

// putTopics makes changes of topics with different names.
func (b *Broker) putTopics(all []*topicPut) {
	b.topics.mu.Lock()
	defer b.topics.mu.Unlock()
	b.keepTopicsLocked(slices.DeleteFunc(all, func(p *topicPut) bool {
		old := b.topics.table.get(p.Name)
		p.found = old != nil
		if p.create {
			p.made = old
			return p.found
		}
		p.Attributes, p.err = b.mergedAttributes(&p.Topic, old)
		return p.err != nil
	}))
}

// mergedAttributes are the attributes of a topic after the changes that t has.
func (b *Broker) mergedAttributes(t *mq.Topic, old *topic) (map[string]string, error) {
	var had map[string]string
	if old != nil {
		had = old.Attributes
	}
	err := b.checkMixed(t.Attributes)
	merged := *t
	if err == nil {
		merged.Attributes, err = alterAttributes(topicAttributes, old == nil, had, t.Attributes)
	}
	if err == nil {
		_, err = dedupWindow(&merged)
	}
	if err != nil {
		return nil, fmt.Errorf("topic %s: %w", t.Name, err)
	}
	return merged.Attributes, nil
}

// keepTopicsLocked stores topics and then publishes them, all or none.
func (b *Broker) keepTopicsLocked(all []*topicPut) {
	if len(all) == 0 {
		return
	}
	batch := b.store.Keys().Batch()
	for _, p := range all {
		batchJSON(batch, topicRows+p.Name, p.Topic)
	}
	err := b.applyChange(batch, "topic", &b.topics.mu.version)
	for _, p := range all {
		switch {
		case err == nil:
			p.made, p.err = b.publishTopicLocked(p.Topic)
		case p.create && strings.HasPrefix(p.Name, mq.RetryPrefix) && b.keepLater(err):
			// Its group reads on a full disk too.
			p.made = b.setTopic(p.Topic)
			b.topics.mu.unkept[p.Name] = true
		default:
			p.err = fmt.Errorf("topic %s cannot be %s: %w", p.Name, createdOrChanged(b.topics.table.get(p.Name) == nil), err)
		}
	}
}

// publishTopicLocked makes a topic known whose row is stored.
func (b *Broker) publishTopicLocked(t mq.Topic) (*topic, error) {
	delete(b.topics.mu.unkept, t.Name)
	once, err := b.single(&t)
	if err != nil {
		return nil, err
	}
	made := b.newTopic(t)
	made.once = once
	b.topics.table.put(t.Name, made)
	b.limitTopic(t.Name, t.Attributes)
	return made, nil
}

func createdOrChanged(isNew bool) string {
	if isNew {
		return "created"
	}
	return "changed"
}

// keepTopics writes the rows of topics that lack theirs.
func (b *Broker) keepTopics() error {
	b.topics.mu.Lock()
	defer b.topics.mu.Unlock()
	var all []*topicPut
	for name := range b.topics.mu.unkept {
		all = append(all, &topicPut{Topic: b.topics.table.get(name).Topic})
	}
	b.keepTopicsLocked(all)
	for _, p := range all {
		if p.err != nil {
			return p.err
		}
	}
	return nil
}

func (b *Broker) topicChanged(name string) {
	if hook := b.opts().OnTopicChanged; hook != nil {
		hook(name)
	}
}

// createTopic makes a topic that does not exist and returns the one that is
// there afterwards.
func (b *Broker) createTopic(t mq.Topic) (*topic, error) {
	if err := b.checkTopic(t); err != nil {
		return nil, err
	}
	p := &topicPut{Topic: t, create: true}
	b.putTopic(p)
	if p.err != nil || p.found {
		return p.made, p.err
	}
	b.opts().Log.Info("created topic", "topic", t.Name, "queues", t.WriteQueues)
	b.topicChanged(t.Name)
	return p.made, nil
}

// autoCreate makes the topic of a message as its producer's template says, if
// that is allowed.
func (b *Broker) autoCreate(s *mq.Send) (*topic, error) {
	if strings.HasPrefix(s.Topic, mq.RetryPrefix) {
		if _, _, err := b.retryGroup(s.Topic); err != nil {
			return nil, err
		}
	}
	template := b.topics.table.get(s.DefaultTopic)
	if template == nil || template.Perm&mq.PermInherit == 0 ||
		s.DefaultTopic == mq.TopicDefault && !*b.opts().AutoCreateTopic {
		if strings.HasPrefix(s.Topic, mq.RetryPrefix) {
			return b.createTopic(innerTopic(s.Topic, 1))
		}
		return nil, missingTopic(s.Topic)
	}
	queues := max(1, min(s.DefaultQueues, template.WriteQueues))
	return b.createTopic(mq.Topic{
		Name: s.Topic, ReadQueues: queues, WriteQueues: queues,
		Perm: template.Perm &^ mq.PermInherit, FilterType: template.FilterType,
	})
}

// innerTopic is the configuration of a retry or dead-letter topic.
func innerTopic(name string, queues int32) mq.Topic {
	return mq.Topic{
		Name: name, ReadQueues: queues, WriteQueues: queues,
		Perm: mq.PermRead | mq.PermWrite, FilterType: singleTag,
	}
}

func missingTopic(name string) error {
	return fmt.Errorf("%w: topic[%s]; create it with `goddard admin topic create %s`, or let sending create topics with auto-create-topic (autoCreateTopicEnable)",
		mq.ErrTopicNotFound, name, name)
}

// checkTopic says what is wrong with a topic's configuration.
func (b *Broker) checkTopic(t mq.Topic) error {
	if mq.IsLight(t.Name) {
		return errLightOff(t.Name)
	}
	if err := mq.CheckTopic(t.Name); err != nil {
		return err
	}
	inner := strings.HasPrefix(t.Name, mq.RetryPrefix) || strings.HasPrefix(t.Name, mq.DLQPrefix)
	if limit := b.opts().MaxTopicLength; len(t.Name) > limit && !inner {
		return fmt.Errorf("%w: the topic name has %d characters, at most %d are allowed (max-topic-length)", mq.ErrInvalid, len(t.Name), limit)
	}
	for what, n := range map[string]int32{"read": t.ReadQueues, "write": t.WriteQueues} {
		if n < 0 || n > maxQueues {
			return fmt.Errorf("%w: topic %s has %d %s queues: want 0 to %d", mq.ErrInvalid, t.Name, n, what, maxQueues)
		}
	}
	if all := mq.PermInherit | mq.PermRead | mq.PermWrite | mq.PermPriority; t.Perm&^all != 0 {
		return fmt.Errorf("%w: topic %s has permission %d: want a sum of 4 (read), 2 (write) and 1 (inherit)", mq.ErrInvalid, t.Name, t.Perm)
	}
	if t.FilterType != singleTag && t.FilterType != multiTag {
		return fmt.Errorf("%w: topic %s has filter type %.60q: want %s or %s", mq.ErrInvalid, t.Name, t.FilterType, singleTag, multiTag)
	}
	return nil
}

// systemTopic reports whether a topic is the broker's and not a user's.
func (b *Broker) systemTopic(name string) bool {
	o := b.opts()
	return mq.IsSystemTopic(name) || name == o.Cluster || name == o.Name ||
		name == o.Cluster+"_"+mq.TopicReplySuffix
}

// Topics lists all topics, sorted by name.
func (b *Broker) Topics(context.Context) ([]mq.Topic, mq.DataVersion) {
	b.topics.mu.Lock()
	version := b.topics.mu.version
	b.topics.mu.Unlock()
	var all []mq.Topic
	for _, t := range b.topics.table.all() {
		all = append(all, t.copy())
	}
	slices.SortFunc(all, func(x, y mq.Topic) int { return strings.Compare(x.Name, y.Name) })
	return all, version
}

// copy is the topic's configuration for others to keep.
func (t *topic) copy() mq.Topic {
	c := t.Topic
	c.Attributes = maps.Clone(t.Attributes)
	return c
}

// Topic returns one topic's configuration.
func (b *Broker) Topic(_ context.Context, name string) (mq.Topic, error) {
	t := b.findTopic(name)
	if t == nil {
		return mq.Topic{}, missingTopic(name)
	}
	return t.copy(), nil
}

// PutTopic creates a topic or changes its configuration; t.Attributes are
// changes. Fewer queues than before hide messages but delete none.
func (b *Broker) PutTopic(_ context.Context, t mq.Topic) (err error) {
	began := time.Now()
	defer func() { timed(&b.figures.topicPuts, b.systemTopic(t.Name), began, err) }()
	if t.FilterType == "" {
		t.FilterType = singleTag
	}
	if light, err := b.putLight("topic", t.Name, t.Attributes); light {
		return err
	}
	if err := b.checkTopic(t); err != nil {
		return err
	}
	if b.systemTopic(t.Name) && t.Name != mq.TopicDefault && t.Name != mq.TopicDeadLetters {
		return fmt.Errorf("%w: topic %s belongs to the broker and cannot be changed", mq.ErrInvalid, t.Name)
	}
	p := &topicPut{Topic: t}
	if b.putTopic(p); p.err != nil {
		return p.err
	}
	b.opts().Log.Info("changed topic", "topic", t.Name, "read_queues", t.ReadQueues, "write_queues", t.WriteQueues, "perm", t.Perm)
	b.topicChanged(t.Name)
	return nil
}

// DeleteTopic removes a topic, its messages, every group's offsets in it and
// what groups popped from it, with what came back of that.
func (b *Broker) DeleteTopic(ctx context.Context, name string) error {
	t := b.topics.table.get(name)
	errs := []error{b.deleteTopic(name)}
	if t != nil && t.messageType() == kindLite {
		errs = append(errs, b.deleteLites(ctx, name))
	}
	for group := range b.groups.table.all() {
		for _, retry := range []string{mq.RetryTopicPop(group, name), mq.RetryTopicPopV2(group, name)} {
			if b.topics.table.get(retry) != nil && ctx.Err() == nil {
				errs = append(errs, b.deleteTopic(retry))
			}
		}
	}
	return errors.Join(errs...)
}

func (b *Broker) deleteTopic(name string) error {
	if b.systemTopic(name) {
		return fmt.Errorf("%w: topic %s belongs to the broker and cannot be deleted", mq.ErrInvalid, name)
	}
	b.topics.mu.Lock()
	defer b.topicChanged(name)
	defer b.topics.mu.Unlock()
	old := b.topics.table.get(name)
	known := old != nil
	if known {
		batch := b.store.Keys().Batch()
		batch.Delete([]byte(topicRows + name))
		if err := b.applyChange(batch, "topic", &b.topics.mu.version); err != nil {
			return fmt.Errorf("topic %s cannot be deleted: %w", name, err)
		}
		delete(b.topics.mu.unkept, name)
		b.retire(old)
		b.limitTopic(name, nil)
		b.stats.forget(statTopicPutNums, name)
		b.stats.forget(statTopicPutSize, name)
	}
	_, err := b.dedup.Set(name, 0)
	err = errors.Join(
		err, b.offsets.deleteTopic(name), b.holds.Forget(func(u pop.Use) bool { return u.Topic == name }),
		b.holds.ForgetLanes(func(u pop.Use) bool { return u.Topic == name }),
		b.deleteModes(func(u use) bool { return u.topic == name }), b.store.Forget(name))
	if known {
		b.opts().Log.Info("deleted topic", "topic", name)
	}
	return err
}
