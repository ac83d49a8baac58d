package remoting

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// storeHost is the broker's address in message ids.
var storeHost = netip.MustParseAddrPort("10.0.0.1:10911")

// A fake is a broker that remembers what it was asked and says what it is told
// to. If err is set, every method that can fails with it.
type fake struct {
	mu       sync.Mutex
	full     error       // of connections
	slow     error       // of requests
	callers  []mq.Caller // of connections
	limit    mq.LimitRule
	ended    int // of them
	err      error
	sends    []mq.Send // copies, in the order of arrival
	bursts   []int     // sizes of the bursts
	later    bool      // keep bursts and ends for finish
	kept     []*mq.SendBatch
	silent   bool // remember no sends
	joined   []mq.Member
	left     chan string
	backs    []mq.SendBackRequest
	pulls    []mq.PullRequest
	pull     func(mq.PullRequest) (mq.Batch, error, bool) // false: park
	parked   []func(mq.Batch, error)
	offsets  map[string]mq.QueueOffset
	lo, hi   mq.QueueOffset
	sub      *mq.Subscription
	topics   map[string]mq.Topic
	groups   map[string]mq.Group
	settings map[string]string
	members  []mq.Connection
	lookups  []mq.LookupRequest
	records  [][]byte
	asker    mq.Peer // gets the replies
	consumer mq.Consumer
	reset    func(at time.Time, offset *mq.QueueOffset)
	ends     []mq.TransactionEnd
	endings  []string // their batches
	keptEnds []*mq.EndBatch
	byHand   []string // what operators did to transactions, and clients to invisible times
	pops     []mq.PopRequest
	pop      popAnswer
	notice   mq.PopStatus
	lites    []mq.LiteSubscription
	litePops []mq.LitePopRequest
	acks     [][]mq.Ack
	popErr   error  // of what is done to popped messages
	found    []byte // the record at every position; nil: a text
}

func newFake() *fake {
	return &fake{left: make(chan string, 1000), offsets: map[string]mq.QueueOffset{}, topics: map[string]mq.Topic{}, groups: map[string]mq.Group{}, settings: map[string]string{}}
}

func (f *fake) fails() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *fake) Join(_ context.Context, m mq.Member) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.joined = append(f.joined, m)
	return true, f.err
}

func (f *fake) Leave(_ context.Context, clientID, producer, consumer string, _ mq.Peer, all bool) {
	f.left <- fmt.Sprintf("%s %s %s %v", clientID, producer, consumer, all)
}

func (f *fake) Members(context.Context, string) ([]string, error) {
	var ids []string
	for _, m := range f.members {
		ids = append(ids, m.ClientID)
	}
	return ids, f.fails()
}

func (f *fake) Subscription(context.Context, string, string, mq.Peer) (mq.Subscription, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sub == nil {
		return mq.Subscription{}, false
	}
	return *f.sub, true
}

func (f *fake) Send(b *mq.SendBatch) {
	f.mu.Lock()
	f.bursts = append(f.bursts, len(b.Sends))
	for i := range b.Sends {
		s := &b.Sends[i]
		s.Err = f.err
		s.Result = mq.SendResult{QueueID: s.QueueID, Offset: mq.QueueOffset(100 + i), Pos: mq.LogPos(1000 + i)}
		if s.Topic == "Later" {
			s.Result.Handle = "handle"
		}
		for j := range s.More {
			s.Result.MorePos = append(s.Result.MorePos, mq.LogPos(2000+j))
		}
		if !f.silent {
			f.sends = append(f.sends, copySend(s))
		}
	}
	if f.later {
		f.kept = append(f.kept, b)
		f.mu.Unlock()
		return
	}
	f.mu.Unlock()
	b.Done(b)
}

// finish ends the bursts that were kept.
func (f *fake) finish() {
	f.mu.Lock()
	kept, ends := f.kept, f.keptEnds
	f.kept, f.keptEnds = nil, nil
	f.mu.Unlock()
	for _, b := range ends {
		b.Done(b)
	}
	for _, b := range kept {
		b.Done(b)
	}
}

func copySend(s *mq.Send) mq.Send {
	c := *s
	c.Body, c.Properties = bytes.Clone(s.Body), bytes.Clone(s.Properties)
	c.More = slices.Clone(s.More)
	for i := range c.More {
		c.More[i].Body, c.More[i].Properties = bytes.Clone(c.More[i].Body), bytes.Clone(c.More[i].Properties)
	}
	return c
}

func (f *fake) Recall(_ context.Context, topic, handle string) (string, error) {
	return topic + " " + handle, f.fails()
}

