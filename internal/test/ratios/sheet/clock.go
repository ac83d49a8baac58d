package sheet

import (
	"fmt"
	"time"
)

// A Clock estimates how long a run still takes. What is done corrects what was
// expected: a machine that took twice the time will go on doing so.
type Clock struct{ expected, took time.Duration }

// Did tells it how long something was expected to take and took.
func (c *Clock) Did(expected, took time.Duration) {
	c.expected += expected
	c.took += took
}

// Left is how long what is expected to take so long will.
func (c *Clock) Left(expected time.Duration) time.Duration {
	if c.expected < time.Second {
		return expected
	}
	return time.Duration(float64(expected) * float64(c.took) / float64(c.expected))
}

// Text is a time for people, to the minute when it is long.
func Text(d time.Duration) string {
	switch {
	case d < 90*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 90*time.Minute:
		return fmt.Sprintf("%.0f min", d.Minutes())
	default:
		return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
	}
}
