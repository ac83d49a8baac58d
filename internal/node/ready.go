package node

import (
	"context"
	"errors"
)

// ready is nil while the node can do its work; its error says what is missing.
func (n *Node) ready(context.Context) error {
	if !n.serving.Load() {
		return errors.New("the server is starting or stopping")
	}
	return nil
}