func (f *fake) Delayed(_ context.Context, q mq.DelayedQuery) ([]mq.DelayedMessage, error) {
	return []mq.DelayedMessage{{Topic: q.Topic, Due: q.From, Stored: q.Until, Size: int32(q.Limit), Key: "k", Handle: "h"}}, f.fails()
}

func (f *fake) SendBack(_ context.Context, r mq.SendBackRequest) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.backs = append(f.backs, r)
	return f.err
}

func (f *fake) EndTransactions(b *mq.EndBatch) {
	f.mu.Lock()
	for i := range b.Ends {
		e := &b.Ends[i]
		if e.Err = f.mayEnd(e); e.Err != nil {
			continue
		}
		kept := *e
		kept.May = nil
		f.ends = append(f.ends, kept)
		e.Err = f.err
	}
	f.endings = append(f.endings, fmt.Sprintf("%d after %d bursts", len(b.Ends), len(f.bursts)))
	if f.later {
		f.keptEnds = append(f.keptEnds, b)
		f.mu.Unlock()
		return
	}
	f.mu.Unlock()
	b.Done(b)
}

// mayEnd asks whether the record that was found may be ended.
func (f *fake) mayEnd(e *mq.TransactionEnd) error {
	if e.May == nil || len(f.found) == 0 {
		return nil
	}
	r, _, err := mq.DecodeRecord(f.found)
	if err != nil {
		return err
	}
	topic, ok := mq.Property(r.Properties, mq.PropRealTopic)
	if !ok {
		topic = r.Topic
	}
	return e.May(string(topic))
}

func (f *fake) Transactions(_ context.Context, after mq.QueueOffset, limit int) ([]mq.Transaction, error) {
	f.did("list %d %d", after, limit)
	return []mq.Transaction{{
		Offset: 9, Pos: 77, OffsetID: mq.OffsetID(storeHost, 77), Topic: "T", QueueID: 2, Group: "P", UniqueKey: "K",
		Born: time.UnixMilli(4000), Stored: time.UnixMilli(5000), Size: 300, Checks: 3, GivenUp: true,
	}}, f.fails()
}

func (f *fake) SettleTransaction(_ context.Context, at mq.LogPos, o mq.Outcome) error {
	f.did("settle %d %d", at, o)
	return f.fails()
}

func (f *fake) CheckTransaction(_ context.Context, at mq.LogPos) error {
	f.did("check %d", at)
	return f.fails()
}

func (f *fake) InHand(_ context.Context, group string, q mq.Queue, at mq.QueueOffset) (mq.InHand, error) {
	if group != "G" || at != 7 {
		return mq.InHand{}, mq.ErrNotFound
	}
	return mq.InHand{Since: time.UnixMilli(1000), Until: time.UnixMilli(61000), Tries: 2}, nil
}

func (f *fake) LiteFigures(context.Context) mq.LiteFigures {
	return mq.LiteFigures{Lights: 7, MaxLights: 9, Subscriptions: 5, Lifetimes: map[string]int32{"P": 30}, Groups: map[string][]string{"P": {"G"}}}
}

func (f *fake) LiteParent(_ context.Context, topic string) (mq.LiteParent, error) {
	f.did("lite parent %s", topic)
	return mq.LiteParent{Topic: topic, Lifetime: 30, Groups: []string{"G"}, Lites: 3, Lights: 7}, f.fails()
}

func (f *fake) LiteTopic(_ context.Context, parent, lite string) (mq.LiteTopic, error) {
	f.did("lite topic %s %s", parent, lite)
	return mq.LiteTopic{Min: 1, Max: 4, Last: time.UnixMilli(5000), Subscribers: []mq.LiteSubscriber{{Group: "G", Client: "a"}}}, f.fails()
}

func (f *fake) LiteClient(_ context.Context, parent, group, client string, limit int) (mq.LiteClient, error) {
	f.did("lite client %s %s %s %d", parent, group, client, limit)
	return mq.LiteClient{Known: client != "unknown", Seen: time.UnixMilli(5000), Count: 2, Queues: []string{"%LMQ%$P$x"}}, f.fails()
}

func (f *fake) LiteLag(_ context.Context, group, lite string, limit int) (mq.LiteLag, error) {
	f.did("lite lag %s %q %d", group, lite, limit)
	l := mq.LiteLag{Parent: "P", Behind: 3, Earliest: time.UnixMilli(5000), ByCount: []mq.LiteBehind{{Lite: "x", Behind: 3, Earliest: time.UnixMilli(5000)}}}
	if lite == "x" {
		l.One = &mq.LitePlace{End: 4, At: 1, Last: time.UnixMilli(4000)}
	}
	return l, f.fails()
}

