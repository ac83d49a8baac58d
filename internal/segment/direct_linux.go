package segment

import (
	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// readDirect reads bytes of a file from the disk past the page cache (O_DIRECT) and
// returns how many: none if that cannot be, or if they are cached.
func readDirect(f vfs.File, path string, p []byte, offset int64) int {
	fd := f.Fd()
	if fd == vfs.InvalidFd || !onDisk(fd, offset, len(p)) {
		return 0
	}
	// The file is opened for each piece: that costs a hundredth of reading one, and
	// there is nothing to keep and to close. Opening fails where the file system
	// cannot read so, and reading where it wants other multiples.
	direct, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer func() { _ = unix.Close(direct) }()
	for {
		n, err := unix.Pread(direct, p, offset)
		if err != unix.EINTR {
			return max(n, 0)
		}
	}
}

// onDisk reports whether the kernel says that not all bytes of a file are in the
// page cache, and that what is there is on the disk too: else it would have to be
// written first.
func onDisk(fd uintptr, offset int64, n int) bool {
	s, ok := cachestat(fd, offset, n)
	return ok && s.Dirty == 0 && s.Writeback == 0 && s.Cache < uint64(n/unix.Getpagesize())
}

// allCached reports whether the kernel says that so many bytes of a file, whole
// pages of them, are in the page cache.
func allCached(f vfs.File, offset int64, n int) bool {
	fd := f.Fd()
	if fd == vfs.InvalidFd {
		return false
	}
	s, ok := cachestat(fd, offset, n)
	return ok && s.Cache >= uint64(n/unix.Getpagesize())
}

// cachestat is what the page cache has of a part of a file; Linux says that since 6.5.
func cachestat(fd uintptr, offset int64, n int) (s unix.Cachestat_t, ok bool) {
	err := unix.Cachestat(uint(fd), &unix.CachestatRange{Off: uint64(offset), Len: uint64(n)}, &s, 0)
	return s, err == nil
}
