package console

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/filter"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
)

const (
	// usualFound and usualLooked are how many messages one answer has, and how
	// many are looked at for it; maxLooked is the most.
	usualFound, usualLooked, maxLooked = 64, 5000, 20000
	// maxScanned bounds the queues of one scan, for its cursor names them all.
	maxScanned = 512
	// scanBlock is how many messages are read of a queue at a time.
	scanBlock = 32
	// usualSpan is how far a scan goes back if it is not told.
	usualSpan = time.Hour
	// scanTime is how long one answer may be worked on.
	scanTime = 8 * time.Second
	// maxCursor bounds the text of a cursor.
	maxCursor = 64 << 10
)

// A scanQueue is what is left of a queue for a scan: from Lo up to Hi.
type scanQueue struct {
	Broker string `json:"b"`
	ID     int32  `json:"q"`
	Lo     int64  `json:"l"`
	Hi     int64  `json:"h"`
}

// A cursor is where a scan goes on. It says the order, for the other one has
// other ends left.
type cursor struct {
	Ascending bool        `json:"a,omitempty"`
	Queues    []scanQueue `json:"s"`
}

func (c cursor) String() string {
	text, err := json.Marshal(c)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// parseCursor reads what String wrote.
func parseCursor(text string) (cursor, error) {
	bad := badRequest("cursor is none that an answer had; begin without one")
	var c cursor
	if len(text) > maxCursor {
		return c, bad
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(raw, &c) != nil || len(c.Queues) > maxScanned {
		return c, bad
	}
	for _, q := range c.Queues {
		if q.ID < 0 || q.Lo < 0 || q.Hi < q.Lo {
			return c, bad
		}
	}
	return c, nil
}

// A scanFilter chooses messages; what is left out does not matter.
type scanFilter struct {
	tag, key, unique, text string
	properties             []propertyWish
	expression             *filter.Expression
	from, to               time.Time // of storing
}

type propertyWish struct {
	name, value string
	any         bool // any value will do
}

// scanFilter reads the filter of a request.
func (r *request) scanFilter() (*scanFilter, error) {
	f := &scanFilter{tag: r.text("tag"), key: r.text("key"), unique: r.text("unique_id"), text: r.text("text")}
	for _, p := range r.URL.Query()["property"] {
		name, value, given := strings.Cut(p, "=")
		if name == "" {
			return nil, badRequest("property = %.40q; want name=value, or a name", p)
		}
		f.properties = append(f.properties, propertyWish{name, value, !given})
	}
	if text := r.text("expression"); text != "" {
		var err error
		if f.expression, err = filter.Compile(text); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// indexed reports whether the filter is nothing but a key that brokers have an
// index of.
func (f *scanFilter) indexed() bool {
	return (f.key == "") != (f.unique == "") && f.tag == "" && f.text == "" && len(f.properties) == 0 && f.expression == nil
}

// wants reports whether a message is chosen.
func (f *scanFilter) wants(m *mq.Record) bool {
	property := func(key string) string {
		value, _ := mq.Property(m.Properties, key)
		return string(value)
	}
	stored := time.UnixMilli(m.StoreTime)
	switch {
	case !f.from.IsZero() && stored.Before(f.from), !f.to.IsZero() && stored.After(f.to),
		f.tag != "" && !remote.Wanted(f.tag, m),
		f.unique != "" && f.unique != property(mq.PropUniqueKey),
		f.key != "" && f.key != property(mq.PropUniqueKey) && !slices.Contains(strings.Fields(property(mq.PropKeys)), f.key),
		f.expression != nil && !f.expression.MatchProperties(m.Properties):
		return false
	}
	for _, p := range f.properties {
		value, there := mq.Property(m.Properties, p.name)
		if !there || !p.any && string(value) != p.value {
			return false
		}
	}
	if f.text == "" {
		return true
	}
	body, err := remote.Body(m)
	return err == nil && bytes.Contains(body, []byte(f.text))
}

// A foundPage is what a scan found.
type foundPage struct {
	Items  []messageItem `json:"items"`
	Cursor string        `json:"cursor,omitempty"`
	Looked int           `json:"looked"`
	By     string        `json:"by"`
	Enough bool          `json:"enough"` // the page is full
}

func findMessages(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	f, err := r.scanFilter()
	if err != nil {
		return nil, err
	}
	limit, err := r.number("limit", usualFound, 1, maxPage)
	if err != nil {
		return nil, err
	}
	look, err := r.number("scan", usualLooked, 1, maxLooked)
	if err != nil {
		return nil, err
	}
	if f.from, err = r.moment("from"); err != nil {
		return nil, err
	}
	if f.to, err = r.moment("to"); err != nil {
		return nil, err
	}
	ascending := r.text("order") == "asc"
	if order := r.text("order"); !ascending && order != "" && order != "desc" {
		return nil, badRequest("order = %.40q; want asc or desc", order)
	}
	if f.indexed() && r.text("cursor") == "" && r.text("queue") == "" && r.text("broker") == "" {
		return s.lookUp(r.Context(), r.PathValue("topic"), f, limit, ascending)
	}
	at, addrs, err := r.scanRange(s, f.from, f.to, ascending)
	if err != nil {
		return nil, err
	}
	scan := &scan{s: s, topic: r.PathValue("topic"), filter: f, left: at, addrs: addrs, limit: limit, look: look}
	return scan.run(r.Context())
}

// lookUp asks the brokers' index for a key.
func (s *site) lookUp(ctx context.Context, topic string, f *scanFilter, limit int, ascending bool) (foundPage, error) {
	page := foundPage{Items: []messageItem{}, By: "index"}
	search := admin.Search{Topic: topic, Key: f.key, Kind: mq.LookupKey, From: f.from, To: f.to, Max: min(limit, 64)}
	if f.unique != "" {
		search.Key, search.Kind = f.unique, mq.LookupUnique
	}
	found, err := s.admin.FindMessages(ctx, search)
	if !ascending {
		slices.Reverse(found)
	}
	for _, m := range cut(found, 0, limit) {
		page.Items = append(page.Items, newItem(m.Broker, &m.Record, previewSize))
	}
	page.Looked, page.Enough = len(found), len(page.Items) == limit
	return page, err
}

// scanRange is what a request's scan is to look at: what its cursor says, or
// what lies between two times in the queues that it names.
func (r *request) scanRange(s *site, from, to time.Time, ascending bool) (cursor, map[string]string, error) {
	topic := r.PathValue("topic")
	queues, err := s.remote.ReadQueues(r.Context(), topic)
	if err != nil {
		return cursor{}, nil, err
	}
	addrs := map[string]string{}
	for _, q := range queues {
		addrs[q.Broker] = q.Addr
	}
	if text := r.text("cursor"); text != "" {
		at, err := parseCursor(text)
		if err == nil && slices.ContainsFunc(at.Queues, func(q scanQueue) bool { return addrs[q.Broker] == "" }) {
			err = badRequest("cursor names a broker that does not have the topic; begin without one")
		}
		return at, addrs, err
	}
	number, err := r.number("queue", -1, 0, 1<<30)
	if err != nil {
		return cursor{}, nil, err
	}
	broker := r.text("broker")
	queues = slices.DeleteFunc(queues, func(q remote.Queue) bool {
		return broker != "" && broker != q.Broker || number >= 0 && int32(number) != q.ID
	})
	switch {
	case len(queues) == 0:
		return cursor{}, nil, badRequest("topic %.128s has no such queue that can be read; its route lists brokers and queues", topic)
	case len(queues) > maxScanned:
		return cursor{}, nil, badRequest("topic %.128s has %d queues, at most %d can be looked through at once; name a broker or a queue", topic, len(queues), maxScanned)
	}
	if from.IsZero() && to.IsZero() {
		from = time.Now().Add(-usualSpan)
	}
	at := cursor{Ascending: ascending, Queues: make([]scanQueue, len(queues))}
	err = each(r.Context(), len(queues), func(ctx context.Context, i int) error {
		lo, hi, err := s.span(ctx, queues[i], from, to)
		at.Queues[i] = scanQueue{queues[i].Broker, queues[i].ID, lo, max(lo, hi)}
		return err
	})
	return at, addrs, err
}

// span is the offsets of a queue whose messages were stored between two times;
// zero leaves a side open.
func (s *site) span(ctx context.Context, q remote.Queue, from, to time.Time) (lo, hi int64, err error) {
	first, end, err := s.remote.Bounds(ctx, q)
	if err != nil {
		return 0, 0, err
	}
	if !from.IsZero() {
		at, err := s.remote.Locate(ctx, q, from)
		if err != nil {
			return 0, 0, err
		}
		// Where all are older, brokers say that the last one is the nearest.
		first = max(first, at)
	}
	if !to.IsZero() && to.Before(time.Now()) {
		at, err := s.remote.Locate(ctx, q, to.Add(time.Millisecond))
		if err != nil {
			return 0, 0, err
		}
		if at+1 < end {
			end = at
		}
	}
	return int64(first), int64(end), nil
}

// A scan looks through the queues of a topic in the order of time.
type scan struct {
	s           *site
	topic       string
	filter      *scanFilter
	left        cursor
	addrs       map[string]string // of brokers, by name
	limit, look int
	blocks      [][]mq.Record // of each queue what was read and not looked at, the next one last
}

// run looks at messages until it has found or looked at enough, or time is up.
func (x *scan) run(ctx context.Context) (foundPage, error) {
	page := foundPage{Items: []messageItem{}, By: "scan"}
	begun := time.Now()
	x.blocks = make([][]mq.Record, len(x.left.Queues))
	for page.Looked < x.look && len(page.Items) < x.limit && time.Since(begun) < scanTime {
		if err := x.fill(ctx); err != nil {
			return page, err
		}
		at := x.next()
		if at < 0 {
			break
		}
		block := x.blocks[at]
		m := block[len(block)-1]
		x.blocks[at] = block[:len(block)-1]
		x.pass(at, int64(m.QueueOffset))
		page.Looked++
		if x.filter.wants(&m) {
			page.Items = append(page.Items, newItem(x.left.Queues[at].Broker, &m, previewSize))
		}
	}
	page.Enough = len(page.Items) == x.limit
	if slices.ContainsFunc(x.left.Queues, func(q scanQueue) bool { return q.Lo < q.Hi }) {
		x.left.Queues = slices.DeleteFunc(x.left.Queues, func(q scanQueue) bool { return q.Lo == q.Hi })
		page.Cursor = x.left.String()
	}
	return page, nil
}

// pass leaves the message at an offset, and what lies before it, behind.
func (x *scan) pass(at int, offset int64) {
	q := &x.left.Queues[at]
	if x.left.Ascending {
		q.Lo = min(offset+1, q.Hi)
	} else {
		q.Hi = max(offset, q.Lo)
	}
}

// next is the queue whose next message comes first; -1 if none has one.
func (x *scan) next() int {
	best := -1
	for i, block := range x.blocks {
		if len(block) == 0 {
			continue
		}
		if best < 0 {
			best = i
			continue
		}
		a, b := block[len(block)-1].StoreTime, x.blocks[best][len(x.blocks[best])-1].StoreTime
		if x.left.Ascending && a < b || !x.left.Ascending && a > b {
			best = i
		}
	}
	return best
}

// fill reads a block of each queue of which nothing is left to look at.
func (x *scan) fill(ctx context.Context) error {
	var empty []int
	for i, q := range x.left.Queues {
		if len(x.blocks[i]) == 0 && q.Lo < q.Hi {
			empty = append(empty, i)
		}
	}
	return each(ctx, len(empty), func(ctx context.Context, i int) error { return x.read(ctx, empty[i]) })
}

// read reads the next block of a queue that has any messages left.
func (x *scan) read(ctx context.Context, at int) error {
	q := &x.left.Queues[at]
	queue := remote.Queue{Queue: mq.Queue{Topic: x.topic, ID: q.ID}, Broker: q.Broker, Addr: x.addrs[q.Broker]}
	for q.Lo < q.Hi && len(x.blocks[at]) == 0 {
		from, until := q.Lo, q.Hi
		if x.left.Ascending {
			until = min(until, from+scanBlock)
		} else {
			from = max(from, until-scanBlock)
		}
		block, err := x.s.block(ctx, queue, from, until)
		if err != nil {
			return err
		}
		if len(block) == 0 { // removed meanwhile
			if x.left.Ascending {
				q.Lo = until
			} else {
				q.Hi = from
			}
			continue
		}
		if x.left.Ascending {
			slices.Reverse(block)
		}
		x.blocks[at] = block
	}
	return nil
}

// block is the messages of a queue from an offset up to another.
func (s *site) block(ctx context.Context, q remote.Queue, from, until int64) ([]mq.Record, error) {
	var all []mq.Record
	for from < until {
		got, err := s.remote.Pull(ctx, remote.Pull{Queue: q, Group: mq.GroupTools, From: mq.QueueOffset(from), Max: int(until - from)})
		if err != nil {
			return nil, err
		}
		for _, m := range got.Records {
			if off := int64(m.QueueOffset); off >= from && off < until {
				all = append(all, m)
			}
		}
		if int64(got.Next) <= from {
			break
		}
		from = int64(got.Next)
	}
	slices.SortFunc(all, func(a, b mq.Record) int { return cmp.Compare(a.QueueOffset, b.QueueOffset) })
	return all, nil
}
