package broker

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
)

// RuntimeInfo is the table behind brokerStatus, in RocketMQ's keys. This broker
// has no thread pools: nothing ever waits in front of them, and nothing could,
// which is what the keys of those say.
func (b *Broker) RuntimeInfo(ctx context.Context) map[string]string {
	info := map[string]string{
		"bootTimestamp":            strconv.FormatInt(b.started.UnixMilli(), 10),
		"brokerVersionDesc":        b.opts().RocketMQVersion,
		"goddardVersion":           b.opts().Version,
		"brokerActive":             strconv.FormatBool(!b.closing.Load()),
		"runtime":                  upTime(time.Since(b.started)),
		"waitingPulls":             strconv.FormatInt(b.parking.count.Load(), 10),
		"groupsSubscribedUnlike":   strconv.FormatInt(b.clients.differ(), 10),
		"earliestMessageTimeStamp": strconv.FormatInt(b.earliest(), 10),
	}
	info["memoryBytes"] = strconv.FormatUint(memory(), 10)
	info["atMostOnceHandedOut"] = strconv.FormatInt(b.passed.handed.Load(), 10)
	info["atMostOnceDropped"] = strconv.FormatInt(b.passed.dropped.Load(), 10)
	slow := b.throttle.pops.Load()
	info["throttledPulls"], info["throttledPops"] = strconv.FormatInt(b.throttle.count.Load()-slow, 10), strconv.FormatInt(slow, 10)
	info["waitingPops"], info["messagesInHand"] = strconv.FormatInt(b.parking.pops.Load(), 10), strconv.FormatInt(b.holds.Total(), 10)
	keys, duplicates := b.dedup.Size()
	info["dedupKeys"], info["dedupDuplicates"] = strconv.FormatInt(keys, 10), strconv.FormatInt(duplicates, 10)
	for _, pool := range []string{"send", "pull", "litePull", "query", "ack"} {
		info[pool+"ThreadPoolQueueSize"] = "0"
		info[pool+"ThreadPoolQueueHeadWaitTimeMills"] = "0"
		info[pool+"ThreadPoolQueueCapacity"] = "0"
	}
	info["EndTransactionQueueSize"], info["EndTransactionThreadPoolQueueCapacity"] = "0", "0"
	info["pageCacheLockTimeMills"] = "0"
	info["startAcceptSendRequestTimeStamp"] = "0" // at once, as RocketMQ writes it
	b.rateInfo(info)
	b.storeInfo(info)
	putInfo(info, b.store.Puts().Read())
	b.delayInfo(info)
	if t := b.opts().Tracer; t != nil {
		info["traceSpansDropped"] = strconv.FormatInt(t.Dropped(), 10)
	}
	return info
}

// memory is what the process holds of the system's memory for Go, in bytes.
func memory() uint64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64() - samples[1].Value.Uint64()
}

// rateInfo tells how much comes and goes: per second, over the last 10 seconds,
// minute and 10 minutes, and in days.
func (b *Broker) rateInfo(info map[string]string) {
	tps := func(key string, c *counter) {
		info[key] = fmt.Sprint(b.stats.rate(c, 1), b.stats.rate(c, 6), b.stats.rate(c, 60))
	}
	number := func(key string, n int64) { info[key] = strconv.FormatInt(n, 10) }
	s := b.stats
	tps("putTps", &s.putTotal)
	tps("getFoundTps", &s.getFound)
	tps("getMissTps", &s.getMissed)
	tps("getTransferredTps", &s.getTotal)
	info["getTotalTps"] = fmt.Sprint(
		s.rate(&s.getFound, 1)+s.rate(&s.getMissed, 1), s.rate(&s.getFound, 6)+s.rate(&s.getMissed, 6),
		s.rate(&s.getFound, 60)+s.rate(&s.getMissed, 60))

	today, yesterday := s.mornings()
	number("msgPutTotalTodayMorning", today.put)
	number("msgPutTotalYesterdayMorning", yesterday.put)
	number("msgPutTotalTodayNow", s.putTotal.sum.Load())
	number("msgGetTotalTodayMorning", today.get)
	number("msgGetTotalYesterdayMorning", yesterday.get)
	number("msgGetTotalTodayNow", s.getTotal.sum.Load())

	number("putMessageTimesTotal", s.putTotal.sum.Load())
	number("putMessageFailedTimes", s.putFailed.sum.Load())
	number("putMessageSizeTotal", s.putSize.sum.Load())
	average := 0.0
	if n := s.putTotal.sum.Load(); n > 0 {
		average = float64(s.putSize.sum.Load()) / float64(n)
	}
	info["putMessageAverageSize"] = fmt.Sprint(average)
}

