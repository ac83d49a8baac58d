// Package namesrv knows who serves which topic: RocketMQ's name server, and
// the side of a broker that registers with name servers.
//
// It keeps true:
//
//   - a broker is in the table from its first complete registration until it
//     leaves, its connection closes, or it has been silent for longer than it
//     promised; a refused registration leaves no trace;
//   - an address (ip:port) stands for one broker id, and a broker id of a broker
//     name for one address;
//   - a topic has a route as long as one broker that serves it is registered;
//   - a broker in this process that has no advertised address is answered with
//     the address the asking client itself dialled.
//
// The table is a pure value (core.go) behind one RWMutex of Server. Only the
// key-value configuration is kept on disk, as RocketMQ's kvConfig.json; brokers
// bring everything else again within one registration interval.
//
// Filter servers, which are gone since RocketMQ 5.0, are not kept: answers carry
// the empty table.
package namesrv