func (f *fake) LookForLites(_ context.Context, group, client string) error {
	f.did("look for lites %s %s", group, client)
	return f.fails()
}

func (f *fake) MessageGroups(_ context.Context, group, topic string) ([]mq.MessageGroup, error) {
	f.did("groups %s %s", group, topic)
	return []mq.MessageGroup{{
		Key: "k", Queue: 1, State: mq.GroupBlocked, Since: time.UnixMilli(4000), Tries: 3, Offset: 9, InHand: true, Waiting: 7,
	}}, f.fails()
}

func (f *fake) ParkMessageGroup(_ context.Context, group, topic, key string) error {
	f.did("park %s %s %s", group, topic, key)
	return f.fails()
}

func (f *fake) ReleaseMessageGroup(_ context.Context, group, topic, key string) error {
	f.did("release %s %s %s", group, topic, key)
	return f.fails()
}

func (f *fake) BuryMessageGroup(_ context.Context, group, topic, key string) (int64, error) {
	f.did("bury %s %s %s", group, topic, key)
	return 5, f.fails()
}

func (f *fake) did(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.byHand = append(f.byHand, fmt.Sprintf(format, args...))
}

func (f *fake) Pull(_ context.Context, r mq.PullRequest, done func(mq.Batch, error)) {
	f.mu.Lock()
	f.pulls = append(f.pulls, r)
	pull, err := f.pull, f.err
	f.mu.Unlock()
	if pull == nil {
		done(mq.Batch{Status: mq.PullNoNew, Release: func() {}}, err)
		return
	}
	b, err, now := pull(r)
	if now {
		done(b, err)
		return
	}
	f.mu.Lock()
	f.parked = append(f.parked, done)
	f.mu.Unlock()
}

func (f *fake) SyncLite(_ context.Context, s mq.LiteSubscription) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lites = append(f.lites, s)
	return f.err
}

func (f *fake) PopLite(_ context.Context, r mq.LitePopRequest, done func(mq.PopBatch, error)) {
	f.mu.Lock()
	f.litePops = append(f.litePops, r)
	pop, err := f.pop, f.err
	f.mu.Unlock()
	if pop == nil {
		done(mq.PopBatch{Status: mq.PopNothing, PopTime: 1000, Release: func() {}}, err)
		return
	}
	done(pop(mq.PopRequest{}))
}

func offsetKey(group string, q mq.Queue) string { return fmt.Sprintf("%s/%s/%d", group, q.Topic, q.ID) }

func (f *fake) Offset(_ context.Context, group string, q mq.Queue) (mq.QueueOffset, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return 0, f.err
	}
	if o, ok := f.offsets[offsetKey(group, q)]; ok {
		return o, nil
	}
	return 0, mq.ErrNotFound
}

func (f *fake) SetOffset(_ context.Context, group string, q mq.Queue, to mq.QueueOffset) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.offsets[offsetKey(group, q)] = to
	return f.err
}

func (f *fake) Bounds(context.Context, mq.Queue) (lo, hi mq.QueueOffset, err error) {
	return f.lo, f.hi, f.fails()
}

func (f *fake) Locate(_ context.Context, _ mq.Queue, at time.Time, upper bool) (mq.QueueOffset, error) {
	if upper {
		return mq.QueueOffset(at.UnixMilli()) + 1, f.fails()
	}
	return mq.QueueOffset(at.UnixMilli()), f.fails()
}

func (f *fake) EarliestTime(context.Context, mq.Queue) (time.Time, error) {
	return time.Time{}, f.fails()
}

func (f *fake) Find(_ context.Context, at mq.LogPos) ([]byte, error) {
	if f.found != nil {
		return f.found, f.fails()
	}
	return fmt.Appendf(nil, "record %d", at), f.fails()
}

func (f *fake) Lookup(_ context.Context, r mq.LookupRequest) (mq.LookupResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lookups = append(f.lookups, r)
	return mq.LookupResult{Records: f.records, IndexedTo: 70, IndexedAt: 80}, f.err
}

func (f *fake) Reply(ctx context.Context, s *mq.Send) {
	f.mu.Lock()
	peer, err := f.asker, f.err
	f.sends = append(f.sends, copySend(s))
	f.mu.Unlock()
	if s.Err = err; peer != nil {
		s.Err = peer.Reply(ctx, s)
	}
}

func (f *fake) QueueEntries(_ context.Context, _ mq.Queue, from mq.QueueOffset, count int) ([]mq.QueueEntry, error) {
	var all []mq.QueueEntry
	for i := range count {
		all = append(all, mq.QueueEntry{Offset: from + mq.QueueOffset(i), Pos: mq.LogPos(100 * i), Size: 100, TagCode: int64(i)})
	}
	return all, f.fails()
}

