package grpc

import (
	"net/netip"
	"sync"
)

// Shares are what clients have of something that there is a limit of. A client,
// which is an address, may have as much as is left over for the others: one by
// itself half of it, and however many grasp all they can get, each newcomer finds
// as much as any of them has.
type shares struct {
	limit int64
	// mu guards what follows. Nothing is called while it is held.
	mu struct {
		sync.Mutex
		taken int64 // by all
		by    map[netip.Addr]int64
	}
}

func newShares(limit int64) *shares {
	s := &shares{limit: limit}
	s.mu.by = map[netip.Addr]int64{}
	return s
}

// take takes n for a client, unless that has its share.
func (s *shares) take(who netip.Addr, n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	has := s.mu.by[who]
	if has+n > s.limit-s.mu.taken {
		return false
	}
	s.mu.taken += n
	s.mu.by[who] = has + n
	return true
}

// give gives back what was taken.
func (s *shares) give(who netip.Addr, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.taken -= n
	if s.mu.by[who] -= n; s.mu.by[who] == 0 {
		delete(s.mu.by, who)
	}
}

// taken is how much all have, and how much one of them has.
func (s *shares) taken(who netip.Addr) (all, one int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.taken, s.mu.by[who]
}
