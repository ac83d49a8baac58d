package profile

import (
	"slices"
	"strings"
)

// The purposes that processor time is split by, in the order in which they are
// printed.
const (
	SocketReads   = "socket reads"
	SocketWrites  = "socket writes"
	LogWrites     = "log writes"
	LogReads      = "log reads"
	Decoding      = "decoding frames and headers"
	Answers       = "encoding answers"
	Records       = "encoding records"
	QueueIndex    = "queue index"
	KeyIndex      = "key index"
	KeyStore      = "key store"
	KeyStoreLater = "key store, in the background"
	Scheduling    = "goroutines: scheduling, waking, stacks"
	Memory        = "garbage collection, malloc"
	Rest          = "the rest"
)

// Purposes are all of them.
func Purposes() []string {
	return []string{SocketReads, SocketWrites, LogWrites, LogReads, Decoding, Answers, Records, QueueIndex, KeyIndex, KeyStore, KeyStoreLater, Scheduling, Memory, Rest}
}

// ours is what names of our functions begin with.
const ours = "github.com/goddardmq/goddard/internal/"

const pebble = "github.com/cockroachdb/pebble/"

// A marker says what a function is for by what its name begins with.
type marker struct{ purpose, prefix string }

// markers are asked from the innermost function outwards. A function that calls
// much else must not be here: everything unknown below it would be its own.
func markers() []marker {
	var all []marker
	add := func(purpose, before string, prefixes ...string) {
		for _, p := range prefixes {
			all = append(all, marker{purpose, before + p})
		}
	}
	add(SocketReads, "", "net.(*conn).Read", "net.(*netFD).Read", "net.(*netFD).accept")
	add(SocketWrites, "", "net.(*conn).Write", "net.(*netFD).Write", "net.(*netFD).writeBuffers", "net.(*conn).writeBuffers", "net.(*TCPConn).", "net.(*Buffers).", "internal/poll.(*FD).Writev")
	add(SocketReads, ours, "rpc.readDirect", "rpc.(*directReader)")
	add(SocketWrites, ours, "rpc.(*Conn).write", "rpc.writeDirect", "rpc.(*direct).")
	add(LogWrites, ours, "segment.(*Log).Write", "segment.(*Log).Sync", "segment.(*file).sync", "segment.(*file).write", "store.(*Store).write", "store.(*tail).put", "store.(*tail).take")
	add(LogReads, ours, "segment.(*Log).Read", "store.(*Store).ReadAt", "store.(*Store).readFull", "store.(*tail)", "store.(*ahead)")
	add(Answers, ours, "wire.appendQuoted", "wire.(*Command).append", "wire.(*Command).Append", "wire.(*Command).SetReply", "rpc.(*Conn).append",
		"front/remoting.(*burst).answer", "front/remoting.(*burst).describe")
	add(Answers, "", "golang.org/x/net/http2.(*Framer).Write", "golang.org/x/net/http2/hpack.(*Encoder)",
		"google.golang.org/protobuf/proto.Marshal", "google.golang.org/protobuf/proto.MarshalOptions")
	add(Decoding, ours, "wire.", "rpc.(*frames)", "rpc.(*input).cut", "front/remoting.(*sendHeader)", "front/remoting.(*pullHeader)", "front/remoting.(*pull).decode", "front/remoting.(*session).decode", "front/remoting.parse", "mq.ParseReceipt", "front/grpc.(*call).decode")
	add(Decoding, "", "golang.org/x/net/http2.(*Framer).Read", "golang.org/x/net/http2.(*Framer).read", "golang.org/x/net/http2/hpack.(*Decoder)",
		"google.golang.org/protobuf/proto.Unmarshal", "google.golang.org/protobuf/proto.UnmarshalOptions")
	add(Records, ours, "mq.AppendRecord", "mq.BodyCRC", "store.(*Store).encode", "front/remoting.poppedMessage")
	add(QueueIndex, ours, "store.(*queue)", "store.(*table)", "store.(*varints)", "store.decodeBlock", "store.decodeHead", "store.appendBlock", "store.(*blockIter)",
		"store.(*Store).entriesAt", "store.(*Store).enter", "store.(*Store).queueFor", "store.(*Store).choose", "store.(*Store).checkpoint")
	add(KeyIndex, ours, "store.(*keyIndex)", "store.(*Store).followKeys", "store.(*Store).indexKeys", "store.(*Store).readKeys", "store.namesOf")
	// The log's files go through the key store's file system, so that says nothing.
	add("", pebble, "v2/vfs.")
	add(KeyStore, "", pebble, "github.com/cockroachdb/swiss", "github.com/cockroachdb/crlib", "github.com/golang/snappy")
	add(KeyStore, ours, "store.(*Keys)", "store.(*rows)", "store.(*KeyBatch)")
	add(Scheduling, "runtime.", "futex", "schedule", "findRunnable", "mcall", "park_m", "gopark", "goready", "ready", "wakep", "startm", "stopm", "notewakeup", "notesleep",
		"notetsleep", "newstack", "morestack", "copystack", "netpoll", "sysmon", "usleep", "osyield", "procyield", "lock2", "unlock2", "lockWithRank", "entersyscall", "reentersyscall", "exitsyscall",
		"handoffp", "retake", "goexit0", "goexit1", "gdestroy", "newproc", "gfput", "gfget", "goschedImpl", "gosched_m", "gopreempt", "preemptM", "preemptPark", "execute", "resetspinning", "runqget",
		"runqsteal", "runqgrab", "checkTimers", "(*timers)", "(*timer)", "injectglist", "mPark", "semasleep", "semawakeup", "checkRunqs", "stealWork")
	add(Memory, "runtime.", "gc", "bgsweep", "bgscavenge", "sweepone", "scanobject", "scanObject", "scanblock", "scanstack", "greyobject", "markroot", "(*gcWork)", "wbBuf", "(*wbBuf)", "(*mspan)",
		"(*mheap)", "(*mcache)", "(*mcentral)", "(*sweepLocked)", "(*sweepLocker)", "(*scavenge", "mallocgc", "newobject", "makeslice", "makemap", "growslice", "newarray", "rawstring", "rawbyteslice",
		"nextFreeFast", "deductAssistCredit", "deductSweepCredit", "typePointers", "tryDeferToSpanScan", "spanOf", "findObject", "drainMarkQueue", "(*spanQueue)", "profilealloc", "bulkBarrierPreWrite", "heapSetType", "publicationBarrier")
	return all
}

