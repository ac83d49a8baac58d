package profile_test

import (
	"bytes"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/test/ratios/profile"
)

const here = "github.com/goddardmq/goddard/internal/"

func TestAStackIsForWhatItsInnermostKnownFunctionIsFor(t *testing.T) {
	const pebble = "github.com/cockroachdb/pebble/v2"
	for _, c := range []struct {
		want  string
		stack []string
	}{
		{profile.SocketReads, []string{"internal/runtime/syscall/linux.Syscall6", "syscall.read", "internal/poll.(*FD).Read", "net.(*netFD).Read", "net.(*conn).Read", here + "rpc.(*Conn).read"}},
		{profile.SocketReads, []string{"syscall.rawSyscallNoError", here + "rpc.shortly", here + "rpc.readDirect", here + "rpc.newDirectReader.func1", here + "rpc.(*directReader).read"}},
		{profile.SocketWrites, []string{"syscall.RawSyscall", here + "rpc.shortly", here + "rpc.writeDirect", here + "rpc.newDirect.func1", here + "rpc.(*direct).write"}},
		{profile.SocketWrites, []string{"syscall.write", "internal/poll.(*FD).Write", "net.(*netFD).Write", here + "rpc.(*Conn).writeAll", here + "rpc.(*Conn).writeOut"}},
		{profile.LogWrites, []string{"syscall.pwrite", "internal/poll.(*FD).Pwrite", "os.(*File).WriteAt", pebble + "/vfs.(*linuxFile).WriteAt", here + "segment.(*Log).WriteAt", here + "store.(*Store).writeRun"}},
		{profile.LogReads, []string{"runtime.memmove", here + "store.(*tail).read", here + "store.(*Store).load"}},
		{profile.Decoding, []string{"indexbytebody", here + "wire.(*scanner).string", here + "wire.(*Decoder).Decode", here + "rpc.(*Conn).burst"}},
		{profile.Answers, []string{here + "wire.(*Command).appendJSON", here + "wire.(*Command).AppendTo", here + "rpc.(*Conn).appendLocked"}},
		{profile.Records, []string{"runtime.memmove", here + "mq.AppendRecord", here + "store.(*Store).encodeSend"}},
		{profile.QueueIndex, []string{here + "store.(*varints).signed", here + "store.decodeBlock"}},
		{profile.KeyIndex, []string{here + "mq.cutProperty", here + "store.namesOf", here + "store.(*Store).indexKeys"}},
		{profile.KeyStore, []string{"cmpbody", pebble + ".(*DB).Apply", here + "store.(*rows).apply"}},
		{profile.KeyStoreLater, []string{"syscall.write", "os.(*File).Write", pebble + "/vfs.(*diskHealthCheckingFile).Write", pebble + "/sstable.(*layoutWriter).write", pebble + "/sstable.(*RawColumnWriter).drainWriteQueue"}},
		{profile.Scheduling, []string{"runtime.futex", "runtime.futexwakeup", "runtime.startm", "runtime.wakep", "runtime.ready", "sync.(*Cond).Signal", here + "rpc.(*Conn).send"}},
		{profile.Memory, []string{"runtime.memclrNoHeapPointers", "runtime.mallocgc", "runtime.newobject", here + "wire.(*Decoder).Decode"}},
		{profile.Rest, []string{here + "broker.examine", here + "broker.(*Broker).Send", here + "rpc.(*Conn).burst", here + "rpc.(*Conn).read"}},
		{profile.Rest, nil},
	} {
		if got := profile.NewSorter().Purpose(c.stack); got != c.want {
			t.Errorf("%v is for %q, want %q", c.stack, got, c.want)
		}
	}
}

// kept is memory that a test's profile sees.
var kept [][]byte

//go:noinline
func keep(n int) {
	for range n {
		kept = append(kept, make([]byte, 1<<20))
	}
}

