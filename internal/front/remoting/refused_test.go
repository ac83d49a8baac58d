package remoting

import (
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/wire"
)

func TestRefusedRequestsSayWhy(t *testing.T) {
	r := newRig(t)
	for code, why := range refused {
		resp := r.call(code, nil, "body")
		if resp.Code != wire.CodeRequestCodeNotSupported || !strings.Contains(resp.Remark, why) {
			t.Errorf("%v is answered with %v: %s", code, resp.Code.ResponseString(), resp.Remark)
		}
	}
}

func TestMasterSaysThatItHasNoSlaves(t *testing.T) {
	r := newRig(t)
	resp := r.call(wire.GetBrokerHAStatus, nil, "")
	var body wire.HAStatus
	if err := wire.DecodeBody(resp.Body, &body); err != nil || resp.Code != wire.CodeSuccess {
		t.Fatalf("%v %s: %v", resp.Code.ResponseString(), resp.Remark, err)
	}
	if !body.Master || len(body.Slaves) != 0 || body.MasterLogEnd != 4711 {
		t.Errorf("answers %+v", body)
	}
}
