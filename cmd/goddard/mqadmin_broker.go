package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// statusSheet prints what brokers say about themselves.
func statusSheet(o *operation, all []brokerTable) *sheet {
	s := o.sheet()
	for _, b := range all {
		for _, key := range slices.Sorted(maps.Keys(b.Table)) {
			line := fmt.Sprintf("%-32s: %s", key, b.Table[key])
			if o.target.Addr == "" {
				line = fmt.Sprintf("%-24s %s", b.Broker.Addr, line)
			}
			s.line("%s", line)
		}
	}
	return s
}

// settingsSheet prints the settings of brokers.
func settingsSheet(o *operation, all []brokerTable) *sheet {
	s := o.sheet()
	for _, b := range all {
		master := ""
		if o.target.Addr == "" {
			master = "Master: "
		}
		settingLines(s.line("============%s%s============", master, b.Broker.Addr), b.Table)
		s.line("")
	}
	return s
}

// settingLines prints settings by name.
func settingLines(s *sheet, settings map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		s.line("%-50s=  %s", key, settings[key])
	}
}

// totalsSheet prints how many messages came and went.
func totalsSheet(o *operation, all []listedBroker) *sheet {
	s := o.sheet().table("%-16s  %-32s %14d %14d %14d %14d",
		"#Cluster Name", "#Broker Name", "#InTotalYest", "#OutTotalYest", "#InTotalToday", "#OutTotalToday")
	for _, b := range all {
		s.row(b.Cluster, b.Name,
			between(b.Status, "msgPutTotalYesterdayMorning", "msgPutTotalTodayMorning"),
			between(b.Status, "msgGetTotalYesterdayMorning", "msgGetTotalTodayMorning"),
			between(b.Status, "msgPutTotalTodayMorning", "msgPutTotalTodayNow"),
			between(b.Status, "msgGetTotalTodayMorning", "msgGetTotalTodayNow"))
	}
	return s
}

// clusterSheet prints how brokers are.
func clusterSheet(o *operation, all []listedBroker) *sheet {
	s := o.sheet().table("%-22s  %-22s  %-4d  %-22s %-16s  %16s  %30s  %-22s  %11s  %-12s  %-8s  %10t",
		"#Cluster Name", "#Broker Name", "#BID", "#Addr", "#Version", "#InTPS(LOAD)", "#OutTPS(LOAD)", "#Timer(Progress)",
		"#PCWait(ms)", "#Hour", "#SPACE", "#ACTIVATED")
	for _, b := range all {
		st := b.Status
		load := func(what string) string {
			return fmt.Sprintf("%s,%sms", cmp.Or(st[what+"ThreadPoolQueueSize"], "N"), cmp.Or(st[what+"ThreadPoolQueueHeadWaitTimeMills"], "N"))
		}
		hour := 0.0
		if at := number(st["earliestMessageTimeStamp"]); at > 0 {
			hour = time.Since(time.UnixMilli(at)).Hours()
		}
		s.row(b.Cluster, b.Name, b.ID, b.Addr, st["brokerVersionDesc"],
			fmt.Sprintf("%9.2f(%s)", decimal(st["putTps"]), load("send")),
			fmt.Sprintf("%9.2f(%s|%s)", decimal(st["getTransferredTps"]), load("pull"), load("ack")),
			fmt.Sprintf("%d-%d(%.1fw, %.1f, %.1f)", number(st["timerReadBehind"]), number(st["timerOffsetBehind"]),
				float64(number(st["timerCongestNum"]))/10000, decimal(st["timerEnqueueTps"]), decimal(st["timerDequeueTps"])),
			st["pageCacheLockTimeMills"], fmt.Sprintf("%2.2f", hour), fmt.Sprintf("%.4f", decimal(st["commitLogDiskRatio"])),
			st["brokerActive"] == "true")
	}
	return s
}

// decimal is the first number of a text; 0 if there is none.
func decimal(text string) float64 {
	word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	n, err := strconv.ParseFloat(word, 64)
	if err != nil {
		return 0
	}
	return n
}
