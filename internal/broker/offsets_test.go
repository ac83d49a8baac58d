package broker

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
)

func TestOffsetsSurviveARestart(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 2)
		q0, q1 := mq.Queue{Topic: "T"}, mq.Queue{Topic: "T", ID: 1}
		if _, err := r.Offset(t.Context(), "G", q0); err == nil {
			t.Error("there is an offset before the first")
		}
		r.must(r.SetOffset(t.Context(), "G", q0, 7))
		r.must(r.SetOffset(t.Context(), "G", q1, 8))
		r.must(r.SetOffset(t.Context(), "G", q0, 5)) // clients may go back
		r.restart(Options{})
		for q, want := range map[mq.Queue]mq.QueueOffset{q0: 5, q1: 8} {
			if at, err := r.Offset(t.Context(), "G", q); at != want || err != nil {
				t.Errorf("queue %d: %d, %v; want %d", q.ID, at, err, want)
			}
		}
		_, err := r.Offset(t.Context(), "G", mq.Queue{Topic: "U"})
		r.wantErr(err, mq.ErrNotFound)
	})
}

// A commit is not synced; it must be with the operating system all the same
// when SetOffset returns. A clone of the file system as it is at that time is
// what a killed process leaves.
func TestOffsetsSurviveTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		r := start(t, Options{}, fs)
		defer r.stop()
		r.topic("T", 1)
		for at := range mq.QueueOffset(100) {
			r.must(r.SetOffset(t.Context(), "G", mq.Queue{Topic: "T"}, at))
		}
		killed := start(t, Options{}, fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))}))
		defer killed.stop()
		if at, err := killed.Offset(t.Context(), "G", mq.Queue{Topic: "T"}); at != 99 || err != nil {
			t.Errorf("after the kill the offset is %d, %v", at, err)
		}
	})
}

func TestSetOffsetRefuses(t *testing.T) {
	off := false
	bubble(t, Options{AutoCreateGroup: &off}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.must(r.PutGroup(t.Context(), newGroup("G")))
		q := mq.Queue{Topic: "T"}
		r.wantErr(r.SetOffset(t.Context(), "Unknown", q, 1), mq.ErrGroupNotFound)
		r.wantErr(r.SetOffset(t.Context(), "G", mq.Queue{Topic: "U"}, 1), mq.ErrTopicNotFound)
		r.wantErr(r.SetOffset(t.Context(), "G", mq.Queue{Topic: "T", ID: 1}, 1), mq.ErrQueueOutOfRange)
		r.wantErr(r.SetOffset(t.Context(), "G", q, -1), mq.ErrInvalid)
		r.must(r.SetOffset(t.Context(), "G", q, 1))
	})
}

func TestDeletingATopicForgetsItsOffsets(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.topic("T2", 1)
		r.sent(message("T", "x"))
		t1, t2 := mq.Queue{Topic: "T"}, mq.Queue{Topic: "T2"}
		r.must(r.SetOffset(t.Context(), "G", t1, 1))
		r.must(r.SetOffset(t.Context(), "G", t2, 2))
		r.must(r.DeleteTopic(t.Context(), "T"))
		check := func() {
			t.Helper()
			_, err := r.Offset(t.Context(), "G", t1)
			r.wantErr(err, mq.ErrNotFound)
			if at, _ := r.Offset(t.Context(), "G", t2); at != 2 {
				t.Errorf("the other topic's offset is %d", at)
			}
			_, err = r.Topic(t.Context(), "T")
			r.wantErr(err, mq.ErrTopicNotFound)
		}
		check()
		r.restart(Options{})
		check()
		r.topic("T", 1)
		if _, hi, err := r.Bounds(t.Context(), t1); hi != 0 || err != nil {
			t.Errorf("the topic made again ends at %d, %v", hi, err)
		}
		wantStrings(t, "groups of T2", r.GroupsOfTopic(t.Context(), "T2"), "G")
		wantStrings(t, "topics of G", r.TopicsOfGroup(t.Context(), "G"), "T2")
	})
}

func TestDeletingAGroupForgetsItsOffsetsIfAsked(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		q := mq.Queue{Topic: "T"}
		r.must(r.SetOffset(t.Context(), "G", q, 1))
		r.must(r.DeleteGroup(t.Context(), "G", false))
		if at, _ := r.Offset(t.Context(), "G", q); at != 1 {
			t.Errorf("the offset was to stay and is %d", at)
		}
		r.must(r.DeleteGroup(t.Context(), "G", true))
		_, err := r.Offset(t.Context(), "G", q)
		r.wantErr(err, mq.ErrNotFound)
	})
}

