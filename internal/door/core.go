package door

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

const (
	// proxyV1 and proxyV2 begin the two versions of the PROXY header
	// (haproxy.org, proxy-protocol.txt).
	proxyV1 = "PROXY "
	proxyV2 = "\r\n\r\n\x00\r\nQUIT\n"
	// proxyV1Max is the longest header of version 1, line end included.
	proxyV1Max = 107
	// proxyV2Fixed is what comes before version 2's addresses.
	proxyV2Fixed = 16
)

// MaxHeader bounds a PROXY header, in bytes; those with long extensions
// (certificates, names) have some hundred.
const MaxHeader = 4 << 10

// A header is a PROXY header.
type header struct {
	size   int            // in bytes; 0: there is none
	source netip.AddrPort // not valid if it names none
}

// beginsHeader reports whether head begins a PROXY header, or (maybe) may once
// more has arrived.
func beginsHeader(head []byte) (does, maybe bool) {
	for _, mark := range []string{proxyV1, proxyV2} {
		n := min(len(head), len(mark))
		if string(head[:n]) == mark[:n] {
			return n == len(mark), true
		}
	}
	return false, false
}

// parseHeader reads the header at the beginning of a connection, of which head
// has arrived; more says that its end has not.
func parseHeader(head []byte) (h header, more bool, err error) {
	does, maybe := beginsHeader(head)
	switch {
	case !maybe:
		return header{}, false, nil
	case !does:
		return header{}, true, nil
	case head[0] == proxyV1[0]:
		return parseV1(head)
	}
	return parseV2(head)
}

// parseV1 reads a line like "PROXY TCP4 192.0.2.1 192.0.2.2 4711 10911".
func parseV1(head []byte) (h header, more bool, err error) {
	head = head[:min(len(head), proxyV1Max)]
	end := bytes.Index(head, []byte("\r\n"))
	if end < 0 {
		if len(head) == proxyV1Max {
			return header{}, false, malformed(head)
		}
		return header{}, true, nil
	}
	h.size = end + len("\r\n")
	words := strings.Split(string(head[:end]), " ")
	if words[1] == "UNKNOWN" {
		return h, false, nil
	}
	if len(words) != 6 || words[1] != "TCP4" && words[1] != "TCP6" {
		return header{}, false, malformed(head[:end])
	}
	addr, err := netip.ParseAddr(words[2])
	port, perr := strconv.ParseUint(words[4], 10, 16)
	if err != nil || perr != nil || addr.Zone() != "" || addr.Is4() != (words[1] == "TCP4") {
		return header{}, false, malformed(head[:end])
	}
	h.source = unmapped(netip.AddrPortFrom(addr, uint16(port)))
	return h, false, nil
}

// parseV2 reads a binary header. Addresses that are not IP are left out of
// account, and so is the proxy's own traffic (command LOCAL).
func parseV2(head []byte) (h header, more bool, err error) {
	if len(head) < proxyV2Fixed {
		return header{}, true, nil
	}
	h.size = proxyV2Fixed + int(binary.BigEndian.Uint16(head[14:]))
	switch {
	case head[12]>>4 != 2:
		return header{}, false, malformed(head[:proxyV2Fixed])
	case h.size > MaxHeader:
		return header{}, false, refusef("the peer sent a PROXY header of %d bytes, at most %d are read", h.size, MaxHeader)
	case len(head) < h.size:
		return header{}, true, nil
	}
	command, family, body := head[12]&0xf, head[13]>>4, head[proxyV2Fixed:h.size]
	switch {
	case command == 1 && family == 1 && len(body) >= 12:
		h.source = netip.AddrPortFrom(netip.AddrFrom4([4]byte(body)), binary.BigEndian.Uint16(body[8:]))
	case command == 1 && family == 2 && len(body) >= 36:
		h.source = unmapped(netip.AddrPortFrom(netip.AddrFrom16([16]byte(body)), binary.BigEndian.Uint16(body[32:])))
	case command > 1, command == 1 && (family == 1 || family == 2):
		return header{}, false, malformed(head[:h.size])
	}
	return h, false, nil
}

// malformed refuses a header.
func malformed(head []byte) error {
	return refusef("the peer sent a malformed PROXY header: %q", head[:min(len(head), proxyV1Max)])
}

// unmapped is an address with IPv4 in its short form.
func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// A RefusalError is a reason to close a connection that an operator should read.
type RefusalError struct{ text string }

// Error is the reason.
func (r *RefusalError) Error() string { return r.text }

// refusef makes a RefusalError.
func refusef(format string, args ...any) error {
	return &RefusalError{fmt.Sprintf(format, args...)}
}
