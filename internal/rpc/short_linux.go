//go:build !race

package rpc

// shortCall is how many bytes a system call moves at most of which the scheduler is
// not told. A socket that is not to wait for takes a few microseconds for them; what
// the scheduler does around a call is a tenth of that, and it may take the processor
// away meanwhile, which another thread has to be woken for.
const shortCall = 64 << 10
