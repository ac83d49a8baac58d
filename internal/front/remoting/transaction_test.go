package remoting

import (
	"reflect"
	"slices"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

func TestEndTransactionTellsTheBrokerWhatTheProducerSays(t *testing.T) {
	r := newRig(t)
	ask := &wire.EndTransactionRequest{ProducerGroup: "P", TranStateTableOffset: 5, CommitLogOffset: 600, CommitOrRollback: 8, MsgID: "K"}
	r.good(wire.EndTransaction, ask, "")
	ask.CommitOrRollback, ask.FromTransactionCheck = 12, true
	r.good(wire.EndTransaction, ask, "")
	ask.CommitOrRollback = 0
	r.good(wire.EndTransaction, ask, "")
	want := []mq.TransactionEnd{
		{Group: "P", Offset: 5, Pos: 600, Outcome: mq.OutcomeCommit},
		{Group: "P", Offset: 5, Pos: 600, Outcome: mq.OutcomeRollback, Checked: true},
		{Group: "P", Offset: 5, Pos: 600, Outcome: mq.OutcomeUnknown, Checked: true},
	}
	if !reflect.DeepEqual(r.fake.ends, want) {
		t.Errorf("ended %+v, want %+v", r.fake.ends, want)
	}
}

func TestEndTransactionSaysWhyNot(t *testing.T) {
	r := newRig(t)
	ask := &wire.EndTransactionRequest{ProducerGroup: "P", CommitOrRollback: 4}
	r.want(wire.CodeInvalidParameter, r.call(wire.EndTransaction, ask, ""))
	ask.CommitOrRollback = 8
	for err, code := range map[error]wire.Code{
		mq.ErrTransaction: wire.CodeSystemError, mq.ErrTransactionLate: wire.CodeIllegalOperation,
	} {
		r.fake.err = err
		r.want(code, r.call(wire.EndTransaction, ask, ""))
	}
	r.want(wire.CodeSystemError, r.call(wire.EndTransaction, nil, ""))
}

func commit(at int64) *wire.Command {
	return wire.NewRequest(wire.EndTransaction, &wire.EndTransactionRequest{ProducerGroup: "P", CommitLogOffset: at, CommitOrRollback: 8, MsgID: "K"})
}

func TestEndsThatArriveTogetherGoToTheBrokerTogetherBehindTheSends(t *testing.T) {
	r := newRig(t)
	s := serverConn(r)
	s.serve(commit(1))
	s.serve(sendV2("T", "a"))
	s.serve(commit(2))
	bad := commit(3)
	bad.Fields = bad.Fields[:1]
	s.serve(bad)
	if len(r.fake.endings) != 0 {
		t.Fatal("ends were handed over one by one")
	}
	r.handler.Flush(s.conn)
	s.serve(commit(4))
	s.serve(wire.NewRequest(wire.GetMaxOffset, &wire.GetMaxOffsetRequest{Topic: "T"}))
	if want := []string{"2 after 1 bursts", "1 after 1 bursts"}; !slices.Equal(r.fake.endings, want) {
		t.Errorf("handed over %q, want %q", r.fake.endings, want)
	}
	for range maxEnds + 1 {
		s.serve(commit(5))
	}
	if len(r.fake.ends) != 3+maxEnds {
		t.Errorf("%d ends were handed over before Flush", len(r.fake.ends))
	}
	r.handler.Flush(s.conn)
	s.serve(bad)
	r.handler.Flush(s.conn)
	s.work.Wait() // the request that was served beside has left its place
	if len(s.slots) != 0 {
		t.Errorf("%d places are taken by nothing", len(s.slots))
	}
}

func TestEndsWaitWhileTheBrokerHasTooManyOfTheConnection(t *testing.T) {
	r := newRig(t)
	s := serverConn(r)
	r.fake.later = true
	for range maxBeside {
		s.serve(commit(1))
		s.handOver()
	}
	passed := make(chan struct{})
	s.work.Go(func() {
		s.serve(commit(2))
		close(passed)
	})
	select {
	case <-passed:
		t.Fatal("one more was begun")
	default:
	}
	r.fake.finish()
	<-passed
	s.handOver()
	r.fake.finish()
}

func TestEndsAreAnsweredWhenTheyAreDone(t *testing.T) {
	r := newRig(t)
	r.fake.later = true
	answers := make(chan wire.Code, 2)
	for at := range int64(2) {
		r.client.Go(commit(at), 0, func(resp *wire.Command, err error) {
			if err != nil {
				t.Error(err)
			}
			answers <- resp.Code
		})
		r.good(wire.GetBrokerRuntimeInfo, nil, "")
	}
	r.fake.mu.Lock()
	r.fake.keptEnds[0].Ends[0].Err = mq.ErrTransaction
	r.fake.mu.Unlock()
	r.fake.finish()
	if a, b := <-answers, <-answers; a != wire.CodeSystemError || b != wire.CodeSuccess {
		t.Errorf("answered %v and %v", a, b)
	}
}

func TestCheckIsAskedOnewayWithTheHalfMessageAsItsBody(t *testing.T) {
	r := newRig(t)
	r.good(wire.HeartBeat, nil, fullBeat(0))
	r.fake.joined[0].Peer.CheckTransaction(mq.TransactionCheck{Topic: "T", Offset: 5, Pos: 600, UniqueKey: "K", OffsetID: "ID", Record: []byte("half")})
	req := <-r.asked
	var h wire.CheckTransactionStateRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		t.Fatal(err)
	}
	want := wire.CheckTransactionStateRequest{Topic: "T", TranStateTableOffset: 5, CommitLogOffset: 600, MsgID: "K", TransactionID: "K", OffsetMsgID: "ID"}
	if req.Code != wire.CheckTransactionState || !req.Oneway() || string(req.Body) != "half" || h != want {
		t.Errorf("asked %v oneway %v, %+v, body %q", req.Code, req.Oneway(), h, req.Body)
	}
}

