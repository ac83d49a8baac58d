package goddard_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const modulePath = "github.com/goddardmq/goddard"

// layers says who may import whom among our own packages. "a < b" reads: b may
// import a and what a may import. A package that is not named may be imported
// by nobody and imports nothing of ours, so a new package needs a line here.
const layers = `
NONE                          < mq, wire, segment, rate, door, meter, front/grpc/rmq, front/console/web, doctor;
mq                            < filter, lite, auth;
mq, rate                      < limit;
mq, wire, door, meter         < rpc;
mq, segment, meter            < store;
store                         < timer, txn, pop, dedup;
rpc, auth, limit              < namesrv;
mq, rpc                       < remote;
remote                        < load;
store, timer, txn, pop, dedup, limit, lite < broker;
mq, rpc, filter, auth         < front/remoting;
mq, wire, meter, filter, auth, door, front/grpc/rmq < front/grpc;
mq, door                      < front/web;
mq, filter                    < explain;
mq, rpc, filter, auth, remote, explain < admin;
admin, front/console/web      < front/console;
mq, broker                    < trace;
mq, wire, meter               < metrics;
broker, auth, trace, metrics, namesrv, front/remoting, front/grpc, front/web, front/console < node;
node                          < goddard;
node, admin, explain, doctor, remote, load < cmd/goddard;
`

// A front end cannot see the engine, the engine cannot see a protocol, and so
// on: the picture of ARCHITECTURE.md, checked.
func TestPackagesImportOnlyWhatTheirLayerAllows(t *testing.T) {
	allowed := parseLayers(t, layers)
	for _, p := range listPackages(t) {
		name := shortName(p.ImportPath)
		if strings.HasPrefix(name, "test/") || strings.HasSuffix(name, "/gen") {
			continue
		}
		may, known := allowed[name]
		if !known {
			t.Errorf("package %s has no line in layers", name)
			continue
		}
		for _, imp := range p.Imports {
			if !strings.HasPrefix(imp, modulePath) {
				continue
			}
			if dep := shortName(imp); !slices.Contains(may, dep) {
				t.Errorf("package %s imports %s; layers allow it only %v", name, dep, may)
			}
		}
	}
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("go list output: %v", err)
		}
		all = append(all, p)
	}
}

func shortName(importPath string) string {
	if importPath == modulePath {
		return "goddard"
	}
	short := strings.TrimPrefix(importPath, modulePath+"/")
	return strings.TrimPrefix(short, "internal/")
}

// parseLayers returns for each package everything it may import.
func parseLayers(t *testing.T, text string) map[string][]string {
	t.Helper()
	allowed := map[string][]string{}
	for rule := range strings.SplitSeq(text, ";") {
		left, right, ok := strings.Cut(rule, "<")
		if !ok {
			if strings.TrimSpace(rule) != "" {
				t.Fatalf("layers: no < in %q", rule)
			}
			continue
		}
		var below []string
		for dep := range strings.SplitSeq(left, ",") {
			if dep = strings.TrimSpace(dep); dep == "NONE" {
				continue
			}
			if _, known := allowed[dep]; !known {
				t.Fatalf("layers: %s is used before it is placed", dep)
			}
			below = append(append(below, dep), allowed[dep]...)
		}
		for name := range strings.SplitSeq(right, ",") {
			name = strings.TrimSpace(name)
			allowed[name] = append(allowed[name], below...)
		}
	}
	return allowed
}
