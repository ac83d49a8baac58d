package store

import (
	"errors"
	"math"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// walFS is the file system under the key store. Pebble knows two ways to
// commit: into its own buffer, which dies with the process, and synced. Most
// of our rows need what lies between, bytes that the operating system has. So
// every commit asks Pebble to sync, and the sync of a write-ahead log reaches
// the disk only while durable is not zero.
//
// A log is always synced before it is closed, so that of several logs only the
// newest can lack its end after a power loss, which Pebble expects.
type walFS struct {
	vfs.FS
	durable atomic.Int64
}

// Create implements vfs.FS.
func (fs *walFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	return fs.wrap(name, f, 0, err)
}

// ReuseForWrite implements vfs.FS.
func (fs *walFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(old, name, c)
	if err != nil {
		return f, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return fs.wrap(name, f, info.Size(), nil)
}

// Unwrap implements vfs.FS.
func (fs *walFS) Unwrap() vfs.FS { return fs.FS }

func (fs *walFS) wrap(name string, f vfs.File, size int64, err error) (vfs.File, error) {
	if err != nil || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return &walFile{File: f, fs: fs, size: size}, nil
}

// walFile is a write-ahead log of the key store.
type walFile struct {
	vfs.File
	fs      *walFS
	lacking atomic.Bool // written, or asked to sync, and not synced

	// Pebble writes and syncs on one goroutine at a time, to which these belong.
	end  int64 // of what is written
	size int64 // of the file, with zeros behind end
}

// zeros is how much of a log is written ahead of what is synced, in bytes. To sync
// what makes the file longer, the file system writes what it knows of the file
// besides, which takes a fifth longer. Pebble takes zeros for the end of the log.
var zeros [256 << 10]byte

// Write implements vfs.File.
func (f *walFile) Write(p []byte) (int, error) {
	f.lacking.Store(true)
	n, err := f.File.Write(p)
	f.end += int64(n)
	f.size = max(f.size, f.end)
	return n, err
}

// lengthen writes zeros behind the end, if there are none left. Where they have no
// room the log does without.
func (f *walFile) lengthen() {
	if f.end < f.size {
		return
	}
	n, err := f.WriteAt(zeros[:], f.end)
	f.size = max(f.size, f.end+int64(n))
	if err != nil {
		f.size = math.MaxInt64
	}
}

// Sync implements vfs.File.
func (f *walFile) Sync() error { return f.SyncData() }

// SyncData implements vfs.File.
func (f *walFile) SyncData() error {
	if f.fs.durable.Load() == 0 {
		return nil
	}
	f.lengthen()
	f.lacking.Store(false)
	return f.File.SyncData()
}

// SyncTo implements vfs.File.
func (f *walFile) SyncTo(length int64) (fullSync bool, err error) {
	if f.fs.durable.Load() == 0 {
		return false, nil
	}
	return f.File.SyncTo(length)
}

// Close implements vfs.File.
func (f *walFile) Close() error {
	if f.lacking.Load() {
		if err := f.File.Sync(); err != nil {
			f.File.Close()
			return err
		}
	}
	return f.File.Close()
}
