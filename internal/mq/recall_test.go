package mq

import (
	"errors"
	"testing"
)

func TestRecallHandleIsRocketMQs(t *testing.T) {
	h := RecallHandle{Topic: "T", Broker: "b", Due: 1700000000001, Key: "K?>"}
	// Java's Base64.getUrlEncoder made this of "v1 T b 1700000000001 K?>".
	const text = "djEgVCBiIDE3MDAwMDAwMDAwMDEgSz8-"
	if got := h.String(); got != text {
		t.Errorf("String() = %s, want %s", got, text)
	}
	for _, form := range []string{text, RecallHandle{Topic: "T", Broker: "b", Due: 1700000000001, Key: "K?>"}.String()} {
		if got, err := ParseRecallHandle(form); err != nil || got != h {
			t.Errorf("ParseRecallHandle(%s) = %+v, %v", form, got, err)
		}
	}
}

func TestParseRecallHandleRefuses(t *testing.T) {
	for _, text := range []string{"", "?", "djE=", "djIgVCBiIDEgSw==", "djEgVCBiIHggSw==", "djEgVCBiIC0xIEs=", "djEgVCBiIDEg", "djEgVCBiIDEgSwI="} {
		if h, err := ParseRecallHandle(text); !errors.Is(err, ErrInvalid) {
			t.Errorf("ParseRecallHandle(%q) = %+v, %v", text, h, err)
		}
	}
}

func FuzzParseRecallHandle(f *testing.F) {
	f.Add("djEgVCBiIDE3MDAwMDAwMDAwMDEgSz8-")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := ParseRecallHandle(text)
		if err != nil {
			return
		}
		if again, err := ParseRecallHandle(h.String()); err != nil || again != h {
			t.Errorf("%+v became %+v, %v", h, again, err)
		}
	})
}

func TestARecallHandleIsWrittenWithoutGarbage(t *testing.T) {
	var text []byte
	key := []byte("7F0000011E1C1DBD16A667DCAF8B0000")
	n := testing.AllocsPerRun(100, func() { text = AppendRecallHandle(text[:0], "topic", "broker", 1700000000001, key) })
	if h, err := ParseRecallHandle(string(text)); n > 0 || err != nil || h.Key != string(key) {
		t.Errorf("%v allocations, handle %+v, %v", n, h, err)
	}
}
