package doctor

import (
	"os"
	"path/filepath"
	"syscall"
)

// openFiles is how many files and connections this process may have open.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return limit.Cur
}

// unsynced reports whether the kernel says that nothing keeps its clock right.
func unsynced() bool {
	const staUnsync = 0x40
	var t syscall.Timex
	_, err := syscall.Adjtimex(&t)
	return err == nil && t.Status&staUnsync != 0
}

// lockHolder is the id of the process that holds the lock on a file; 0 if that
// is not known.
func lockHolder(name string) int {
	f, err := os.Open(name)
	if err != nil {
		return 0
	}
	defer f.Close()
	lock := syscall.Flock_t{Type: syscall.F_RDLCK}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &lock); err != nil || lock.Type == syscall.F_UNLCK {
		return 0
	}
	return int(lock.Pid)
}

// ReadDisk reads what is known of the disk under at, which is dir or the nearest
// directory above it.
func ReadDisk(dir, at string) (Disk, error) {
	d := Disk{Dir: dir, Exists: dir == at, Owner: -1, User: os.Getuid()}
	info, err := os.Stat(at)
	if err != nil {
		return d, err
	}
	d.Mode = uint32(info.Mode().Perm())
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		d.Owner = int(s.Uid)
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(at, &fs); err != nil {
		return d, err
	}
	d.Free, d.Total = fs.Bavail*uint64(fs.Bsize), fs.Blocks*uint64(fs.Bsize)
	d.Files, d.FilesTotal = fs.Ffree, fs.Files
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err == nil {
		if full, err := filepath.Abs(at); err == nil {
			if target, err := filepath.EvalSymlinks(full); err == nil {
				full = target
			}
			d.FileSystem, d.Options = mountOf(string(mounts), full)
		}
	}
	return d, nil
}
