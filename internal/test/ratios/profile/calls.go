package profile

import (
	"strconv"
	"strings"
)

// Calls reads how often each system call was made out of the table that
// `strace -c` writes.
func Calls(table string) map[string]int64 {
	all := map[string]int64{}
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 5 || f[len(f)-1] == "total" {
			continue
		}
		if n, err := strconv.ParseInt(f[3], 10, 64); err == nil {
			all[f[len(f)-1]] += n
		}
	}
	return all
}
