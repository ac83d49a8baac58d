package broker

// Writable says why messages are refused for the sake of the disk; nil if they
// are not.
func (b *Broker) Writable() error { return b.store.Writable() }
