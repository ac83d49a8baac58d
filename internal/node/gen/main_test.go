package main

import (
	"bytes"
	"os"
	"testing"
)

// docs/CONFIG.md and the help texts are what the comments say; go generate
// ./... makes them so.
func TestGeneratedFilesAreFresh(t *testing.T) {
	files, err := render("../../..")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(name)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is stale (%v); run go generate ./...", name, err)
		}
	}
}