func (f *fake) Lock(_ context.Context, _, _ string, qs []mq.Queue) ([]mq.Queue, error) {
	return qs[:len(qs)/2], f.fails()
}

func (f *fake) Unlock(context.Context, string, string, []mq.Queue) error { return f.fails() }

func (f *fake) Topics(context.Context) (all []mq.Topic, v mq.DataVersion) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.topics {
		all = append(all, t)
	}
	return all, mq.DataVersion{Counter: 7}
}

func (f *fake) Topic(_ context.Context, name string) (mq.Topic, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t, ok := f.topics[name]; ok {
		return t, f.err
	}
	return mq.Topic{}, mq.ErrTopicNotFound
}

func (f *fake) PutTopic(_ context.Context, t mq.Topic) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.topics[t.Name] = t
	return f.err
}

func (f *fake) DeleteTopic(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.topics, name)
	return f.err
}

func (f *fake) Groups(context.Context) (all []mq.Group, v mq.DataVersion) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range f.groups {
		all = append(all, g)
	}
	return all, v
}

func (f *fake) Group(_ context.Context, name string) (mq.Group, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if g, ok := f.groups[name]; ok {
		return g, f.err
	}
	return mq.Group{}, mq.ErrGroupNotFound
}

func (f *fake) PutGroup(_ context.Context, g mq.Group) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.groups[g.Name] = g
	return f.err
}

func (f *fake) DeleteGroup(_ context.Context, name string, _ bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.groups, name)
	return f.err
}

func (f *fake) TopicStats(_ context.Context, topic string) ([]mq.QueueStats, error) {
	return []mq.QueueStats{{Queue: mq.Queue{Topic: topic}, Min: 1, Max: 9, LastUpdate: time.UnixMilli(5000)}}, f.fails()
}

func (f *fake) ConsumeStats(_ context.Context, _ string, topics []string) (mq.ConsumeStats, error) {
	topic := "T"
	if len(topics) > 0 {
		topic = topics[0]
	}
	q := mq.ConsumeQueueStats{Queue: mq.Queue{Topic: topic}, End: 9, Committed: 4, Pulled: 6, InHand: 3, LastConsumed: time.UnixMilli(4000)}
	return mq.ConsumeStats{Rate: 1.5, Queues: []mq.ConsumeQueueStats{q}}, f.fails()
}

func (f *fake) Offsets(context.Context) map[string]map[int32]mq.QueueOffset {
	return map[string]map[int32]mq.QueueOffset{"T@G": {0: 5, 1: 6}, "T@H": {0: 3, 1: 8}}
}
func (f *fake) GroupsOfTopic(context.Context, string) []string           { return []string{"G"} }
func (f *fake) TopicsOfGroup(context.Context, string) []string           { return []string{"T"} }
func (f *fake) DeleteSubscription(context.Context, string, string) error { return f.fails() }

func (f *fake) CloneOffsets(context.Context, string, string, string) error { return f.fails() }

func (f *fake) ResetOffsets(_ context.Context, _, topic string, queue int32, at time.Time, offset *mq.QueueOffset, _ bool) (map[mq.Queue]mq.QueueOffset, error) {
	if f.reset != nil {
		f.reset(at, offset)
	}
	return map[mq.Queue]mq.QueueOffset{{Topic: topic, ID: max(queue, 0)}: 3}, f.fails()
}

func (f *fake) Consumers(context.Context, string) ([]mq.Connection, mq.Consumer, error) {
	if len(f.members) == 0 {
		return nil, mq.Consumer{}, mq.ErrNotOnline
	}
	return f.members, f.consumer, f.fails()
}

func (f *fake) Producers(context.Context, string) ([]mq.Connection, error) {
	return f.members, f.fails()
}

func (f *fake) AllProducers(context.Context) map[string][]mq.Connection {
	return map[string][]mq.Connection{"P": f.members}
}

func (f *fake) RuntimeInfo(context.Context) map[string]string {
	return map[string]string{"putTps": "0", "commitLogMaxOffset": "4711"}
}

func (f *fake) Stats(_ context.Context, name, _ string) ([3]mq.RateStat, error) {
	if name == "TOPIC_PUT_NUMS" {
		return [3]mq.RateStat{{Sum: 60, Rate: 1, PerCall: 2}}, f.fails()
	}
	return [3]mq.RateStat{}, mq.ErrNotFound
}

func (f *fake) Settings(context.Context) map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.settings)
}

