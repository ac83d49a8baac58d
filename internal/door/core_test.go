package door

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
)

// v2 is a header of version 2 for a command and a family.
func v2(command, family byte, body ...byte) string {
	head := append([]byte(proxyV2), 0x20|command, family)
	return string(append(binary.BigEndian.AppendUint16(head, uint16(len(body))), body...))
}

var (
	four    = []byte{192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x67, 0x2a, 0x9f}
	sixteen = append(append(netip.MustParseAddr("2001:db8::7").AsSlice(), make([]byte, 16)...), 0x12, 0x67, 0x2a, 0x9f)
	mapped  = append(append(netip.MustParseAddr("::ffff:192.0.2.7").AsSlice(), make([]byte, 16)...), 0x12, 0x67, 0x2a, 0x9f)
)

// headers are headers and the source that they name; "-" is none, "" malformed.
var headers = []struct{ name, head, source string }{
	{"v1", "PROXY TCP4 192.0.2.7 10.0.0.1 4711 10911\r\n", "192.0.2.7:4711"},
	{"v1 six", "PROXY TCP6 2001:db8::7 ::1 4711 10911\r\n", "[2001:db8::7]:4711"},
	{"v1 unknown", "PROXY UNKNOWN\r\n", "-"},
	{"v1 unknown with addresses", "PROXY UNKNOWN ffff:f:f:f:f:f:f:f ffff:f:f:f:f:f:f:f 65535 65535\r\n", "-"},
	{"v2", v2(1, 0x11, four...), "192.0.2.7:4711"},
	{"v2 with extensions", v2(1, 0x11, append(four[:12:12], 4, 0, 1, 0)...), "192.0.2.7:4711"},
	{"v2 six", v2(1, 0x21, sixteen...), "[2001:db8::7]:4711"},
	{"v2 four in six", v2(1, 0x21, mapped...), "192.0.2.7:4711"},
	{"v2 unix", v2(1, 0x31, make([]byte, 216)...), "-"},
	{"v2 local", v2(0, 0), "-"},
	{"v2 local with addresses", v2(0, 0x11, four...), "-"},
	{"v1 without addresses", "PROXY TCP4\r\n", ""},
	{"v1 nobody", "PROXY TCP4 nobody\r\n", ""},
	{"v1 wrong family", "PROXY TCP6 192.0.2.7 10.0.0.1 4711 10911\r\n", ""},
	{"v1 zone", "PROXY TCP6 fe80::1%eth0 ::1 4711 10911\r\n", ""},
	{"v1 port", "PROXY TCP4 192.0.2.7 10.0.0.1 70000 10911\r\n", ""},
	{"v1 blanks", "PROXY  TCP4 192.0.2.7 10.0.0.1 4711 10911\r\n", ""},
	{"v1 endless", "PROXY " + strings.Repeat("x", 200), ""},
	{"v2 short", v2(1, 0x11, 1, 2), ""},
	{"v2 version", strings.Replace(v2(0, 0), "\x20", "\x30", 1), ""},
	{"v2 command", v2(2, 0x11, four...), ""},
	{"v2 huge", proxyV2 + "\x21\x11\xff\xff", ""},
}

func TestAHeaderIsReadHoweverItArrives(t *testing.T) {
	for _, c := range headers {
		text := c.head + "rest"
		for n := range len(text) + 1 {
			h, more, err := parseHeader([]byte(text[:n]))
			switch {
			case n < len(c.head) && c.source != "":
				if !more || err != nil {
					t.Errorf("%s: with %d of %d bytes: more is %v, error %v", c.name, n, len(c.head), more, err)
				}
			case more && n < len(c.head): // malformed, which the end may show
			case c.source == "":
				if err == nil {
					t.Errorf("%s: accepted as %+v with %d bytes", c.name, h, n)
				}
			default:
				source := "-"
				if h.source.IsValid() {
					source = h.source.String()
				}
				if err != nil || more || h.size != len(c.head) || source != c.source {
					t.Errorf("%s: with %d bytes: %+v, more %v, error %v", c.name, n, h, more, err)
				}
			}
		}
	}
}

func TestOtherProtocolsHaveNoHeader(t *testing.T) {
	for _, text := range []string{"PRI * HTTP/2.0\r\n", "POST / HTTP/1.1\r\n", "GET /", "\x16\x03\x01", "\x00\x00\x00\x65\x00\x00\x00\x61", "PROXIMITY", "\r\nx"} {
		if h, more, err := parseHeader([]byte(text)); h.size != 0 || more || err != nil {
			t.Errorf("%q: %+v, more %v, error %v", text, h, more, err)
		}
	}
}

// FuzzHeader: whatever arrives, in one piece or cut, is a header, none or
// refused, and the same each time.
func FuzzHeader(f *testing.F) {
	for _, c := range headers {
		f.Add([]byte(c.head+"rest"), 7)
	}
	f.Fuzz(func(t *testing.T, head []byte, cut int) {
		h, more, err := parseHeader(head)
		switch {
		case more && (h.size != 0 || err != nil):
			t.Fatalf("more is wanted, and there is %+v, %v", h, err)
		case h.size > len(head) || h.size > MaxHeader:
			t.Fatalf("a header of %d bytes within %d", h.size, len(head))
		case more && len(head) >= MaxHeader:
			t.Fatalf("more than %d bytes are wanted", len(head))
		}
		part, more, perr := parseHeader(head[:min(max(cut, 0), len(head))])
		if !more && (part != h || (perr == nil) != (err == nil)) {
			t.Fatalf("the first %d bytes are %+v, %v; all %d are %+v, %v", cut, part, perr, len(head), h, err)
		}
	})
}
