package txn

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// A rig is a ledger over a store in memory.
type rig struct {
	t      *testing.T
	fs     vfs.FS
	store  *store.Store
	ledger *Ledger
	stop   func()

	mu struct {
		sync.Mutex
		asked    []string
		checks   []mq.TransactionCheck
		failures int    // how many appends still fail
		refused  string // body of a message that cannot be stored
	}
}

// open opens store and ledger and runs them.
func open(t *testing.T, fs vfs.FS, flush store.FlushMode) *rig {
	t.Helper()
	r := &rig{t: t, fs: fs}
	var err error
	r.store, err = store.Open(store.Options{Dir: "data", FS: fs, SegmentSize: 1 << 20, Reserve: 1, Flush: flush, FlushInterval: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	r.ledger, err = New(Options{
		Store: r.store, Append: r.append, Ask: r.ask,
		Settings: func() Settings {
			return Settings{Timeout: 6 * time.Second, Interval: 30 * time.Second, MaxChecks: 3, Retention: 72 * time.Hour}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { r.store.Run(ctx) })
	wg.Go(func() { r.ledger.Run(ctx) })
	r.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		r.ledger.Close()
		r.store.Close()
	})
	return r
}

// bubble runs a test with a ledger in a bubble of its own time.
func bubble(t *testing.T, test func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, vfs.NewMem(), store.FlushAsync)
		defer func() { r.stop() }()
		test(t, r)
	})
}

// again stops the ledger and opens it anew.
func (r *rig) again() *rig {
	r.t.Helper()
	r.stop()
	return open(r.t, r.fs, store.FlushAsync)
}

func (r *rig) append(b *mq.SendBatch) {
	r.mu.Lock()
	fail := r.mu.failures > 0
	if fail {
		r.mu.failures--
	}
	for i := range b.Sends {
		fail = fail || r.mu.refused != "" && string(b.Sends[i].Body) == r.mu.refused
	}
	r.mu.Unlock()
	if !fail {
		r.store.Append(b)
		return
	}
	for i := range b.Sends {
		b.Sends[i].Err = mq.ErrBusy
	}
	b.Done(b)
}

func (r *rig) ask(group string, c mq.TransactionCheck) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.asked = append(r.mu.asked, fmt.Sprint(group, " ", c.Offset))
	r.mu.checks = append(r.mu.checks, c)
	return true
}

// wantAsked compares what was asked since it was called last.
func (r *rig) wantAsked(want ...string) {
	r.t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.mu.asked, want) {
		r.t.Errorf("asked %q, want %q", r.mu.asked, want)
	}
	r.mu.asked = nil
}

// half stores a half message of group PG for queue 3 of T.
func (r *rig) half(body string, kv ...string) mq.SendResult {
	r.t.Helper()
	m := mq.Message{Topic: "T", QueueID: 3, Body: []byte(body), BornTime: time.Now().UnixMilli(), SysFlag: mq.FlagPrepared}
	kv = append([]string{mq.PropUniqueKey, "key-" + body[:min(len(body), 20)], mq.PropProducerGroup, "PG", mq.PropTransaction, "true"}, kv...)
	for i := 0; i < len(kv); i += 2 {
		m.Properties = mq.AppendProperty(m.Properties, kv[i], kv[i+1])
	}
	Prepare(&m, nil)
	done := make(chan mq.Send, 1)
	r.store.Append(&mq.SendBatch{Sends: []mq.Send{{Message: m}}, Done: func(b *mq.SendBatch) { done <- b.Sends[0] }})
	s := <-done
	if s.Err != nil {
		r.t.Fatal(s.Err)
	}
	return s.Result
}

func (r *rig) end(at mq.SendResult, o mq.Outcome, checked bool) error {
	return r.endAs(mq.TransactionEnd{Group: "PG", Offset: at.Offset, Pos: at.Pos, Outcome: o, Checked: checked})
}

func (r *rig) endAs(e mq.TransactionEnd) error { return r.endAll(e)[0] }

// endAll ends transactions in one batch.
func (r *rig) endAll(all ...mq.TransactionEnd) []error {
	ended := make(chan []error, 1)
	r.ledger.End(&mq.EndBatch{Ends: all, Done: func(b *mq.EndBatch) {
		var errs []error
		for _, e := range b.Ends {
			errs = append(errs, e.Err)
		}
		ended <- errs
	}})
	return <-ended
}

