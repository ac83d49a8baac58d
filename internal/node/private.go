package node

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ReadableByOthers are the files with secrets of this configuration, which was
// read from file, that more people may read than their owner and group.
func (c Config) ReadableByOthers(file string) []string {
	var all []string
	secret := slices.ContainsFunc(Settings(), func(s Setting) bool {
		return s.Secret && strings.HasPrefix(c.Origins[s.Name], file+":")
	})
	if file != "" && secret && OthersRead(file) {
		all = append(all, file)
	}
	for _, key := range []string{c.Door.Key, c.Peers.Key} {
		if key != "" && OthersRead(key) && !slices.Contains(all, key) {
			all = append(all, key)
		}
	}
	return all
}

// OthersRead reports whether everybody on this machine may read a file.
func OthersRead(name string) bool {
	info, err := os.Stat(name)
	return err == nil && runtime.GOOS != "windows" && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0
}

// privateFile is the mode of files that hold messages, and users' secrets.
const privateFile = 0o600

// A privateFS lets nobody but this user read what it makes.
type privateFS struct{ vfs.FS }

// Create implements vfs.FS.
func (p privateFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return p.private(name)(p.FS.Create(name, c))
}

// OpenReadWrite implements vfs.FS.
func (p privateFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return p.private(name)(p.FS.OpenReadWrite(name, c, opts...))
}

// ReuseForWrite implements vfs.FS.
func (p privateFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return p.private(name)(p.FS.ReuseForWrite(old, name, c))
}

// Unwrap implements vfs.FS.
func (p privateFS) Unwrap() vfs.FS { return p.FS }

// private changes the mode of a file that was just opened.
func (p privateFS) private(name string) func(vfs.File, error) (vfs.File, error) {
	return func(f vfs.File, err error) (vfs.File, error) {
		if err != nil {
			return nil, err
		}
		if err := os.Chmod(name, privateFile); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return f, nil
	}
}

// makePrivate takes from others the files of an earlier release in a directory.
func makePrivate(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return os.Chmod(path, privateFile)
	})
}
