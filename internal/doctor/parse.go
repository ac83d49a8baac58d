package doctor

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// listener is the inode of the socket that listens on a port, by the text of
// /proc/net/tcp or tcp6; empty if none does.
func listener(table string, port int) string {
	const listening = "0A"
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 10 || f[3] != listening {
			continue
		}
		_, local, _ := strings.Cut(f[1], ":")
		if n, err := strconv.ParseInt(local, 16, 32); err == nil && int(n) == port {
			return f[9]
		}
	}
	return ""
}

// mountOf is the file system of a directory and the options of its mount, by
// the text of /proc/self/mountinfo.
func mountOf(mounts, dir string) (kind, options string) {
	best := -1
	for line := range strings.Lines(mounts) {
		before, after, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 6 || len(g) < 1 {
			continue
		}
		at := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\134`, `\`).Replace(f[4])
		if dir != at && !strings.HasPrefix(dir, strings.TrimSuffix(at, "/")+"/") || len(at) < best {
			continue
		}
		best, kind, options = len(at), g[0], f[5]
	}
	return kind, options
}

// ClockOf is what a broker's clock shows, to the second, by what it says about
// itself: when it started and how long ago that was.
func ClockOf(status map[string]string) (time.Time, bool) {
	boot, err := strconv.ParseInt(status["bootTimestamp"], 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	var days, hours, minutes, seconds int64
	_, err = fmt.Sscanf(status["runtime"], "[ %d days, %d hours, %d minutes, %d seconds ]", &days, &hours, &minutes, &seconds)
	if err != nil {
		return time.Time{}, false
	}
	up := time.Duration(days*86400+hours*3600+minutes*60+seconds) * time.Second
	return time.UnixMilli(boot).Add(up), true
}
