// Package console is the web console: an HTTP API in JSON over the functions of
// package admin, and the pages in web that use it. It works on any RocketMQ
// cluster, ours or Java's, that it reaches through a name server.
//
// What every page needs of a cluster, its topics, groups and brokers, is kept in
// memory and refreshed in the background, so that no request walks through all
// of a cluster. Requests that are about one thing ask its brokers.
package console
