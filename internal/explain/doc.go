// Package explain says in sentences what has become of a message, why a group
// lags, and whether a send would succeed, with the command that would help.
//
// It decides and asks nobody: what it is told are facts that somebody gathered,
// with the time at which they did. What is not known is said to be unknown.
package explain
