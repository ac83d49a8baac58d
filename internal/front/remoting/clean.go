package remoting

// DELETE_EXPIRED_COMMITLOG (329): retention at once. CLEAN_EXPIRED_CONSUMEQUEUE
// (306), CLEAN_UNUSED_TOPIC (316): drop what indexes know of messages that are
// gone. A deleted topic has no files of its own here, so the two are the same.

import "github.com/goddardmq/goddard/internal/wire"

// deleteExpired removes messages that retention lets go.
func deleteExpired(s *session, req *wire.Command) (*wire.Command, error) {
	if err := s.h.admin.Clean(s.ctx); err != nil {
		return nil, err
	}
	return ok(req, nil, nil), nil
}

// trimIndexes drops what indexes know of messages that are gone.
func trimIndexes(s *session, req *wire.Command) (*wire.Command, error) {
	if err := s.h.admin.TrimIndexes(s.ctx); err != nil {
		return nil, err
	}
	return ok(req, nil, nil), nil
}
