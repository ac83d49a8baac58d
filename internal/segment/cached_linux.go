package segment

import (
	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// readCached fills p from a file's page cache, if all of it is there.
func readCached(f vfs.File, p []byte, offset int64) bool {
	fd := f.Fd()
	if fd == vfs.InvalidFd {
		return false
	}
	n, err := unix.Preadv2(int(fd), [][]byte{p}, offset, unix.RWF_NOWAIT)
	return err == nil && n == len(p)
}
