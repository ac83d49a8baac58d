package namesrv

import (
	"net/netip"
	"strconv"
	"unicode/utf8"
)

// The bodies that name addresses are written here and not by package wire: an
// address depends on who asks, and a route is asked for more often than
// anything else. The bytes are those of RocketMQ 5.5.0 (testdata/java).

// A form is how one requester wants JSON.
type form struct {
	// quoted puts integer keys in quotes, as JSON demands; clients before
	// V4_9_4 are used to bare ones.
	quoted bool
	// host is where the requester reached this process.
	host netip.Addr
}

// appendRoute writes TopicRouteData. order is the topic's ordered-queue
// configuration, nil if it has none.
func (f form) appendRoute(b []byte, r route, order *string) []byte {
	b = append(b, `{"brokerDatas":[`...)
	for i, br := range r.brokers {
		if i > 0 {
			b = append(b, ',')
		}
		b = f.appendBroker(b, br)
	}
	b = append(b, `],"filterServerTable":{}`...)
	if order != nil {
		b = append(b, `,"orderTopicConf":`...)
		b = appendString(b, *order)
	}
	b = append(b, `,"queueDatas":[`...)
	for i, q := range r.queues {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"brokerName":`...)
		b = appendString(b, q.broker)
		b = appendInt(append(b, `,"perm":`...), int64(q.perm))
		b = appendInt(append(b, `,"readQueueNums":`...), int64(q.read))
		b = appendInt(append(b, `,"topicSysFlag":`...), int64(q.sysFlag))
		b = appendInt(append(b, `,"writeQueueNums":`...), int64(q.write))
		b = append(b, '}')
	}
	return append(b, ']', '}')
}

// appendBroker writes BrokerData.
func (f form) appendBroker(b []byte, br *broker) []byte {
	b = append(b, `{"brokerAddrs":`...)
	b = f.appendMembers(b, br.members)
	b = append(b, `,"brokerName":`...)
	b = appendString(b, br.name)
	b = append(b, `,"cluster":`...)
	b = appendString(b, br.cluster)
	b = append(b, `,"enableActingMaster":`...)
	b = strconv.AppendBool(b, br.acting)
	if br.zone != "" {
		b = append(b, `,"zoneName":`...)
		b = appendString(b, br.zone)
	}
	return append(b, '}')
}

// appendMembers writes addresses by broker id.
func (f form) appendMembers(b []byte, ms []member) []byte {
	b = append(b, '{')
	for i, m := range ms {
		if i > 0 {
			b = append(b, ',')
		}
		if f.quoted {
			b = append(b, '"')
		}
		b = appendInt(b, m.id)
		if f.quoted {
			b = append(b, '"')
		}
		b = append(b, ':')
		b = appendString(b, m.at(f.host))
	}
	return append(b, '}')
}

// appendClusters writes ClusterInfo.
func (f form) appendClusters(b []byte, t *table) []byte {
	b = append(b, `{"brokerAddrTable":{`...)
	for i, br := range t.sortedBrokers() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, br.name), ':')
		b = f.appendBroker(b, br)
	}
	b = append(b, `},"clusterAddrTable":{`...)
	clusters := t.clusters()
	for i, name := range sortedKeys(clusters) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, name), ':')
		b = appendStrings(b, clusters[name])
	}
	return append(b, '}', '}')
}

// appendMemberGroup writes GetBrokerMemberGroupResponseBody.
func (f form) appendMemberGroup(b []byte, cluster, name string, ms []member) []byte {
	b = append(b, `{"brokerMemberGroup":{"brokerAddrs":`...)
	b = f.appendMembers(b, ms)
	b = append(b, `,"brokerName":`...)
	b = appendString(b, name)
	b = append(b, `,"cluster":`...)
	b = appendString(b, cluster)
	return append(b, '}', '}')
}

// appendTopicList writes TopicList; an empty addr is left out.
func appendTopicList(b []byte, addr string, names []string) []byte {
	b = append(b, '{')
	if addr != "" {
		b = append(b, `"brokerAddr":`...)
		b = append(appendString(b, addr), ',')
	}
	b = append(b, `"topicList":`...)
	return append(appendStrings(b, names), '}')
}

// appendTable writes KVTable.
func appendTable(b []byte, kv map[string]string) []byte {
	b = append(b, `{"table":{`...)
	for i, k := range sortedKeys(kv) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, k), ':')
		b = appendString(b, kv[k])
	}
	return append(b, '}', '}')
}

func appendStrings(b []byte, ss []string) []byte {
	b = append(b, '[')
	for i, s := range ss {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, s)
	}
	return append(b, ']')
}

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

// appendString writes s as a JSON string that escapes no more than it must.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(b, s[start:i]...)
				b = append(b, "\uFFFD"...)
				start = i + 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}
