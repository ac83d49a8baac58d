// Package lite decides which client is to look at which lite topic: who wants
// which of them, in which of those a client wants there may be something to
// take, and when what was taken becomes visible again.
//
// A message costs a look at the light queue that it lies in and at those who
// want that, however many lite topics there are; nothing goes through all of
// them. See docs/decisions/0004.
package lite
