//go:build !linux

package segment

import "github.com/cockroachdb/pebble/v2/vfs"

// readCached cannot tell what is in the page cache here.
func readCached(vfs.File, []byte, int64) bool { return false }
