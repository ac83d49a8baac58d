//go:build compat

package compat

import (
	"testing"

	"github.com/goddardmq/goddard/internal/test/against"
)

// One broker of each make at a name server of either make are one cluster.
func TestMixedCluster(t *testing.T) {
	if kit.OriginalMissing != "" {
		skip(t, kit.OriginalMissing)
	}
	java, goddard := against.Java(t, kit), against.Goddard(t, kit)
	for name, makes := range map[string][2]against.Maker{
		"goddard_broker_at_rocketmq_namesrv": {java, goddard},
		"rocketmq_broker_at_goddard_namesrv": {goddard, java},
	} {
		t.Run(name, func(t *testing.T) {
			ns := makes[0].NameServer(t)
			makes[0].Broker(t, ns.Addr, "broker-a")
			makes[1].Broker(t, ns.Addr, "broker-b")
			all := allClients(t, ns.Addr)
			for _, c := range all {
				c.run(t, "mixed_cluster")
			}
			for _, c := range all {
				c.reportAs(t, name, "mixed_cluster", c.name)
			}
		})
	}
}