// A Sorter knows what stacks are for. It remembers the functions that it has
// seen, so it is for one goroutine.
type Sorter struct {
	markers []marker
	known   map[string]string
}

// NewSorter returns one that has seen nothing.
func NewSorter() *Sorter { return &Sorter{markers(), map[string]string{}} }

// Purpose is what a stack, the innermost function first, is for: the innermost
// function that has a purpose says it.
func (s *Sorter) Purpose(stack []string) string {
	for _, f := range stack {
		switch p := s.of(f); p {
		case "":
		case KeyStore:
			if later(stack) {
				return KeyStoreLater
			}
			return p
		default:
			return p
		}
	}
	return Rest
}

func (s *Sorter) of(function string) string {
	p, ok := s.known[function]
	if !ok {
		for _, m := range s.markers {
			if strings.HasPrefix(function, m.prefix) {
				p = m.purpose
				break
			}
		}
		s.known[function] = p
	}
	return p
}

// later reports whether the key store runs by itself, in a goroutine that it
// started: it writes out what it has in memory or merges files, and nobody waits.
func later(stack []string) bool { return strings.HasPrefix(stack[len(stack)-1], pebble) }

// measuring reports whether a stack is of taking the profile itself.
func measuring(stack []string) bool {
	return slices.ContainsFunc(stack, func(f string) bool {
		// The key store gives its goroutines labels with pprof.Do.
		return strings.HasPrefix(f, "net/http/pprof.") || strings.HasPrefix(f, ours+"front/web.") ||
			strings.HasPrefix(f, "runtime/pprof.") && !strings.HasPrefix(f, "runtime/pprof.Do")
	})
}
