package admin

import (
	"strings"
	"testing"
)

func record(fields ...string) string { return strings.Join(fields, traceField) + traceEnd }

func TestTraceRecordsOfClientsOfSeveralAgesAreRead(t *testing.T) {
	all := parseTrace(
		record("Pub", "1700000000000", "R", "g", "orders", "U1", "tag", "k", "10.0.0.1:10911", "5", "3", "0", "true") +
			record("Pub", "1700000000000", "R", "g", "orders", "U2", "tag", "k", "10.0.0.1:10911", "5", "3", "0", "ID", "false") +
			record("Pub", "1700000000000", "R", "g", "orders", "U3", "tag", "k", "10.0.0.1:10911", "5", "3", "0", "ID", "true", "10.0.0.9") +
			record("SubBefore", "1700000000000", "R", "c", "req", "U4", "2", "k") +
			record("SubAfter", "req", "U4", "17", "true", "k") +
			record("SubAfter", "req", "U4", "17", "false", "k", "2", "1700000000017", "c") +
			record("EndTransaction", "1700000000000", "R", "g", "orders", "U5", "", "", "h", "1", "T", "COMMIT_MESSAGE", "true") +
			record("Recall", "1700000000000", "R", "g", "orders", "U6", "true") +
			"noise" + traceEnd + record("Pub", "x"))
	if len(all) != 8 {
		t.Fatalf("got %d events: %+v", len(all), all)
	}
	if !all[0].Success || all[1].Success || !all[2].Success || all[2].Host != "10.0.0.9" || all[0].Host != "10.0.0.1:10911" {
		t.Errorf("sends: %+v", all[:3])
	}
	if all[3].Tries != 2 || all[3].Request != "req" || !all[4].Success || !all[4].At.IsZero() || all[5].Result != "EXCEPTION" || all[5].Group != "c" {
		t.Errorf("consumptions: %+v", all[3:6])
	}
	if all[6].State != "COMMIT_MESSAGE" || !all[6].Checked || !all[7].Success {
		t.Errorf("others: %+v", all[6:])
	}
}

func FuzzParseTrace(f *testing.F) {
	f.Add(record("Pub", "1700000000000", "R", "g", "orders", "U1", "tag", "k", "h", "5", "3", "0", "true"))
	f.Add(record("SubAfter", "req", "U4", "-1", "false", "k", "2", "99999999999999999999", "c"))
	f.Fuzz(func(t *testing.T, body string) {
		for _, e := range parseTrace(body) {
			if e.Message == "" || e.Cost < 0 || e.Tries < 0 {
				t.Errorf("%q: %+v", body, e)
			}
		}
	})
}
