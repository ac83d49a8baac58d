package remoting

// GET_BROKER_HA_STATUS (907): how far a broker's slaves are.

import (
	"strconv"

	"github.com/goddardmq/goddard/internal/wire"
)

// haStatus answers as a master that no slave has connected to: there are none.
func haStatus(s *session, req *wire.Command) (*wire.Command, error) {
	end, err := strconv.ParseInt(s.h.admin.RuntimeInfo(s.ctx)["commitLogMaxOffset"], 10, 64)
	if err != nil {
		return nil, err
	}
	body := wire.HAStatus{Master: true, MasterLogEnd: end, Slaves: []wire.SlaveStatus{}}
	return ok(req, nil, wire.EncodeBody(body)), nil
}