func (r *rig) commit(at mq.SendResult) {
	r.t.Helper()
	if err := r.end(at, mq.OutcomeCommit, false); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) records(q mq.Queue) []mq.Record {
	r.t.Helper()
	b, err := r.store.Read(q, 0, store.ReadOptions{MaxMessages: 1000})
	if err != nil {
		r.t.Fatal(err)
	}
	defer b.Release()
	var all []mq.Record
	for rec := range records(b) {
		all = append(all, clone(rec))
	}
	return all
}

// wantDelivered compares the bodies that T's consumers see.
func (r *rig) wantDelivered(want ...string) {
	r.t.Helper()
	var got []string
	for _, rec := range r.records(mq.Queue{Topic: "T", ID: 3}) {
		got = append(got, string(rec.Body))
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("delivered %q, want %q", got, want)
	}
}

// wantPending compares the offsets of what is not ended.
func (r *rig) wantPending(want ...string) {
	r.t.Helper()
	all, err := r.ledger.List(-1, 1000)
	if err != nil {
		r.t.Fatal(err)
	}
	var got []string
	for _, x := range all {
		text := fmt.Sprint(x.Offset, " ", x.Checks)
		if x.GivenUp {
			text += " given up"
		}
		got = append(got, text)
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("pending are %q, want %q", got, want)
	}
}

// check is the first question that was asked.
func (r *rig) check() mq.TransactionCheck {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.checks[0]
}

func (r *rig) wantErr(err, want error) {
	r.t.Helper()
	if !errors.Is(err, want) {
		r.t.Errorf("got error %v, want %v", err, want)
	}
}

// pass lets time go by.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestCommittedMessageIsAsRocketMQDeliversIt(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		at := r.half("a", "k", "v", mq.PropTags, "tag", mq.PropRealTopic, "forged")
		r.wantDelivered()
		h := r.records(halfQueue)[0]
		want := map[string]string{
			mq.PropUniqueKey: "key-a", mq.PropProducerGroup: "PG", mq.PropTransaction: "true", "k": "v", mq.PropTags: "tag",
			mq.PropTransactionID: "key-a", mq.PropRealTopic: "T", mq.PropRealQueueID: "3",
		}
		if got := mq.PropertyMap(h.Properties); fmt.Sprint(got) != fmt.Sprint(want) || h.SysFlag != 0 {
			t.Errorf("half message has flag %x and %v, want %v", h.SysFlag, got, want)
		}
		r.commit(at)
		got := r.records(mq.Queue{Topic: "T", ID: 3})[0]
		delete(want, mq.PropRealTopic)
		delete(want, mq.PropRealQueueID)
		if p := mq.PropertyMap(got.Properties); fmt.Sprint(p) != fmt.Sprint(want) {
			t.Errorf("committed message has %v, want %v", p, want)
		}
		if got.SysFlag != mq.FlagCommitted || got.PreparedPos != int64(at.Pos) || got.BornTime != h.BornTime {
			t.Errorf("committed message is %+v", got)
		}
		if ops := r.records(opQueue); len(ops) != 1 || string(ops[0].Body) != "0," {
			t.Errorf("op messages are %+v", ops)
		}
	})
}

func TestRollbackAndUnknownDeliverNothing(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		a, b := r.half("a"), r.half("b")
		r.wantErr(r.end(a, mq.OutcomeRollback, false), nil)
		r.wantErr(r.end(b, mq.OutcomeUnknown, false), nil)
		r.wantPending("1 0")
		r.wantErr(r.end(a, mq.OutcomeCommit, false), mq.ErrTransaction)
		r.commit(b)
		r.wantDelivered("b")
		r.wantPending()
	})
}

func TestEndsThatDoNotFitAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		a := r.half("a")
		b := r.half("b")
		r.commit(b)
		plain := r.records(mq.Queue{Topic: "T", ID: 3})[0]
		for name, e := range map[string]mq.TransactionEnd{
			"another group":     {Group: "other", Offset: a.Offset, Pos: a.Pos},
			"another offset":    {Group: "PG", Offset: a.Offset + 1, Pos: a.Pos},
			"another position":  {Group: "PG", Offset: a.Offset, Pos: b.Pos},
			"no message":        {Group: "PG", Offset: a.Offset, Pos: a.Pos + 7},
			"behind the log":    {Group: "PG", Offset: a.Offset, Pos: 1 << 40},
			"negative position": {Group: "PG", Offset: a.Offset, Pos: -1},
			"no half message":   {Group: "PG", Offset: plain.QueueOffset, Pos: plain.Pos},
			"ended":             {Group: "PG", Offset: b.Offset, Pos: b.Pos},
		} {
			e.Outcome = mq.OutcomeCommit
			if err := r.endAs(e); !errors.Is(err, mq.ErrTransaction) {
				t.Errorf("%s: %v", name, err)
			}
		}
		r.wantDelivered("b")
		pass(time.Minute)
		r.commit(a)
		pass(time.Minute)
		r.wantErr(r.end(a, mq.OutcomeCommit, true), mq.ErrTransaction)
		r.wantDelivered("b", "a")
	})
}

