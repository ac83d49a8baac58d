//go:build linux

package main

import (
	"fmt"
	"syscall"
	"time"

	"github.com/goddardmq/goddard/internal/test/ratios/sheet"
)

// settleTime is how long a server has to write out and give back what it needed
// for a moment.
const settleTime = 15 * time.Second

// queuesGroup fills very many light queues, which lite topics lie in. Java keeps
// the queues in RocksDB then: of files it would need one of 6 MB for each.
func queuesGroup() group {
	return group{
		key: "queues", servers: both(), long: true, anew: true, // what it has more than before counts
		javaConf: "enableLmq=true\nenableMultiDispatch=true\nstoreType=defaultRocksDB\nmaxLmqConsumeQueueNum=100000000\n",
		rows: []row{{
			key: "queues", measure: queues,
			cost: func(o *options) time.Duration {
				return 2*settleTime + time.Duration(o.queues)*30*time.Microsecond
			},
			lines: []sheet.Line{
				{Value: "rate", Title: "light queues with one message each, filled, queues a second"},
				{Value: "bytes", Title: "… resident memory, bytes a queue", Reach: "1,024 at most"},
				{Value: "anon", Title: "… of it not pages of files, bytes a queue"},
				{Value: "restart", Title: "… kill -9 and start to first message, ms", Reach: "5,000 at most"},
				{Value: "restarted", Title: "… resident memory then, bytes a queue", Reach: "1,024 at most"},
			},
		}},
	}
}

func queues(b *bench) (map[string]float64, error) {
	if err := b.pause(idleTime); err != nil {
		return nil, err
	}
	n, before := float64(b.o.queues), memory(b.s)
	count := fmt.Sprint(b.o.queues)
	r, cpu, err := b.measured("produce", "--topic", "queues", "--size", "128", "--connections", "2", "--in-flight", "64", "--light", count, "--count", count, "--time", "15m")
	if err == nil && r.Messages < b.o.queues {
		err = fmt.Errorf("%d of %d queues were filled: %s", r.Messages, b.o.queues, r.LastError)
	}
	values, err := throughput(r, cpu, err)
	if err != nil {
		return nil, err
	}
	if err := b.pause(settleTime); err != nil {
		return nil, err
	}
	each := func(kind string) float64 { return max(memory(b.s)[kind]-before[kind], 0) * (1 << 20) / n }
	values["bytes"], values["anon"] = each("resident"), each("anon")
	b.s.stopLast(syscall.SIGKILL)
	took, err := b.again()
	if err != nil {
		return nil, fmt.Errorf("after kill -9: %w", err)
	}
	values["restart"] = float64(took.Milliseconds())
	if err := b.pause(idleTime); err != nil {
		return nil, err
	}
	values["restarted"] = each("resident")
	return values, nil
}
