package wire

import (
	"strconv"
	"testing"
)

// A form that is filled in is, to the byte, the frame of the command.
func TestAFilledFormIsTheFrameOfTheCommand(t *testing.T) {
	made := func(opaque int32, id, queue, unique string) *Command {
		c := new(Command)
		c.SetReply(&Command{Opaque: opaque}, CodeSuccess, nil)
		c.Fields = c.Fields.Add("msgId", id).Add("queueId", queue).Add("transactionId", unique).Add("MSG_REGION", `"opaque":0`).Add("TRACE_ON", "true")
		return c
	}
	form := NewForm(made(5, "", "", ""), 3)
	out := []byte("before")
	for _, opaque := range []int32{0, 7, -1, 1 << 30} {
		for _, id := range []string{"", "0A", "a \"quoted\" \\ \x01 text", "über"} {
			queue := strconv.Itoa(int(opaque) % 9)
			want := made(opaque, id, queue, id+"2").AppendTo(nil)
			out = form.AppendTo(out, opaque, [][]byte{[]byte(id), []byte(queue), []byte(id + "2")})
			if got := out[len(out)-min(len(out), len(want)):]; string(got) != string(want) {
				t.Fatalf("%q, not %q", got, want)
			}
		}
	}
	if string(out[:6]) != "before" {
		t.Error("what was there before is lost")
	}
}

// BenchmarkForm is the encoding of an answer to a send by its form; see
// BenchmarkEncodeSendAnswer for that of a command.
func BenchmarkForm(b *testing.B) {
	c := new(Command)
	c.SetReply(&Command{}, CodeSuccess, nil)
	c.Fields = c.Fields.Add("msgId", "").Add("queueId", "").Add("queueOffset", "").Add("MSG_REGION", "DefaultRegion").Add("TRACE_ON", "true")
	form := NewForm(c, 3)
	values := [][]byte{[]byte("0A00000100002A9F0000000000000000"), []byte("3"), []byte("123456")}
	var buf []byte
	for b.Loop() {
		buf = form.AppendTo(buf[:0], 77, values)
	}
}
