package mq

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// recorded reads a record that RocketMQ 5.5.0 made.
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "records", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRecordsOfRocketMQAreReadAndMadeAgain(t *testing.T) {
	props := []byte("KEYS\x01k1 k2\x02TAGS\x01äb\x02")
	common := Record{
		BodyCRC: 0x3610a686, QueueID: 3, Flag: 9, BornTime: 1763697600001, StoreTime: 1763697600002,
		BornHost: netip.MustParseAddrPort("10.1.2.3:4567"), StoreHost: netip.MustParseAddrPort("192.168.9.8:10911"),
		ReconsumeTimes: 2, PreparedPos: 77, Body: []byte("hello"), Topic: []byte("orders"), Properties: props,
		Magic: MagicV1, QueueOffset: 1234, Pos: 567890,
	}
	v4, v6, v2 := common, common, common
	v4.Size = 122
	v6.Size, v6.BornHost, v6.SysFlag = 134, netip.MustParseAddrPort("[2001:db8::1]:4567"), FlagBornHostV6
	v2.Size, v2.Magic, v2.StoreHost, v2.SysFlag = 309, MagicV2, netip.MustParseAddrPort("[2001:db8::2]:10911"), FlagStoreHostV6|FlagCommitted
	v2.Topic, v2.QueueOffset, v2.Pos = []byte(strings.Repeat("longtopic", 20)), 0, 0
	v2.Properties = []byte("TAGS\x01äb\x02KEYS\x01k1 k2\x02")
	for name, want := range map[string]Record{"v4": v4, "v6": v6, "v2": v2} {
		b := recorded(t, name)
		got, rest, err := DecodeRecord(append(bytes.Clone(b), "rest"...))
		if err != nil || string(rest) != "rest" {
			t.Fatalf("%s: %v, rest %q", name, err, rest)
		}
		if name == "v2" { // the order of Java's maps
			got.Properties, want.Properties = nil, nil
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got\n%+v, want\n%+v", name, got, want)
		}
		if !got.Intact() {
			t.Errorf("%s: body checksum %x, want %x", name, got.BodyCRC, BodyCRC(got.Body))
		}

		r, _, _ := DecodeRecord(b)
		m := r.Message()
		if n, err := RecordSize(&m, r.StoreHost); n != len(b) || err != nil {
			t.Errorf("%s: size %d, %v; want %d", name, n, err, len(b))
		}
		again := AppendRecord([]byte("before"), &m, r.StoreHost)[len("before"):]
		PatchRecord(again, r.QueueOffset, r.Pos, r.StoreTime)
		if !bytes.Equal(again, b) {
			t.Errorf("%s: made\n%x, want\n%x", name, again, b)
		}
	}
}

func TestHostsThatAreMappedOrMissingAreIPv4(t *testing.T) {
	m := Message{Topic: "t", BornHost: netip.MustParseAddrPort("[::ffff:1.2.3.4]:5")}
	r, _, err := DecodeRecord(AppendRecord(nil, &m, netip.AddrPort{}))
	if err != nil || r.SysFlag != 0 || r.BornHost.String() != "1.2.3.4:5" || r.StoreHost.String() != "0.0.0.0:0" {
		t.Errorf("%v %+v", err, r)
	}
}

