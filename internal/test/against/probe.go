package against

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"
)

// Probe sends one remoting request in JSON and returns the answer's code,
// remark, fields and body.
func Probe(addr string, code int, fields map[string]string, body []byte) (*ProbeAnswer, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	header, err := json.Marshal(map[string]any{
		"code": code, "language": "JAVA", "version": 513, "opaque": 1, "flag": 0,
		"extFields": fields, "serializeTypeCurrentRPC": "JSON",
	})
	if err != nil {
		return nil, err
	}
	frame := binary.BigEndian.AppendUint32(nil, uint32(4+len(header)+len(body)))
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(header)))
	frame = append(append(frame, header...), body...)
	if _, err := conn.Write(frame); err != nil {
		return nil, err
	}
	var prefix [8]byte
	if _, err := io.ReadFull(conn, prefix[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(prefix[:])
	mark := binary.BigEndian.Uint32(prefix[4:])
	head := mark & 0xffffff
	if size > 16<<20 || size < 4 || head > size-4 {
		return nil, fmt.Errorf("answer with length %d, header length %d", size, head)
	}
	rest := make([]byte, size-4)
	if _, err := io.ReadFull(conn, rest); err != nil {
		return nil, err
	}
	answer := &ProbeAnswer{Body: rest[head:]}
	if mark>>24 != 0 {
		return nil, fmt.Errorf("answer to a JSON request in serialization %d", mark>>24)
	}
	return answer, json.Unmarshal(rest[:head], answer)
}

// A ProbeAnswer is the answer to a Probe.
type ProbeAnswer struct {
	Code   int               `json:"code"`
	Remark string            `json:"remark"`
	Fields map[string]string `json:"extFields"`
	Body   []byte            `json:"-"`
}

// serving reports why a name server does not answer yet; nil if it does.
func serving(nameServer string) error {
	const getTopicList = 206
	a, err := Probe(nameServer, getTopicList, nil, nil)
	if err == nil && a.Code != 0 {
		err = fmt.Errorf("code %d: %s", a.Code, a.Remark)
	}
	return err
}

// registered reports why clients of a name server cannot use a broker yet.
func registered(nameServer, brokerName, addr string) error {
	const getClusterInfo, getRuntimeInfo = 106, 28
	a, err := Probe(nameServer, getClusterInfo, nil, nil)
	if err != nil {
		return err
	}
	if !strings.Contains(string(a.Body), `"`+brokerName+`"`) {
		return fmt.Errorf("%s is not registered: %s", brokerName, a.Body)
	}
	if a, err = Probe(addr, getRuntimeInfo, nil, nil); err == nil && a.Code != 0 {
		err = fmt.Errorf("runtime info: code %d: %s", a.Code, a.Remark)
	}
	return err
}

// listening reports why nothing takes connections at an address yet.
func listening(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err == nil {
		conn.Close()
	}
	return err
}

// FreePorts returns the first of n successive ports that are free on loopback.
// They are none that the system gives to outgoing connections, so that they stay
// free until the server listens.
func FreePorts(n int) (int, error) {
	const lowest, highest = 20000, 32000
	for range 100 {
		if first := lowest + rand.IntN(highest-lowest-n); allFree(first, n) {
			return first, nil
		}
	}
	return 0, fmt.Errorf("no %d successive free ports on loopback between %d and %d", n, lowest, highest)
}

func allFree(first, n int) bool {
	for port := first; port < first+n; port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}
