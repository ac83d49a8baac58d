package store

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
)

// A CorruptError reports bytes on disk that this store cannot have written.
// It is not retried and not skipped over.
type CorruptError struct {
	File   string // relative to Options.Dir
	Offset int64  // of the first bad byte, in the log; -1 if not in the log
	Reason string // "checksum 1f3a, want 9c02"
}

// Error names the file, the place and the command to run.
func (e *CorruptError) Error() string {
	if e.Offset < 0 {
		return fmt.Sprintf("%s is corrupt: %s; stop the broker and run `goddard store verify`", e.File, e.Reason)
	}
	return fmt.Sprintf("%s is corrupt at log position %d: %s; stop the broker and run `goddard store verify`", e.File, e.Offset, e.Reason)
}

// writeError explains why bytes could not be written or space not be set
// aside.
func writeError(dir string, err error) error {
	if vfs.IsNoSpaceError(err) {
		return fmt.Errorf("%w: no space left for %s; free some space, or shorten retention (fileReservedTime): %w", mq.ErrDiskFull, dir, err)
	}
	return fmt.Errorf("%w: writing the commit log failed: %w", mq.ErrUnavailable, err)
}

// barred says why a file cannot be used that may well be in order; "" if there
// is no such reason. err is what opening or locking it returned.
func barred(err error) string {
	switch {
	case errors.Is(err, syscall.EAGAIN):
		return "a broker is using this directory; stop it first"
	case errors.Is(err, syscall.EROFS):
		return "the file system is read-only; mount it writable, or use a copy on another one"
	case errors.Is(err, iofs.ErrPermission):
		return "not permitted; use the account that the broker runs under"
	case vfs.IsNoSpaceError(err):
		return "no space is left on the disk; free some"
	}
	return ""
}

// errClosed is what Append says once Close was called.
var errClosed = fmt.Errorf("store: %w", mq.ErrClosed)

// errAbandoned marks what Append gives up because an earlier write failed.
var errAbandoned = errors.New("a write before it failed")
