package node

import (
	"context"

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

// Allowed says so of the node's own cluster where any is meant.
func (h *httpAccess) Allowed(ctx context.Context, by mq.Caller, action, resource string) error {
	if resource == "Cluster:*" {
		resource = "Cluster:" + h.cluster
	}
	return h.Access.Allowed(ctx, by, action, resource)
}
