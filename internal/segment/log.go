// Package segment keeps one endless run of bytes in files of equal size.
//
// A Log is addressed by position: the byte at position p lies in the file that
// is named by the 20 digits of p rounded down to a multiple of the file size.
// It knows neither messages nor an end: whoever writes decides where, several
// may write at once as long as their ranges do not overlap, and where the
// content ends is for the owner to find out.
//
// What it keeps true: the files follow each other without a gap; a position
// below Prepared can be written without creating a file, and, where the file
// system can preallocate, without running out of space; behind a Cut nothing
// but zeros is left.
//
// Space is set aside behind a file's end without changing its length, so the
// length of a file says how far it was ever written. The files are described
// in docs/FORMAT.md.
package segment

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Category is what the file system seam calls the writes of this package.
const Category vfs.DiskWriteCategory = "commitlog"

const (
	nameDigits = 20
	chunkSize  = 1 << 20 // of zeroing
)

// ErrSync is wrapped by the error of a Cut that could not sync: nobody knows
// what of everything written so far is on stable storage.
var ErrSync = errors.New("segment: syncing failed")

// ErrOutside means that a position is not, or no longer, in the log.
var ErrOutside = errors.New("segment: position is outside the log")

// Options says where a Log lies and how it is cut.
type Options struct {
	// Dir holds the files and nothing else with a name of 20 digits. It must
	// exist.
	Dir string
	// Size is the size of a full file in bytes.
	Size int64
	// Ahead is how much space is set aside at a time. Default: 32 MiB, at most
	// Size.
	Ahead int64
	// ReadOnly opens the files for reading: nothing can be written, prepared or
	// cut. Another process may be writing.
	ReadOnly bool
	// FS is the file system. Nil means the operating system's.
	FS vfs.FS
}

// A Log is a run of bytes in files. All methods are safe for concurrent use,
// but for Cut, beside which nothing may be written.
type Log struct {
	o        Options
	files    atomic.Pointer[[]*file] // in order; replaced, never changed
	prepared atomic.Int64

	// change guards the making and removing of files. It may be held while
	// waiting for the disk; writers and readers do not take it.
	change   sync.Mutex
	leftOver *file // out of the list, but not removed; under change
	jumps    bool  // ExpectJumps; under change
	// syncing lets one Sync run at a time.
	syncing sync.Mutex

	windows windows // what is lent
}

// A file is one segment.
type file struct {
	start     int64
	path      string
	allocated int64 // bytes set aside from the file's beginning; under Log.change
	dirty     atomic.Bool

	mu struct {
		// RWMutex lets the file be used (read lock) or closed (write lock).
		sync.RWMutex
		f vfs.File // nil once removed
	}
}

// Open opens the files of a directory, or makes none if it holds none.
func Open(o Options) (*Log, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Size <= 0 {
		return nil, fmt.Errorf("segment: size is %d", o.Size)
	}
	if o.Ahead <= 0 {
		o.Ahead = 32 << 20
	}
	o.Ahead = min(o.Ahead, o.Size)
	starts, err := Starts(o.FS, o.Dir)
	if err != nil {
		return nil, err
	}
	l := &Log{o: o}
	var files []*file
	for i, start := range starts {
		if start%o.Size != 0 || i > 0 && start != starts[i-1]+o.Size {
			err = fmt.Errorf("segment: %s in %s does not follow the file before it in steps of %d bytes; a file is missing or the segment size is another",
				Name(start), o.Dir, o.Size)
			break
		}
		var f *file
		if f, err = l.open(start); err != nil {
			break
		}
		files = append(files, f)
		if f.allocated > o.Size {
			err = fmt.Errorf("segment: %s in %s has %d bytes, but the segment size is %d", Name(start), o.Dir, f.allocated, o.Size)
			break
		}
	}
	l.files.Store(&files)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.prepared.Store(l.extent())
	return l, nil
}

// Starts lists the positions at which the files of a directory start.
func Starts(fs vfs.FS, dir string) ([]int64, error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	var starts []int64
	for _, name := range names {
		if start, ok := ParseName(name); ok {
			starts = append(starts, start)
		}
	}
	slices.Sort(starts)
	return starts, nil
}

