package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
)

// handedOut says what mqadmin's queryMsgById and queryMsgByUniqueKey do with the
// messages that they find, beside printing them.
type handedOut struct {
	all            bool   // of those with the same unique key
	group, client  string // who shall consume it now
	resend         bool
	format         string
	from, to, unit string
}

func (h *handedOut) register(o *operation, command string) {
	f := o.Flags()
	f.StringVarP(&h.group, "group", "g", "", "the `GROUP` of the client of --clientId")
	f.StringVarP(&h.client, "client", "d", "", "have this `CLIENT` consume it now")
	o.ignored("cluster", "c", "the cluster, which the topic says already")
	if command == "queryMsgByUniqueKey" {
		f.BoolVarP(&h.all, "showAll", "a", false, "all with this key, at most 32")
		f.StringVarP(&h.from, "startTime", "s", "", "stored at this `TIME` or later")
		f.StringVarP(&h.to, "endTime", "e", "", "stored at this `TIME` or earlier")
		return
	}
	o.truth(&h.resend, "sendMessage", "s", "send it again")
	f.StringVarP(&h.unit, "unitName", "u", "", "has no effect: there are no units")
	f.StringVarP(&h.format, "bodyFormat", "f", "UTF-8", "the body's `CHARSET`: only UTF-8")
}

// print does what is asked for with each message of the ids.
func (h *handedOut) print(ctx context.Context, o *operation, c *admin.Cluster, ids, topic string) error {
	if (h.group == "") != (h.client == "") {
		return fmt.Errorf("--consumerGroup and --clientId belong together: who shall consume the message")
	}
	if err := onlyUTF8("--bodyFormat", h.format); err != nil {
		return err
	}
	var shown []any
	s := o.sheet()
	for id := range strings.SplitSeq(ids, ",") {
		found, err := h.find(ctx, c, strings.TrimSpace(id), topic)
		if err != nil {
			return err
		}
		for _, m := range found {
			v, err := h.each(ctx, o, c, m, s)
			if err != nil {
				return err
			}
			shown = append(shown, v)
		}
	}
	if len(shown) == 1 {
		return o.print(shown[0], s)
	}
	return o.print(shown, s)
}

// onlyUTF8 refuses other character sets: bodies are printed as they are.
func onlyUTF8(flag, charset string) error {
	if charset == "" || strings.EqualFold(charset, "UTF-8") || strings.EqualFold(charset, "US-ASCII") {
		return nil
	}
	return fmt.Errorf("%s %s: bodies are printed as they are, which is UTF-8", flag, charset)
}

func (h *handedOut) find(ctx context.Context, c *admin.Cluster, id, topic string) ([]admin.FoundMessage, error) {
	if !h.all && h.from == "" && h.to == "" {
		m, err := c.Message(ctx, id, topic)
		return []admin.FoundMessage{m}, err
	}
	q := admin.Search{Topic: topic, Key: id, Kind: mq.LookupUnique, Max: 32}
	if err := limit(&q, h.from, h.to, "", time.Now()); err != nil {
		return nil, err
	}
	found, err := c.FindMessages(ctx, q)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("topic %s has no message with the unique key %s then: %w", topic, id, mq.ErrNotFound)
	}
	if err == nil && !h.all {
		found = found[:1]
	}
	return found, err
}

// each prints a message, has a client consume it or sends it again.
func (h *handedOut) each(ctx context.Context, o *operation, c *admin.Cluster, found admin.FoundMessage, s *sheet) (any, error) {
	switch {
	case h.client != "":
		result, err := c.ConsumeDirectly(ctx, found, h.group, h.client)
		if err != nil {
			return nil, err
		}
		s.line("ConsumeMessageDirectlyResult [order=%t, autoCommit=%t, consumeResult=%s, remark=%s, spentTimeMills=%d]",
			result.Order, result.AutoCommit, result.ConsumeResult, cmp.Or(result.Remark, "null"), result.SpentTimeMillis)
		return result, nil
	case h.resend:
		id, err := c.SendAgain(ctx, found)
		if err != nil {
			return nil, err
		}
		s.line("prepare resend msg. originalMsgId=%s", found.Record.OffsetID()).line("SendResult [sendStatus=SEND_OK, offsetMsgId=%s]", id)
		return map[string]string{"sent": id}, nil
	}
	m, err := show(found)
	if err != nil {
		return nil, err
	}
	if m.Groups, err = c.Tracks(ctx, found); err != nil {
		return nil, err
	}
	messageLines(s, m, found.Record.SysFlag, o.Name() != "queryMsgByUniqueKey")
	return m, nil
}

