package segment

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// prepared are the ways to prepare the space of a file.
var prepared = []struct {
	name string
	do   func(f *os.File, size int64) error
}{
	{"growing", func(*os.File, int64) error { return nil }},
	// What a Log does: the length of the file still grows.
	{"set-aside", func(f *os.File, size int64) error {
		return syscall.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size)
	}},
	{"with-length", func(f *os.File, size int64) error { return syscall.Fallocate(int(f.Fd()), 0, 0, size) }},
	{"zeros", func(f *os.File, size int64) error { return fill(f, size, 0) }},
	// What recycling a removed segment would find.
	{"recycled", func(f *os.File, size int64) error { return fill(f, size, 'x') }},
}

// BenchmarkSyncData writes pieces behind one another and syncs each, as the log
// does under synchronous flush, and says what the sync takes by how the space
// was prepared. The ways take turns piece by piece, because how quick a disk is
// changes more from one second to the next than from one way to another.
func BenchmarkSyncData(b *testing.B) {
	for _, piece := range []int64{4 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("piece=%d", piece), func(b *testing.B) {
			size := piece * int64(b.N)
			files := make([]*os.File, len(prepared))
			for i, way := range prepared {
				f, err := os.Create(filepath.Join(b.TempDir(), way.name))
				if err != nil {
					b.Fatal(err)
				}
				defer f.Close()
				if err := way.do(f, size); err != nil {
					b.Fatal(err)
				}
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
				files[i] = f
			}
			buf := make([]byte, piece)
			took := make([][]time.Duration, len(files))
			b.ResetTimer()
			for at := int64(0); at < size; at += piece {
				for i, f := range files {
					if _, err := f.WriteAt(buf, at); err != nil {
						b.Fatal(err)
					}
					began := time.Now()
					if err := unix.Fdatasync(int(f.Fd())); err != nil {
						b.Fatal(err)
					}
					took[i] = append(took[i], time.Since(began))
				}
			}
			for i, way := range prepared {
				slices.Sort(took[i])
				b.ReportMetric(float64(took[i][b.N/2].Microseconds()), way.name+"-p50-µs")
				b.ReportMetric(float64(took[i][b.N*99/100].Microseconds()), way.name+"-p99-µs")
			}
		})
	}
}

// fill writes size bytes, so that their blocks are there.
func fill(f *os.File, size int64, with byte) error {
	buf := make([]byte, 1<<20)
	for i := range buf {
		buf[i] = with
	}
	for at := int64(0); at < size; at += int64(len(buf)) {
		if _, err := f.WriteAt(buf[:min(int64(len(buf)), size-at)], at); err != nil {
			return err
		}
	}
	return f.Sync()
}
