package metrics

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/METRICS.md from the definitions")

const metricsPath = "../../docs/METRICS.md"

// metricsPage is docs/METRICS.md.
func metricsPage() string {
	var b strings.Builder
	b.WriteString(`# Metrics

Printed from the definitions in internal/metrics by ` + "`go test ./internal/metrics -run MetricsPage -update`" + `.

The server answers Prometheus on its HTTP port, without any setting:

    curl http://127.0.0.1:8082/metrics            # the names of RocketMQ's broker and proxy, our own, and the Go runtime's
    curl http://127.0.0.1:8082/metrics/exporter   # the names of rocketmq-exporter

Boards and alerts made for either work unchanged. Scrape one of the two; ` + "`deploy/prometheus`" + ` has a configuration and alerts,
` + "`deploy/grafana`" + ` boards. ` + "`metrics-exporter-type`" + ` sends the same to an OpenTelemetry collector or to the log; all settings begin with
` + "`metrics-`" + ` and are in [CONFIG.md](CONFIG.md), under RocketMQ's names as well.

With authentication on, Prometheus signs in as a user who may ` + "`GET` the cluster (`basic_auth` in its configuration): curl -u USER:PASSWORD. `metrics-open = true`" + ` lets
everybody read instead.

## What all have in common

Every family but the exporter's, the Go runtime's and the process's has the labels ` + "`cluster`, `node_type` and `node_id`" + ` (the broker's name), those of
` + "`metrics-label`" + `, and ` + "`aggregation=\"delta\"`" + ` with ` + "`metrics-in-delta`" + `; RocketMQ's also have ` + "`otel_scope_name=\"broker-meter\"`" + `. Counters count from the start of
the process. OpenTelemetry gets the names in brackets, where the format of Prometheus adds the unit.

In each family at most ` + "`metrics-max-series`" + ` topics, groups, or groups in topics have series of their own, and an eighth of that in histograms. All
others are summed, under the topic and group ` + "`_other`" + `; of ages that is the greatest. ` + "`goddard_metrics_other`" + ` says how many those are. Who has series keeps them as long
as it exists, and for ten minutes at least (backlogs and connections: at once), unless another is twice as busy (backlogs: twice as far behind). Counters that get
series begin at 0 there, what they had counted stays in ` + "`_other`" + `, and what they counted until they lost them does not come back into it: no series falls but with a restart, and rates
add up. Light queues count as one topic, ` + "`%LMQ%`" + `, and have no backlogs.

Backlogs (` + "`rocketmq_consumer_*`" + ` but for connections) are looked for when somebody scrapes and those that are known are older than five seconds. A scrape waits a
quarter of a second for new ones, and then shows the old; ` + "`goddard_backlog_age_seconds`" + ` says how old they are. Only groups and topics in which something happened
since are looked at. They are those of all groups with an offset, connected or not; RocketMQ shows those that are connected. What a group took in
order counts as ready until it is acknowledged.

## Families of RocketMQ's broker and proxy

`)
	writeFamilies(&b, func(d *definition) bool { return d.origin == ofBroker || d.origin == ofProxy }, definitions)
	b.WriteString("\nNot there, each with the reason:\n\n")
	writeAbsences(&b, absences)
	b.WriteString(`
## Our own

Beside these stand ` + "`go_*` and `process_*`" + ` of the Go runtime, as every Go program has them, and ` + "`target_info`" + `.

`)
	writeFamilies(&b, func(d *definition) bool { return d.origin == ofGoddard }, definitions)
	b.WriteString(`
## Families of rocketmq-exporter

At ` + "`/metrics/exporter`" + `. All are gauges. What has no series of its own is left out here, not summed.

`)
	writeFamilies(&b, func(*definition) bool { return true }, exporterDefinitions())
	b.WriteString("\nNot there:\n\n")
	writeAbsences(&b, exporterAbsences)
	return b.String()
}

func writeFamilies(b *strings.Builder, wanted func(*definition) bool, all []*definition) {
	b.WriteString("| Family | Kind | Labels | What |\n| --- | --- | --- | --- |\n")
	for _, d := range all {
		if !wanted(d) {
			continue
		}
		name := "`" + d.prom() + "`"
		if d.prom() != d.name {
			name += " (`" + d.name + "`)"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", name, d.kind, strings.Join(d.labels, ", "), d.help)
	}
}

func writeAbsences(b *strings.Builder, all []absence) {
	for _, a := range all {
		fmt.Fprintf(b, "- `%s`: %s.\n", strings.ReplaceAll(a.names, " ", "`, `"), a.reason)
	}
}

func TestMetricsPageIsWhatTheDefinitionsSay(t *testing.T) {
	want := metricsPage()
	if *update {
		if err := os.WriteFile(metricsPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(metricsPath)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the definitions say; run `go test ./internal/metrics -run MetricsPage -update`", metricsPath)
	}
}

// Every family that is defined is listed, once.
func TestFamiliesHaveNamesOfTheirOwn(t *testing.T) {
	for _, all := range [][]*definition{definitions, exporterDefinitions()} {
		seen := map[string]bool{}
		for _, d := range all {
			if seen[d.prom()] || d.help == "" {
				t.Errorf("family %s is there twice or has no help", d.prom())
			}
			seen[d.prom()] = true
		}
	}
}
