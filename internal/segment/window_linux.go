package segment

import (
	"errors"
	"unsafe"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// mapFile maps a part of a file for reading, also behind its end.
func mapFile(f vfs.File, offset int64, n int) ([]byte, error) {
	fd := f.Fd()
	if fd == vfs.InvalidFd {
		return nil, errors.ErrUnsupported
	}
	return unix.Mmap(int(fd), offset, n, unix.PROT_READ, unix.MAP_SHARED)
}

func unmap(b []byte) {
	// It fails only for what is not mapped.
	_ = unix.Munmap(b)
}

// mayBeCached reports whether bytes of a file are in the page cache, or that is not
// known. A window that is mapped for what is not there pushes out another's.
func mayBeCached(f vfs.File, offset int64, n int) bool {
	s, ok := cachestat(f.Fd(), offset, n)
	page := int64(unix.Getpagesize())
	return !ok || int64(s.Cache) > (offset+int64(n)-1)/page-offset/page
}

// pages has a byte for each page that a loan may touch.
type pages [MaxLoan/4096 + 1]byte

// resident reports whether n bytes of a mapping from offset on are in the page cache.
func resident(mapping []byte, offset, n int) bool {
	page := unix.Getpagesize()
	first := offset / page * page
	var in pages
	count := (offset + n - first + page - 1) / page
	// It looks and does not wait, so the scheduler need not know.
	_, _, errno := unix.RawSyscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&mapping[first])), uintptr(offset+n-first), uintptr(unsafe.Pointer(&in)))
	if errno != 0 {
		return false
	}
	for _, p := range in[:count] {
		if p&1 == 0 {
			return false
		}
	}
	return true
}