// However many say at the same time that a transaction is committed, it is
// committed once.
func TestTransactionIsEndedOnlyOnce(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		at := r.half("a")
		var wg sync.WaitGroup
		var mu sync.Mutex // guards good
		good := 0
		for range 20 {
			wg.Go(func() {
				if r.end(at, mq.OutcomeCommit, false) == nil {
					mu.Lock()
					good++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if good != 1 {
			t.Errorf("%d of 20 ends were accepted", good)
		}
		r.wantDelivered("a")
	})
}

func TestEndThatCouldNotBeStoredMayBeTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		at := r.half("a")
		r.mu.Lock()
		r.mu.failures = 1
		r.mu.Unlock()
		r.wantErr(r.end(at, mq.OutcomeCommit, false), mq.ErrBusy)
		r.commit(at)
		r.wantDelivered("a")
	})
}

func TestEndsOfOneBatchAreStoredTogether(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		a, b, c, d := r.half("a"), r.half("b"), r.half("c"), r.half("d")
		end := func(at mq.SendResult, o mq.Outcome) mq.TransactionEnd {
			return mq.TransactionEnd{Group: "PG", Offset: at.Offset, Pos: at.Pos, Outcome: o}
		}
		misfit := end(d, mq.OutcomeCommit)
		misfit.Group = "other"
		errs := r.endAll(end(c, mq.OutcomeCommit), end(b, mq.OutcomeRollback), misfit, end(c, mq.OutcomeRollback), end(d, mq.OutcomeUnknown), end(a, mq.OutcomeCommit))
		for i, want := range []error{nil, nil, mq.ErrTransaction, mq.ErrTransaction, nil, nil} {
			r.wantErr(errs[i], want)
		}
		r.wantDelivered("c", "a")
		ops := r.records(opQueue)
		if len(ops) != 1 || string(ops[0].Body) != "2,1,0," {
			t.Errorf("op messages are %+v", ops)
		}
		for _, m := range r.records(mq.Queue{Topic: "T", ID: 3}) {
			if m.Pos > ops[0].Pos {
				t.Errorf("message %s lies behind its end", m.Body)
			}
		}
		r.wantPending("3 0")
		r = r.again()
		defer r.stop()
		r.wantPending("3 0")
		r.wantErr(r.endAll(end(a, mq.OutcomeCommit))[0], mq.ErrTransaction)
	})
}

func TestAMessageThatCannotBeStoredHoldsUpNoOther(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		var all []mq.TransactionEnd
		for _, body := range []string{"a", "bad", "c"} {
			at := r.half(body)
			all = append(all, mq.TransactionEnd{Group: "PG", Offset: at.Offset, Pos: at.Pos, Outcome: mq.OutcomeCommit})
		}
		r.mu.Lock()
		r.mu.refused = "bad"
		r.mu.Unlock()
		errs := r.endAll(all...)
		r.wantErr(errs[0], nil)
		r.wantErr(errs[1], mq.ErrBusy)
		r.wantErr(errs[2], nil)
		r.wantPending("1 0")
		r.mu.Lock()
		r.mu.refused = ""
		r.mu.Unlock()
		r.wantErr(r.endAs(all[1]), nil)
		r.wantDelivered("a", "c", "bad")
	})
}

// A batch may name more than is taken into memory at a time, and one half message
// as often as it likes.
func TestManyLargeMessagesAreEndedInParts(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		large := strings.Repeat("x", 900_000)
		r.commit(r.half("warms the tail"))
		all := make([]mq.TransactionEnd, 0, 600)
		for range 12 {
			at := r.half(large)
			for range 50 {
				all = append(all, mq.TransactionEnd{Group: "PG", Offset: at.Offset, Pos: at.Pos, Outcome: mq.OutcomeCommit})
			}
		}
		for i, err := range r.endAll(all...) {
			if want := i%50 != 0; want != errors.Is(err, mq.ErrTransaction) || !want && err != nil {
				t.Errorf("end %d: %v", i, err)
			}
		}
		r.wantPending()
		if n := len(r.records(opQueue)); n != 1+12/5+1 {
			t.Errorf("%d op messages", n)
		}
		if _, n, err := r.store.Bounds(mq.Queue{Topic: "T", ID: 3}); n != 13 || err != nil {
			t.Errorf("%d messages are delivered, %v", n, err)
		}
	})
}