// storeInfo tells how the log and its disk are.
func (b *Broker) storeInfo(info map[string]string) {
	st, disk := b.store.Stats(), b.store.DiskUsage()
	share := "0"
	if disk.Total > 0 {
		share = strconv.FormatFloat(float64(disk.Used)/100, 'f', 2, 64)
	}
	info["commitLogMinOffset"] = strconv.FormatInt(st.LogStart, 10)
	info["commitLogMaxOffset"] = strconv.FormatInt(st.LogEnd, 10)
	info["commitLogDiskRatio"] = share
	info["consumeQueueDiskRatio"] = share
	info["commitLogDirCapacity"] = fmt.Sprintf("Total : %s, Free : %s.", size(disk.Total), size(disk.Free))
	info["goddardDiskFree"] = strconv.FormatInt(disk.Free, 10) // bytes
	info["remainHowManyDataToFlush"] = size(st.LogEnd - st.LogSynced)
	info["dispatchBehindBytes"] = "0" // a message can be read when it is acknowledged
	info["commitLogDiskRatio_"+filepath.Join(b.opts().Store.Dir, "commitlog")] = share
	info["dispatchMaxBuffer"] = "0"
	info["remainTransientStoreBufferNumbs"] = strconv.Itoa(math.MaxInt32) // RocketMQ's way to say that there is no such pool
	info["putMessageEntireTimeMax"] = strconv.FormatInt(st.MaxTime.Milliseconds(), 10)
}

// putNames are RocketMQ's names for the parts of meter.PutBounds.
var putNames = [...]string{
	"<=0ms", "0~10ms", "10~50ms", "50~100ms", "100~200ms", "200~500ms", "500ms~1s", "1~2s", "2~3s", "3~4s", "4~5s", "5~10s", "10s~",
}

// putInfo tells how long batches took to be stored. The quantiles are the upper
// ends of the parts that hold them, in milliseconds.
func putInfo(info map[string]string, puts meter.Distribution) {
	var b strings.Builder
	for i, n := range puts.Counts {
		fmt.Fprintf(&b, "[%s]:%d ", putNames[i], n)
	}
	info["putMessageDistributeTime"] = b.String()
	for key, share := range map[string]float64{"putLatency99": 0.99, "putLatency999": 0.999} {
		info[key] = fmt.Sprintf("%.2f", float64(puts.Quantile(share)))
	}
}

// delayInfo tells how far each delay level is that has been used, and how far
// the index is of messages that wait for a time of their own.
func (b *Broker) delayInfo(info map[string]string) {
	messages, unread, _ := b.agenda.Behind(time.Now())
	info["timerOffsetBehind"] = strconv.FormatInt(messages, 10)
	info["timerReadBehind"] = strconv.FormatInt(int64(unread/time.Second), 10)
	for level := range b.timer.Levels() {
		_, hi, err := b.store.Bounds(mq.Queue{Topic: mq.TopicSchedule, ID: int32(level)})
		if err == nil && hi > 0 {
			info[fmt.Sprintf("scheduleMessageOffset_%d", level+1)] = fmt.Sprintf("%d,%d", b.timer.Progress(level), hi)
		}
	}
}

// earliest is the store time of the oldest message, -1 if there is none.
func (b *Broker) earliest() int64 {
	lo, hi := b.store.LogBounds()
	if lo == hi {
		return -1
	}
	data, err := b.store.ReadAt(lo)
	if err != nil {
		return -1
	}
	rec, _, err := mq.DecodeRecord(data)
	if err != nil {
		return -1
	}
	return rec.StoreTime
}

func upTime(d time.Duration) string {
	s := int64(d / time.Second)
	return fmt.Sprintf("[ %d days, %d hours, %d minutes, %d seconds ]", s/86400, s/3600%24, s/60%60, s%60)
}

// size writes bytes with a unit.
func size(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n), 0
	for f >= 1024 && unit < 4 {
		f /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", f, "BKMGT"[unit])
}
