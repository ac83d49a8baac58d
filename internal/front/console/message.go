package console

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
)

func messageRoutes() []route {
	return []route{
		{method: "GET", path: "/messages/{id}", what: "a message by its offset message id, or by its unique key and topic", serve: getMessage},
		{method: "GET", path: "/messages/{id}/body", what: "its body as it is", serve: getBody},
		{method: "GET", path: "/messages/{id}/trace", what: "what became of it, for a timeline", serve: getTrace},
		{method: "POST", path: "/messages/{id}/consume", what: "have one client consume it now", wait: 20 * time.Second, serve: consumeMessage},
	}
}

const (
	// previewSize is how many bytes of a body a list shows, shownBody how many a
	// single message does.
	previewSize, shownBody = 200, 256 << 10
)

// A messageItem is a message in a list.
type messageItem struct {
	ID       string   `json:"id"`
	UniqueID string   `json:"unique_id"`
	Topic    string   `json:"topic"`
	Broker   string   `json:"broker"`
	Queue    int32    `json:"queue"`
	Offset   int64    `json:"offset"`
	Tag      string   `json:"tag"`
	Keys     []string `json:"keys"`
	Born     string   `json:"born,omitempty"`
	Stored   string   `json:"stored,omitempty"`
	BornHost string   `json:"born_host"`
	Size     int32    `json:"size"`
	BodySize int      `json:"body_size"`
	Tries    int32    `json:"tries"`
	Preview  string   `json:"preview"`
}

// newItem is a message as lists have it, with so much of its body.
func newItem(broker string, m *mq.Record, preview int) messageItem {
	text := func(key string) string {
		value, _ := mq.Property(m.Properties, key)
		return string(value)
	}
	return messageItem{
		ID: m.OffsetID(), UniqueID: text(mq.PropUniqueKey), Topic: string(m.Topic), Broker: broker, Queue: m.QueueID, Offset: int64(m.QueueOffset),
		Tag: text(mq.PropTags), Keys: append([]string{}, strings.Fields(text(mq.PropKeys))...), Born: stampMillis(m.BornTime), Stored: stampMillis(m.StoreTime),
		BornHost: m.BornHost.String(), Size: m.Size, BodySize: len(m.Body), Tries: m.ReconsumeTimes, Preview: previewOf(m, preview),
	}
}

// previewOf is the beginning of a body if that is text.
func previewOf(m *mq.Record, most int) string {
	body, err := remote.Body(m)
	if err != nil {
		return ""
	}
	cut := body[:min(most, len(body))]
	for len(cut) < len(body) && len(cut) > 0 && !utf8.RuneStart(body[len(cut)]) {
		cut = cut[:len(cut)-1]
	}
	if !isText(cut) {
		return ""
	}
	return string(cut)
}

// isText reports whether bytes can be shown as text.
func isText(b []byte) bool {
	return utf8.Valid(b) && !bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' })
}

// A bodyView is a message's body as its producer wrote it.
type bodyView struct {
	Kind        string `json:"kind"`
	Text        string `json:"text"`
	Base64      string `json:"base64"`
	Size        int    `json:"size"`
	StoredSize  int    `json:"stored_size"`
	Truncated   bool   `json:"truncated"`
	Compression string `json:"compression"`
	Error       string `json:"error"`
}

func newBody(m *mq.Record) bodyView {
	v := bodyView{Kind: "binary", StoredSize: len(m.Body), Compression: compression(m.SysFlag)}
	body, err := remote.Body(m)
	if err != nil {
		v.Error, body = err.Error(), m.Body
	}
	v.Size = len(body)
	v.Truncated = len(body) > shownBody
	shown := body[:min(len(body), shownBody)]
	for v.Truncated && len(shown) > 0 && !utf8.RuneStart(body[len(shown)]) {
		shown = shown[:len(shown)-1]
	}
	switch {
	case len(body) == 0:
		v.Kind = "empty"
	case !isText(shown):
		v.Base64 = base64.StdEncoding.EncodeToString(shown)
	case !v.Truncated && structured(shown):
		v.Kind, v.Text = "json", string(shown)
	default:
		v.Kind, v.Text = "text", string(shown)
	}
	return v
}

// structured reports whether text is a JSON object or list.
func structured(text []byte) bool {
	t := bytes.TrimSpace(text)
	return len(t) > 1 && (t[0] == '{' || t[0] == '[') && json.Valid(t)
}

func compression(flag mq.SysFlag) string {
	if flag&mq.FlagCompressed == 0 {
		return ""
	}
	switch flag & mq.FlagCompressType {
	case 0x100:
		return "lz4"
	case 0x200:
		return "zstd"
	}
	return "zlib"
}