// messageLines prints a message, a line for each thing about it.
func messageLines(s *sheet, m shownMessage, sysFlag mq.SysFlag, withID bool) {
	line := func(name string, value any) { s.line("%-20s %v", name, value) }
	if withID {
		line("OffsetID:", m.OffsetMsgID)
	}
	line("Topic:", m.Topic)
	line("Tags:", "["+cmp.Or(m.Tags, "null")+"]")
	line("Keys:", "["+cmp.Or(m.Keys, "null")+"]")
	line("Queue ID:", m.Queue)
	line("Queue Offset:", m.Offset)
	line("CommitLog Offset:", int64(m.Position))
	line("Reconsume Times:", m.Reconsumed)
	line("Born Timestamp:", commaTime(m.Born))
	line("Store Timestamp:", commaTime(m.Stored))
	line("Born Host:", m.BornHost)
	line("Store Host:", m.StoreHost)
	line("System Flag:", int32(sysFlag))
	line("Properties:", attributesText(m.Properties))
	line("Message Body:", m.Body)
	if len(m.Groups) == 0 {
		s.line("").line("").line("WARN: No Consumer")
		return
	}
	s.line("").line("")
	for _, g := range m.Groups {
		s.line("MessageTrack [consumerGroup=%s, trackType=%s, exceptionDesc=null]", g.Group, g.State)
	}
}

// messageText is a message in one line, without or with its body, as mqadmin
// prints those that it read.
func messageText(m *admin.FoundMessage, withBody bool) (string, error) {
	r := &m.Record
	body, err := remote.Body(r)
	if err != nil {
		return "", err
	}
	props := mq.PropertyMap(r.Properties)
	shown := "NOT PRINT BODY"
	if withBody {
		shown = string(body)
	}
	return fmt.Sprintf("MSGID: %s MessageExt [brokerName=%s, queueId=%d, storeSize=%d, queueOffset=%d, sysFlag=%d, bornTimestamp=%d, "+
		"bornHost=/%s, storeTimestamp=%d, storeHost=/%s, msgId=%s, commitLogOffset=%d, bodyCRC=%d, reconsumeTimes=%d, "+
		"preparedTransactionOffset=%d, toString()=Message{topic='%s', flag=%d, properties=%s, body=%s, transactionId='null'}] BODY: %s",
		cmp.Or(props[mq.PropUniqueKey], r.OffsetID()), m.Broker, r.QueueID, r.Size, r.QueueOffset, r.SysFlag, r.BornTime,
		r.BornHost, r.StoreTime, r.StoreHost, r.OffsetID(), r.Pos, r.BodyCRC, r.ReconsumeTimes,
		r.PreparedPos, r.Topic, r.Flag, attributesText(props), strings.ReplaceAll(fmt.Sprintf("%d", body), " ", ", "), shown), nil
}

// indexKey is what a message is found under, as mqadmin prints it: the hour in
// which it was stored, and what --lastKey takes to go on behind it.
func indexKey(q admin.Search, m shownMessage) string {
	kind := map[mq.LookupKind]string{mq.LookupKey: "K", mq.LookupUnique: "U", mq.LookupTag: "T"}[q.Kind]
	return fmt.Sprintf("%d@%s@%s@%s@%s@%d", m.Stored.Truncate(time.Hour).UnixMilli(), m.Topic, kind, q.Key, m.MsgID, m.Position)
}

// indexSheet prints a part of the index of a queue.
func indexSheet(o *operation, all []admin.QueueIndex) *sheet {
	s := o.sheet()
	for _, index := range all {
		s.line("Queue data: ").line("max: %d, min: %d", index.Max, index.Min).line("======================================")
		for _, e := range index.Entries {
			s.line("idx: %d", e.Offset)
			s.line("ConsumeQueueData{physicOffset=%d, physicSize=%d, tagsCode=%d, extendDataJson='null', bitMap='null', eval=%t, msg='null'}",
				e.Pos, e.Size, e.TagCode, e.Match != nil && *e.Match)
			s.line("======================================")
		}
	}
	return s
}
