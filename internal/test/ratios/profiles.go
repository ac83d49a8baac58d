//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/goddardmq/goddard/internal/load"
	"github.com/goddardmq/goddard/internal/test/against"
	"github.com/goddardmq/goddard/internal/test/ratios/profile"
)

const (
	// profiledServer is the only one whose profiles are known.
	profiledServer = "goddard"
	profilesAt     = "http://127.0.0.1:8082/debug/pprof/"
	// profileEnv makes one allocation in so many bytes a sample, 16 times as often
	// as usual: some loads make little garbage.
	profileEnv = "GODEBUG=memprofilerate=32768"
	// longestProfile bounds how much of a load is looked at.
	longestProfile = 30 * time.Second
)

// profiles are those of all rows, and the page on them.
type profiles struct {
	dir  string
	head string
	rows []profile.Row
}

func newProfiles(o *options) (*profiles, error) {
	head := "# What Goddard spends its time on\n\n" + about(o) + ` While a load ran the profiles of processor time, waiting and
contention were taken; those of allocation are differences over the load, of one sample in 32 KiB. All of that costs something,
so these are not the figures of a measurement. A stack is for what its innermost function with a known purpose is for.
Goroutines that wait for something to do are not in what was waited for.
System calls were counted with strace in a repetition of the load; that slows the server down, so that more arrives at once and
some calls are fewer than otherwise.
`
	return &profiles{dir: o.profile, head: head}, os.MkdirAll(o.profile, 0o755)
}

// add writes the page with one more row.
func (p *profiles) add(r profile.Row) error {
	p.rows = append(p.rows, r)
	var page bytes.Buffer
	page.WriteString(p.head)
	for i := range p.rows {
		page.WriteByte('\n')
		if err := p.rows[i].Write(&page); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(p.dir, "profiles.md"), page.Bytes(), 0o644)
}

// keep writes a file of a row.
func (p *profiles) keep(row, kind string, b []byte) error {
	return os.WriteFile(filepath.Join(p.dir, row+"."+kind), b, 0o644)
}

// name is the row's, with a number from its second load on.
func (p *profiles) name(row string) string {
	name := row
	for n := 2; slices.ContainsFunc(p.rows, func(r profile.Row) bool { return r.Key == name }); n++ {
		name = fmt.Sprintf("%s-%d", row, n)
	}
	return name
}

// A window is the part of a load that is looked at.
type window struct {
	delay, length time.Duration
	// whole says that all messages of the load fall into it.
	whole bool
}

// windowOf is that of a load by its flags. It begins when the load has had its
// warm-up and a moment to connect, and ends before the load does.
func windowOf(args []string) window {
	w := window{delay: flagOf(args, "warmup") + 500*time.Millisecond}
	span, after := flagOf(args, "time"), flagOf(args, "after")
	switch {
	case after > 0: // what is delayed comes when the sending is over
		w.length, w.whole = span+after, true
	case has(args, "count"): // nobody knows when it ends
		w.delay, w.length = 0, min(span, 5*time.Second)
	default:
		w.length = span - time.Second
	}
	w.length = max(min(w.length, longestProfile).Truncate(time.Second), time.Second)
	return w
}

// messages are those of the load that fall into the window.
func (w window) messages(r *load.Report) float64 {
	if w.whole {
		return float64(r.Messages)
	}
	return min(r.Rate*w.length.Seconds(), float64(r.Messages+r.WarmupMessages))
}

func has(args []string, flag string) bool {
	return slices.ContainsFunc(args, func(a string) bool { return strings.TrimLeft(a, "-") == flag })
}

// flagOf is the time that a flag gives, 0 if it is not there.
func flagOf(args []string, flag string) time.Duration {
	for i, a := range args[:max(len(args)-1, 0)] {
		if strings.HasPrefix(a, "-") && strings.TrimLeft(a, "-") == flag {
			d, _ := time.ParseDuration(args[i+1])
			return d
		}
	}
	return 0
}

