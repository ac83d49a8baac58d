//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

const (
	cannedBlock = 32      // messages that are there
	cannedEnd   = 1 << 20 // offset behind the last message of each queue
	cannedMost  = 1 << 20 // bytes of a body at most
)

// canned are messages that a server might have stored. A topic whose name ends
// with -N has bodies of N bytes; its queues hold the same few over and over.
type canned struct {
	blocks sync.Map // by topic: records as they lie in a log, one like the other
}

// block makes the messages of a topic, once.
func (c *canned) block(topic string) ([]byte, error) {
	if b, ok := c.blocks.Load(topic); ok {
		return b.([]byte), nil
	}
	topic = strings.Clone(topic) // it lies in the request
	size, err := strconv.Atoi(topic[strings.LastIndexByte(topic, '-')+1:])
	if err != nil || size < 0 || size > cannedMost {
		return nil, fmt.Errorf("topic %q does not end with the size of its messages, 0 to %d", topic, cannedMost)
	}
	props := mq.AppendProperty(nil, mq.PropUniqueKey, strings.Repeat("0", 32))
	here := netip.MustParseAddrPort("127.0.0.1:1")
	m := &mq.Message{Topic: topic, BornHost: here, Properties: mq.AppendProperty(props, mq.PropWait, "true"), Body: make([]byte, size)}
	var block []byte
	for i := range cannedBlock {
		at := len(block)
		block = mq.AppendRecord(block, m, here)
		mq.PatchRecord(block[at:], mq.QueueOffset(i), mq.LogPos(at), 1)
	}
	c.blocks.Store(topic, block)
	return block, nil
}

// pull answers a pull. The messages stay as they are: their offsets are those of
// the block, and the answer says what is to be added.
func (c *canned) pull(cmd *wire.Command) *wire.Command {
	var h wire.PullMessageRequest
	err := h.DecodeFields(cmd.Fields)
	if err != nil {
		return cmd.ReplyError(wire.CodeSystemError, err.Error())
	}
	block, err := c.block(h.Topic)
	if err != nil {
		return cmd.ReplyError(wire.CodeTopicNotExist, err.Error())
	}
	n := min(int64(h.MaxMsgNums), cannedBlock, cannedEnd-h.QueueOffset)
	if n <= 0 || h.QueueOffset < 0 {
		return cmd.Reply(wire.CodePullNotFound, &wire.PullMessageResponse{MaxOffset: cannedEnd, NextBeginOffset: cannedEnd})
	}
	reply := cmd.Reply(wire.CodeSuccess, &wire.PullMessageResponse{NextBeginOffset: h.QueueOffset + n, MaxOffset: cannedEnd, OffsetDelta: h.QueueOffset})
	reply.Chunks = [][]byte{block[:n*int64(len(block)/cannedBlock)]}
	return reply
}
