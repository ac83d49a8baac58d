package main

import (
	"bytes"
	"os"
	"testing"
)

func TestPrintedFilesAreUpToDate(t *testing.T) {
	files, err := generate("..")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what protocol.def says; run go generate ./internal/wire", name)
		}
	}
}

func TestDefinitionErrorsNameTheLine(t *testing.T) {
	for _, text := range []string{
		"request x SEND a>b", "thing 1 X", "\t> lonely int32 x", "request 1 A a>b\n\ttext\n\t> f int8 x",
		"request 1 A a>b\n\ttext\nrequest 1 B a>b\n\ttext", "request 1 A a>b\n\ttext\n\tlike B",
	} {
		if _, err := parse(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}
