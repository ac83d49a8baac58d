//go:build linux

package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goddardmq/goddard/internal/load"
	"github.com/goddardmq/goddard/internal/test/ratios/sheet"
)

// warmedBy returns how many loads of three seconds a warm-up took.
func warmedBy(t *testing.T, o *options, speed func(n int) (float64, error), thrift ...float64) (loads int, b *bench) {
	t.Helper()
	b = &bench{ctx: context.Background(), s: &server{name: "it", running: []*child{{ended: make(chan struct{})}}}, o: o, round: 1, warmed: map[string]int{}}
	synctest.Test(t, func(t *testing.T) {
		err := b.warmUp(&path{key: "send", load: func(_ *bench, span time.Duration) (pace, error) {
			loads++
			time.Sleep(span)
			v, err := speed(loads)
			p := pace{v, 1}
			if loads <= len(thrift) {
				p.thrift = thrift[loads-1]
			}
			return p, err
		}})
		if err != nil {
			t.Error(err)
		}
	})
	return loads, b
}

func TestAServerIsWarmWhenTwoLoadsInARowWereHardlyFaster(t *testing.T) {
	speeds := []float64{17, 38, 60, 62, 72, 74, 71, 200}
	n, b := warmedBy(t, anOption(), func(n int) (float64, error) { return speeds[n-1], nil })
	if n != 7 || len(b.notes) != 0 {
		t.Errorf("%d loads of %v, %v", n, speeds, b.notes)
	}
	if n, _ := warmedBy(t, anOption(), func(int) (float64, error) { return 5, nil }); n != 3 {
		t.Errorf("%d loads of a server that does not get faster", n)
	}
}

func TestAServerThatTakesLessAndLessOfTheProcessorsIsNotWarm(t *testing.T) {
	same := func(int) (float64, error) { return 5, nil }
	if n, _ := warmedBy(t, anOption(), same, 1, 2, 3, 4, 4.1, 4.2); n != 6 {
		t.Errorf("%d loads", n)
	}
}

func TestAServerThatDoesNotGetWarmIsMeasuredWithANote(t *testing.T) {
	faster := func(n int) (float64, error) { return float64(int(1) << n), nil }
	n, b := warmedBy(t, anOption(), faster)
	if n != 20 || len(b.notes) != 1 || !strings.Contains(b.notes[0], "60 s") {
		t.Errorf("%d loads, %v", n, b.notes)
	}
	quick := anOption()
	quick.quick = true
	if n, b = warmedBy(t, quick, faster); n != 3 || len(b.notes) != 1 {
		t.Errorf("%d loads in the quick form, %v", n, b.notes)
	}
}

func TestRefusalsOfAServerThatHasJustStartedDoNotCount(t *testing.T) {
	n, _ := warmedBy(t, anOption(), func(n int) (float64, error) {
		if n%2 == 1 {
			return 0, errors.New("busy")
		}
		return 100, nil
	})
	if n != 6 {
		t.Errorf("%d loads, every second refused", n)
	}
	if n, _ = warmedBy(t, anOption(), func(int) (float64, error) { return 0, errors.New("busy") }); n != 20 {
		t.Errorf("%d loads, all refused", n)
	}
}

func TestAPathIsWarmedUpOnceWhileTheServerLives(t *testing.T) {
	_, b := warmedBy(t, anOption(), func(int) (float64, error) { return 1, nil })
	again := &path{key: "send", load: func(*bench, time.Duration) (pace, error) {
		t.Error("it is warmed up again")
		return pace{}, errEnded
	}}
	if err := b.warmUp(again); err != nil {
		t.Error(err)
	}
	// In the next round nothing is to be done, but what is read is read once.
	b.round = 2
	if err := b.warmUp(again); err != nil {
		t.Error(err)
	}
	loads := 0
	again.prepare = func(*bench) error { return errNothing }
	again.load = func(_ *bench, span time.Duration) (pace, error) {
		loads++
		return pace{}, errors.New("busy")
	}
	b.round = 3
	for range 2 {
		if err := b.warmUp(again); err != nil || loads != 1 {
			t.Errorf("%d loads in the next round, %v", loads, err)
		}
	}
	b.s.running = nil
	again.prepare = nil
	again.key, again.load = "pull", func(*bench, time.Duration) (pace, error) { return pace{}, errEnded }
	if err := b.warmUp(again); !errors.Is(err, errEnded) {
		t.Errorf("of a server that has ended: %v", err)
	}
}

// Java is not compared before it is warm: every row of both servers has a path,
// but for those in which the start is what counts.
func TestEveryRowOfBothServersIsWarmedUp(t *testing.T) {
	cold := []string{"start", "queues", "cold", "cold-beside", "cold-restart"}
	for _, g := range groups(anOption()) {
		for _, r := range g.rows {
			if slices.Contains(g.servers, "java") && r.warm == nil && !slices.Contains(cold, r.key) {
				t.Errorf("%s is measured cold", r.key)
			}
		}
	}
}

