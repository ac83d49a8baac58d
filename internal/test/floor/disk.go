//go:build linux

package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goddardmq/goddard/internal/load"
)

const piece = 1 << 20

// write measures until the disk has everything.
func write(c *command) (*load.Report, error) {
	f, err := os.Create(filepath.Join(c.dir, "floor.dat"))
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	return fill(f, c.bytes)
}

func fill(f *os.File, bytes int64) (*load.Report, error) {
	buf := make([]byte, piece)
	for i := range buf {
		buf[i] = byte(i * 7)
	}
	t := newTimes("write")
	for t.bytes < bytes {
		from := time.Now()
		if _, err := f.Write(buf); err != nil {
			return nil, err
		}
		t.took(time.Since(from), piece)
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	return t.report(), nil
}

// read reads a file that it has written, when the kernel has forgotten it.
func read(c *command) (*load.Report, error) {
	f, err := os.Create(filepath.Join(c.dir, "floor.dat"))
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := fill(f, c.bytes); err != nil {
		return nil, err
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	buf := make([]byte, piece)
	t := newTimes("read")
	for {
		from := time.Now()
		n, err := f.Read(buf)
		if errors.Is(err, io.EOF) {
			return t.report(), nil
		}
		if err != nil {
			return nil, err
		}
		t.took(time.Since(from), int64(n))
	}
}

// syncs writes a page at the end of a file and syncs it, again and again.
func syncs(c *command) (*load.Report, error) {
	f, err := os.Create(filepath.Join(c.dir, "floor.dat"))
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	page := make([]byte, 4<<10)
	t := newTimes("sync")
	for time.Since(t.began) < c.span {
		from := time.Now()
		if _, err := f.Write(page); err != nil {
			return nil, err
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return nil, err
		}
		t.took(time.Since(from), int64(len(page)))
	}
	return t.report(), nil
}
