// Package store keeps messages on disk and finds them again.
//
// A message is written once, to the commit log: one run of bytes shared by all
// topics and cut into segments. Everything else here that concerns messages is
// derived from that log and may be deleted and rebuilt:
//
//   - the queue index turns a queue and an offset in it into a log position;
//     the newest entries are in memory, older ones in blocks in the key store;
//   - the checkpoint says how far the blocks have followed the log;
//   - the key index turns what a message is called into log positions.
//
// Beside them the key store holds the broker's own rows (Keys), which nothing
// can rebuild.
//
// What it keeps true. The log has four ends, each at or behind the next:
//
//	checkpoint ≤ synced ≤ committed ≤ reserved
//
// Append reserves positions in order, writes beside its like, and the committed
// end follows over what is written without a hole. Readers see what is
// committed and nothing else; under FlushSync only what is synced becomes
// committed. Blocks cover what is synced, so that the index is never ahead of
// the log after a crash. Nobody is told that a message is stored before it is
// committed. Behind the committed end of an opened log there are only zeros.
//
// Goroutines: those that call Append publish what they wrote, one at a time
// and in the order of the log; Run's flusher (or under FlushSync its syncer)
// moves the synced end and writes blocks and checkpoint; Run's keeper removes
// old segments, watches the disk and repairs after failed writes; Run's key
// indexer reads what is synced once more; Run's preparer sets space aside ahead
// of the reserved end.
//
// The layout of the log is RocketMQ's, that of the rest our own; both are
// written down in docs/FORMAT.md. `goddard store dump` prints them.
package store
