package remoting

// GET_CONSUMER_RUNNING_INFO (307), CONSUME_MESSAGE_DIRECTLY (309),
// INVOKE_BROKER_TO_GET_CONSUMER_STATUS (223): an operator asks, the broker asks
// the operator's question of a client (as 307, 309 and 221) and passes the
// answer back.

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// relayTimeout is how long a client has to answer.
const relayTimeout = 10 * time.Second

// runningInfo asks a client what it is doing.
func runningInfo(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GetConsumerRunningInfoRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	return s.relay(req, h.ConsumerGroup, h.ClientID, fieldMap(req.Fields), req.Body)
}

// consumeDirectly has a client consume one message now.
func consumeDirectly(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.ConsumeMessageDirectlyRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	_, pos, err := mq.ParseOffsetID(h.MsgID)
	if err != nil {
		return nil, err
	}
	record, err := s.h.broker.Find(s.ctx, pos)
	if err != nil {
		return nil, err
	}
	if err := s.mayRead(req, "", auth.Sub, record); err != nil {
		return nil, err
	}
	fields := fieldMap(req.Fields)
	fields["brokerName"] = s.h.name
	if t, err := s.h.admin.Topic(s.ctx, h.Topic); err == nil {
		fields["topicSysFlag"] = strconv.Itoa(int(t.SysFlag))
	}
	if g, err := s.h.admin.Group(s.ctx, h.ConsumerGroup); err == nil {
		fields["groupSysFlag"] = strconv.Itoa(int(g.SysFlag))
	}
	return s.relay(req, h.ConsumerGroup, h.ClientID, fields, record)
}

// relay asks a member of a group the question that req is.
func (s *session) relay(req *wire.Command, group, clientID string, fields map[string]string, body []byte) (*wire.Command, error) {
	members, _, err := s.h.admin.Consumers(s.ctx, group)
	if err != nil && !errors.Is(err, mq.ErrNotOnline) {
		return nil, err
	}
	for _, m := range members {
		if m.ClientID != clientID || m.Peer == nil {
			continue
		}
		answer, err := s.ask(m.Peer, req.Code, fields, body)
		switch {
		case err == nil:
			return ok(req, nil, answer), nil
		case errors.Is(err, context.DeadlineExceeded):
			return nil, refusef(wire.CodeConsumeMsgTimeout, "consumer <%s> <%s> did not answer within %v; it may be busy or stopped", group, clientID, relayTimeout)
		case errors.Is(err, rpc.ErrClosed):
			return nil, refusef(wire.CodeSystemError, "consumer <%s> <%s> went away before it answered; ask again", group, clientID)
		}
		return nil, err
	}
	return nil, refusef(wire.CodeSystemError, "The Consumer <%s> <%s> not online: choose one that consumerConnection lists", group, clientID)
}

// ask gives a client relayTimeout to answer.
func (s *session) ask(p mq.Peer, code wire.Code, fields map[string]string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(s.ctx, relayTimeout)
	defer cancel()
	return p.Ask(ctx, int32(code), fields, body)
}

// consumerStatus asks one or all members of a group how far they are in a
// topic. Those that do not answer are left out.
func consumerStatus(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.InvokeBrokerToGetConsumerStatusRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	members, _, err := s.h.admin.Consumers(s.ctx, h.Group)
	if err != nil {
		return nil, err
	}
	fields := map[string]string{"topic": h.Topic, "group": h.Group}
	result := wire.ConsumerStatus{Consumers: map[string]map[wire.MessageQueue]int64{}}
	for _, m := range members {
		if m.Peer == nil || h.ClientAddr != "" && h.ClientAddr != m.Addr && h.ClientAddr != m.ClientID {
			continue
		}
		answer, err := s.ask(m.Peer, wire.GetConsumerStatusFromClient, fields, nil)
		if err != nil {
			continue
		}
		var one wire.ConsumerStatus
		if err := wire.DecodeBody(answer, &one); err != nil {
			continue
		}
		result.Consumers[m.ClientID] = one.Queues
	}
	return ok(req, nil, wire.EncodeBody(result)), nil
}

// fieldMap is f as a map.
func fieldMap(f wire.Fields) map[string]string {
	m := make(map[string]string, len(f)+3)
	for i := range f {
		m[string(f[i].Key)] = string(f[i].Value)
	}
	return m
}
