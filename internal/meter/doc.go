// Package meter counts: histograms that many goroutines add to without a lock,
// and the figures that parts of the program show to whoever draws them. It knows
// no format and no protocol.
package meter
