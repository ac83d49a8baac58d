package remoting

import (
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
)

func TestAReceiptIsReadTheSameWhicheverCameBefore(t *testing.T) {
	texts := []string{
		"4 1000 60000 0 0 broker-a 1 4", "4 1000 60000 0 0 broker-a 1 5", "4 1000 60000 0 0 broker-a 1 -5", "4 1000 60000 0 0 broker-a 1 x",
		"4 1000 60000 0 0 broker-a 1 ", "4 1000 60000 0 0 broker-a 1 6 7", "4 1000 60000 0 0 broker-a 1 6 8", "4 1000 60000 0 0 broker-a 1",
		"4 1000 60000 0 0 broker-a 2", "4 1001 60000 0 0 broker-a 1 5", "5 1000 60000 0 1 broker-b 1 5", "", " ",
		"-1125899906842624 1000 60000 0 0 broker-a 1 -1125899906842624", "-1125899906842624 1000 60000 0 0 broker-a 1 5",
		"4 1000 60000 0 0 broker-a 1 9223372036854775807", "4 1000 60000 0 0 broker-a 1 9223372036854775808",
	}
	var l lastReceipt
	for _, before := range texts {
		for _, text := range texts {
			_, _ = l.parse(before)
			got, err := l.parse(text)
			want, wanted := mq.ParseReceipt(text)
			if (err == nil) != (wanted == nil) || err == nil && got != want {
				t.Errorf("%q after %q is read as %+v, %v, want %+v, %v", text, before, got, err, want, wanted)
			}
		}
	}
}
