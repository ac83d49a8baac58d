//go:build console

package console

import (
	"testing"

	"github.com/goddardmq/goddard/internal/test/browser"
)

// A tab shows the console of a site.
type tab struct {
	*browser.Tab
	site *site
}

func browse(t *testing.T, s *site) *tab {
	t.Helper()
	return &tab{browser.New(t, s.url), s}
}

func eval[T any](b *tab, js string, args ...any) T {
	b.T.Helper()
	return browser.Eval[T](b.Tab, js, args...)
}
