//go:build !linux

package doctor

import (
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// openFiles is not known here.
func openFiles() uint64 { return 0 }

// unsynced is not known here.
func unsynced() bool { return false }

// lockHolder is not known here.
func lockHolder(string) int { return 0 }

// ReadDisk reads what is known of the disk under at, which is dir or the nearest
// directory above it.
func ReadDisk(dir, at string) (Disk, error) {
	d := Disk{Dir: dir, Exists: dir == at, Owner: -1, User: -1}
	info, err := os.Stat(at)
	if err != nil {
		return d, err
	}
	d.Mode = uint32(info.Mode().Perm()) &^ 0o022
	usage, err := vfs.Default.GetDiskUsage(at)
	d.Free, d.Total = usage.AvailBytes, usage.TotalBytes
	return d, err
}