// profiled runs a load of a row, and looks at our server meanwhile if that is
// asked for. What cannot be looked at is noted on the page; the load counts.
func (b *bench) profiled(cmd *exec.Cmd) (*load.Report, time.Duration, error) {
	syscall.Sync() // nobody is charged for what was written before
	if b.profiles == nil || b.round > 1 {
		return b.run(cmd)
	}
	if b.s.key != profiledServer {
		fmt.Fprintf(os.Stderr, "   %s: no profiles, they are of %s alone\n", b.s.name, names()[profiledServer])
		return b.run(cmd)
	}
	again := slices.Clone(cmd.Args)
	l := &look{b: b, row: profile.Row{Key: b.profiles.name(b.row)}, window: windowOf(cmd.Args)}
	before := l.fetch("heap?gc=1", "allocs-before.pb.gz")
	end := l.watch()
	r, cpu, err := b.run(cmd)
	end(err)
	if err != nil {
		return r, cpu, err
	}
	if after := l.fetch("heap?gc=1", "allocs-after.pb.gz"); before != nil && after != nil {
		l.row.Allocs = after.Since(before)
	}
	l.row.Rate, l.row.Charged = r.Rate, perMillion(cpu, r)
	l.row.Messages, l.row.AllocMessages = l.window.messages(r), float64(r.Messages+r.WarmupMessages)
	l.trace(exec.Command(cmd.Path, again[1:]...))
	return r, cpu, b.profiles.add(l.row)
}

// A look is what is taken of the server under one load.
type look struct {
	b      *bench
	window window
	row    profile.Row
	// mu guards the row's notes: several profiles are taken at a time.
	mu sync.Mutex
}

func (l *look) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.row.Notes = append(l.row.Notes, fmt.Sprintf(format, args...))
}

// watch takes the profiles of the window from now on. The function that it
// returns waits for them, or gives up if the load failed.
func (l *look) watch() (end func(failed error)) {
	ctx, cancel := context.WithCancel(l.b.ctx)
	var all sync.WaitGroup
	for _, take := range []struct {
		path, file string
		to         **profile.Profile
	}{{"profile", "cpu", &l.row.CPU}, {"block", "block", &l.row.Block}, {"mutex", "mutex", &l.row.Mutex}} {
		all.Go(func() {
			select {
			case <-ctx.Done():
				return
			case <-time.After(l.window.delay):
			}
			*take.to = l.fetchWithin(ctx, fmt.Sprintf("%s?seconds=%d", take.path, int(l.window.length.Seconds())), take.file+".pb.gz")
		})
	}
	return func(failed error) {
		if failed != nil {
			cancel()
		}
		all.Wait()
		cancel()
	}
}

func (l *look) fetch(what, file string) *profile.Profile {
	return l.fetchWithin(l.b.ctx, what, file)
}

// fetchWithin asks for a profile, keeps it in a file and reads it; nil if it did
// not come.
func (l *look) fetchWithin(ctx context.Context, what, file string) *profile.Profile {
	raw, err := ask(ctx, l.b.s.network, profilesAt+what)
	if err == nil {
		err = l.b.profiles.keep(l.row.Key, file, raw)
	}
	var p *profile.Profile
	if err == nil {
		p, err = profile.Read(raw)
	}
	if err != nil {
		if ctx.Err() == nil {
			l.note("%s is missing: %v", file, err)
		}
		return nil
	}
	return p
}

// ask gets a page in a network.
func ask(ctx context.Context, network *against.Network, url string) ([]byte, error) {
	dial := func(ctx context.Context, kind, addr string) (c net.Conn, err error) {
		err = network.Do(func() error { c, err = new(net.Dialer).DialContext(ctx, kind, addr); return err })
		return c, err
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	ctx, cancel := context.WithTimeout(ctx, longestProfile+30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, tail(string(b)))
	}
	return b, err
}
