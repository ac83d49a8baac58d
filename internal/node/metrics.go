package node

import (
	"context"
	"net/http"

	"github.com/goddardmq/goddard/internal/front/web"
	"github.com/goddardmq/goddard/internal/metrics"
	"github.com/goddardmq/goddard/internal/wire"
)

// openMetrics shows what the parts count, on the HTTP port and, where it is
// asked for, on one of its own.
func (n *Node) openMetrics() error {
	o := n.c.Metrics
	if o.Disabled() {
		return nil
	}
	o.Cluster, o.Broker = n.c.Broker.Names()
	o.Version, o.RocketMQVersion, o.Addr, o.Log = n.c.Version, wire.VersionName(wire.VersionCurrent), n.storeHost(), n.c.Log
	p := metrics.Parts{Calls: n.c.RPC.Calls, Connections: n.connections}
	if n.broker != nil {
		p.Broker, p.Admin = n.broker, n.broker
	} else {
		o.Broker = ""
	}
	if n.grpc != nil {
		p.GRPC = n.grpc.EachCall
	}
	var err error
	if n.metrics, err = metrics.New(o, p); err != nil {
		return err
	}
	if n.http != nil {
		n.showMetrics(n.http)
	}
	if o.PromPort == 0 {
		return nil
	}
	if o.PromHost == "" {
		o.PromHost = n.c.Listen
	}
	h := n.httpOptions()
	h.NoProfiles = true
	if n.prom, err = web.Listen(hostPort(o.PromHost, o.PromPort), h); err != nil {
		return listenError("metrics", o.PromHost, o.PromPort, "metrics-prom-exporter-port", err)
	}
	n.showMetrics(n.prom)
	return nil
}

// showMetrics answers Prometheus on an HTTP port: those whom the broker knows,
// if it asks who they are at all.
func (n *Node) showMetrics(s *web.Server) {
	paths := map[string]http.Handler{"GET /metrics": n.metrics.Handler(), "GET /metrics/exporter": n.metrics.ExporterHandler()}
	for pattern, h := range paths {
		if n.httpAccess() != nil && !n.c.Metrics.Open {
			h = s.Guarded("GET", "Cluster:*", h)
		}
		s.Handle(pattern, h)
	}
}

// connections are the open ones by listener.
func (n *Node) connections() map[string]int {
	all := map[string]int{}
	if n.listener != nil {
		all["broker"] = n.listener.Conns()
	}
	if n.fast != nil {
		all["fast"] = n.fast.Conns()
	}
	if n.grpc != nil {
		all["grpc"] = n.grpc.Conns()
	}
	if n.namesrv != nil {
		all["namesrv"] = n.namesrv.Conns()
	}
	return all
}

// startMetrics lets metrics be shown until the function that it returns is
// called, which waits for what is still to be sent.
func (n *Node) startMetrics(ctx context.Context) (end func()) {
	if n.metrics == nil {
		return func() {}
	}
	return inBackground(ctx, func(ctx context.Context) {
		if err := n.metrics.Run(ctx); err != nil {
			n.c.Log.Warn("the connection to the collector of metrics did not end well", "error", err)
		}
	})
}
