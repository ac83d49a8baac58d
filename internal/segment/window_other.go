//go:build !linux

package segment

import (
	"errors"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Nothing is mapped here: what of it is in the page cache is not known.
func mapFile(vfs.File, int64, int) ([]byte, error) { return nil, errors.ErrUnsupported }

func mayBeCached(vfs.File, int64, int) bool { return true }

func unmap([]byte) {}

func resident([]byte, int, int) bool { return false }