func TestTheTimeThatIsLeftHasTheWarmUpsInIt(t *testing.T) {
	o := anOption()
	g := readGroup()
	cost := func(server string, round int, warmed map[string]int) (sum time.Duration) {
		for _, r := range g.rows {
			sum += warmCost(o, server, &r, round, warmed)
		}
		return sum
	}
	if got := cost("java", 1, map[string]int{}); got != 2*slowWarm {
		t.Errorf("%v for pulls and pops", got)
	}
	if got := cost("java", 2, map[string]int{"pull": 2}); got != slowWarm {
		t.Errorf("%v for pops when pulls are warm", got)
	}
	if got := cost("java", 2, map[string]int{"pull": 1, "pop": 1}); got < 2*wakeLoad || got > 4*wakeLoad {
		t.Errorf("%v for pulls and pops of a round before", got)
	}
	if got := cost("goddard", 1, map[string]int{}); got < 2*3*warmLoad || got > warmLimit {
		t.Errorf("%v for pulls and pops of ours", got)
	}
}

func TestTheRoomIsThatOfTheRowsThatAreMeasured(t *testing.T) {
	o := anOption()
	g := sendGroup()
	all, one := room(o, &g, g.rows, nil, 1), room(o, &g, g.rows[:1], nil, 1)
	if one != 10+20 || all <= one || all > 80 {
		t.Errorf("%v GiB for one row, %v for all", one, all)
	}
	if got := room(o, &g, g.rows[:1], map[string]int{"send": 1}, 1); got != 10 {
		t.Errorf("%v GiB for one row of a server that is warm", got)
	}
	g = coldGroup()
	if got := room(o, &g, g.rows, nil, 1); got != o.cold*1.2+2+0.7*2 {
		t.Errorf("%v GiB for %v cold ones", got, o.cold)
	}
	fs := sheet.Figures{{Row: "disk-write", Server: "floor", Round: 1, Values: map[string]float64{"mib": 102.4}}}
	if got := writeRate(fs); got != 0.1 {
		t.Errorf("%v GiB a second on a disk of 0.1", got)
	}
}

func TestProfilesAreOfThePartOfALoadThatIsMeasured(t *testing.T) {
	for args, want := range map[string]window{
		"produce --time 10s --warmup 1s":              {1500 * time.Millisecond, 9 * time.Second, false},
		"send -time 2m":                               {500 * time.Millisecond, 30 * time.Second, false},
		"produce --time 1s --warmup 0s":               {500 * time.Millisecond, time.Second, false},
		"delay --time 4s --warmup 0s --after 5s":      {500 * time.Millisecond, 9 * time.Second, true},
		"topics --count 10 --time 15m --in-flight 64": {0, 5 * time.Second, false},
	} {
		if got := windowOf(strings.Fields(args)); got != want {
			t.Errorf("%s: %+v, want %+v", args, got, want)
		}
	}
	r := &load.Report{Messages: 1000, Rate: 100}
	if got := (window{length: 9 * time.Second}).messages(r); got != 900 {
		t.Errorf("%v messages in nine of ten seconds", got)
	}
	if got := (window{length: 30 * time.Second}).messages(r); got != 1000 {
		t.Errorf("%v messages when the load was over before", got)
	}
}

func TestALoadIsRepeatedForAShorterTime(t *testing.T) {
	args := strings.Fields("bench pop --time 60s --topic time")
	shorten(args)
	if got := strings.Join(args, " "); got != "bench pop --time 5s --topic time" {
		t.Error(got)
	}
}

func TestTheQuickFormSaysThatJavaIsNotWarm(t *testing.T) {
	o := anOption()
	for _, quick := range []bool{true, false} {
		o.quick = quick
		var b strings.Builder
		if err := writePage(&b, &plan{o: o, raw: new(sheet.Raw)}, "x", false); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "flatter") != quick {
			t.Errorf("quick %v:\n%s", quick, b.String())
		}
	}
}

func TestProfilesAreOfOurServer(t *testing.T) {
	o := anOption()
	o.profile, o.servers = "x", []string{"java"}
	if err := o.check(); err == nil || !strings.Contains(err.Error(), "-profile") {
		t.Error(err)
	}
	if before := anOption().setup(); o.setup() == before {
		t.Error("a run with profiles is taken for one without")
	}
}

func TestThePageOfProfilesIsThereAfterEachRow(t *testing.T) {
	o := anOption()
	o.profile = filepath.Join(t.TempDir(), "new")
	p, err := newProfiles(o)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{profiles: p, row: "curve"}
	for _, want := range []string{"curve", "curve-2"} {
		l := &look{b: b}
		l.row.Key = p.name(b.row)
		if l.row.Key != want {
			t.Errorf("%s, want %s", l.row.Key, want)
		}
		l.trace(exec.Command("load", "--count", "5"))
		if err := p.add(l.row); err != nil {
			t.Fatal(err)
		}
		page, err := os.ReadFile(filepath.Join(o.profile, "profiles.md"))
		if err != nil || !strings.Contains(string(page), "## "+want+"\n") || !strings.Contains(string(page), "cannot be repeated") {
			t.Errorf("%v:\n%s", err, page)
		}
	}
}
