package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/pop"
)

// groups are the configurations of all consumer groups.
type groups struct {
	table     *table[mq.Group]
	forbidden *table[forbidden] // by group; nothing where all is allowed
	// rounds are of groups that are created and changed.
	rounds rounds[*groupPut]
	// mu serializes changes of the table together with their rows; it is held
	// while rows are written.
	mu struct {
		sync.Mutex
		version mq.DataVersion
		unkept  map[string]bool // in the table, without a row
	}
}

// newGroup is the configuration of a group that nobody configured.
func newGroup(name string) mq.Group {
	return mq.Group{
		Name: name, ConsumeEnable: true, ConsumeFromMin: true, ConsumeBroadcast: true,
		RetryQueues: 1, RetryMax: 16, RetryPolicy: defaultPolicy(), WhichBrokerWhenSlow: 1,
		NotifyConsumerIDsChange: true, ConsumeTimeoutMinutes: 15, Attributes: map[string]string{},
	}
}

// defaultPolicy is the retry policy that groups of RocketMQ have; its rests are
// those of the delay levels from the third.
func defaultPolicy() *mq.RetryPolicy { return &mq.RetryPolicy{Type: "CUSTOMIZED"} }

func (b *Broker) loadGroups() error {
	b.groups.table = newTable[mq.Group]()
	b.groups.mu.unkept = map[string]bool{}
	for _, name := range []string{
		mq.GroupTools, "FILTERSRV_CONSUMER", "SELF_TEST_C_GROUP", "CID_ONS-HTTP-PROXY", "CID_ONSAPI_PULL",
		"CID_ONSAPI_PERMISSION", "CID_ONSAPI_OWNER", "CID_RMQ_SYS_TRANS",
	} {
		g := newGroup(name)
		b.groups.table.add(name, &g)
	}
	err := scanJSON(b, versionRows+"group", func(_ string, v mq.DataVersion) { b.groups.mu.version = v })
	if err != nil {
		return err
	}
	return scanJSON(b, groupRows, func(name string, g mq.Group) {
		b.groups.table.add(name, &g)
		b.limitGroup(name, g.Attributes)
	})
}

// group returns a group's configuration. It creates the group if that is
// allowed.
func (b *Broker) group(name string) (*mq.Group, error) {
	if g := b.findGroup(name); g != nil {
		return g, nil
	}
	if !*b.opts().AutoCreateGroup && !mq.IsSystemGroup(name) {
		return nil, missingGroup(name)
	}
	if err := mq.CheckGroup(name); err != nil {
		return nil, err
	}
	p := &groupPut{Group: newGroup(name), create: true}
	if b.putGroup(p); p.err != nil {
		return nil, p.err
	}
	if !p.found {
		b.opts().Log.Info("created consumer group", "group", name)
	}
	return p.made, nil
}

// A groupPut is a group to be stored, and what became of that.
type groupPut struct {
	mq.Group
	create bool // only if there is none; otherwise its attributes are changes of those that there are
	found  bool // there was one
	made   *mq.Group
	err    error
}

// putGroup makes a change together with those that come at the same time.
func (b *Broker) putGroup(p *groupPut) { b.groups.rounds.do(p.Name, p, b.putGroups) }

// putGroups makes changes of groups with different names.
func (b *Broker) putGroups(all []*groupPut) {
	b.groups.mu.Lock()
	defer b.groups.mu.Unlock()
	b.keepGroupsLocked(slices.DeleteFunc(all, func(p *groupPut) bool {
		old := b.groups.table.get(p.Name)
		p.found = old != nil
		if p.create {
			p.made = old
			return p.found
		}
		var had map[string]string
		if old != nil {
			had = old.Attributes
		}
		if p.Attributes, p.err = alterAttributes(groupAttributes, old == nil, had, p.Attributes); p.err != nil {
			p.err = fmt.Errorf("consumer group %s: %w", p.Name, p.err)
		}
		return p.err != nil
	}))
}

// keepGroupsLocked stores groups and then publishes them, all or none.
func (b *Broker) keepGroupsLocked(all []*groupPut) {
	if len(all) == 0 {
		return
	}
	batch := b.store.Keys().Batch()
	for _, p := range all {
		batchJSON(batch, groupRows+p.Name, p.Group)
	}
	err := b.applyChange(batch, "group", &b.groups.mu.version)
	for _, p := range all {
		switch {
		case err == nil:
			delete(b.groups.mu.unkept, p.Name)
		case p.create && b.keepLater(err):
			// A full disk does not keep anybody from reading.
			b.groups.mu.unkept[p.Name] = true
		default:
			p.err = fmt.Errorf("consumer group %s cannot be %s: %w", p.Name, createdOrChanged(b.groups.table.get(p.Name) == nil), err)
			continue
		}
		p.made = &p.Group
		b.groups.table.put(p.Name, p.made)
		b.limitGroup(p.Name, p.Attributes)
	}
}

