package store

import (
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
	return fs.wrap(name, f, err)
}

// ReuseForWrite implements vfs.FS.
func (fs *walFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(old, name, c)
	return fs.wrap(name, f, err)
}

// Unwrap implements vfs.FS.
func (fs *walFS) Unwrap() vfs.FS { return fs.FS }

func (fs *walFS) wrap(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return &walFile{File: f, fs: fs}, nil
}

// walFile is a write-ahead log of the key store.
type walFile struct {
	vfs.File
	fs      *walFS
	lacking atomic.Bool // written, or asked to sync, and not synced
}

// Write implements vfs.File.
func (f *walFile) Write(p []byte) (int, error) {
	f.lacking.Store(true)
	return f.File.Write(p)
}

// Sync implements vfs.File.
func (f *walFile) Sync() error { return f.SyncData() }

// SyncData implements vfs.File.
func (f *walFile) SyncData() error {
	if f.fs.durable.Load() == 0 {
		return nil
	}
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
