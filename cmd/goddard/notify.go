package main

import (
	"net"
	"os"
)

// notify tells systemd the state of a service of Type=notify, as sd_notify(3)
// describes: a datagram to the socket that NOTIFY_SOCKET names. Without one it
// does nothing. A failure is not worth stopping for: systemd's own time limit
// reports it.
func notify(state string) {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = conn.Write([]byte(state)) // see above
}
