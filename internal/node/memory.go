package node

import (
	"log/slog"
	"os"
	"path"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
)

// memoryShare is what of its control group's memory, in tenths, the Go runtime
// may use; the rest is for what it does not count, such as the kernel's buffers
// of sockets and the page cache that writing the log needs.
const memoryShare = 9

// LimitMemory tells the Go runtime, and log, to stay below its share of the
// memory that the control group has, so that a container is not killed for
// memory. It does nothing if there is no limit or GOMEMLIMIT says one.
func LimitMemory(log *slog.Logger) {
	group := GroupMemory()
	if os.Getenv("GOMEMLIMIT") != "" || group == 0 {
		return
	}
	limit := group / 10 * memoryShare
	debug.SetMemoryLimit(limit)
	log.Info("the memory of this control group is limited; the garbage collector works harder near the limit (GOMEMLIMIT says another)",
		"group_bytes", group, "limit_bytes", limit)
}

// GroupMemory is the memory that this process's control group may have, in
// bytes; 0 if there is no limit.
func GroupMemory() int64 { return groupLimit(os.ReadFile) }

// groupLimit is the smallest limit from the control group that
// /proc/self/cgroup names up to the root, of version 2 or 1; 0 if there is none.
func groupLimit(read func(string) ([]byte, error)) int64 {
	groups, err := read("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	limit := int64(noLimit)
	for line := range strings.Lines(string(groups)) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, dir, _ := strings.Cut(rest, ":")
		root, file := "/sys/fs/cgroup", "memory.max"
		if controllers != "" {
			if !slices.Contains(strings.Split(controllers, ","), "memory") {
				continue
			}
			root, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		// In a container without its own namespace the directory may not be
		// there, but the root is the container's then.
		for dir = path.Clean("/" + dir); ; dir = path.Dir(dir) {
			limit = min(limit, readLimit(read, path.Join(root, dir, file)))
			if dir == "/" {
				break
			}
		}
	}
	if limit == noLimit {
		return 0
	}
	return limit
}

// noLimit is where version 1, which has no word for it, has no limit: it says
// the largest number of whole pages.
const noLimit = 1 << 62

// readLimit is the limit in a file, noLimit if it has none.
func readLimit(read func(string) ([]byte, error), name string) int64 {
	text, err := read(name)
	if err != nil {
		return noLimit
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n <= 0 {
		return noLimit
	}
	return min(n, noLimit)
}
