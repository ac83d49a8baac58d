package sheet_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/test/ratios/sheet"
)

func figure(row, server string, round int, values map[string]float64) sheet.Figure {
	return sheet.Figure{Row: row, Server: server, Round: round, Values: values}
}

func rates(row, server string, values ...float64) (fs sheet.Figures) {
	for i, v := range values {
		fs = append(fs, figure(row, server, i+1, map[string]float64{"rate": v}))
	}
	return fs
}

func TestTheMedianIsTheMiddleOrTheMeanOfTheMiddleTwo(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   sheet.Spread
	}{
		{nil, sheet.Spread{}},
		{[]float64{3}, sheet.Spread{Median: 3, Min: 3, Max: 3, N: 1}},
		{[]float64{9, 1, 5}, sheet.Spread{Median: 5, Min: 1, Max: 9, N: 3}},
		{[]float64{4, 1, 2, 9}, sheet.Spread{Median: 3, Min: 1, Max: 9, N: 4}},
	} {
		if got := sheet.SpreadOf(c.values); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.values, got, c.want)
		}
	}
}

// One server is twice as fast in every round, while the machine gets slower.
func TestARatioComparesWithinARound(t *testing.T) {
	ours := map[int]float64{1: 200, 2: 100, 3: 50}
	java := map[int]float64{1: 100, 2: 50, 3: 25, 4: 1000}
	if got, want := sheet.Over(ours, java), (sheet.Spread{Median: 2, Min: 2, Max: 2, N: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := sheet.Over(ours, map[int]float64{1: 0}); got.N != 0 {
		t.Errorf("a ratio to nothing: %+v", got)
	}
	got := sheet.Over(map[int]float64{1: 10, 2: 30, 3: 80}, map[int]float64{1: 10, 2: 10, 3: 20})
	if math.Abs(got.Median-3) > 1e-9 || got.Min != 1 || got.Max != 4 {
		t.Errorf("%+v, want medians 30 and 10, ends 1 and 4", got)
	}
}

func TestALaterFigureReplacesAnEarlierOne(t *testing.T) {
	fs := sheet.Figures{{Row: "a", Server: "java", Round: 1, Missing: "it was down"}}
	if why := fs.Missing("a", "java"); why != "it was down" {
		t.Errorf("missing because of %q", why)
	}
	fs = append(fs, figure("a", "java", 1, map[string]float64{"rate": 7}))
	if why := fs.Missing("a", "java"); why != "" {
		t.Errorf("still missing because of %q", why)
	}
	if v := fs.Values("a", "java", "rate"); len(v) != 1 || v[1] != 7 {
		t.Errorf("values %v", v)
	}
	if f, ok := fs.Of("a", "java", 1); !ok || f.Values["rate"] != 7 {
		t.Errorf("%+v, %v", f, ok)
	}
	if _, ok := fs.Of("a", "java", 2); ok {
		t.Error("there is a second round")
	}
}

func TestARunGoesOnWhereItBrokeOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "raw.jsonl")
	r, err := sheet.Open(path, "this run")
	if err != nil {
		t.Fatal(err)
	}
	want := rates("a", "java", 1, 2)
	for _, f := range want {
		if err := r.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	r.Close()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"row":"a","server":"ja`) // the process ended here
	f.Close()
	if _, err := sheet.Open(path, "another run"); err == nil || !strings.Contains(err.Error(), "this run") {
		t.Errorf("another run opened it: %v", err)
	}
	for n := 2; n <= 3; n++ {
		r, err = sheet.Open(path, "this run")
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Figures) != n {
			t.Errorf("%d figures, want %d", len(r.Figures), n)
		}
		if err := r.Add(figure("a", "java", n+1, nil)); err != nil {
			t.Fatal(err)
		}
		r.Close()
	}
}

