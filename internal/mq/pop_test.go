package mq

import (
	"errors"
	"strings"
	"testing"
)

func TestReceiptsReadWhatTheyWrote(t *testing.T) {
	for _, r := range []Receipt{
		{},
		{Start: 7, PopTime: 1764090000123, Invisible: 30000, Revive: OrderedRevive, Retry: RetryV2, Broker: "b-1", QueueID: 3, Offset: 9},
		{Start: FirstPassing, PopTime: 1764090000123, Invisible: 30000, Broker: "b-1", Offset: FirstPassing + 7},
	} {
		if r.Broker == "" {
			r.Broker = "b"
		}
		got, err := ParseReceipt(r.String())
		if err != nil || got != r {
			t.Errorf("ParseReceipt(%q) = %+v, %v, want %+v", r.String(), got, err, r)
		}
	}
}

func TestReceiptsMayLackTheOffsetOrHaveAPartMore(t *testing.T) {
	r, err := ParseReceipt("1 2 3 0 1 broker 4")
	if err != nil || r.Offset != -1 || r.QueueID != 4 || r.Retry != RetryV1 {
		t.Errorf("without an offset: %+v, %v", r, err)
	}
	r, err = ParseReceipt("1 2 3 0 0 broker 4 5 6789")
	if err != nil || r.Offset != 5 {
		t.Errorf("with a log position: %+v, %v", r, err)
	}
}

func TestMalformedReceiptsAreRefused(t *testing.T) {
	for _, text := range []string{
		"", " ", "1 2 3", "1 2 3 0 0 broker", "a 2 3 0 0 broker 4 5", "1 2 3 0 3 broker 4 5", "1 2 3 0 0  4 5",
		"-1 2 3 0 0 broker 4 5", "-2 2 3 0 0 broker 4 5", "2 2 3 0 0 broker 4 -2", "-2000000000000000 2 3 0 0 broker 4 -2", "1 9223372036854775807 9223372036854775807 0 0 b 4 5", "1 2 3 0 0 broker 4294967296 5",
		"1 2 3 0 0 broker 4 5 6 7", "1 2 3 0 0 " + strings.Repeat("b", 2000) + " 4 5",
	} {
		if r, err := ParseReceipt(text); !errors.Is(err, ErrInvalid) {
			t.Errorf("ParseReceipt(%.40q) = %+v, %v, want ErrInvalid", text, r, err)
		}
	}
}

// FuzzReceipt reads whatever a client sends as a receipt: what is accepted
// reads the same when it is written again.
func FuzzReceipt(f *testing.F) {
	f.Add("1 2 3 0 1 broker 4")
	f.Add("1 2 3 999 2 broker-a 4 5 6789")
	f.Add("-1125899906842624 2 3 0 0 broker-a 4 -1125899906842623")
	f.Add("-1 9223372036854775807 3 0 0  4 5")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseReceipt(text)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("ParseReceipt(%q): %v, want ErrInvalid", text, err)
			}
			return
		}
		if r.Offset == -1 {
			r.Offset = r.Start
		}
		if again, err := ParseReceipt(r.String()); err != nil || again != r {
			t.Fatalf("ParseReceipt(%q) = %+v, %v, want %+v", r.String(), again, err, r)
		}
	})
}
