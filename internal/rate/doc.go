// Package rate says how much may be consumed: token buckets, which hold no
// clock and no lock. A limit is never exceeded over time: what is taken beyond
// it, as by one message larger than a bucket, is owed and waited for.
//
// Files: core.go decides.
package rate
