package node

import (
	"context"
	"strings"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/mq"
)

// httpAccess lets the HTTP port and the console ask who may do what.
type httpAccess struct {
	*auth.Access
	cluster string // what "Cluster:*" means
}

// httpAccess is nil where nobody is asked who they are.
func (n *Node) httpAccess() *httpAccess {
	if n.access == nil || !n.access.Authenticates() {
		return nil
	}
	cluster, _ := n.c.Broker.Names()
	return &httpAccess{n.access, cluster}
}

// Allowed reads action and resource as texts, "GET" and "Topic:orders".
func (h *httpAccess) Allowed(ctx context.Context, by mq.Caller, action, resource string) error {
	actions, err := auth.ParseActions([]string{action})
	if err != nil {
		return err
	}
	kind, name, _ := strings.Cut(resource, ":")
	r := auth.ClusterNamed(name)
	switch {
	case kind == "Topic":
		r = auth.TopicNamed(name)
	case kind == "Group":
		r = auth.GroupNamed(name)
	case name == "*":
		r = auth.ClusterNamed(h.cluster)
	}
	return h.Access.Allowed(ctx, by, actions, r)
}