func TestWhoEndsATransactionIsAskedForItsTopic(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		at := r.half("a")
		var topics []string
		refusal := error(mq.ErrDenied)
		e := mq.TransactionEnd{Group: "PG", Offset: at.Offset, Pos: at.Pos, Outcome: mq.OutcomeCommit, May: func(topic string) error {
			topics = append(topics, topic)
			return refusal
		}}
		r.wantErr(r.endAs(e), mq.ErrDenied)
		e.Outcome = mq.OutcomeUnknown
		r.wantErr(r.endAs(e), mq.ErrDenied)
		refusal, e.Outcome = nil, mq.OutcomeCommit
		r.wantErr(r.endAs(e), nil)
		// Of what is no half message the topic that it lies in.
		e.Pos = r.records(mq.Queue{Topic: "T", ID: 3})[0].Pos
		r.wantErr(r.endAs(e), mq.ErrTransaction)
		e.Pos = 1 << 40
		r.wantErr(r.endAs(e), mq.ErrTransaction)
		if want := []string{"T", "T", "T", "T"}; !slices.Equal(topics, want) {
			t.Errorf("asked for %q, want %q", topics, want)
		}
	})
}

// What was stored before this process was started is not in memory.
func TestOldHalfMessagesAreEndedTogetherWithNewOnes(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old, second := r.half("old"), r.half("second")
		r = r.again()
		defer r.stop()
		r.commit(r.half("warms the tail"))
		fresh := r.half("fresh")
		if _, _, err := r.store.ReadRecent(nil, old.Pos); !errors.Is(err, store.ErrNotRecent) {
			t.Fatalf("the old half message is in memory: %v", err)
		}
		if _, _, err := r.store.ReadRecent(nil, fresh.Pos); err != nil {
			t.Fatalf("the new half message is not: %v", err)
		}
		var all []mq.TransactionEnd
		for _, at := range []mq.SendResult{fresh, old} {
			all = append(all, mq.TransactionEnd{Group: "PG", Offset: at.Offset, Pos: at.Pos, Outcome: mq.OutcomeCommit})
		}
		for _, err := range r.endAll(all...) {
			r.wantErr(err, nil)
		}
		r.wantDelivered("warms the tail", "fresh", "old")
		r.ledger.Close()
		r.wantErr(r.end(second, mq.OutcomeCommit, false), mq.ErrClosed)
		r.wantPending("1 0")
	})
}

func TestProducersAreAskedUntilTheTransactionIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		at := r.half("a")
		pass(29900 * time.Millisecond)
		r.wantAsked()
		pass(200 * time.Millisecond)
		r.wantAsked("PG 0")
		rec, _, err := mq.DecodeRecord(r.check().Record)
		n, _ := mq.Property(rec.Properties, mq.PropCheckTimes)
		if err != nil || string(rec.Topic) != "T" || rec.QueueID != 3 || rec.QueueOffset != 0 || rec.Pos != at.Pos || string(n) != "1" || !rec.Intact() {
			t.Errorf("asked about %+v, %v", rec, err)
		}
		pass(time.Minute)
		r.wantAsked("PG 0", "PG 0")
		r.wantPending("0 3")
		pass(time.Minute)
		r.wantAsked()
		r.wantPending("0 3 given up")
		copies := r.records(mq.Queue{Topic: mq.TopicTransCheckMax})
		if len(copies) != 1 || string(copies[0].Body) != "a" {
			t.Fatalf("given up are %+v", copies)
		}
		// As in RocketMQ, its producer may still commit it.
		r.commit(at)
		r.wantDelivered("a")
		r.wantPending()
	})
}

func TestCommittedMessageCountsItsChecks(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		at := r.half("a")
		pass(61 * time.Second)
		r.wantAsked("PG 0", "PG 0")
		r.wantErr(r.end(at, mq.OutcomeCommit, true), nil)
		if n, _ := mq.Property(r.records(mq.Queue{Topic: "T", ID: 3})[0].Properties, mq.PropCheckTimes); string(n) != "2" {
			t.Errorf("the committed message was checked %q times", n)
		}
		pass(time.Minute)
		r.wantAsked()
	})
}