func (f *fake) SetSettings(_ context.Context, kv map[string]string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, v := range kv {
		f.settings[k] = v
	}
	return f.err
}

// A popAnswer is what a fake says to a pop.
type popAnswer func(mq.PopRequest) (mq.PopBatch, error)

func (f *fake) Pop(_ context.Context, r mq.PopRequest, done func(mq.PopBatch, error)) {
	f.mu.Lock()
	f.pops = append(f.pops, r)
	pop, err := f.pop, f.err
	f.mu.Unlock()
	if pop == nil {
		done(mq.PopBatch{Status: mq.PopNothing, PopTime: 1000, Invisible: r.Invisible.Milliseconds()}, err)
		return
	}
	done(pop(r))
}

func (f *fake) Notify(_ context.Context, r mq.PopRequest, done func(mq.PopStatus, error)) {
	f.mu.Lock()
	f.pops = append(f.pops, r)
	status, err := f.notice, f.err
	f.mu.Unlock()
	done(status, err)
}

func (f *fake) Ack(_ context.Context, all []mq.Ack) []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.silent {
		return nil
	}
	f.acks = append(f.acks, slices.Clone(all))
	if f.popErr == nil {
		return nil
	}
	errs := make([]error, len(all))
	errs[0] = f.popErr
	return errs
}

func (f *fake) ChangeInvisible(_ context.Context, a mq.Ack, d time.Duration, suspend bool) (mq.Receipt, error) {
	f.did("change %s %s %v %v %v", a.Group, a.Topic, a.Receipt, d, suspend)
	r := a.Receipt
	r.PopTime, r.Invisible = 2000, d.Milliseconds()
	return r, f.popErr
}

func (f *fake) Bury(context.Context, mq.Ack) error { return f.fails() }

func (f *fake) Assign(_ context.Context, r mq.AssignmentRequest) ([]mq.Assignment, error) {
	return []mq.Assignment{{Broker: "broker-b", Queue: mq.Queue{Topic: r.Topic, ID: -1}, Mode: mq.ModePop}}, f.fails()
}

func (f *fake) PutRequestMode(_ context.Context, m mq.RequestMode) error {
	f.did("mode %+v", m)
	return f.fails()
}

func (f *fake) RequestModes(context.Context) []mq.RequestMode {
	return []mq.RequestMode{{Topic: "T", Group: "G", Mode: mq.ModePop, ShareQueues: 3}, {Topic: "T", Group: "H", Mode: mq.ModePull}}
}

func (f *fake) Waiting(_ context.Context, _, _ string, queue int32) int { return 7 + int(queue) }

func (f *fake) Forbid(_ context.Context, group, topic string, forbidden bool) error {
	f.did("forbid %s %s %v", group, topic, forbidden)
	return f.fails()
}

func (f *fake) Forbidden(_ context.Context, _, topic string) bool { return topic == "Locked" }

func (f *fake) Forbiddances(context.Context) map[string][]string {
	return map[string][]string{"G": {"Locked"}}
}

func (f *fake) Clean(context.Context) error {
	f.did("clean")
	return f.fails()
}

func (f *fake) TrimIndexes(context.Context) error {
	f.did("trim")
	return f.fails()
}

// Connect counts the connection.
func (f *fake) Connect(by mq.Caller) (mq.Visit, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.full != nil {
		return nil, f.full
	}
	f.callers = append(f.callers, by)
	return visit{f}, nil
}

// A visit is a connection to a fake.
type visit struct{ f *fake }

func (v visit) Request(_ mq.Caller, vital bool) error {
	v.f.mu.Lock()
	defer v.f.mu.Unlock()
	if vital {
		return nil
	}
	return v.f.slow
}

func (v visit) Identified(_ string, vital bool) error { return v.Request(mq.Caller{}, vital) }

func (v visit) End() {
	v.f.mu.Lock()
	defer v.f.mu.Unlock()
	v.f.ended++
}

// Limits, PutLimit and DeleteLimit keep one limit.
func (f *fake) Limits(context.Context) []mq.LimitUse {
	return []mq.LimitUse{{LimitRule: f.limit, Used: mq.LimitAmounts{Requests: 3}, Refused: mq.LimitAmounts{SendBytes: 4}, Busiest: "x", Subjects: 2}}
}

func (f *fake) PutLimit(_ context.Context, r mq.LimitRule) error { f.limit = r; return f.err }

func (f *fake) DeleteLimit(_ context.Context, scope, name string) error {
	if f.limit.Scope != scope || f.limit.Name != name {
		return mq.ErrNotFound
	}
	f.limit = mq.LimitRule{}
	return nil
}
