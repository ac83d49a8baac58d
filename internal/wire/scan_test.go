package wire

import (
	"bytes"
	"strings"
	"testing"
)

// What is looked for eight bytes at a time is found wherever it lies, and
// nothing else, whatever lies around.
func TestScanningFindsTheFirstByteThatMatters(t *testing.T) {
	quotes := func(c byte) bool { return c == '"' || c == '\\' }
	escapes := func(c byte) bool { return quotes(c) || c < ' ' }
	first := func(b []byte, from int, wanted func(byte) bool) int {
		for i := from; i < len(b); i++ {
			if wanted(b[i]) {
				return i
			}
		}
		return len(b)
	}
	for c := range 256 {
		for at := range 20 {
			for _, around := range []string{"a", "\x7f", "\x80", "\xff", "!", "#", "[", "]", "\xa2", "\xdc", " "} {
				b := []byte(strings.Repeat(around, 20))
				b[at] = byte(c)
				for from := range 4 {
					if got, want := quoteOrEscape(b, from), first(b, from, quotes); got != want {
						t.Fatalf("%q from %d: the string ends at %d, not %d", b, from, got, want)
					}
					if got, want := toEscape(b, from), first(b, from, escapes); got != want {
						t.Fatalf("%q from %d: to escape is %d, not %d", b, from, got, want)
					}
				}
			}
		}
	}
}

// A header means the same however it is spaced, and however its strings are
// escaped.
func TestHeadersMeanTheSameHoweverTheyAreWritten(t *testing.T) {
	plain := `{"code":310,"extFields":{"a":"group","b":"orders","e":"3","i":"KEYS\u0001k\u0002"},"flag":0,"language":"JAVA","opaque":123456789,"remark":"x","version":-5}`
	read := func(text string) *Command {
		c := new(Command)
		if err := new(Decoder).Decode(frameOf(text), c); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return c
	}
	want := read(plain)
	for _, text := range []string{
		strings.NewReplacer(`,`, " ,\t", `:`, "\r: ", `{`, "{\n", `}`, " }").Replace(plain),
		strings.NewReplacer(`310`, `"310"`, `"e":"3"`, `"e":3`, `-5`, `"-5"`, `123456789`, `0123456789`).Replace(plain),
		strings.NewReplacer(`"a"`, `"\u0061"`, `orders`, `o\u0072ders`, `\u0001`, `\u0001`, `\u0002`, "\x02").Replace(plain),
		strings.NewReplacer(`{"a"`, `{"none":null,"a"`).Replace(plain),
	} {
		same(t, read(text), want)
	}
	for _, text := range []string{`{"opaque":1.5}`, `{"opaque":12e1}`, `{"opaque":9999999999}`, `{"opaque":1`, `{"opaque":`, `{"extFields":{"a":"b"`, `{"extFields":{"a":"b}}`, `{"extFields":{"a"`, `{"extFields":{"a":"\u00`, `{"extFields":{"a":"b",}}`} {
		if err := new(Decoder).Decode(frameOf(text), new(Command)); err == nil {
			t.Errorf("%s is read as a header", text)
		}
	}
}

// BenchmarkQuote is writing a message id, and properties, as JSON strings.
func BenchmarkQuote(b *testing.B) {
	id := bytes.Repeat([]byte("0A"), 16)
	props := []byte("UNIQ_KEY\x017F000001000012345678\x02WAIT\x01true\x02")
	var buf []byte
	for b.Loop() {
		buf = appendQuoted(appendQuoted(buf[:0], id), props)
	}
}