func TestATableHasMediansRatiosAndFloors(t *testing.T) {
	fs := append(rates("send", "java", 1000, 2000, 3000), rates("send", "goddard", 6000, 6000, 12000)...)
	fs = append(fs, rates("bare", "bare", 20000)...)
	fs = append(fs, sheet.Figure{Row: "big", Server: "java", Round: 1, Missing: "the disk\nis full"}, figure("big", "goddard", 1, map[string]float64{"rate": 0.5}),
		sheet.Figure{Row: "send", Server: "java", Round: 3, Values: map[string]float64{"rate": 3000}, Notes: []string{"3 failed"}})
	table := sheet.Table{Ours: "goddard", Others: []string{"java"}, Floors: []string{"floor", "bare"}, Names: map[string]string{"java": "RocketMQ"}, Lines: []sheet.Line{
		{Row: "send", Value: "rate", Title: "send, msg/s", Reach: "6 ×", Floor: [2]string{"bare", "rate"}},
		{Row: "big", Value: "rate", Title: "much", Decimals: 1},
		{Row: "none", Value: "rate", Title: "nothing"},
	}}
	var b strings.Builder
	if err := table.Write(&b, fs); err != nil {
		t.Fatal(err)
	}
	want := `|  | RocketMQ | goddard | goddard / RocketMQ | floor | to reach |
|---|--:|--:|--:|--:|---|
| send, msg/s | 2,000 | 6,000 | 3.0 (3.0..6.0) | 20,000 | 6 × |
| much | not measured | 0.5 | – |  |  |
| nothing | – | – | – |  |  |

Not measured:

- big, RocketMQ: the disk is full

To know:

- send, RocketMQ: 3 failed
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestATableOfOneServerHasItsEnds(t *testing.T) {
	table := sheet.Table{Ours: "floor", Lines: []sheet.Line{{Row: "disk", Value: "rate", Title: "disk, MiB/s"}}}
	var b strings.Builder
	if err := table.Write(&b, rates("disk", "floor", 1500, 900, 1200)); err != nil {
		t.Fatal(err)
	}
	want := "|  | floor | least..most |\n|---|--:|---|\n| disk, MiB/s | 1,200 | 900..1,500 |\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestCommandsAreThoseOfTheFirstRound(t *testing.T) {
	fs := sheet.Figures{
		{Row: "a", Server: "java", Round: 1, Commands: []string{"send", "send", "read"}},
		{Row: "a", Server: "goddard", Round: 1, Commands: []string{"send", "read fast"}},
		{Row: "a", Server: "java", Round: 2, Commands: []string{"other"}},
	}
	if got := strings.Join(fs.Commands("a"), "; "); got != "send; read; read fast" {
		t.Errorf("commands %q", got)
	}
}

// shapes are the elements of an SVG, which must be well-formed.
func shapes(t *testing.T, text []byte) map[string]int {
	t.Helper()
	count := map[string]int{}
	for dec := xml.NewDecoder(bytes.NewReader(text)); ; {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return count
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if e, ok := token.(xml.StartElement); ok {
			count[e.Name.Local]++
			for _, a := range e.Attr {
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Errorf("%s has %s=%q", e.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	}
}

func TestAPlotShowsEachMeasuredPoint(t *testing.T) {
	var b bytes.Buffer
	err := sheet.Plot(&b, "latency & throughput", []sheet.Curve{
		{Name: "p50", Color: "red", Points: []sheet.Point{{1000, 80}, {50000, 900}, {20000, 200}, {0, 5}, {7, 0}}},
		{Name: "p99 <late>", Color: "red", Dashed: true, Points: []sheet.Point{{1000, 900}, {50000, 2e6}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := shapes(t, b.Bytes())
	if got["circle"] != 5 || got["polyline"] != 2 {
		t.Errorf("%v in\n%s", got, b.String())
	}
	for _, want := range []string{"10 µs", "10 s", "50,000", "latency &amp; throughput", "p99 &lt;late&gt;", "stroke-dasharray"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestAPlotOfOnePointOrNoneIsWhole(t *testing.T) {
	for name, c := range map[string][]sheet.Curve{
		"none":        nil,
		"nothing":     {{Name: "p50", Color: "red", Points: []sheet.Point{{0, 0}}}},
		"one":         {{Name: "p50", Color: "red", Points: []sheet.Point{{1234, 100}}}},
		"below a sec": {{Name: "p50", Color: "red", Points: []sheet.Point{{0.5, 1}}}},
	} {
		var b bytes.Buffer
		if err := sheet.Plot(&b, name, c); err != nil {
			t.Fatal(err)
		}
		if got := shapes(t, b.Bytes()); got["svg"] != 1 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestTheRemainingTimeGoesByWhatTheRestTook(t *testing.T) {
	var c sheet.Clock
	if got := c.Left(time.Minute); got != time.Minute {
		t.Errorf("at first %v", got)
	}
	c.Did(10*time.Second, 20*time.Second)
	c.Did(10*time.Second, 40*time.Second)
	if got := c.Left(time.Minute); got != 3*time.Minute {
		t.Errorf("three times as slow it says %v", got)
	}
	for d, want := range map[time.Duration]string{40 * time.Second: "40 s", 10 * time.Minute: "10 min", 125 * time.Minute: "2 h 05 min"} {
		if got := sheet.Text(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