func TestDamagedRecordsAreToldApart(t *testing.T) {
	whole := recorded(t, "v6")
	for n := range whole {
		if _, _, err := DecodeRecord(whole[:n]); !errors.Is(err, ErrRecordTorn) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	// Size, magic, ports, lengths of body, topic and properties.
	for _, at := range []int{0, 3, RecordMagicAt, 64, 80, 96, 99, 105, 112, 113} {
		b := bytes.Clone(whole)
		b[at] ^= 0x41
		if _, _, err := DecodeRecord(b); !errors.Is(err, ErrRecordCorrupt) && !errors.Is(err, ErrRecordTorn) {
			t.Errorf("byte %d changed: %v", at, err)
		}
	}
	body := bytes.Clone(whole)
	body[100]++
	if r, _, err := DecodeRecord(body); err != nil || r.Intact() {
		t.Errorf("body changed: %v, intact %v", err, r.Intact())
	}
	size := bytes.Clone(whole)
	size[3]--
	if _, _, err := DecodeRecord(size); !errors.Is(err, ErrRecordCorrupt) {
		t.Errorf("size one less: %v", err)
	}
	blank := AppendBlank(nil, 100)
	r, rest, err := DecodeRecord(append(blank, 1, 2))
	if !errors.Is(err, ErrRecordBlank) || r.Size != 100 || len(rest) != 2 {
		t.Errorf("filler: %v, size %d, rest %d", err, r.Size, len(rest))
	}
}

func TestWhatARecordCannotHoldIsRefused(t *testing.T) {
	for _, m := range []Message{{Topic: strings.Repeat("t", 40000)}, {Topic: "t", Properties: make([]byte, 32768)}} {
		if _, err := RecordSize(&m, netip.AddrPort{}); !errors.Is(err, ErrMessageIllegal) {
			t.Errorf("topic of %d, properties of %d bytes: %v", len(m.Topic), len(m.Properties), err)
		}
	}
}

func TestOffsetIDsAreThoseOfRocketMQ(t *testing.T) {
	for want, host := range map[string]string{
		"C0A8090800002A9F000000000008AA52":                         "192.168.9.8:10911",
		"20010DB800000000000000000000000100002A9F000000000008AA52": "[2001:db8::1]:10911",
	} {
		addr := netip.MustParseAddrPort(host)
		if got := OffsetID(addr, 567890); got != want {
			t.Errorf("%s: %s", host, got)
		}
		back, pos, err := ParseOffsetID(want)
		if err != nil || back != addr || pos != 567890 {
			t.Errorf("%s: %v %d %v", want, back, pos, err)
		}
	}
	for _, id := range []string{"", "C0A8", strings.Repeat("G", 32), "C0A8090800012A9F000000000008AA52", "C0A8090800002A9FF00000000008AA52"} {
		if _, _, err := ParseOffsetID(id); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	for _, name := range []string{"v4", "v6", "v2"} {
		f.Add(recorded(f, name))
	}
	f.Add(AppendBlank(nil, 20))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, rest, err := DecodeRecord(b)
		if err != nil {
			return
		}
		m := r.Message()
		n, err := RecordSize(&m, r.StoreHost)
		if err != nil {
			t.Fatal(err)
		}
		again := AppendRecord(nil, &m, r.StoreHost)
		PatchRecord(again, r.QueueOffset, r.Pos, r.StoreTime)
		r2, none, err := DecodeRecord(again)
		if err != nil || len(none) != 0 || len(again) != n {
			t.Fatalf("made again: %v, %d bytes, %d foretold", err, len(again), n)
		}
		// What need not come back: the checksum, a V2 record that could be V1,
		// and a mapped address stored as IPv6.
		r2.BodyCRC, r2.Magic, r2.Size, r2.SysFlag = r.BodyCRC, r.Magic, r.Size, r.SysFlag
		r2.BornHost, r2.StoreHost = r.BornHost, r.StoreHost
		if !reflect.DeepEqual(r, r2) || len(rest)+int(r.Size) != len(b) {
			t.Fatalf("got %+v, want %+v", r2, r)
		}
	})
}

func BenchmarkAppendRecord(b *testing.B) {
	m := Message{Topic: "orders", Properties: []byte("UNIQ_KEY\x017F000001000012345678\x02WAIT\x01true\x02"), Body: make([]byte, 1024)}
	host := netip.MustParseAddrPort("127.0.0.1:10911")
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendRecord(buf[:0], &m, host)
		PatchRecord(buf, 1, 2, 3)
	}
}

func BenchmarkDecodeRecord(b *testing.B) {
	rec := recorded(b, "v4")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := DecodeRecord(rec); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzRecordProperties(f *testing.F) {
	for _, host := range []string{"1.2.3.4:5", "[2001:db8::1]:5"} {
		for _, topic := range []string{"T", strings.Repeat("t", 200)} {
			m := Message{Topic: topic, Body: []byte("body"), BornHost: netip.MustParseAddrPort(host), Properties: AppendProperty(nil, "a", "b")}
			f.Add(AppendRecord(nil, &m, netip.MustParseAddrPort(host)))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got := RecordProperties(b)
		if r, rest, err := DecodeRecord(b); err == nil && len(rest) == 0 && !bytes.Equal(got, r.Properties) {
			t.Fatalf("properties %q, want %q", got, r.Properties)
		}
	})
}

func TestDigitsAreThoseOfTheNumber(t *testing.T) {
	for _, v := range []uint32{0, 9, 10, 15, 16, 0x0123_4567, 0x89AB_CDEF, 0xFEDC_BA98, 0xA9A9_9A9A, 1<<32 - 1} {
		got := binary.BigEndian.AppendUint64(nil, hexDigits(v))
		if want := fmt.Sprintf("%08X", v); string(got) != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}
