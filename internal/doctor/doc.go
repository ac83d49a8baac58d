// Package doctor says what may go wrong on a machine: it judges facts about
// disk, clock, limits, addresses and certificates, and reads them from Linux.
//
// core.go judges and touches nothing; the other files read. What a system does
// not tell is left out, never guessed.
package doctor
