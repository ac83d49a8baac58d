package grpc

import (
	"strconv"

	"github.com/goddardmq/goddard/internal/mq"
)

// queueOf is the queue of a message group, of n: the one that RocketMQ's proxy
// chooses, so that a group stays in order when clients move from one to the
// other. It is the consistent hash of Guava over the Java hash of the group.
func queueOf(group string, n int32) int32 {
	state := uint64(int64(mq.JavaHash(group)))
	candidate := int32(0)
	for {
		state = 2862933555777941757*state + 1
		next := float64(candidate+1) / (float64(int32(state>>33)+1) / (1 << 31))
		if next < 0 || next >= float64(n) {
			return candidate
		}
		candidate = int32(next)
	}
}

// priorityQueue is the queue of a message's priority, of n: the highest there
// is for those above.
func priorityQueue(props []byte, n int32) int32 {
	v, _ := mq.Property(props, mq.PropPriority)
	p, err := strconv.ParseInt(string(v), 10, 32)
	if err != nil {
		return 0
	}
	return min(int32(p), n-1)
}
