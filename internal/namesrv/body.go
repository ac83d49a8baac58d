package namesrv

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
)

// maxInflated bounds a compressed registration once it is inflated.
const maxInflated = 64 << 20

// A brokerBody is what a registration says of topics.
type brokerBody struct {
	version mq.DataVersion
	topics  []mq.Topic
}

// The bodies as JSON.
type (
	registerBody struct {
		FilterServers []string     `json:"filterServerList"`
		Topics        topicWrapper `json:"topicConfigSerializeWrapper"`
	}
	topicWrapper struct {
		Version versionBody         `json:"dataVersion"`
		Table   map[string]mq.Topic `json:"topicConfigTable"`
	}
	versionBody struct {
		Counter      int64 `json:"counter"`
		StateVersion int64 `json:"stateVersion"`
		Timestamp    int64 `json:"timestamp"`
	}
	routeBody struct {
		Queues []queueBody `json:"queueDatas"`
	}
	queueBody struct {
		Broker  string `json:"brokerName"`
		Perm    int32  `json:"perm"`
		Read    int32  `json:"readQueueNums"`
		SysFlag int32  `json:"topicSysFlag"`
		Write   int32  `json:"writeQueueNums"`
	}
)

func (v versionBody) version() mq.DataVersion {
	return mq.DataVersion{StateVersion: v.StateVersion, Timestamp: v.Timestamp, Counter: v.Counter}
}

func versionBodyOf(v mq.DataVersion) versionBody {
	return versionBody{v.Counter, v.StateVersion, v.Timestamp}
}

// decodeBody reads the body of REGISTER_BROKER.
func decodeBody(b []byte, compressed bool) (brokerBody, error) {
	var out brokerBody
	var err error
	if compressed {
		out, err = inflateBody(b)
	} else {
		var body registerBody
		err = unmarshal(b, &body)
		out.version = body.Topics.Version.version()
		for name, t := range body.Topics.Table {
			t.Name = name
			out.topics = append(out.topics, t)
		}
	}
	if err != nil {
		return brokerBody{}, fmt.Errorf("registration body is not readable: %w", err)
	}
	for i := range out.topics {
		if n := len(out.topics[i].Name); n == 0 || n > maxName {
			return brokerBody{}, fmt.Errorf("a topic name has %d bytes; 1 to %d are allowed", n, maxName)
		}
	}
	return out, nil
}

// encodeBody writes the body of REGISTER_BROKER in its plain form.
func encodeBody(body brokerBody) ([]byte, error) {
	table := make(map[string]mq.Topic, len(body.topics))
	for _, t := range body.topics {
		if t.Attributes == nil {
			t.Attributes = map[string]string{}
		}
		table[t.Name] = t
	}
	return json.Marshal(registerBody{FilterServers: []string{}, Topics: topicWrapper{versionBodyOf(body.version), table}})
}

// deflateBody writes the compressed form: a zlib stream of the data version,
// the topics as text, no filter servers and no queue mappings, each with its
// length in front. It does not carry the topics' system flags.
func deflateBody(body brokerBody) ([]byte, error) {
	version, err := json.Marshal(versionBodyOf(body.version))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	z, err := zlib.NewWriterLevel(&out, zlib.BestSpeed)
	if err != nil {
		return nil, err
	}
	b := appendSized(nil, version)
	b = binary.BigEndian.AppendUint32(b, uint32(len(body.topics)))
	for i := range body.topics {
		text, err := topicText(&body.topics[i])
		if err != nil {
			return nil, err
		}
		b = appendSized(b, text)
		if len(b) > 64<<10 {
			if _, err := z.Write(b); err != nil {
				return nil, err
			}
			b = b[:0]
		}
	}
	b = appendSized(b, []byte("[]"))
	b = binary.BigEndian.AppendUint32(b, 0)
	_, err = z.Write(b)
	err = errors.Join(err, z.Close())
	return out.Bytes(), err
}

func appendSized(b, part []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(part))), part...)
}

// topicText is a topic in the compressed form: "name read write perm filter
// attributes".
func topicText(t *mq.Topic) ([]byte, error) {
	attributes := t.Attributes
	if attributes == nil {
		attributes = map[string]string{}
	}
	js, err := json.Marshal(attributes)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%s %d %d %d %s %s", t.Name, t.ReadQueues, t.WriteQueues, t.Perm, t.FilterType, js), nil
}

// inflateBody reads what deflateBody writes.
func inflateBody(b []byte) (brokerBody, error) {
	z, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return brokerBody{}, err
	}
	in := &sizedReader{r: io.LimitReader(z, maxInflated)}
	var v versionBody
	if err := unmarshal(in.part(), &v); in.err == nil && err != nil {
		return brokerBody{}, err
	}
	out := brokerBody{version: v.version()}
	for range in.length() {
		text := in.part()
		if in.err != nil {
			break
		}
		t, err := parseTopicText(string(text))
		if err != nil {
			return brokerBody{}, err
		}
		out.topics = append(out.topics, t)
	}
	return out, in.err
}

// A sizedReader reads parts with their lengths in front; the first error stays.
type sizedReader struct {
	r   io.Reader
	err error
}

// length reads a length, 0 after an error.
func (s *sizedReader) length() int {
	var b [4]byte
	if s.err == nil {
		_, s.err = io.ReadFull(s.r, b[:])
	}
	if s.err != nil {
		return 0
	}
	n := binary.BigEndian.Uint32(b[:])
	if n > maxInflated {
		s.err = fmt.Errorf("a length is %d, more than %d", n, maxInflated)
		return 0
	}
	return int(n)
}

func (s *sizedReader) part() []byte {
	n := s.length()
	if s.err != nil {
		return nil
	}
	var b bytes.Buffer
	if _, s.err = io.CopyN(&b, s.r, int64(n)); s.err != nil {
		return nil
	}
	return b.Bytes()
}

func parseTopicText(text string) (mq.Topic, error) {
	f := strings.SplitN(text, " ", 6)
	if len(f) < 5 {
		return mq.Topic{}, fmt.Errorf("topic %.100q has %d of 5 parts", text, len(f))
	}
	t := mq.Topic{Name: f[0], FilterType: f[4]}
	for i, to := range []*int32{&t.ReadQueues, &t.WriteQueues, &t.Perm} {
		n, err := strconv.ParseInt(f[i+1], 10, 32)
		if err != nil {
			return mq.Topic{}, fmt.Errorf("topic %.100q: %w", text, err)
		}
		*to = int32(n)
	}
	return t, nil
}

// decodeDataVersion reads a DataVersion; an empty body is the zero version.
func decodeDataVersion(b []byte) (mq.DataVersion, error) {
	if len(b) == 0 {
		return mq.DataVersion{}, nil
	}
	var v versionBody
	if err := unmarshal(b, &v); err != nil {
		return mq.DataVersion{}, fmt.Errorf("data version is not readable: %w", err)
	}
	return v.version(), nil
}

// decodeTopicQueues reads the queues of a TopicRouteData.
func decodeTopicQueues(b []byte) ([]queues, error) {
	if len(b) == 0 {
		return nil, nil
	}
	var body routeBody
	if err := unmarshal(b, &body); err != nil {
		return nil, fmt.Errorf("route is not readable: %w", err)
	}
	qs := make([]queues, len(body.Queues))
	for i, q := range body.Queues {
		qs[i] = queues{q.Broker, q.Read, q.Write, q.Perm, q.SysFlag}
	}
	return qs, nil
}

// unmarshal reads JSON that a Java peer may have written.
func unmarshal(b []byte, v any) error { return json.Unmarshal(b, v) }
