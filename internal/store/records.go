package store

import (
	"errors"
	"io"

	"github.com/goddardmq/goddard/internal/mq"
)

// Records calls each with the records of the log from a position on, in order,
// and returns where the log ends. Damaged ones are passed over. A record is
// valid during the call only.
func (s *Store) Records(from mq.LogPos, each func(*mq.Record)) (end mq.LogPos, err error) {
	lo, hi := s.LogBounds()
	sc := newScanner(s.seg, max(from, lo))
	sc.trusting = true
	for sc.pos < int64(hi) {
		r, err := sc.next()
		var corrupt *CorruptError
		switch {
		case err == nil:
			each(&r)
		case errors.As(err, &corrupt):
			s.log.Warn("a damaged message is passed over", "pos", sc.pos, "reason", corrupt.Reason)
			if !sc.skip() {
				return hi, nil
			}
		case errors.Is(err, io.EOF):
			return hi, nil
		default:
			return mq.LogPos(sc.pos), err
		}
	}
	return hi, nil
}
