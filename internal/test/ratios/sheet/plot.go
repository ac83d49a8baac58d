package sheet

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// A Point is a latency in µs at a throughput in messages a second.
type Point struct{ Rate, Latency float64 }

// A Curve is one line of a plot. Curves of one colour belong together; a dashed
// one is the second of them.
type Curve struct {
	Name   string
	Color  string // as in CSS
	Dashed bool
	Points []Point
}

// The drawing, in its own units: room for the axes around the field of the plot,
// and for what the lines are on its right.
const (
	plotWidth, plotHeight          = 860, 460
	plotLeft, plotRight            = 70, 170
	plotTop, plotBottom            = 40, 60
	fieldWidth, fieldHeight        = plotWidth - plotLeft - plotRight, plotHeight - plotTop - plotBottom
	legendX, legendY, legendStride = plotLeft + fieldWidth + 28, plotTop + 18, 22
)

// Plot draws latency over throughput as SVG: throughput from 0 to the right,
// latency on a logarithmic scale. Points that are not above 0 are left out.
func Plot(w io.Writer, title string, curves []Curve) error {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", plotWidth, plotHeight)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", plotWidth, plotHeight)
	text(&b, plotLeft, 24, "start", 15, title)
	s, ok := scaleOf(curves)
	if !ok {
		text(&b, plotLeft+fieldWidth/2, plotTop+fieldHeight/2, "middle", 13, "nothing was measured")
		b.WriteString("</svg>\n")
		_, err := io.WriteString(w, b.String())
		return err
	}
	s.grid(&b)
	for i, c := range curves {
		s.curve(&b, c)
		y := float64(legendY + i*legendStride)
		fmt.Fprintf(&b, `<line x1="%d" y1="%.0f" x2="%d" y2="%.0f" stroke="%s" stroke-width="2"%s/>`+"\n", legendX, y-4, legendX+28, y-4, c.Color, dashes(c))
		text(&b, legendX+36, y, "start", 12, c.Name)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// A scale turns measurements into places. Latency goes over whole decades.
type scale struct {
	most        float64 // messages a second
	step        float64 // between two lines
	low, decade float64 // log10 of the lowest latency, decades above it
}

func scaleOf(curves []Curve) (scale, bool) {
	low, high, most := math.Inf(1), 0.0, 0.0
	for _, c := range curves {
		for _, p := range shown(c) {
			low, high, most = min(low, p.Latency), max(high, p.Latency), max(most, p.Rate)
		}
	}
	if most == 0 {
		return scale{}, false
	}
	s := scale{low: math.Floor(math.Log10(low)), step: roundStep(most / 6)}
	s.decade = max(math.Ceil(math.Log10(high))-s.low, 1)
	s.most = math.Ceil(most/s.step) * s.step
	return s, true
}

// roundStep is the next of 1, 2 and 5 times a power of ten.
func roundStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if v <= m*power {
			return m * power
		}
	}
	return 10 * power
}

func shown(c Curve) []Point {
	points := slices.DeleteFunc(slices.Clone(c.Points), func(p Point) bool { return p.Rate <= 0 || p.Latency <= 0 })
	slices.SortFunc(points, func(a, b Point) int { return int(math.Copysign(1, a.Rate-b.Rate)) })
	return points
}

func (s scale) x(rate float64) float64 { return plotLeft + rate/s.most*fieldWidth }

func (s scale) y(latency float64) float64 {
	return plotTop + fieldHeight - (math.Log10(latency)-s.low)/s.decade*fieldHeight
}

func (s scale) grid(b *strings.Builder) {
	line := func(x1, y1, x2, y2 float64) {
		fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#ddd"/>`+"\n", x1, y1, x2, y2)
	}
	for rate := 0.0; rate <= s.most*1.001; rate += s.step {
		line(s.x(rate), plotTop, s.x(rate), plotTop+fieldHeight)
		text(b, s.x(rate), plotTop+fieldHeight+18, "middle", 12, number(rate, 0))
	}
	for d := 0.0; d <= s.decade; d++ {
		at := math.Pow(10, s.low+d)
		line(plotLeft, s.y(at), plotLeft+fieldWidth, s.y(at))
		text(b, plotLeft-8, s.y(at)+4, "end", 12, duration(at))
	}
	text(b, plotLeft+fieldWidth/2, plotHeight-14, "middle", 12, "messages a second")
	fmt.Fprintf(b, `<text transform="translate(16 %d) rotate(-90)" text-anchor="middle" fill="#333">latency</text>`+"\n", plotTop+fieldHeight/2)
}

func (s scale) curve(b *strings.Builder, c Curve) {
	var places []string
	for _, p := range shown(c) {
		places = append(places, fmt.Sprintf("%.1f,%.1f", s.x(p.Rate), s.y(p.Latency)))
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", s.x(p.Rate), s.y(p.Latency), c.Color)
	}
	fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"%s/>`+"\n", strings.Join(places, " "), c.Color, dashes(c))
}

func dashes(c Curve) string {
	if c.Dashed {
		return ` stroke-dasharray="6 4"`
	}
	return ""
}

func text(b *strings.Builder, x, y float64, anchor string, size int, s string) {
	s = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d" fill="#333">%s</text>`+"\n", x, y, anchor, size, s)
}

// duration prints a power of ten of microseconds.
func duration(us float64) string {
	switch {
	case us >= 1e6:
		return fmt.Sprintf("%.0f s", us/1e6)
	case us >= 1e3:
		return fmt.Sprintf("%.0f ms", us/1e3)
	default:
		return fmt.Sprintf("%.0f µs", us)
	}
}
