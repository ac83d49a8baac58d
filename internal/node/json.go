package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/goddardmq/goddard/internal/wire"
)

// jsonProperties reads a JSON object of texts, numbers and truths, as
// rmq-proxy.json is one.
func jsonProperties(text []byte) ([]wire.Property, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("want an object in JSON")
	}
	line := func() int { return 1 + bytes.Count(text[:d.InputOffset()], []byte{'\n'}) }
	var all []wire.Property
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line(), err)
		}
		at := line()
		value, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line(), err)
		}
		if _, nested := value.(json.Delim); nested {
			return nil, fmt.Errorf("line %d: %v: want a text, a number, true or false", at, key)
		}
		if value != nil {
			all = append(all, wire.Property{Key: fmt.Sprint(key), Value: fmt.Sprint(value), Line: at})
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("line %d: %w", line(), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("line %d: there is more behind the object", line())
	}
	return all, nil
}
