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
				one := &transactor{conn: conn, queue: qs[i%len(qs)], size: t.Size, keys: keys, meter: m, running: running}
				wg.Go(func() {
					if err := one.run(); remote.Permanent(err) {
						fail(err)
					}
				})
			}
		}
	}
	return measure(ctx, &t.Common, "transact", ms, stop, wg.Wait)
}

// A transactor has one transaction at a time.
type transactor struct {
	conn    *rpc.Conn
	queue   remote.Queue
	size    int
	keys    *remote.Keys
	meter   *meter
	running context.Context
}

// run returns an error that will not go away, or that of a lost connection.
func (t *transactor) run() error {
	for t.running.Err() == nil {
		start := time.Now()
		err := t.transact()
		switch {
		case err == nil:
			t.meter.took(time.Since(start), 1, int64(t.size))
			continue
		case t.running.Err() != nil && errors.Is(err, context.Canceled):
			return nil
		}
		t.meter.failed(err, 1)
		if remote.Permanent(err) || t.conn.Context().Err() != nil {
			return err
		}
	}
	return nil
}

func (t *transactor) transact() error {
	// What was begun is ended, also when the time is over.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.running), 10*time.Second)
	defer cancel()
	key := t.keys.Next()
	props := mq.AppendProperty(nil, mq.PropUniqueKey, key)
	props = mq.AppendProperty(props, mq.PropTransaction, "true")
	props = mq.AppendProperty(props, mq.PropProducerGroup, "goddard-bench")
	half, err := remote.SendRequest(t.queue, "goddard-bench", &mq.Message{
		Topic: t.queue.Topic, QueueID: t.queue.ID, SysFlag: mq.FlagPrepared, BornTime: time.Now().UnixMilli(), Properties: props, Body: make([]byte, t.size),
	})
	if err != nil {
		return err
	}
	resp, err := t.conn.Call(ctx, half)
	if err != nil {
		return err
	}
	sent, err := remote.DecodeSent(t.queue, resp)
	if err != nil {
		return err
	}
	position, err := positionOf(sent.OffsetMsgID)
	if err != nil {
		return err
	}
	resp, err = t.conn.Call(ctx, wire.NewRequest(wire.EndTransaction, &wire.EndTransactionRequest{
		Topic: t.queue.Topic, ProducerGroup: "goddard-bench", TranStateTableOffset: int64(sent.Offset), CommitLogOffset: position,
		CommitOrRollback: transactCommit, MsgID: key, TransactionID: key,
	}))
	if err == nil && resp.Code != wire.CodeSuccess {
		err = &remote.ResponseError{Addr: t.queue.Addr, Request: wire.EndTransaction, Code: resp.Code, Remark: resp.Remark}
	}
	return err
}

// positionOf is the log position in an offset message id: its last 16 digits.
func positionOf(id string) (int64, error) {
	if len(id) < 16 {
		return 0, fmt.Errorf("offset message id %q has no log position", id)
	}
	return strconv.ParseInt(id[len(id)-16:], 16, 64)
}
