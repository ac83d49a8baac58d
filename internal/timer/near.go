package timer

import (
	"cmp"
	"container/heap"
	"slices"
	"sync"

	"github.com/goddardmq/goddard/internal/mq"
)

// Bounds of what waits in memory.
const (
	// nearHorizon is how soon, in milliseconds, a message must be due to wait
	// in memory.
	nearHorizon = 30_000
	// nearMessages is how many wait there, of 32 bytes each.
	nearMessages = 768 << 10
	// nearSpan is how much of the queue has to be read again after a restart,
	// in messages: those that wait longest get rows beyond it.
	nearSpan = 1 << 20
	// pageEntries is about the size of a page.
	pageEntries = 512
	// spillPages is how many pages get rows at a time.
	spillPages = 16
)

// near holds messages that are due so soon that a row, written and deleted
// again in the key store's files, would cost more than all else that is done for
// them. After a restart they are found by reading the queue again, from the
// first on that was not done with.
type near struct {
	// Mutex guards everything. The agenda's goroutine alone makes changes, and
	// so reads without it.
	sync.Mutex
	pages []*page // in the order of the queue
	due   byDue
	count int // entries that are not taken
}

// A page holds messages that follow each other in the queue.
type page struct {
	first   mq.QueueOffset // of the first message
	pos     mq.LogPos      // of the first message
	entries []entry        // in the order of their places
	next    int            // entries before it are taken
	left    int            // entries whose end the key store does not know
	at      int            // in near.due; -1 if all are taken
}

// head is the first entry that is not taken.
func (p *page) head() *entry { return &p.entries[p.next] }

// byDue is a heap of the pages that have entries left to take.
type byDue []*page

func (h byDue) Len() int           { return len(h) }
func (h byDue) Less(i, j int) bool { return h[i].head().before(h[j].head().place) }

func (h byDue) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

// Push implements heap.Interface.
func (h *byDue) Push(x any) {
	p := x.(*page)
	p.at = len(*h)
	*h = append(*h, p)
}

// Pop implements heap.Interface.
func (h *byDue) Pop() any {
	n := len(*h) - 1
	p := (*h)[n]
	(*h)[n] = nil
	*h = (*h)[:n]
	p.at = -1
	return p
}

// add enters messages that follow all that were entered before. first and pos
// are those of the first of them in the queue; entries is sorted here.
func (n *near) add(first mq.QueueOffset, pos mq.LogPos, entries []entry) {
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.pos, b.pos))
	})
	n.Lock()
	defer n.Unlock()
	n.count += len(entries)
	if last := len(n.pages) - 1; last >= 0 {
		if p := n.pages[last]; p.at >= 0 && len(p.entries)+len(entries) <= pageEntries {
			for _, e := range entries {
				p.insert(e)
			}
			heap.Fix(&n.due, p.at)
			return
		}
	}
	p := &page{first: first, pos: pos, entries: slices.Clone(entries), left: len(entries)}
	n.pages = append(n.pages, p)
	heap.Push(&n.due, p)
}

func (p *page) insert(e entry) {
	rest := p.entries[p.next:]
	i := len(rest)
	if e.before(rest[i-1].place) {
		i, _ = slices.BinarySearchFunc(rest, e.place, comparePlace)
	}
	p.entries = slices.Insert(p.entries, p.next+i, e)
	p.left++
}

func comparePlace(e entry, p place) int {
	return cmp.Or(cmp.Compare(e.due, p.due), cmp.Compare(e.pos, p.pos))
}

// soonest is when the first message is due that is not taken, or nowhere.
func (n *near) soonest() int64 {
	if len(n.due) == 0 {
		return nowhere
	}
	return n.due[0].head().due
}

// takeLocked takes the first message. There must be one.
func (n *near) takeLocked() taken {
	p := n.due[0]
	t := taken{*p.head(), p}
	p.next++
	n.count--
	n.settleLocked(p)
	return t
}

// settleLocked puts a page to its place in the heap after it lost entries.
func (n *near) settleLocked(p *page) {
	if p.next < len(p.entries) {
		heap.Fix(&n.due, p.at)
		return
	}
	heap.Remove(&n.due, p.at)
	p.entries, p.next = nil, 0
}

// find calls f with the messages due at a time that are not taken.
func (n *near) find(due int64, f func(taken)) {
	for _, p := range n.due {
		rest := p.entries[p.next:]
		if rest[0].due > due || rest[len(rest)-1].due < due {
			continue
		}
		i, _ := slices.BinarySearchFunc(rest, place{due: due}, comparePlace)
		for ; i < len(rest) && rest[i].due == due; i++ {
			f(taken{rest[i], p})
		}
	}
}

// remove takes a message out of the midst.
func (n *near) remove(t taken) {
	n.Lock()
	defer n.Unlock()
	p := t.page
	rest := p.entries[p.next:]
	if i, ok := slices.BinarySearchFunc(rest, t.place, comparePlace); ok {
		p.entries = slices.Delete(p.entries, p.next+i, p.next+i+1)
		n.count--
		n.settleLocked(p)
	}
}

// front is where the first message lies that is in memory alone; false if there
// is none.
func (n *near) front() (offset mq.QueueOffset, pos mq.LogPos, ok bool) {
	for _, p := range n.pages {
		if p.left > 0 {
			return p.first, p.pos, true
		}
	}
	return 0, 0, false
}

// trim forgets pages at the front that are done with.
func (n *near) trim() {
	n.Lock()
	defer n.Unlock()
	done := 0
	for done < len(n.pages) && n.pages[done].left == 0 {
		n.pages[done] = nil
		done++
	}
	if n.pages = n.pages[done:]; len(n.pages) == 0 {
		n.pages = nil
	}
}

// oldest are the first pages with entries to take, at most limit and all below
// a log position.
func (n *near) oldest(limit int, below mq.LogPos) (found []*page) {
	for _, p := range n.pages {
		if p.pos >= below || len(found) == limit {
			break
		}
		if p.at >= 0 {
			found = append(found, p)
		}
	}
	return found
}

// drop forgets what pages have left to take.
func (n *near) drop(pages []*page) {
	n.Lock()
	defer n.Unlock()
	for _, p := range pages {
		n.count -= len(p.entries) - p.next
		p.next = len(p.entries)
		n.settleLocked(p)
	}
}

// list is the first entries due at or after from and, if that is not 0, before
// until, sorted.
func (n *near) list(from, until int64, limit int) (found []entry) {
	n.Lock()
	defer n.Unlock()
	sort := func() { slices.SortFunc(found, func(a, b entry) int { return comparePlace(a, b.place) }) }
	for _, p := range n.due {
		rest := p.entries[p.next:]
		i, _ := slices.BinarySearchFunc(rest, place{due: from}, comparePlace)
		for ; i < len(rest) && (until <= 0 || rest[i].due < until); i++ {
			found = append(found, rest[i])
		}
		if len(found) > 2*limit {
			sort()
			found = found[:limit]
		}
	}
	sort()
	return found[:min(len(found), limit)]
}
