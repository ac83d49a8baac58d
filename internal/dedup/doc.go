// Package dedup remembers the unique keys of the messages of topics that want
// each message once, for as long as each topic says. What is remembered follows
// from the log: a key counts as soon as its message can be read, and after a
// restart exactly the messages that can be read count. Rows in the key store
// only shorten how much of the log is read for that.
//
// Files: core.go decides; register.go knows the topics and follows the log;
// topic.go claims keys for sends; rows.go is what lies in the key store.
package dedup