// Name is the name of the file that starts at a position.
func Name(start int64) string { return fmt.Sprintf("%0*d", nameDigits, start) }

// ParseName is the position at which a file of this name starts.
func ParseName(name string) (start int64, ok bool) {
	if len(name) != nameDigits {
		return 0, false
	}
	start, err := strconv.ParseInt(name, 10, 64)
	return start, err == nil && start >= 0
}

// open opens or makes the file that starts at start.
func (l *Log) open(start int64) (*file, error) {
	path := l.o.FS.PathJoin(l.o.Dir, Name(start))
	var f vfs.File
	var err error
	if l.o.ReadOnly {
		f, err = l.o.FS.Open(path)
	} else {
		f, err = l.o.FS.OpenReadWrite(path, Category)
	}
	if err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("segment: %w", err), f.Close())
	}
	s := &file{start: start, path: path, allocated: info.Size()}
	s.mu.f = f
	return s, nil
}

// Close closes the files without syncing them.
func (l *Log) Close() error {
	l.change.Lock()
	defer l.change.Unlock()
	var errs []error
	for _, f := range *l.files.Load() {
		errs = append(errs, f.close())
	}
	l.files.Store(&[]*file{})
	l.windows.drop(nil)
	return errors.Join(errs...)
}

func (f *file) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.f == nil {
		return nil
	}
	err := f.mu.f.Close()
	f.mu.f = nil
	return err
}

// Size is the size of a full file.
func (l *Log) Size() int64 { return l.o.Size }

// Start is the first position that the log still holds.
func (l *Log) Start() int64 {
	if files := *l.files.Load(); len(files) > 0 {
		return files[0].start
	}
	return 0
}

// Extent is the position behind the last byte that was ever written and not
// cut. It asks the file system.
func (l *Log) Extent() int64 {
	l.change.Lock()
	defer l.change.Unlock()
	return l.extent()
}

func (l *Log) extent() int64 {
	files := *l.files.Load()
	for _, f := range slices.Backward(files) {
		if size := f.size(); size > 0 {
			return f.start + size
		}
	}
	return l.Start()
}

func (f *file) size() int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.mu.f == nil {
		return 0
	}
	info, err := f.mu.f.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// An Info describes a file.
type Info struct {
	Start    int64
	Size     int64     // written so far
	Modified time.Time // last write
}

// Files describes the files, oldest first.
func (l *Log) Files() []Info {
	files := *l.files.Load()
	infos := make([]Info, 0, len(files))
	for _, f := range files {
		f.mu.RLock()
		if f.mu.f != nil {
			if st, err := f.mu.f.Stat(); err == nil {
				infos = append(infos, Info{f.start, st.Size(), st.ModTime()})
			}
		}
		f.mu.RUnlock()
	}
	return infos
}

// find returns the file that holds pos, or nil.
func (l *Log) find(pos int64) *file {
	files := *l.files.Load()
	if len(files) == 0 || pos < files[0].start {
		return nil
	}
	if i := (pos - files[0].start) / l.o.Size; i < int64(len(files)) {
		return files[i]
	}
	return nil
}

