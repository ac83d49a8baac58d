package profile

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A Row is what was found about one load on one server. What is nil was not
// taken, and the notes say why.
type Row struct {
	Key string
	// Rate is messages a second, and Charged the processor time of a message in
	// µs as the kernel accounts it.
	Rate, Charged float64

	// CPU, Block and Mutex were taken while so many messages went through.
	CPU, Block, Mutex *Profile
	Messages          float64

	// Allocs is what was allocated for so many.
	Allocs        *Profile
	AllocMessages float64

	// Calls are system calls by name, for so many messages in a repetition.
	Calls        map[string]int64
	CallMessages float64

	Notes []string
}

// Write prints the row as a table in Markdown: figures per message.
func (r *Row) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n%s messages a second while it was looked at; %s µs of processor time for each, as the kernel accounts it.\n\n",
		r.Key, strconv.FormatFloat(r.Rate, 'f', 0, 64), number(r.Charged))
	fmt.Fprintf(&b, "| %s | a message | |\n|---|--:|---|\n", r.Key)
	r.writeCPU(&b)
	if r.Allocs != nil {
		space, objects := r.top(r.Allocs, "alloc_space", nil), r.top(r.Allocs, "alloc_objects", nil)
		line(&b, "allocated, bytes", space.sum/r.AllocMessages, space.first(3))
		line(&b, "… objects", objects.sum/r.AllocMessages, objects.first(3))
	}
	if r.Block != nil {
		locks := r.top(r.Block, "delay", func(stack []string) bool { return !idle(stack) && !channel(stack) })
		channels := r.top(r.Block, "delay", func(stack []string) bool { return !idle(stack) && channel(stack) })
		line(&b, "waited for locks and conditions, µs", locks.sum/r.Messages/1000, locks.first(2))
		line(&b, "… for channels, µs", channels.sum/r.Messages/1000, channels.first(2))
	}
	if r.Mutex != nil {
		held := r.top(r.Mutex, "delay", nil)
		line(&b, "made others wait for a mutex, µs", held.sum/r.Messages/1000, held.first(2))
	}
	r.writeCalls(&b)
	for i, n := range r.Notes {
		if i == 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "- %s\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Row) writeCPU(b *strings.Builder) {
	if r.CPU == nil {
		return
	}
	value := r.CPU.Value("cpu")
	sorter := NewSorter()
	sums := map[string]float64{}
	var all float64
	stacks := 0
	rest := map[string]float64{}
	for _, s := range r.CPU.Samples {
		if value < 0 || measuring(s.Stack) {
			continue
		}
		v := float64(s.Values[value])
		p := sorter.Purpose(s.Stack)
		sums[p] += v
		all += v
		stacks++
		if p == Rest {
			rest[site(s.Stack)] += v
		}
	}
	line(b, "processor time, µs", all/r.Messages/1000, fmt.Sprintf("of %d stacks", stacks))
	for _, p := range Purposes() {
		if sums[p] == 0 {
			continue
		}
		more := share(sums[p], all)
		if p == Rest {
			more += ": " + ranking{sums[p], rest}.first(3)
		}
		line(b, "… "+p, sums[p]/r.Messages/1000, more)
	}
}

func (r *Row) writeCalls(b *strings.Builder) {
	if r.Calls == nil {
		return
	}
	each := ranking{of: map[string]float64{}}
	for name, n := range r.Calls {
		each.of[name] = float64(n)
		each.sum += float64(n)
	}
	var names []string
	for _, name := range each.names() {
		if v := each.of[name]; v >= each.sum/100 {
			names = append(names, name+" "+number(v/r.CallMessages))
		}
	}
	line(b, "system calls", each.sum/r.CallMessages, strings.Join(names, ", "))
}

func line(b *strings.Builder, what string, each float64, more string) {
	fmt.Fprintf(b, "| %s | %s | %s |\n", what, number(each), more)
}

// A ranking is a sum and what it consists of, by name.
type ranking struct {
	sum float64
	of  map[string]float64
}

// names are sorted by their values, the largest first.
func (r ranking) names() []string {
	return slices.SortedFunc(maps.Keys(r.of), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.of[b], r.of[a]), strings.Compare(a, b))
	})
}

// first are the n largest with their shares.
func (r ranking) first(n int) string {
	var all []string
	for _, name := range r.names() {
		if len(all) == n || r.of[name] <= 0 {
			break
		}
		all = append(all, fmt.Sprintf("`%s` %s", name, share(r.of[name], r.sum)))
	}
	return strings.Join(all, ", ")
}

// top ranks the sites of a profile by a value. What the measuring itself did is
// left out; so are stacks that keep does not want, if it is not nil.
func (r *Row) top(p *Profile, name string, keep func(stack []string) bool) ranking {
	t := ranking{of: map[string]float64{}}
	value := p.Value(name)
	for _, s := range p.Samples {
		if value < 0 || measuring(s.Stack) || keep != nil && !keep(s.Stack) {
			continue
		}
		v := float64(s.Values[value])
		t.sum += v
		t.of[site(s.Stack)] += v
	}
	return t
}

// site is the innermost function that is not the language's own.
func site(stack []string) string {
	for _, f := range stack {
		if own(f) {
			continue
		}
		return short(f)
	}
	if len(stack) == 0 {
		return "unknown"
	}
	return stack[0]
}

func own(function string) bool {
	for _, p := range []string{"runtime.", "sync.", "internal/", "syscall.", "strings.", "bytes.", "slices.", "maps.", "errors.", "fmt.", "strconv.", "time.", "io.", "os.", "net.", "hash/", "encoding/",
		"context.", "container/", "math/", "cmpbody", "memeqbody", "indexbytebody", "aeshashbody", "type:", "unique.", "reflect.", "sort.", "bufio.", "compress/", "crypto/"} {
		if strings.HasPrefix(function, p) {
			return true
		}
	}
	return false
}

// short leaves out where our packages lie, and the types that a generic
// function was made for.
func short(function string) string {
	f := strings.TrimPrefix(function, ours)
	if open, end := strings.Index(f, "[go.shape."), strings.LastIndexByte(f, ']'); open >= 0 && end > open {
		f = f[:open] + "[…]" + f[end+1:]
	}
	return f
}

// idle reports whether a goroutine waits for something to do rather than for
// its work to go on: in the loop that it was started for, or as one that the
// key store started.
func idle(stack []string) bool {
	if len(stack) == 0 || later(stack) {
		return true
	}
	calls := 0
	for _, f := range stack {
		if !own(f) {
			calls++
		}
	}
	loop := site(stack)
	return channel(stack) && (calls <= 2 || strings.HasSuffix(loop, ".Run") || strings.HasPrefix(loop, "google.golang.org/grpc/internal/transport.(*controlBuffer)"))
}

// channel reports whether what was waited for is a channel.
func channel(stack []string) bool {
	return len(stack) > 0 && (strings.HasPrefix(stack[0], "runtime.chan") || strings.HasPrefix(stack[0], "runtime.select"))
}

func share(part, all float64) string {
	if all <= 0 {
		return "0 %"
	}
	return fmt.Sprintf("%.0f %%", 100*part/all)
}

// number prints three digits that mean something.
func number(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v >= 0.1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v >= 0.0005 || v <= 0:
		return strconv.FormatFloat(v, 'f', 3, 64)
	default:
		return strconv.FormatFloat(v, 'f', 5, 64)
	}
}
