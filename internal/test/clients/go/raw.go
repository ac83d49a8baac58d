package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"regexp"
	"time"

	"github.com/goddardmq/goddard/internal/test/clients/frame"
)

// Requests that the client library has no call for.
const (
	queryMessage   = 12
	getRoute       = 105
	getClusterInfo = 106
	resetOffset    = 222
)

// An answer is what a server says to a raw request.
type answer struct {
	Code   int    `json:"code"`
	Remark string `json:"remark"`
	Body   []byte `json:"-"`
}

// call sends one remoting request in JSON on a connection of its own.
func call(addr string, code int, fields map[string]string, body []byte) (*answer, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	header, err := json.Marshal(map[string]any{
		"code": code, "language": "GO", "version": 513, "opaque": 1, "flag": 0,
		"extFields": fields, "serializeTypeCurrentRPC": "JSON",
	})
	if err != nil {
		return nil, err
	}
	frame := binary.BigEndian.AppendUint32(nil, uint32(4+len(header)+len(body)))
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(header)))
	if _, err := conn.Write(append(append(frame, header...), body...)); err != nil {
		return nil, err
	}
	var prefix [8]byte
	if _, err := io.ReadFull(conn, prefix[:]); err != nil {
		return nil, err
	}
	head := binary.BigEndian.Uint32(prefix[4:]) & 0xffffff
	rest := make([]byte, binary.BigEndian.Uint32(prefix[:])-4)
	if _, err := io.ReadFull(conn, rest); err != nil {
		return nil, err
	}
	a := &answer{Body: rest[head:]}
	return a, json.Unmarshal(rest[:head], a)
}

var masterAddr = regexp.MustCompile(`"brokerAddrs":\{"?0"?:"([^"]+)"`)

// brokers are the addresses of all masters. The original writes maps by number
// with unquoted keys, so this is not JSON that a decoder would take.
func (s *scenario) brokers() []string {
	a, err := call(s.Server, getClusterInfo, nil, nil)
	s.Must(err, "cluster info")
	var all []string
	for _, m := range masterAddr.FindAllSubmatch(a.Body, -1) {
		all = append(all, string(m[1]))
	}
	if len(all) == 0 {
		s.Fail("no brokers in %s", a.Body)
	}
	return all
}

// reset moves a group back to a moment, on every broker.
func (s *scenario) reset(topic, group string, to time.Time) {
	for _, addr := range s.brokers() {
		a, err := call(addr, resetOffset, map[string]string{
			"topic": topic, "group": group, "timestamp": fmt.Sprint(to.UnixMilli()), "isForce": "true", "queueId": "-1", "offset": "-1",
		}, nil)
		s.Must(err, "reset offsets")
		frame.Same(a.Code, 0, "code of reset: "+a.Remark)
	}
}
