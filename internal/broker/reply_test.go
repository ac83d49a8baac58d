package broker

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// reply is the answer to a question of a client.
func reply(client string) *mq.Send {
	s := &mq.Send{Message: mq.Message{Topic: "DefaultCluster_REPLY_TOPIC", Body: []byte("answer")}, Group: "P"}
	s.Properties = mq.AppendProperty(nil, mq.PropCorrelationID, "c-1")
	s.Properties = mq.AppendProperty(s.Properties, mq.PropReplyToClient, client)
	return s
}

func TestReplyGoesToTheClientThatAsked(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		asker, other := &peer{name: "asker"}, &peer{name: "other"}
		r.join(mq.Member{ClientID: "asks", Peer: asker, Producers: []string{"P"}})
		r.join(mq.Member{ClientID: "other", Peer: other, Producers: []string{"P"}})
		s := reply("asks")
		r.Reply(t.Context(), s)
		r.must(s.Err)
		wantStrings(t, "who asked", asker.told(), "reply answer c-1 true")
		wantStrings(t, "the other", other.told())
		stored, err := r.Find(t.Context(), s.Result.Pos)
		if err != nil || s.Result.StoreTime == 0 || !strings.Contains(string(stored), "answer") {
			t.Errorf("stored %q, %v", stored, err)
		}
	})
}

func TestReplyToNobodyIsRefusedAndStillStored(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		gone, deaf := &peer{name: "gone"}, &peer{name: "deaf", deaf: errors.New("connection lost")}
		r.join(mq.Member{ClientID: "left", Peer: gone, Producers: []string{"P", "Q"}})
		r.join(mq.Member{ClientID: "deaf", Peer: deaf, Producers: []string{"P"}})
		r.Leave(t.Context(), "left", "P", "", gone, false)
		s := reply("left")
		r.Reply(t.Context(), s)
		r.must(s.Err) // it is in another group yet
		r.Leave(t.Context(), "left", "Q", "", gone, false)

		nameless := reply("")
		for text, s := range map[string]*mq.Send{
			"channel of <left> not found":                       reply("left"),
			"channel of <stranger> not found":                   reply("stranger"),
			"push reply message to <deaf> fail":                 reply("deaf"),
			"reply message properties[REPLY_TO_CLIENT] is null": nameless,
		} {
			r.Reply(t.Context(), s)
			r.wantErr(s.Err, mq.ErrReply)
			if !strings.Contains(s.Err.Error(), text) || s.Result.StoreTime == 0 {
				t.Errorf("%q: %v, stored %+v", text, s.Err, s.Result)
			}
		}
	})
}

func TestRepliesAreNotStoredWhereThatIsSwitchedOff(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		asker := &peer{}
		r.join(mq.Member{ClientID: "asks", Peer: asker, Producers: []string{"P"}})
		r.must(r.SetSettings(t.Context(), map[string]string{"storeReplyMessageEnable": "false"}))
		s := reply("asks")
		r.Reply(t.Context(), s)
		r.must(s.Err)
		if s.Result.StoreTime != 0 {
			t.Errorf("stored %+v", s.Result)
		}
		wantStrings(t, "who asked", asker.told(), "reply answer c-1 true")
		missing := reply("asks")
		missing.Topic = "nosuch"
		r.must(r.SetSettings(t.Context(), map[string]string{"autoCreateTopicEnable": "false"}))
		r.Reply(t.Context(), missing)
		r.wantErr(missing.Err, mq.ErrTopicNotFound)
	})
}

func TestClientsThatFallSilentGetNoReplies(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.join(mq.Member{ClientID: "asks", Peer: &peer{}, Producers: []string{"P"}})
		pass(clientTimeout + 2*sweepInterval)
		s := reply("asks")
		r.Reply(t.Context(), s)
		r.wantErr(s.Err, mq.ErrReply)
		pass(time.Second)
	})
}

func TestLookupFindsWhatWasSent(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		m := mq.Message{Topic: "T", Body: []byte("b"), Properties: mq.AppendProperty(nil, mq.PropKeys, "order-1 line-2")}
		one := r.sent(mq.Send{Message: m})
		res, err := r.Lookup(t.Context(), mq.LookupRequest{Topic: "T", Key: "line-2"})
		if err != nil || len(res.Records) != 1 {
			t.Fatalf("%d records, %v", len(res.Records), err)
		}
		if rec, _, err := mq.DecodeRecord(res.Records[0]); err != nil || rec.Pos != one.Pos {
			t.Errorf("found the record at %d, want %d", rec.Pos, one.Pos)
		}
		entries, err := r.QueueEntries(t.Context(), mq.Queue{Topic: "T"}, 0, 10)
		if err != nil || len(entries) != 1 || entries[0].Pos != one.Pos {
			t.Errorf("entries %+v, %v", entries, err)
		}
		_, err = r.QueueEntries(t.Context(), mq.Queue{Topic: "T", ID: 1}, 0, 10)
		r.wantErr(err, mq.ErrQueueOutOfRange)
		_, err = r.QueueEntries(t.Context(), mq.Queue{Topic: "U"}, 0, 10)
		r.wantErr(err, mq.ErrTopicNotFound)
	})
}