// WriteAt writes p, which must end within the file that pos lies in. The file
// must have been made by Prepare.
func (l *Log) WriteAt(p []byte, pos int64) error {
	f := l.find(pos)
	if f == nil || pos+int64(len(p)) > f.start+l.o.Size {
		return ErrOutside
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.mu.f == nil {
		return ErrOutside
	}
	n, err := f.mu.f.WriteAt(p, pos-f.start)
	f.dirty.Store(true)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return err
}

// ReadAt reads into p from pos on, within one file. Like io.ReaderAt it
// returns io.EOF with fewer bytes where the file ends.
func (l *Log) ReadAt(p []byte, pos int64) (int, error) {
	f := l.find(pos)
	if f == nil {
		return 0, ErrOutside
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.mu.f == nil {
		return 0, ErrOutside
	}
	return f.mu.f.ReadAt(p, pos-f.start)
}

// ReadOnce is ReadAt of what nobody is likely to read again soon: unless all of it is
// in the page cache it is read past that, and takes no room there. It is ReadAt where
// the system cannot, and if position, length or memory is no multiple of 4096.
func (l *Log) ReadOnce(p []byte, pos int64) (int, error) {
	f := l.find(pos)
	if f == nil {
		return 0, ErrOutside
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.mu.f == nil {
		return 0, ErrOutside
	}
	n := readDirect(f.mu.f, f.path, p, pos-f.start)
	if n == len(p) {
		return n, nil
	}
	more, err := f.mu.f.ReadAt(p[n:], pos-f.start+int64(n))
	return n + more, err
}

// ReadCached fills p with the bytes from pos on if they are in the page cache;
// false if not all are, or if that is not known. It does not wait for the disk.
func (l *Log) ReadCached(p []byte, pos int64) bool {
	f := l.find(pos)
	if f == nil {
		return false
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.mu.f != nil && readCached(f.mu.f, p, pos-f.start)
}

// Cached reports whether n bytes from pos on, whole pages within one file, are in
// the page cache; false if that is not known.
func (l *Log) Cached(pos int64, n int) bool {
	f := l.find(pos)
	if f == nil {
		return false
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.mu.f != nil && allCached(f.mu.f, pos-f.start, n)
}

// Prefetch asks the file system to have the bytes from pos on in memory soon, as
// far as they lie in one file. It does not wait for them and may do nothing.
func (l *Log) Prefetch(pos, n int64) {
	f := l.find(pos)
	if f == nil {
		return
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.mu.f != nil {
		// Reading tells of what is wrong with the file.
		_ = f.mu.f.Prefetch(pos-f.start, min(n, f.start+l.o.Size-pos))
	}
}

// ExpectJumps says that from here on what is read lies anywhere. The system would
// take a reader of a few records for one of the whole file, and read megabytes
// behind them into the page cache.
func (l *Log) ExpectJumps() {
	l.change.Lock()
	defer l.change.Unlock()
	l.jumps = true
	for _, f := range *l.files.Load() {
		vfs.RandomReadsOption.Apply(f.mu.f)
	}
}

// Prepared is the position up to which Prepare has done its work.
func (l *Log) Prepared() int64 { return l.prepared.Load() }

// Prepare makes files and sets space aside so that everything below upTo can
// be written. What is already prepared costs nothing.
func (l *Log) Prepare(upTo int64) error {
	l.change.Lock()
	defer l.change.Unlock()
	for l.prepared.Load() < upTo {
		if err := l.extend(); err != nil {
			return err
		}
	}
	return nil
}

// extend prepares one more piece: of the file that Prepared lies in, or a new
// one.
func (l *Log) extend() error {
	at := l.prepared.Load()
	f := l.find(at)
	if f == nil {
		made, err := l.open(at / l.o.Size * l.o.Size)
		if err != nil {
			return err
		}
		if err := l.syncDir(); err != nil {
			return errors.Join(err, made.close())
		}
		f = made
		if l.jumps {
			vfs.RandomReadsOption.Apply(f.mu.f)
		}
		files := append(slices.Clone(*l.files.Load()), f)
		l.files.Store(&files)
	}
	n := min(l.o.Ahead, l.o.Size-f.allocated)
	if n > 0 {
		if err := preallocate(f.mu.f, f.allocated, n); err != nil {
			return fmt.Errorf("segment: setting aside %d bytes for %s: %w", n, f.path, err)
		}
		f.allocated += n
	}
	l.prepared.Store(f.start + f.allocated)
	return nil
}

// preallocate tolerates file systems that cannot.
func preallocate(f vfs.File, offset, n int64) error {
	for {
		err := f.Preallocate(offset, n)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			return nil
		case !errors.Is(err, syscall.EINTR):
			return err
		}
	}
}

func (l *Log) syncDir() error {
	d, err := l.o.FS.OpenDir(l.o.Dir)
	if err != nil {
		return fmt.Errorf("segment: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// Sync returns when everything that was written before it was called is on
// stable storage. After an error nobody knows what is, and a later success
// says nothing about it.
func (l *Log) Sync() error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	for _, f := range *l.files.Load() {
		if err := f.sync(); err != nil {
			return err
		}
	}
	return nil
}

func (f *file) sync() error {
	if !f.dirty.Swap(false) {
		return nil
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.mu.f == nil {
		return nil
	}
	if err := f.mu.f.SyncData(); err != nil {
		return fmt.Errorf("segment: syncing %s: %w", f.path, err)
	}
	return nil
}

// Touch makes the next Sync cover everything from pos on, for bytes that an
// earlier process wrote and perhaps did not sync.
func (l *Log) Touch(pos int64) {
	for _, f := range *l.files.Load() {
		if f.start+l.o.Size > pos {
			f.dirty.Store(true)
		}
	}
}

// Cut makes sure that nothing but zeros lies at end and behind, and syncs that.
// No write may be under way.
func (l *Log) Cut(end int64) error {
	l.change.Lock()
	defer l.change.Unlock()
	// The kernel tells of a failed sync once. Of two that run together the
	// other would believe that all is well.
	l.syncing.Lock()
	defer l.syncing.Unlock()
	// From the last to the first, so that a crash on the way leaves no gap.
	for files := *l.files.Load(); len(files) > 0 && files[len(files)-1].start > end; {
		last := files[len(files)-1]
		rest := slices.Clone(files[:len(files)-1])
		l.files.Store(&rest)
		if err := l.remove(last); err != nil {
			return err
		}
		files = rest
	}
	f := l.find(end)
	if f == nil {
		l.prepared.Store(end)
		return nil
	}
	l.prepared.Store(f.start + f.allocated)
	if err := f.zero(end - f.start); err != nil {
		return fmt.Errorf("segment: clearing %s behind %d: %w", f.path, end, err)
	}
	return nil
}

// zero overwrites what is not zero from offset on, and syncs.
func (f *file) zero(offset int64) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	info, err := f.mu.f.Stat()
	if err != nil {
		return err
	}
	buf, zeros := make([]byte, chunkSize), make([]byte, chunkSize)
	for offset < info.Size() {
		n := int(min(chunkSize, info.Size()-offset))
		if _, err := f.mu.f.ReadAt(buf[:n], offset); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if slices.ContainsFunc(buf[:n], func(b byte) bool { return b != 0 }) {
			if _, err := f.mu.f.WriteAt(zeros[:n], offset); err != nil {
				return err
			}
		}
		offset += int64(n)
	}
	// What else was written to the file is still for Sync to answer for.
	if err := f.mu.f.SyncData(); err != nil {
		return fmt.Errorf("%w: %w", ErrSync, err)
	}
	return nil
}

// RemoveFirst removes the oldest file unless it is the only one, and returns
// the position at which the log starts then.
func (l *Log) RemoveFirst() (start int64, err error) {
	l.change.Lock()
	defer l.change.Unlock()
	// A file that is left over would be a gap before the next Open.
	if l.leftOver != nil {
		if err := l.remove(l.leftOver); err != nil {
			return l.Start(), err
		}
		l.leftOver = nil
	}
	files := *l.files.Load()
	if len(files) < 2 {
		return l.Start(), nil
	}
	rest := slices.Clone(files[1:])
	l.files.Store(&rest)
	if err = l.remove(files[0]); err != nil {
		l.leftOver = files[0]
	}
	return rest[0].start, err
}

// remove closes and deletes a file that is no longer in the list.
func (l *Log) remove(f *file) error {
	err := f.close()
	l.windows.drop(f)
	if err != nil {
		return fmt.Errorf("segment: %w", err)
	}
	if err := l.o.FS.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("segment: %w", err)
	}
	return l.syncDir()
}

// SegmentOf is the position at which the file starts that holds pos.
func (l *Log) SegmentOf(pos int64) int64 { return pos - pos%l.o.Size }
