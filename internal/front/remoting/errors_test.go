package remoting

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

func TestErrorsBecomeResponseCodesWithARemarkThatSaysWhatToDo(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		err  error
		want wire.Code
	}{
		{mq.ErrTopicNotFound, wire.CodeTopicNotExist},
		{mq.ErrGroupNotFound, wire.CodeSubscriptionGroupNotExist},
		{mq.ErrQueueOutOfRange, wire.CodeInvalidParameter},
		{mq.ErrDenied, wire.CodeNoPermission},
		{mq.ErrMessageIllegal, wire.CodeMessageIllegal},
		{mq.ErrMessageTooLarge, wire.CodeMessageIllegal},
		{mq.ErrBusy, wire.CodeSystemBusy},
		{mq.ErrUnavailable, wire.CodeServiceNotAvailable},
		{mq.ErrDiskFull, wire.CodeServiceNotAvailable},
		{mq.ErrClosed, wire.CodeServiceNotAvailable},
		{mq.ErrNotFound, wire.CodeQueryNotFound},
		{mq.ErrInvalid, wire.CodeInvalidParameter},
		{mq.ErrNotOnline, wire.CodeConsumerNotOnline},
		{mq.ErrSubscription, wire.CodeSubscriptionParseFailed},
		{mq.ErrNotSupported, wire.CodeRequestCodeNotSupported},
		{mq.ErrOffsetOutOfRange, wire.CodeSystemError},
		{mq.ErrTransaction, wire.CodeSystemError},
		{mq.ErrTransactionLate, wire.CodeIllegalOperation},
		{errors.New("the disk smells of smoke"), wire.CodeSystemError},
	} {
		r.fake.mu.Lock()
		r.fake.err = c.err
		r.fake.mu.Unlock()
		for _, resp := range []*wire.Command{
			r.send(sendV2("T", "x")),
			r.call(wire.PullMessage, pullOf(0, pullSubscribe, "*"), ""),
			r.call(wire.GetMaxOffset, &wire.GetMaxOffsetRequest{Topic: "T"}, ""),
		} {
			if resp.Code != c.want || !strings.Contains(resp.Remark, c.err.Error()) || len(resp.Remark) < len(c.err.Error())+10 {
				t.Errorf("%v answers %s: %q, want %s", c.err, resp.Code.ResponseString(), resp.Remark, c.want.ResponseString())
			}
		}
	}
}

func TestErrorThatSaysWhatToDoItselfIsLeftAsItIs(t *testing.T) {
	h := &Handler{log: slog.New(slog.DiscardHandler)}
	err := fmt.Errorf("%w: create T", mq.ErrTopicNotFound)
	if _, remark := h.explain(err); remark != err.Error() {
		t.Errorf("the remark is %q, want %q", remark, err)
	}
}

func TestErrorThatIsNobodysFaultButOursIsLogged(t *testing.T) {
	var log bytes.Buffer
	h := &Handler{log: slog.New(slog.NewTextHandler(&log, nil))}
	h.explain(mq.ErrBusy)
	if log.Len() != 0 {
		t.Errorf("a busy broker is logged: %s", log.String())
	}
	h.explain(errors.New("the disk smells of smoke"))
	if !strings.Contains(log.String(), "smoke") {
		t.Errorf("the log says %q", log.String())
	}
}

func TestRequestCodeWithoutAHandlerSaysSo(t *testing.T) {
	r := newRig(t)
	for _, code := range []wire.Code{wire.RegisterBroker, wire.GetRouteInfoByTopic, 12345} {
		resp := r.call(code, nil, "body")
		r.want(wire.CodeRequestCodeNotSupported, resp)
		if want := fmt.Sprintf(" request type %d not supported", int32(code)); !strings.HasPrefix(resp.Remark, want) {
			t.Errorf("the remark is %q, want it to begin with %q", resp.Remark, want)
		}
	}
}

func TestAnswersUseTheRequestsSerialization(t *testing.T) {
	r := newRig(t)
	for _, serialization := range []wire.Serialization{wire.JSON, wire.Binary} {
		for _, code := range []wire.Code{wire.GetBrokerRuntimeInfo, wire.RegisterBroker} {
			req := wire.NewRequest(code, nil)
			req.Serialization = serialization
			if resp := r.send(req); resp.Serialization != serialization {
				t.Errorf("%v in serialization %d is answered in %d", code, serialization, resp.Serialization)
			}
		}
		req := sendV2("T", "x")
		req.Serialization = serialization
		if resp := r.send(req); resp.Serialization != serialization || resp.Code != wire.CodeSuccess {
			t.Errorf("a send in serialization %d is answered in %d", serialization, resp.Serialization)
		}
	}
}

// Every operation refuses an empty request in a way that names what is missing,
// or answers it; none takes the connection down.
func TestRequestsWithoutAnythingInThemLeaveTheConnectionOpen(t *testing.T) {
	r := newRig(t)
	for _, op := range operations {
		resp := r.call(op.code, nil, "")
		if resp.Code != wire.CodeSuccess && resp.Remark == "" {
			t.Errorf("%v answers %s without a remark", op.code, resp.Code.ResponseString())
		}
		resp = r.call(op.code, nil, "{rubbish")
		if resp.Code != wire.CodeSuccess && resp.Remark == "" {
			t.Errorf("%v answers rubbish with %s without a remark", op.code, resp.Code.ResponseString())
		}
	}
	r.good(wire.GetBrokerRuntimeInfo, nil, "")
}

func TestBodyBeyondTheLimitIsRefused(t *testing.T) {
	r := newRig(t)
	resp := r.call(wire.CheckClientConfig, nil, strings.Repeat(" ", checkBody+1))
	r.want(wire.CodeInvalidParameter, resp)
	// Where no body is expected it does not matter.
	r.good(wire.GetBrokerRuntimeInfo, nil, strings.Repeat(" ", smallBody+1))
}

func TestNewNamesTheOptionThatIsMissing(t *testing.T) {
	f := newFake()
	for want, o := range map[string]Options{
		"Broker":    {Name: "b", StoreHost: storeHost},
		"Name":      {Broker: f, Admin: f, StoreHost: storeHost},
		"StoreHost": {Broker: f, Admin: f, Name: "b"},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without %s: %v", want, err)
		}
	}
}
