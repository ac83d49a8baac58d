//go:build race

package rpc

// shortCall is less than any: the race detector learns from the ordinary calls what
// happened before what.
const shortCall = -1