// flags are the words for the bits of a message's flag.
func flags(f mq.SysFlag) []string {
	all := []string{}
	for _, x := range []struct {
		on   bool
		name string
	}{
		{f&mq.FlagCompressed != 0, "compressed"}, {f&mq.FlagMultiTags != 0, "multi_tags"},
		{f&mq.FlagTransaction == mq.FlagPrepared, "half"}, {f&mq.FlagTransaction == mq.FlagCommitted, "committed"},
		{f&mq.FlagTransaction == mq.FlagRollback, "rolled_back"}, {f&mq.FlagNeedUnwrap != 0, "need_unwrap"}, {f&mq.FlagInnerBatch != 0, "inner_batch"},
	} {
		if x.on {
			all = append(all, x.name)
		}
	}
	return all
}

// A messageView is a message with all it has.
type messageView struct {
	messageItem
	StoreHost        string            `json:"store_host"`
	SysFlag          int32             `json:"sys_flag"`
	Flags            []string          `json:"flags"`
	Flag             int32             `json:"flag"`
	Properties       map[string]string `json:"properties"`
	Position         int64             `json:"position"`
	CRC              uint32            `json:"crc"`
	Intact           bool              `json:"intact"`
	PreparedPosition int64             `json:"prepared_position"`
	Body             bodyView          `json:"body"`
}

func newMessage(broker string, m *mq.Record) messageView {
	return messageView{
		messageItem: newItem(broker, m, previewSize), StoreHost: m.StoreHost.String(), SysFlag: int32(m.SysFlag), Flags: flags(m.SysFlag), Flag: m.Flag,
		Properties: mq.PropertyMap(m.Properties), Position: int64(m.Pos), CRC: m.BodyCRC, Intact: m.Intact(), PreparedPosition: m.PreparedPos, Body: newBody(m),
	}
}

// message finds the message that the path names, if the caller may read it.
func (r *request) message(topic string) (*site, admin.FoundMessage, error) {
	s, err := r.site()
	if err != nil {
		return nil, admin.FoundMessage{}, err
	}
	if topic != "" {
		if err := r.allow(actSub, "Topic:"+topic); err != nil {
			return nil, admin.FoundMessage{}, err
		}
	}
	id := r.PathValue("id")
	if topic == "" {
		// The id names a host to ask: nobody but brokers is asked.
		if _, _, err := mq.ParseOffsetID(id); err != nil {
			return nil, admin.FoundMessage{}, badRequest("%.80q is no offset message id; to find it as a unique key, name the topic", id)
		}
		if err := s.ownID(r); err != nil {
			return nil, admin.FoundMessage{}, err
		}
	}
	m, err := s.admin.Message(r.Context(), id, topic)
	if err != nil {
		return nil, m, err
	}
	if stored := string(m.Record.Topic); stored != topic {
		err = r.allow(actSub, "Topic:"+stored)
	}
	return s, m, err
}

func getMessage(r *request) (any, error) {
	_, m, err := r.message(r.text("topic"))
	if err != nil {
		return nil, err
	}
	return newMessage(m.Broker, &m.Record), nil
}

func getBody(r *request) (any, error) {
	_, m, err := r.message(r.text("topic"))
	if err != nil {
		return nil, err
	}
	body, err := remote.Body(&m.Record)
	if err != nil {
		return nil, err
	}
	r.download("application/octet-stream", m.Record.OffsetID()+".bin")
	_, err = r.w.Write(body)
	return nil, err
}

// download begins an answer that the browser saves.
func (r *request) download(kind, name string) {
	r.written = true
	h := r.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Cache-Control", "no-store")
}

func consumeMessage(r *request) (any, error) {
	var in struct {
		Topic  string `json:"topic"`
		Group  string `json:"group"`
		Client string `json:"client"`
	}
	if err := r.body(&in); err != nil {
		return nil, err
	}
	if in.Group == "" || in.Client == "" {
		return nil, badRequest("group or client is missing; the page of a group lists its clients")
	}
	if err := r.allow(actUpdate, "Group:"+in.Group); err != nil {
		return nil, err
	}
	s, m, err := r.message(in.Topic)
	if err != nil {
		return nil, err
	}
	result, err := s.admin.ConsumeDirectly(r.Context(), m, in.Group, in.Client)
	if err != nil {
		return nil, err
	}
	return struct {
		Result string `json:"result"`
		Remark string `json:"remark"`
		CostMs int64  `json:"cost_ms"`
	}{result.ConsumeResult, result.Remark, result.SpentTimeMillis}, nil
}
