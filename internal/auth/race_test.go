//go:build race

package auth

// raced says that the race detector is on, which allocates.
const raced = true
