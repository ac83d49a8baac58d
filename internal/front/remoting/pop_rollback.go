package remoting

// POP_ROLLBACK (200056): RocketMQ moves what its newer way of keeping pops has in
// hand back to its older one. Here there is one way.

import "github.com/goddardmq/goddard/internal/wire"

// popRollback has nothing to do, and says so.
func popRollback(_ *session, req *wire.Command) (*wire.Command, error) {
	resp := ok(req, nil, nil)
	resp.Remark = "nothing to move: this broker keeps what is in hand in one way only"
	return resp, nil
}
