// Package metrics proves what deploy/ holds against real tools: promtool finds
// nothing wrong with rules, configuration and a scrape, and a running Prometheus
// that scrapes a server can evaluate every query of every board and alert.
//
// It needs Prometheus: `make metrics`. Without it everything is skipped, and
// the run says so.
package metrics
