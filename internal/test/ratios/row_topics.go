//go:build linux

package main

import (
	"fmt"
	"time"

	"github.com/goddardmq/goddard/internal/test/ratios/sheet"
)

// topicsGroup deletes the topics when they are counted, so that each row and
// round finds as many.
func topicsGroup() group {
	create := func(key, title string, inFlight int) row {
		return row{
			key: key, warm: creations(), cost: func(o *options) time.Duration { return time.Duration(o.topics) * 4 * time.Millisecond },
			lines: []sheet.Line{{Value: "rate", Title: "topics created " + title + ", a second", Reach: "10 ×"}},
			measure: func(b *bench) (map[string]float64, error) {
				r, cpu, err := b.measured("topics", "--topic", key, "--count", fmt.Sprint(b.o.topics), "--in-flight", fmt.Sprint(inFlight), "--time", "15m")
				if err == nil && r.Messages < b.o.topics {
					err = fmt.Errorf("%d of %d topics were created: %s", r.Messages, b.o.topics, r.LastError)
				}
				return throughput(r, cpu, err)
			},
		}
	}
	return group{key: "topics", servers: both(), rows: []row{create("topics-alone", "one after the other", 1), create("topics-beside", "64 at a time", 64)}}
}

// creations is the path of new topics. They are deleted again, for some servers
// get slower with each that is there.
func creations() *path {
	p := rated("topics", "topics", "--count", "500", "--in-flight", "64")
	p.extra = 2 * time.Second
	return p
}
