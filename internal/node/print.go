package node

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// important are the settings that Print shows if only those are wanted.
var important = []string{
	"data", "listen", "listen-port", "fast-port", "grpc-port", "http-port", "namesrv-port", "advertise", "namesrv", "cluster", "broker-name",
	"flush", "retention", "auto-create-topic", "max-message-size",
}

// Print writes the settings of c as a configuration file: those with a value,
// and in comments those that have their default.
func Print(w io.Writer, c Config, onlyImportant bool) error {
	c = c.WithDefaults()
	for _, s := range Settings() {
		if onlyImportant && !slices.Contains(important, s.Name) {
			continue
		}
		line := fmt.Sprintf("%s = %s", s.Name, s.get(c))
		if s.Secret {
			line = fmt.Sprintf("# %s: set, and not shown", s.Name)
		}
		if s.get(c) == "" {
			line = fmt.Sprintf("# %s: %s", s.Name, defaultOf(s.Doc()))
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// defaultOf is what a setting's text says about its default.
func defaultOf(doc string) string {
	if i := strings.LastIndex(doc, "Default"); i >= 0 {
		return strings.TrimSuffix(doc[i:], ".")
	}
	return "no default"
}
