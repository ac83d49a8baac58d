package metrics

import "context"

func (m *Metrics) export(context.Context) error { return nil }
