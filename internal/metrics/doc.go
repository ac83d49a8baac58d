// Package metrics shows what the server counts: to Prometheus under the names
// that RocketMQ's broker has and under those of its exporter, and to an
// OpenTelemetry collector. docs/METRICS.md is printed from the definitions here.
//
// What is kept true: a scrape walks no queue on the caller's time but for a
// moment (see backlogs); a family has at most so many topics or groups, whoever
// names them, and the rest together as one (see shelf); no counter ever falls.
package metrics
