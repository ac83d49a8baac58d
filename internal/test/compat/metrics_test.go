//go:build compat

package compat

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/goddardmq/goddard/internal/test/against"
)

// observedScenarios make both servers count what there is to count.
var observedScenarios = strings.Fields(`
	send_sync send_batch ordered delay_own_time delay_level transaction_commit transaction_check retry_to_dlq
	pop_ack pop_redelivery pop_push topic_lifecycle group_lifecycle long_poll_wakes light_queues`)

// A shape is what a family of metrics looks like.
type shape struct {
	kind   string
	labels map[string]bool
}

// Under the same traffic of a Java client both servers show the same families,
// of the same kinds, with the same labels, but for metricDifferences.
func TestMetricsLookLikeRocketMQs(t *testing.T) {
	if kit.OriginalMissing != "" {
		skip(t, kit.OriginalMissing)
	}
	shapes := map[string]map[string]shape{}
	for _, m := range []against.Maker{against.Java(t, kit), against.Goddard(t, kit)} {
		t.Run(m.Name(), func(t *testing.T) {
			cluster := m.Observed(t)
			c := javaClient(t, against.JavaClient5, cluster.NameServer)
			if c == nil {
				skip(t, "no Java client")
			}
			c.run(t, observedScenarios...)
			shapes[m.Name()] = scraped(t, cluster.Metrics)
			for _, s := range observedScenarios {
				c.report(t, m.Name(), s)
				merge(shapes[m.Name()], scraped(t, cluster.Metrics)) // while the clients of others are connected
			}
		})
	}
	if len(shapes) < 2 {
		return // skipped, or failed
	}
	seen := map[metricDifference]bool{}
	theirs, ours := shapes["rocketmq-"+against.OriginalVersion], shapes["goddard"]
	for _, family := range slices.Sorted(maps.Keys(theirs)) {
		compareShapes(t, family, theirs, ours, false, seen)
	}
	for _, family := range slices.Sorted(maps.Keys(ours)) {
		compareShapes(t, family, ours, theirs, true, seen)
		if a, b := ours[family].kind, theirs[family].kind; b != "" && a != b {
			t.Errorf("%s is a %s here and a %s there", family, a, b)
		}
	}
	for _, d := range metricDifferences {
		if !seen[d] {
			t.Errorf("%s %s is listed as different and is not; take it off the list", d.family, d.label)
		}
	}
	t.Logf("%d families of RocketMQ and %d of ours were compared", len(theirs), len(ours))
}

// compareShapes reports what of a family one has and the other has not.
func compareShapes(t *testing.T, family string, one, other map[string]shape, ours bool, seen map[metricDifference]bool) {
	t.Helper()
	report := func(label string) {
		i := slices.IndexFunc(metricDifferences, func(d metricDifference) bool {
			return d.family == family && d.label == label && d.ours == ours
		})
		if i >= 0 {
			seen[metricDifferences[i]] = true
			return
		}
		who := "RocketMQ"
		if ours {
			who = "Goddard"
		}
		t.Errorf("only %s has %s %s", who, family, label)
	}
	there, ok := other[family]
	if !ok {
		report("")
		return
	}
	for label := range one[family].labels {
		if !there.labels[label] {
			report(label)
		}
	}
}

// scraped are the shapes of the families with names of RocketMQ's.
func scraped(t *testing.T, url string) map[string]shape {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	all := map[string]shape{}
	for name, f := range families {
		if !strings.HasPrefix(name, "rocketmq_") && name != "target_info" {
			continue
		}
		s := shape{strings.ToLower(f.GetType().String()), map[string]bool{}}
		for _, m := range f.Metric {
			addLabels(s.labels, m)
		}
		all[name] = s
	}
	if len(all) == 0 {
		t.Fatal(fmt.Sprintf("%s shows nothing", url))
	}
	return all
}

func addLabels(all map[string]bool, m *dto.Metric) {
	for _, l := range m.Label {
		all[l.GetName()] = true
	}
}

func merge(into, from map[string]shape) {
	for name, s := range from {
		if was, ok := into[name]; ok {
			maps.Copy(was.labels, s.labels)
		} else {
			into[name] = s
		}
	}
}
