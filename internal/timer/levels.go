package timer

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// DefaultLevels are the rests of RocketMQ's 18 delay levels.
const DefaultLevels = "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h"

// maxLevels bounds the delay levels, each of which is a queue.
const maxLevels = 64

// maxDelay bounds the rest of a level.
const maxDelay = 365 * 24 * time.Hour

// ParseLevels reads the rests of the delay levels from text like DefaultLevels:
// whole numbers, each with its unit s, m, h or d.
func ParseLevels(text string) ([]time.Duration, error) {
	fields := strings.Fields(text)
	if len(fields) == 0 || len(fields) > maxLevels {
		return nil, fmt.Errorf("want 1 to %d levels, such as %q", maxLevels, "1s 5s 1m")
	}
	levels := make([]time.Duration, len(fields))
	for i, f := range fields {
		d, err := parseLevel(f)
		if err != nil {
			return nil, err
		}
		levels[i] = d
	}
	return levels, nil
}

func parseLevel(text string) (time.Duration, error) {
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
	unit := units[text[len(text)-1]]
	n, err := strconv.ParseInt(text[:len(text)-1], 10, 64)
	if unit == 0 || err != nil || n < 0 || n > int64(maxDelay/unit) {
		return 0, fmt.Errorf("%q is not a rest: want a number and its unit s, m, h or d, at most 365d", text)
	}
	return time.Duration(n) * unit, nil
}
