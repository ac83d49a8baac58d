package main

import "strings"

// words are the parts of names that are not written like Other.
var words = map[string]string{
	"ID": "ID", "IDS": "IDs", "MQ": "MQ", "KV": "KV", "HA": "HA", "ACL": "ACL", "NS": "NS", "JSON": "JSON", "CQ": "CQ",
	"RPC": "RPC", "LMQ": "LMQ", "JRAFT": "JRaft", "ROCKSDB": "RocksDB", "KVLIST": "KVList", "ROUTEINFO": "RouteInfo",
	"SUBSCRIPTIONGROUP": "SubscriptionGroup", "STORETIME": "StoreTime", "CONSUMEQUEUE": "ConsumeQueue",
	"COMMITLOG": "CommitLog", "INVISIBLETIME": "InvisibleTime", "NAMESERVER": "NameServer",
}

// goCode turns SEND_MESSAGE_V2 into SendMessageV2.
func goCode(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		if w, ok := words[part]; ok {
			b.WriteString(w)
		} else {
			b.WriteString(part[:1] + strings.ToLower(part[1:]))
		}
	}
	return b.String()
}

// goField turns queueId into QueueID.
func goField(name string) string {
	name = strings.ToUpper(name[:1]) + name[1:]
	for _, end := range []string{"Id", "Ids"} {
		if base, ok := strings.CutSuffix(name, end); ok {
			return base + "ID" + end[2:]
		}
	}
	return name
}
