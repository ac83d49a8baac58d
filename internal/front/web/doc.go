// Package web is the server's HTTP port: health for orchestrators, profiles
// for developers, and what others hang in with Handle, metrics and the console.
// It knows nothing of messages.
package web
