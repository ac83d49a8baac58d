package store

const (
	// aheadWindow is how far ahead of a reader the log is asked for, and
	// aheadPiece how much at a time: Linux cuts a larger wish to about that.
	aheadWindow = 2 << 20
	aheadPiece  = 128 << 10
	// aheadNear: what was written so recently is in the page cache, unless the
	// machine has hardly any.
	aheadNear = 64 << 20
)

// readAhead asks for the part of the log that a reader of old messages will need
// next, of which it reads total bytes now. The kernel does that by itself, and
// better, for one that reads byte after byte; one that takes every eighth
// message, because the others are in other queues, looks random to it and would
// wait for the disk once per message.
func (s *Store) readAhead(r *reader, q *queue, total int) {
	n := len(r.wanted) - 1
	gap := int64(r.offsets[0]) - q.readTo.Swap(int64(r.offsets[n])+1)
	pos, through := int64(r.wanted[0].pos), int64(r.wanted[n].end())
	if gap < 0 || gap > scanLimit || pos > s.committed.Load()-aheadNear || through-pos <= 2*int64(total) {
		return
	}
	ahead := q.ahead.Load()
	if ahead < pos || ahead > pos+2*aheadWindow { // of an earlier reader
		ahead = pos
	}
	if ahead > pos+aheadWindow/2 {
		return
	}
	for end := max(pos+aheadWindow, through); ahead < end; ahead += aheadPiece {
		s.seg.Prefetch(ahead, aheadPiece)
	}
	q.ahead.Store(ahead)
}
