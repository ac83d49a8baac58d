//go:build linux

package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forget makes the kernel drop what it has cached of the files below a directory.
// No process may have them mapped. It fails if more than a fiftieth stays.
func forget(dir string) error {
	syscall.Sync()
	// All that is cached, where that is allowed; otherwise file by file.
	_ = os.WriteFile("/proc/sys/vm/drop_caches", []byte("1"), 0)
	var size, cached int64
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		n, left, err := forgetFile(path)
		size, cached = size+n, cached+left
		return err
	})
	if err == nil && cached > size/50+(1<<20) {
		err = fmt.Errorf("%d of %d MiB stay in the page cache", cached>>20, size>>20)
	}
	return err
}

// forgetFile returns how much of the disk a file takes and how much of it is still cached.
func forgetFile(path string) (size, cached int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || st.Size() == 0 {
		return 0, 0, err
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return 0, 0, err
	}
	m, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return 0, 0, err
	}
	defer unix.Munmap(m)
	page := int64(os.Getpagesize())
	pages := make([]byte, (st.Size()+page-1)/page)
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), uintptr(unsafe.Pointer(&pages[0]))); errno != 0 {
		return 0, 0, errno
	}
	for _, p := range pages {
		if p&1 != 0 {
			cached += page
		}
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		return sys.Blocks * 512, cached, nil // without holes
	}
	return st.Size(), cached, nil
}
