package node

import (
	"context"
	"errors"
)

// ready is nil while the node can do its work; its error says what is missing:
// all parts serve, the store takes messages, and at least one of the name
// servers that it registers with knows the broker.
func (n *Node) ready(context.Context) error {
	if !n.serving.Load() {
		return errors.New("the server is starting or stopping")
	}
	if n.broker != nil {
		if err := n.broker.Writable(); err != nil {
			return err
		}
	}
	if n.registrar != nil && n.namesrv == nil && !n.registrar.Registered() {
		return errors.New("the broker is registered with none of its name servers, so clients cannot find it")
	}
	return nil
}
