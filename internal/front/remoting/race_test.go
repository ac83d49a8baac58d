//go:build race

package remoting

// raced says that the race detector is on, which allocates.
const raced = true
