// Package txn keeps transactional messages until their producers have decided.
//
// A half message lies in queue 0 of the half topic, with the topic and queue it
// is meant for among its properties, where no consumer sees it. Its end is a
// message in queue 0 of the op topic, whose body is the half message's queue
// offset and a comma, and those of others that were ended at the same time; a
// commit stores the message itself before that.
// A half message without an end is pending: from time to time a producer of its
// group is asked what became of it, and after too many times it is given up: a
// copy goes to TRANS_CHECK_MAX_TIME_TOPIC, and only its producer's late word or
// an operator ends it. That, too, is said in the op topic.
//
// What it keeps true: a half message is visible to consumers once committed and
// not before; it is ended at most once, whatever producers, checks and
// operators say at the same time; what was pending before a crash is pending
// after it, and what was ended is not asked about again.
//
// So the log says it all. Ledger follows the two queues and keeps in memory
// what is pending; core.go decides what may be ended and what is due. Rows in
// the key store say how far it has followed, so that a start reads only the
// rest; without them everything is read. Only the number of checks is nowhere
// else. The rows, numbers big-endian:
//
//	txn/progress       next8 op8: the first offsets of the half and of the op
//	                   queue that were not read
//	txn/half/OFFSET8   born8 rest8 checks4 given-up1: a half message that is not
//	                   ended; times in milliseconds
package txn
