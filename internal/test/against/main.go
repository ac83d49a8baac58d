package against

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
)

const kitKey = "GODDARD_TEST_KIT"

// Main is the body of a TestMain: it prepares the kit with the network at hand,
// goes into a network namespace where that is possible, and runs the tests.
// use gets the kit before they start; after is called when they have ended.
func Main(m *testing.M, use func(*Kit), after func()) {
	kit := new(Kit)
	if text := os.Getenv(kitKey); text != "" {
		if err := json.Unmarshal([]byte(text), kit); err != nil {
			panic("against: " + kitKey + ": " + err.Error())
		}
	} else {
		kit = Prepare()
		text, err := json.Marshal(kit)
		if err != nil {
			panic("against: " + err.Error())
		}
		os.Setenv(kitKey, string(text))
	}
	if code, done := enterNamespace(); done {
		os.Exit(code)
	}
	use(kit)
	code := m.Run()
	after()
	if code != 0 {
		fmt.Fprintln(os.Stderr, "against: some tests failed; a single one runs with -run 'Test/server/client/scenario'")
	}
	os.Exit(code)
}
