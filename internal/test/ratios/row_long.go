//go:build linux

package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/goddardmq/goddard/internal/load"
	"github.com/goddardmq/goddard/internal/test/ratios/sheet"
)

// sampleTime is how often memory is looked at.
const sampleTime = 5 * time.Second

// longGroup sends for long, in one round. Segments go as soon as they may, so that the disk
// does not fill: RocketMQ's by the hour 0 at every hour, ours after two minutes.
func longGroup(o *options) group {
	title := "half of its top rate"
	if o.longRate > 0 {
		title = "a rate that was given"
	}
	return group{
		key: "long", servers: both(), long: true, anew: true, // what the one has stored makes room for the other
		javaConf: "fileReservedTime=0\ndeleteWhen=00;01;02;03;04;05;06;07;08;09;10;11;12;13;14;15;16;17;18;19;20;21;22;23\n",
		ourConf:  "retention=2m\n",
		// What is stored while nothing is old enough to go.
		room: func(o *options) float64 { return 40 },
		rows: []row{{
			key: "long", once: true, measure: long, warm: sends(), cost: func(o *options) time.Duration { return o.long },
			lines: []sheet.Line{
				{Value: "rate", Title: "a long run of 1 KiB sends at " + title + ", msg/s"},
				{Value: "p999", Title: "… p99.9, µs"},
				{Value: "max", Title: "… the worst latency, ms", Reach: "50 at most"},
				{Value: "early", Title: "… resident memory after a tenth of the time, MiB"},
				{Value: "late", Title: "… at the end, MiB", Reach: "no more than that"},
				{Value: "most", Title: "… at most, MiB"},
			},
		}},
	}
}

func long(b *bench) (map[string]float64, error) {
	rate, err := longRate(b)
	if err != nil {
		return nil, err
	}
	samples := make(chan []float64)
	end := make(chan struct{})
	go func() { samples <- sampled(b.s, end) }()
	r, _, err := b.measured("produce", "--topic", "long", "--size", "1024", "--rate", fmt.Sprintf("%.0f", rate), "--time", b.o.long.String(), "--warmup", "5s")
	close(end)
	return longValues(r, <-samples, err)
}

// longRate is the one that is asked for, or half of what the server took flat
// out, but no more than half of what the disk takes: nobody keeps to more for long.
func longRate(b *bench) (float64, error) {
	if b.o.longRate > 0 {
		return b.o.longRate, nil
	}
	rate, err := b.firstValue("send-1k", "rate", b.s.key)
	if err != nil {
		return 0, err
	}
	rate /= 2
	if disk, ok := b.value("disk-write", "floor", "mib"); ok {
		rate = min(rate, disk*(1<<20)/2/1200) // a record of 1 KiB takes some 1,200 bytes
	}
	return rate, nil
}

// sampled is resident memory in MiB, at even distances until the end.
func sampled(s *server, end <-chan struct{}) (all []float64) {
	tick := time.NewTicker(sampleTime)
	defer tick.Stop()
	for {
		all = append(all, s.resident(residentAll))
		select {
		case <-end:
			return all
		case <-tick.C:
		}
	}
}

func longValues(r *load.Report, samples []float64, err error) (map[string]float64, error) {
	if err != nil {
		return nil, err
	}
	if r.Rate < 0.95*r.WantedRate {
		return nil, fmt.Errorf("it took %.0f messages a second of %.0f; memory at the end %.0f MiB", r.Rate, r.WantedRate, samples[len(samples)-1])
	}
	return map[string]float64{
		"rate": r.Rate, "p999": float64(r.Latency.P999), "max": float64(r.Latency.Max) / 1000,
		"early": samples[len(samples)/10], "late": samples[len(samples)-1], "most": slices.Max(samples),
	}, nil
}
