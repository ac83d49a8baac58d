package load

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// transactCommit is END_TRANSACTION's word for a commit.
const transactCommit = 8

// Transact says how to send messages in transactions: a half message, and its
// commit when that is stored. A transaction counts when the broker has answered
// the commit, which RocketMQ's producers do not wait for.
type Transact struct {
	Common
	Size        int // bytes of a body
	Connections int // to each broker
	InFlight    int // transactions on each connection
}

// Run commits transactions until the time is over.
func (t Transact) Run(ctx context.Context, o remote.Options) (*Report, error) {
	t.setDefaults()
	if t.Size < 0 || t.Connections < 1 || t.InFlight < 1 {
		return nil, errors.New("size must be 0 or more, connections and in-flight 1 or more")
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	running, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	finish := func() { stop(); wg.Wait() }
	keys := remote.NewKeys()
	var ms meters
	for range t.Connections {
		cluster, err := remote.Dial(o)
		if err != nil {
			finish()
			return nil, err
		}
		defer cluster.Close()
		queues, err := cluster.WriteQueues(ctx, t.Topic)
		if err != nil {
			finish()
			return nil, err
		}
		for addr, qs := range byBroker(queues) {
			conn, err := cluster.Conn(ctx, addr)
			if err != nil {
				finish()
				return nil, err
			}
			m := newMeter()
			ms = append(ms, m)
			for i := range t.InFlight {
				one := newTransactor(conn, qs[i%len(qs)], t.Size)
				one.keys, one.meter, one.running, one.fail, one.ended = keys, m, running, fail, wg.Done
				wg.Add(1)
				one.begin()
			}
		}
	}
	return measure(ctx, &t.Common, "transact", ms, stop, wg.Wait)
}

// transactTime is how long a transaction may take.
const transactTime = 10 * time.Second

// A transactor has one transaction at a time: each answer sends what comes next,
// from the connection's own goroutine. What it needs for that is made once.
type transactor struct {
	conn    *rpc.Conn
	queue   remote.Queue
	keys    *remote.Keys
	meter   *meter
	running context.Context
	fail    context.CancelCauseFunc // ends the whole run
	ended   func()                  // called once, when no transaction is begun any more

	start          time.Time // of the transaction
	message        mq.Message
	key            []byte
	request        wire.Command
	stored, commit func(*wire.Command, error) // take the answers to the half message and the commit
}

func newTransactor(conn *rpc.Conn, q remote.Queue, size int) *transactor {
	t := &transactor{conn: conn, queue: q}
	t.message = mq.Message{Topic: q.Topic, QueueID: q.ID, SysFlag: mq.FlagPrepared, Body: make([]byte, size)}
	t.request = *wire.NewRequest(wire.SendMessageV2, nil)
	t.stored, t.commit = t.halfStored, t.committed
	return t
}

// begin sends a half message, unless the time is over.
func (t *transactor) begin() {
	if t.running.Err() != nil {
		t.ended()
		return
	}
	t.start = time.Now()
	t.key = t.keys.AppendNext(t.key[:0])
	m := &t.message
	m.BornTime = t.start.UnixMilli()
	m.Properties = mq.AppendProperty(m.Properties[:0], mq.PropUniqueKey, t.key)
	m.Properties = mq.AppendProperty(m.Properties, mq.PropTransaction, "true")
	m.Properties = mq.AppendProperty(m.Properties, mq.PropProducerGroup, "goddard-bench")
	h := remote.SendHeader(t.queue, "goddard-bench", m)
	t.request.Code, t.request.Body = wire.SendMessageV2, m.Body
	t.request.Fields = h.AppendFields(t.request.Fields[:0])
	t.conn.Go(&t.request, transactTime, t.stored)
}

// halfStored commits what was begun, also when the time is over.
func (t *transactor) halfStored(resp *wire.Command, err error) {
	if err != nil {
		t.failed(err)
		return
	}
	sent, err := remote.DecodeSent(t.queue, resp)
	if err != nil {
		t.failed(err)
		return
	}
	position, err := positionOf(sent.OffsetMsgID)
	if err != nil {
		t.failed(err)
		return
	}
	key := string(t.key)
	h := wire.EndTransactionRequest{
		Topic: t.queue.Topic, ProducerGroup: "goddard-bench", TranStateTableOffset: int64(sent.Offset), CommitLogOffset: position,
		CommitOrRollback: transactCommit, MsgID: key, TransactionID: key,
	}
	t.request.Code, t.request.Body = wire.EndTransaction, nil
	t.request.Fields = h.AppendFields(t.request.Fields[:0])
	t.conn.GoBrief(&t.request, max(transactTime-time.Since(t.start), time.Millisecond), t.commit)
}

func (t *transactor) committed(resp *wire.Command, err error) {
	if err == nil && resp.Code != wire.CodeSuccess {
		err = &remote.ResponseError{Addr: t.queue.Addr, Request: wire.EndTransaction, Code: resp.Code, Remark: resp.Remark}
	}
	if err != nil {
		t.failed(err)
		return
	}
	t.meter.took(time.Since(t.start), 1, int64(len(t.message.Body)))
	t.begin()
}

// failed goes on with the next transaction, unless that would fail as well.
func (t *transactor) failed(err error) {
	t.meter.failed(err, 1)
	switch {
	case hopeless(err):
		t.fail(err)
		t.ended()
	case errors.Is(err, rpc.ErrClosed):
		t.ended()
	default:
		t.begin()
	}
}

// positionOf is the log position in an offset message id: its last 16 digits.
func positionOf(id string) (int64, error) {
	if len(id) < 16 {
		return 0, fmt.Errorf("offset message id %q has no log position", id)
	}
	return strconv.ParseInt(id[len(id)-16:], 16, 64)
}
