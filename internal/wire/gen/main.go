// Command gen prints the parts of package wire and of its reference that follow
// from protocol.def. What it prints depends on nothing else but protocol.md, the
// part of the reference that is prose.
package main

import (
	"log"
	"os"
	"path/filepath"
)

func main() {
	log.SetFlags(0)
	files, err := generate(".")
	if err != nil {
		log.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(name, content, 0o666); err != nil {
			log.Fatal(err)
		}
	}
}

// generate returns the files to be printed by their paths; dir is the directory
// of package wire.
func generate(dir string) (map[string][]byte, error) {
	text, err := os.ReadFile(filepath.Join(dir, "protocol.def"))
	if err != nil {
		return nil, err
	}
	prose, err := os.ReadFile(filepath.Join(dir, "protocol.md"))
	if err != nil {
		return nil, err
	}
	d, err := parse(string(text))
	if err != nil {
		return nil, err
	}
	codes, err := d.codes()
	if err != nil {
		return nil, err
	}
	headers, err := d.headers()
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		filepath.Join(dir, "zz_codes.go"):                     codes,
		filepath.Join(dir, "zz_headers.go"):                   headers,
		filepath.Join(dir, "..", "..", "docs", "PROTOCOL.md"): d.reference(string(prose)),
	}, nil
}
