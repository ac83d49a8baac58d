package namesrv

import (
	"fmt"
	"net/netip"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// RocketMQ's name servers ask nobody who they are. Ours, where authentication is
// on, want every request signed, as RocketMQ's clients and brokers with
// credentials do; who changes something needs Cluster UPDATE, who reads what
// operators set Cluster GET.

// needs is what the requests of a code need of the cluster; 0: to be signed.
func needs(code wire.Code) auth.Actions {
	switch code {
	case wire.GetKVConfig, wire.GetKVListByNamespace, wire.GetNamesrvConfig:
		return auth.Get
	case wire.RegisterBroker, wire.UnregisterBroker, wire.BrokerHeartbeat, wire.DeleteTopicInNamesrv, wire.RegisterTopicInNamesrv,
		wire.WipeWritePermOfBroker, wire.AddWritePermOfBroker, wire.PutKVConfig, wire.DeleteKVConfig, wire.UpdateNamesrvConfig:
		return auth.Update
	}
	return 0
}

// admit lets a request pass, or says why not.
func (s *Server) admit(c *rpc.Conn, req *wire.Command) error {
	a := s.access
	if a == nil || !a.Authenticates() {
		return nil
	}
	code := fmt.Sprint(int32(req.Code))
	remote := c.RemoteAddr()
	by := mq.Caller{Addr: netip.AddrPortFrom(remote.Addr().Unmap().WithZone(""), remote.Port())}
	if !a.Unsigned(code) {
		var sign rpc.Signature
		if err := sign.Read(req); err != nil {
			return err
		}
		by.User = string(sign.User)
		if err := a.Authenticate(by, sign.MAC, sign.Parts, req.Code.String()); err != nil {
			return err
		}
		if from, other := req.Fields.Get(rpc.FieldFrom); other { // the console of this process asks for others
			proof, _ := req.Fields.Get(rpc.FieldFromProof)
			by = a.From(by, from, proof)
		}
	}
	need := needs(req.Code)
	if need == 0 || a.Free(code) {
		return nil
	}
	return a.Authorize(by, auth.Need{Resource: auth.ClusterNamed(s.cluster), Actions: need}, req.Code.String())
}