func TestOperatorsListEndAndCheckTransactions(t *testing.T) {
	r := newRig(t)
	id := mq.OffsetID(storeHost, 77)
	resp := r.good(wire.GoddardListTransactions, &wire.GoddardListTransactionsRequest{Max: 10}, "")
	var list wire.TransactionList
	if err := wire.DecodeBody(resp.Body, &list); err != nil {
		t.Fatal(err)
	}
	want := wire.Transaction{
		Offset: 9, MsgID: id, UniqueKey: "K", Topic: "T", QueueID: 2, Group: "P",
		BornTimestamp: 4000, StoreTimestamp: 5000, Size: 300, Checks: 3, GivenUp: true,
	}
	if len(list.Transactions) != 1 || list.Transactions[0] != want {
		t.Errorf("listed %+v", list)
	}
	r.good(wire.GoddardListTransactions, &wire.GoddardListTransactionsRequest{After: wire.Some[int64](9), Max: 10}, "")
	r.good(wire.GoddardSettleTransaction, &wire.GoddardSettleTransactionRequest{MsgID: id, CommitOrRollback: 8}, "")
	r.good(wire.GoddardSettleTransaction, &wire.GoddardSettleTransactionRequest{MsgID: id, CommitOrRollback: 12}, "")
	r.good(wire.ResumeCheckHalfMessage, &wire.ResumeCheckHalfMessageRequest{MsgID: id}, "")
	if got := []string{"list -1 10", "list 9 10", "settle 77 1", "settle 77 2", "check 77"}; !slices.Equal(r.fake.byHand, got) {
		t.Errorf("did %q, want %q", r.fake.byHand, got)
	}
	for _, bad := range []wire.Header{
		&wire.GoddardSettleTransactionRequest{MsgID: "nonsense", CommitOrRollback: 8},
		&wire.GoddardSettleTransactionRequest{MsgID: id, CommitOrRollback: 3},
	} {
		r.want(wire.CodeInvalidParameter, r.call(wire.GoddardSettleTransaction, bad, ""))
	}
	r.want(wire.CodeInvalidParameter, r.call(wire.ResumeCheckHalfMessage, &wire.ResumeCheckHalfMessageRequest{MsgID: "7F"}, ""))
}