func TestProfilesOfTheRuntimeAreReadAndSubtracted(t *testing.T) {
	defer func(rate int) { runtime.MemProfileRate = rate }(runtime.MemProfileRate)
	runtime.MemProfileRate = 4096 // so that none of 1 MiB is missed
	take := func() *profile.Profile {
		runtime.GC() // a profile is as old as the last collection
		var b bytes.Buffer
		if err := pprof.Lookup("allocs").WriteTo(&b, 0); err != nil {
			t.Fatal(err)
		}
		p, err := profile.Read(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	of := func(p *profile.Profile) (sum int64) {
		for _, s := range p.Samples {
			if strings.HasSuffix(strings.Join(s.Stack, " "), "tRunner") && strings.Contains(strings.Join(s.Stack, " "), "profile_test.keep") {
				sum += s.Values[p.Value("alloc_space")]
			}
		}
		return sum
	}
	keep(8)
	before := take()
	if got := of(before); got < 8<<20 {
		t.Fatalf("%d bytes, allocated were 8 MiB", got)
	}
	keep(4)
	if got := of(take().Since(before)); got < 4<<20 || got >= 6<<20 {
		t.Errorf("%d bytes since, allocated were 4 MiB", got)
	}
	kept = nil
}

func TestWhatIsNoProfileIsRefused(t *testing.T) {
	var b bytes.Buffer
	if err := pprof.Lookup("allocs").WriteTo(&b, 0); err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]byte{nil, []byte("404 page not found"), b.Bytes()[:b.Len()/2]} {
		if p, err := profile.Read(bad); err == nil {
			t.Errorf("%d bytes gave %d samples", len(bad), len(p.Samples))
		}
	}
}

func TestCallsAreReadFromTheTableOfStrace(t *testing.T) {
	got := profile.Calls(`% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 61.20    1.200000          12    100000           write
 38.80    0.700000           7      5000       120 futex
------ ----------- ----------- --------- --------- ----------------
100.00    1.900000          11    105000       120 total
`)
	if len(got) != 2 || got["write"] != 100000 || got["futex"] != 5000 {
		t.Errorf("%v", got)
	}
}

func TestARowIsATableOfFiguresPerMessage(t *testing.T) {
	stack := func(f ...string) []string { return f }
	r := profile.Row{
		Key: "send-1k", Rate: 200_000, Charged: 5.5, Messages: 1000, AllocMessages: 2000, CallMessages: 500,
		CPU: &profile.Profile{Types: []string{"samples", "cpu"}, Samples: []profile.Sample{
			{Stack: stack(here+"mq.AppendRecord", here+"store.(*Store).encode"), Values: []int64{1, 3_000_000}},
			{Stack: stack("cmpbody", here+"broker.examine"), Values: []int64{1, 1_000_000}},
			{Stack: stack("compress/gzip.write", "runtime/pprof.writeHeap", "net/http/pprof.handler.ServeHTTP"), Values: []int64{1, 9_000_000}},
		}},
		Allocs: &profile.Profile{Types: []string{"alloc_objects", "alloc_space"}, Samples: []profile.Sample{
			{Stack: stack("runtime.makeslice", here+"broker.newTable[go.shape.[]uint8;int]", "main.main"), Values: []int64{4, 40_000}},
		}},
		Block: &profile.Profile{Types: []string{"contentions", "delay"}, Samples: []profile.Sample{
			{Stack: stack("sync.(*Mutex).Lock", here+"store.(*Store).reserve"), Values: []int64{1, 2_000_000}},
			{Stack: stack("runtime.chanrecv1", here+"txn.(*Ledger).put", here+"txn.(*Ledger).End", here+"broker.(*Broker).EndTransaction"), Values: []int64{1, 50_000_000}},
			{Stack: stack("runtime.selectgo", here+"broker.(*parking).serve", here+"broker.(*Broker).Run.func11", "sync.(*WaitGroup).Go.func1"), Values: []int64{1, 90_000_000}},
			{Stack: stack("runtime.selectgo", here+"dedup.(*Register).Run", here+"broker.(*Broker).Run", here+"node.(*Node).Run"), Values: []int64{1, 90_000_000}},
			{Stack: stack("sync.(*Cond).Wait", "github.com/cockroachdb/pebble/v2/record.(*LogWriter).flushLoop"), Values: []int64{1, 90_000_000}},
		}},
		Mutex: &profile.Profile{Types: []string{"contentions", "delay"}},
		Calls: map[string]int64{"write": 500, "futex": 250, "madvise": 1},
		Notes: []string{"strace slows it"},
	}
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	want := `## send-1k

200000 messages a second while it was looked at; 5.50 µs of processor time for each, as the kernel accounts it.

| send-1k | a message | |
|---|--:|---|
| processor time, µs | 4.00 | of 2 stacks |
| … encoding records | 3.00 | 75 % |
| … the rest | 1.00 | 25 %: ` + "`broker.examine` 100 %" + ` |
| allocated, bytes | 20.0 | ` + "`broker.newTable[…]` 100 %" + ` |
| … objects | 0.002 | ` + "`broker.newTable[…]` 100 %" + ` |
| waited for locks and conditions, µs | 2.00 | ` + "`store.(*Store).reserve` 100 %" + ` |
| … for channels, µs | 50.0 | ` + "`txn.(*Ledger).put` 100 %" + ` |
| made others wait for a mutex, µs | 0.000 |  |
| system calls | 1.50 | write 1.00, futex 0.50 |

- strace slows it
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}
