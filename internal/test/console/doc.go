// Package console clicks through the web console in a real Chromium.
//
// Its tests are behind the build tag console (make console). They start a
// server with data of every kind and the console beside it, visit each page in
// both languages, both colour schemes, on a desktop and on a phone, and do what
// operators do, by mouse and keys; what came of it is asked of the cluster.
// Whatever the browser complains about fails them: an exception, a violation of
// the content security policy, a request that failed, a page that is wider than
// the phone, a control without a name, a text without contrast.
package console