func TestRestOfItsOwnDelaysTheFirstCheckAndBindsTheProducer(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		a := r.half("a", mq.PropCheckImmunity, "40")
		b := r.half("b", mq.PropCheckImmunity, "nonsense")
		pass(31 * time.Second)
		r.wantAsked("PG 1")
		r.wantErr(r.end(b, mq.OutcomeCommit, false), mq.ErrTransactionLate)
		r.wantErr(r.end(b, mq.OutcomeCommit, true), nil)
		pass(30 * time.Second)
		r.wantAsked("PG 0")
		r.wantErr(r.end(a, mq.OutcomeRollback, false), mq.ErrTransactionLate)
		r.wantErr(r.end(a, mq.OutcomeRollback, true), nil)
		r.wantDelivered("b")
	})
}

func TestPendingTransactionsSurviveARestart(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		var ats []mq.SendResult
		for i := range 5 {
			ats = append(ats, r.half(strconv.Itoa(i)))
		}
		r.commit(ats[1])
		pass(31 * time.Second)
		r.commit(ats[3])
		late := r.half("late")
		r = r.again()
		defer r.stop()
		r.wantPending("0 1", "2 1", "4 1", "5 0")
		r.wantErr(r.end(ats[3], mq.OutcomeCommit, true), mq.ErrTransaction)
		r.commit(late)
		pass(31 * time.Second)
		r.wantAsked("PG 0", "PG 2", "PG 4")
		r.wantDelivered("1", "3", "late")
	})
}

func TestWithoutRowsTheLogIsReadFromItsStart(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		var ats []mq.SendResult
		for i := range 3000 {
			ats = append(ats, r.half(strconv.Itoa(i)))
		}
		for i, at := range ats {
			if i%1000 != 7 {
				r.commit(at)
			}
		}
		pass(10 * time.Minute) // all three are given up
		r.ledger.following.Lock()
		if err := r.ledger.dropRows(); err != nil {
			t.Fatal(err)
		}
		stop := r.stop
		r.ledger.following.Unlock()
		stop()
		fresh := open(t, r.fs, store.FlushAsync)
		defer fresh.stop()
		fresh.wantPending("7 0 given up", "1007 0 given up", "2007 0 given up")
	})
}

func TestOperatorsEndAndRevive(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ctx := context.Background()
		a, b, c := r.half("a"), r.half("b"), r.half("c")
		r.wantErr(r.ledger.Settle(ctx, a.Pos, mq.OutcomeCommit), nil)
		r.wantErr(r.ledger.Settle(ctx, b.Pos, mq.OutcomeRollback), nil)
		r.wantErr(r.ledger.Settle(ctx, b.Pos, mq.OutcomeCommit), mq.ErrTransaction)
		r.wantErr(r.ledger.Settle(ctx, c.Pos, mq.OutcomeUnknown), mq.ErrInvalid)
		r.wantErr(r.ledger.Check(ctx, b.Pos), mq.ErrTransaction)
		r.wantErr(r.ledger.Check(ctx, 1<<40), mq.ErrTransaction)
		r.wantErr(r.ledger.Check(ctx, r.records(mq.Queue{Topic: "T", ID: 3})[0].Pos), mq.ErrTransaction)
		r.wantErr(r.ledger.Check(ctx, c.Pos), nil)
		r.wantAsked("PG 2")
		pass(150 * time.Second)
		r.wantAsked("PG 2", "PG 2", "PG 2")
		r.wantPending("2 3 given up")
		// By its copy, as with RocketMQ.
		r.wantErr(r.ledger.Check(ctx, r.records(mq.Queue{Topic: mq.TopicTransCheckMax})[0].Pos), nil)
		r.wantPending("3 0")
		r.wantErr(r.end(c, mq.OutcomeCommit, true), mq.ErrTransaction)
		r.wantErr(r.ledger.Check(ctx, r.records(mq.Queue{Topic: mq.TopicTransCheckMax})[0].Pos), mq.ErrTransaction)
		pass(31 * time.Second)
		r.wantAsked("PG 3")
		r.wantErr(r.end(mq.SendResult{Offset: 3, Pos: r.records(halfQueue)[3].Pos}, mq.OutcomeCommit, true), nil)
		r.wantDelivered("a", "c")
	})
}

func TestListIsPagedInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		for i := range 10 {
			r.half(strconv.Itoa(i))
		}
		all, err := r.ledger.List(3, 2)
		if err != nil || len(all) != 2 || all[0].Offset != 4 || all[1].Offset != 5 {
			t.Fatalf("listed %+v, %v", all, err)
		}
		x := all[0]
		if x.Topic != "T" || x.QueueID != 3 || x.Group != "PG" || x.UniqueKey != "key-4" || x.Born.IsZero() || x.OffsetID != mq.OffsetID(r.records(halfQueue)[4].StoreHost, x.Pos) {
			t.Errorf("listed %+v", x)
		}
	})
}

// After a crash, whatever the disk kept, what was acknowledged as ended is
// ended, and what was acknowledged as half is pending or ended.
func TestAcknowledgedEndsSurviveACrash(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			fs := vfs.NewCrashableMem()
			r := open(t, fs, store.FlushSync)
			defer r.stop()
			state := map[string]mq.Outcome{}
			var gathered []mq.TransactionEnd
			end := func() {
				for _, err := range r.endAll(gathered...) {
					if err != nil {
						t.Fatal(err)
					}
				}
				gathered = nil
			}
			for i := range 60 {
				body := strconv.Itoa(i)
				at := r.half(body)
				state[body] = mq.Outcome(rng.IntN(3))
				gathered = append(gathered, mq.TransactionEnd{Group: "PG", Offset: at.Offset, Pos: at.Pos, Outcome: state[body]})
				if rng.IntN(3) == 0 {
					end()
				}
				if rng.IntN(8) == 0 {
					pass(time.Duration(rng.IntN(20)) * time.Second)
				}
			}
			end()
			crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
			after := open(t, crashed, store.FlushSync)
			defer after.stop()
			delivered := map[string]int{}
			for _, rec := range after.records(mq.Queue{Topic: "T", ID: 3}) {
				delivered[string(rec.Body)]++
			}
			all, err := after.ledger.List(-1, 1000)
			if err != nil {
				t.Fatal(err)
			}
			pending := map[string]bool{}
			for _, x := range all {
				pending[x.UniqueKey[len("key-"):]] = true
			}
			for body, o := range state {
				want := 0
				if o == mq.OutcomeCommit {
					want = 1
				}
				if delivered[body] != want || pending[body] != (o == mq.OutcomeUnknown) {
					t.Errorf("seed %d: transaction %s ended as %d: delivered %d times, pending %v", seed, body, o, delivered[body], pending[body])
				}
			}
		})
	}
}

func FuzzHalfMessage(f *testing.F) {
	f.Add([]byte("REAL_TOPIC\x01T\x02REAL_QID\x013\x02CHECK_IMMUNITY_TIME_IN_SECONDS\x0199999999999999999999\x02"), []byte("1,2,"))
	f.Add([]byte("REAL_TOPIC\x01T\x02REAL_QID\x01-3\x02TRANSACTION_CHECK_TIMES\x01-5\x02"), []byte(",,x,-1"))
	f.Fuzz(func(t *testing.T, props, body []byte) {
		if len(props) > 20_000 {
			return
		}
		rec := mq.Record{Topic: []byte(halfQueue.Topic), Properties: props, Body: body}
		if h := halfOf(rec); h.checks < 0 || h.rest < 0 {
			t.Errorf("read %+v", h)
		}
		for at := range offsetsOf(body) {
			if at < 0 {
				t.Errorf("offset %d", at)
			}
		}
		if q, err := target(rec); err == nil && (q.Topic == "" || q.ID < 0) {
			t.Errorf("meant for %q, %d", q.Topic, q.ID)
		}
		_, kept := wordsAndKept(props, nil)
		if m := committed(&rec, mq.Queue{Topic: "T"}, 3, kept); len(mq.PropertyMap(m.Properties)) > 1+len(mq.PropertyMap(props)) {
			t.Errorf("committed with %q", m.Properties)
		}
		if _, _, err := checkOf(rec, 1); err != nil && !errors.Is(err, mq.ErrTransaction) {
			t.Error(err)
		}
		m := rec.Message()
		m.Topic = "T"
		Prepare(&m, nil)
		if q, err := target(mq.Record{Properties: m.Properties}); err != nil || q.Topic != "T" {
			t.Errorf("a prepared message is meant for %v, %v", q, err)
		}
	})
}