func TestOffsetsAreCloned(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 3)
		for id := range int32(3) {
			r.must(r.SetOffset(t.Context(), "A", mq.Queue{Topic: "T", ID: id}, mq.QueueOffset(10+id)))
		}
		r.must(r.CloneOffsets(t.Context(), "A", "B", "T"))
		all := r.Offsets(t.Context())
		if b := all["T@B"]; len(b) != 3 || b[0] != 10 || b[2] != 12 || len(all["T@A"]) != 3 {
			t.Errorf("offsets are %v", all)
		}
		r.wantErr(r.CloneOffsets(t.Context(), "C", "B", "T"), mq.ErrNotFound)
	})
}

func TestResetOffsets(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 2)
		for range 5 {
			r.sent(message("T", "x"))
			pass(10 * time.Second)
		}
		began := time.Now().Add(-50 * time.Second)
		r.must(r.PutGroup(t.Context(), newGroup("G")))
		q0, q1 := mq.Queue{Topic: "T"}, mq.Queue{Topic: "T", ID: 1}
		two, many := mq.QueueOffset(2), mq.QueueOffset(6)
		for _, test := range []struct {
			name   string
			queue  int32
			at     time.Time
			offset *mq.QueueOffset
			want   map[mq.Queue]mq.QueueOffset
			err    error
		}{
			{"to a time", -1, began.Add(15 * time.Second), nil, map[mq.Queue]mq.QueueOffset{q0: 2, q1: 0}, nil},
			{"to the end", 0, time.UnixMilli(-1), nil, map[mq.Queue]mq.QueueOffset{q0: 5}, nil},
			{"to the future", 0, time.Now().Add(time.Hour), nil, map[mq.Queue]mq.QueueOffset{q0: 5}, nil},
			{"to an offset", 0, time.Time{}, &two, map[mq.Queue]mq.QueueOffset{q0: 2}, nil},
			{"beyond the end", 0, time.Time{}, &many, nil, mq.ErrOffsetOutOfRange},
			{"of a queue too many", 2, time.Time{}, &two, nil, mq.ErrQueueOutOfRange},
		} {
			got, err := r.ResetOffsets(t.Context(), "G", "T", test.queue, test.at, test.offset, false)
			r.wantErr(err, test.err)
			if len(got) != len(test.want) {
				t.Errorf("%s: got %v, want %v", test.name, got, test.want)
			}
			for q, want := range test.want {
				if at, err := r.Offset(t.Context(), "G", q); at != want || got[q] != want || err != nil {
					t.Errorf("%s: queue %d is at %d (%v) and said %d, want %d", test.name, q.ID, at, err, got[q], want)
				}
			}
		}
		_, err := r.ResetOffsets(t.Context(), "G", "U", 0, time.Time{}, nil, false)
		r.wantErr(err, mq.ErrTopicNotFound)
		_, err = r.ResetOffsets(t.Context(), "Unknown", "T", 0, time.Time{}, nil, false)
		r.wantErr(err, mq.ErrGroupNotFound)
	})
}

func TestResetIsLeftToTheClientsWhereConfigured(t *testing.T) {
	off := false
	bubble(t, Options{ServerSideReset: &off}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.sent(message("T", "x"))
		r.must(r.PutGroup(t.Context(), newGroup("G")))
		_, err := r.ResetOffsets(t.Context(), "G", "T", -1, time.UnixMilli(0), nil, true)
		r.wantErr(err, mq.ErrNotOnline)
		p := &peer{}
		if _, err := r.Join(t.Context(), consumer("c", p, "G", "T")); err != nil {
			t.Fatal(err)
		}
		p.told()
		q := mq.Queue{Topic: "T"}
		r.must(r.SetOffset(t.Context(), "G", q, 0))
		if _, err := r.ResetOffsets(t.Context(), "G", "T", -1, time.UnixMilli(-1), nil, false); err != nil {
			t.Fatal(err)
		}
		if _, err := r.ResetOffsets(t.Context(), "G", "T", -1, time.UnixMilli(-1), nil, true); err != nil {
			t.Fatal(err)
		}
		wantStrings(t, "the client", p.told(), "reset G T false map[{T 0}:0]", "reset G T true map[{T 0}:1]")
		if at, _ := r.Offset(t.Context(), "G", q); at != 0 {
			t.Errorf("the broker moved the offset to %d itself", at)
		}
	})
}
