package remoting

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/wire"
)

var update = flag.Bool("update", false, "write docs/REQUESTS.md from the table in codes.go")

const requestsPath = "../../../docs/REQUESTS.md"

// requestsPage is docs/REQUESTS.md.
func requestsPage() string {
	var b strings.Builder
	b.WriteString(`# Requests that the broker answers

Printed from the table in internal/front/remoting/codes.go by
` + "`go test ./internal/front/remoting -run RequestsPage -update`" + `. Headers and bodies are in PROTOCOL.md.

Requests of one connection take effect in the order in which they came, but for those that run *beside* the others. Sends that
arrive together are *gathered* and go to the storage together, acknowledgements of pops and ends of transactions likewise. *Needs* is the permission in the words of RocketMQ's access
control lists, see ACCESS.md; several actions with a stroke between them mean any of them. *Body* is the longest body that is read, in bytes; without a number the body is the
message, or is not looked at.

Any other request code is answered with REQUEST_CODE_NOT_SUPPORTED (3). Requests to name servers are another listener's.

| Code | Name | Answer | Runs | Needs | Body |
| ---: | --- | --- | --- | --- | ---: |
`)
	rows := slices.Clone(operations)
	slices.SortFunc(rows, func(a, b operation) int { return int(a.code - b.code) })
	for _, op := range rows {
		name, _, _ := strings.Cut(op.code.String(), "(")
		body := ""
		if op.maxBody > 0 {
			body = fmt.Sprint(op.maxBody)
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %v | %s | %s |\n", op.code, name, op.does, op.run, op.access, body)
	}
	b.WriteString(`
These, which tools send, are refused with that code and the reason:

| Code | Name | Reason |
| ---: | --- | --- |
`)
	for _, code := range slices.Sorted(maps.Keys(refused)) {
		name, _, _ := strings.Cut(code.String(), "(")
		fmt.Fprintf(&b, "| %d | %s | %s |\n", code, name, refused[code])
	}
	fmt.Fprintf(&b, `
What one connection may hold; a request beyond it waits unread, or is refused with SYSTEM_BUSY (2) where it says so:

| Limit | Value |
| --- | ---: |
| requests that run beside | %d |
| bursts of sends that are being stored | %d |
| messages in one burst | %d |
| messages in one batch | %d |
| acknowledgements of pops that are handed over together | %d |
| ends of transactions that are handed over together | %d |
| messages in one batch of acknowledgements (refused) | %d |
| pulls and pops that wait for an answer (refused) | %d |
| bytes of pulled or popped messages that the client has not read, before its pulls and pops wait | %d |
`, maxBeside, maxBursts, maxBurst, maxBatch, maxAcks, maxEnds, maxBatchAcks, maxPulls, maxUnread)
	return b.String()
}

func TestRequestsPageFollowsTheTable(t *testing.T) {
	want := requestsPage()
	if *update {
		if err := os.WriteFile(requestsPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(requestsPath)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/REQUESTS.md is not what the table says; run: go test ./internal/front/remoting -run RequestsPage -update")
	}
}

func TestTableNamesEachCodeOnce(t *testing.T) {
	seen := map[wire.Code]bool{}
	for _, op := range operations {
		if seen[op.code] {
			t.Errorf("%v is in the table twice", op.code)
		}
		seen[op.code] = true
		if (op.serve == nil) != (op.run == gathered) || op.does == "" {
			t.Errorf("the row of %v is incomplete", op.code)
		}
		if _, both := refused[op.code]; both {
			t.Errorf("%v is both answered and refused", op.code)
		}
	}
}
