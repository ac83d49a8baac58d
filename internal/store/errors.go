package store

import (
	"errors"
	"fmt"

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
		return fmt.Sprintf("store: %s is corrupt: %s; stop the broker and run `goddard store verify`", e.File, e.Reason)
	}
	return fmt.Sprintf("store: %s is corrupt at log position %d: %s; stop the broker and run `goddard store verify`", e.File, e.Offset, e.Reason)
}

// writeError explains why bytes could not be written or space not be set
// aside.
func writeError(dir string, err error) error {
	if vfs.IsNoSpaceError(err) {
		return fmt.Errorf("%w: no space left for %s; remove files or lower retention: %w", mq.ErrDiskFull, dir, err)
	}
	return fmt.Errorf("%w: writing the commit log failed: %w", mq.ErrUnavailable, err)
}

// errClosed is what Append says once Close was called.
var errClosed = fmt.Errorf("store: %w", mq.ErrClosed)

// errAbandoned marks what Append gives up because an earlier write failed.
var errAbandoned = errors.New("a write before it failed")
