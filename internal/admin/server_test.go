package admin_test

import (
	"context"
	"testing"

	"github.com/goddardmq/goddard"
	"github.com/goddardmq/goddard/internal/admin"
)

var _ = admin.Serve(func(t *testing.T) string {
	t.Helper()
	s, err := goddard.New(goddard.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s.NameServerAddr()
})
