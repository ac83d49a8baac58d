package against

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
)

const kitKey = "AGAINST_KIT"

// Main is the body of a TestMain: it runs the tests Enclosed. use gets the kit
// before they start; after is called when they have ended.
func Main(m *testing.M, use func(*Kit), after func()) {
	kit, code, done := Enclosed(Prepare)
	if done {
		os.Exit(code)
	}
	use(kit)
	code = m.Run()
	after()
	if code != 0 {
		fmt.Fprintln(os.Stderr, "against: some tests failed; a single one runs with -run 'Test/server/client/scenario'")
	}
	os.Exit(code)
}

// Enclosed prepares a kit with the network at hand, then runs this program
// again in a network namespace where that is possible. done says that it did,
// and ended with that code; otherwise the caller is inside, or goes on as it is.
func Enclosed(prepare func() *Kit) (kit *Kit, code int, done bool) {
	kit = new(Kit)
	if text := os.Getenv(kitKey); text != "" {
		if err := json.Unmarshal([]byte(text), kit); err != nil {
			panic("against: " + kitKey + ": " + err.Error())
		}
	} else {
		kit = prepare()
		text, err := json.Marshal(kit)
		if err != nil {
			panic("against: " + err.Error())
		}
		os.Setenv(kitKey, string(text))
	}
	code, done = enterNamespace()
	return kit, code, done
}
