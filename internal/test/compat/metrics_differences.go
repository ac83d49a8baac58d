package compat

// A metricDifference is a family of metrics that is known to differ between
// RocketMQ and us, and why. An empty label means the family as a whole.
type metricDifference struct {
	family string
	label  string
	ours   bool // only we have it; otherwise only RocketMQ has
	reason string
}

// metricDifferences are all that is expected to differ.
var metricDifferences = []metricDifference{}