// keepGroups writes the rows of groups that lack theirs.
func (b *Broker) keepGroups() error {
	b.groups.mu.Lock()
	defer b.groups.mu.Unlock()
	var all []*groupPut
	for name := range b.groups.mu.unkept {
		all = append(all, &groupPut{Group: *b.groups.table.get(name)})
	}
	b.keepGroupsLocked(all)
	for _, p := range all {
		if p.err != nil {
			return p.err
		}
	}
	return nil
}

func missingGroup(name string) error {
	return fmt.Errorf("%w: subscription group [%s]; create it with `goddard admin group create %s` or let clients create groups with auto-create-group (autoCreateSubscriptionGroup)",
		mq.ErrGroupNotFound, name, name)
}

// Groups lists the consumer groups, sorted by name.
func (b *Broker) Groups(context.Context) ([]mq.Group, mq.DataVersion) {
	b.groups.mu.Lock()
	version := b.groups.mu.version
	b.groups.mu.Unlock()
	var all []mq.Group
	for _, g := range b.groups.table.all() {
		all = append(all, copyGroup(g))
	}
	slices.SortFunc(all, func(x, y mq.Group) int { return strings.Compare(x.Name, y.Name) })
	return all, version
}

// copyGroup is a group's configuration for others to keep.
func copyGroup(g *mq.Group) mq.Group {
	c := *g
	c.Attributes = maps.Clone(g.Attributes)
	return c
}

// Group returns a group's configuration. It creates none.
func (b *Broker) Group(_ context.Context, name string) (mq.Group, error) {
	if g := b.findGroup(name); g != nil {
		return copyGroup(g), nil
	}
	return mq.Group{}, missingGroup(name)
}

// PutGroup creates a group or changes its configuration; g.Attributes are
// changes.
func (b *Broker) PutGroup(_ context.Context, g mq.Group) (err error) {
	began := time.Now()
	defer func() { timed(&b.figures.groupPuts, false, began, err) }()
	if light, err := b.putLight("group", g.Name, g.Attributes); light {
		return err
	}
	if err := mq.CheckGroup(g.Name); err != nil {
		return err
	}
	if g.RetryQueues < 0 || g.RetryQueues > maxQueues {
		return fmt.Errorf("%w: group %s has %d retry queues: want 0 to %d", mq.ErrInvalid, g.Name, g.RetryQueues, maxQueues)
	}
	if g.RetryPolicy == nil {
		g.RetryPolicy = defaultPolicy()
	}
	p := &groupPut{Group: g}
	if b.putGroup(p); p.err != nil {
		return p.err
	}
	b.opts().Log.Info("changed consumer group", "group", g.Name)
	return nil
}

// DeleteGroup removes a group's configuration and, if cleanOffsets is set, how
// far it is. Its retry and dead-letter topics stay; they are deleted as topics.
func (b *Broker) DeleteGroup(_ context.Context, name string, cleanOffsets bool) error {
	b.groups.mu.Lock()
	defer b.groups.mu.Unlock()
	var errs []error
	if cleanOffsets {
		errs = append(errs, b.offsets.deleteGroup(name), b.forgetLitesOf(name), b.holds.Forget(func(u pop.Use) bool { return u.Group == name }),
			b.holds.ForgetLanes(func(u pop.Use) bool { return u.Group == name }))
	}
	if b.groups.forbidden.get(name) != nil {
		errs = append(errs, b.keepForbiddenLocked(name, nil))
	}
	if b.groups.table.get(name) != nil {
		batch := b.store.Keys().Batch()
		batch.Delete([]byte(groupRows + name))
		if err := b.applyChange(batch, "group", &b.groups.mu.version); err != nil {
			return fmt.Errorf("consumer group %s cannot be deleted: %w", name, err)
		}
		delete(b.groups.mu.unkept, name)
		b.groups.table.put(name, nil)
		b.limitGroup(name, nil)
		errs = append(errs, b.deleteModes(func(u use) bool { return u.group == name }))
		b.opts().Log.Info("deleted consumer group", "group", name)
	}
	return errors.Join(errs...)
}
