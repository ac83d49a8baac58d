package node

import (
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// MemoryLimit is what the Go runtime should be told (runtime/debug.
// SetMemoryLimit) so that a container is not killed for memory: nine tenths of
// the control group's limit. 0 means that there is none, or that GOMEMLIMIT
// already says one.
func MemoryLimit() int64 {
	if os.Getenv("GOMEMLIMIT") != "" {
		return 0
	}
	return GroupMemory() / 10 * 9
}

// GroupMemory is the memory that this process's control group may have, in
// bytes; 0 if there is no limit.
func GroupMemory() int64 {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	return groupLimit(string(text), os.ReadFile)
}

// groupLimit is the smallest memory.max from the control group named in cgroup
// (the text of /proc/self/cgroup, version 2) up to the root; 0 if there is none.
func groupLimit(cgroup string, read func(string) ([]byte, error)) int64 {
	limit := int64(math.MaxInt64)
	for line := range strings.Lines(cgroup) {
		dir, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		for dir = path.Clean("/" + dir); ; dir = path.Dir(dir) {
			text, err := read(path.Join("/sys/fs/cgroup", dir, "memory.max"))
			if err == nil {
				if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 {
					limit = min(limit, n)
				}
			}
			if dir == "/" {
				break
			}
		}
	}
	if limit == math.MaxInt64 {
		return 0
	}
	return limit
}
