//go:build !linux

package segment

import "github.com/cockroachdb/pebble/v2/vfs"

// readDirect cannot read past the page cache here.
func readDirect(vfs.File, string, []byte, int64) int { return 0 }

// allCached does not know here.
func allCached(vfs.File, int64, int) bool { return false }
