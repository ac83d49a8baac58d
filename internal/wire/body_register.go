package wire

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"strconv"
	"strings"
)

// maxInflated is how large a compressed body may become.
const maxInflated = 4 * MaxFrame

// BodyCRC is the checksum in REGISTER_BROKER's header: without the sign bit.
func BodyCRC(body []byte) int32 { return int32(crc32.ChecksumIEEE(body) & math.MaxInt32) }

// DecodeRegisterBroker reads the body of REGISTER_BROKER. In its compressed form
// it holds no Order and MappingDetails, and Topics.MappingDataVersion stays zero.
func DecodeRegisterBroker(body []byte, compressed bool) (RegisterBrokerBody, error) {
	var r RegisterBrokerBody
	if !compressed {
		return r, DecodeBody(body, &r)
	}
	raw, err := inflate(body)
	if err != nil {
		return r, fmt.Errorf("compressed register body: %w", err)
	}
	if err := r.decodeCompact(raw); err != nil {
		return r, fmt.Errorf("compressed register body: %w", err)
	}
	return r, nil
}

func inflate(b []byte) ([]byte, error) {
	z, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(z, maxInflated+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxInflated {
		return nil, fmt.Errorf("more than %d bytes", maxInflated)
	}
	return raw, nil
}

// decodeCompact reads what is inside the zlib stream: pieces that follow their
// lengths of four bytes.
func (r *RegisterBrokerBody) decodeCompact(b []byte) error {
	version, b, ok := take32(b)
	if !ok {
		return errBodyCut
	}
	if err := DecodeBody(version, &r.Topics.DataVersion); err != nil {
		return err
	}
	topics, b, err := takeList(b)
	if err != nil {
		return err
	}
	r.Topics.Topics = make(map[string]TopicConfig, len(topics))
	for _, text := range topics {
		t, err := parseTopicLine(string(text))
		if err != nil {
			return err
		}
		r.Topics.Topics[t.TopicName] = t
	}
	servers, b, ok := take32(b)
	if !ok {
		return errBodyCut
	}
	if len(servers) > 0 {
		if err := DecodeBody(servers, &r.FilterServers); err != nil {
			return err
		}
	}
	if len(b) == 0 {
		return nil // a broker from before there were static topics
	}
	mappings, _, err := takeList(b)
	if err != nil {
		return err
	}
	r.Topics.Mappings = make(map[string]TopicQueueMapping, len(mappings))
	for _, text := range mappings {
		var m TopicQueueMapping
		if err := DecodeBody(text, &m); err != nil {
			return err
		}
		r.Topics.Mappings[m.Topic] = m
	}
	return nil
}

// takeList cuts off a count and as many pieces.
func takeList(b []byte) (pieces [][]byte, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, errBodyCut
	}
	n := int(int32(binary.BigEndian.Uint32(b)))
	b = b[4:]
	if n < 0 || n > len(b)/4 {
		return nil, nil, fmt.Errorf("%d pieces in %d bytes", n, len(b))
	}
	for range n {
		piece, rest, ok := take32(b)
		if !ok {
			return nil, nil, errBodyCut
		}
		pieces, b = append(pieces, piece), rest
	}
	return pieces, b, nil
}

// parseTopicLine reads "name readQueues writeQueues perm filterType attributes",
// the last of which is JSON and may be missing.
func parseTopicLine(line string) (t TopicConfig, err error) {
	parts := strings.SplitN(line, " ", 6)
	if len(parts) < 5 {
		return t, fmt.Errorf("topic %.100q has %d parts, not 5 or 6", line, len(parts))
	}
	t.TopicName, t.TopicFilterType = parts[0], parts[4]
	for i, p := range []*int32{&t.ReadQueueNums, &t.WriteQueueNums, &t.Perm} {
		n, e := strconv.ParseInt(parts[1+i], 10, 32)
		err = errors.Join(err, e)
		*p = int32(n)
	}
	if err == nil && len(parts) == 6 && strings.TrimSpace(parts[5]) != "" {
		err = DecodeBody([]byte(parts[5]), &t.Attributes)
	}
	if err != nil {
		err = fmt.Errorf("topic %.100q: %w", line, err)
	}
	return t, err
}
