package console

import (
	"context"
	"sync"
)

// askers is how many requests to brokers one request of ours makes at a time.
const askers = 8

// samplers is how many brokers are asked at a time how they are: more, for who
// does not answer is to hold nobody up.
const samplers = 64

// each calls do for 0 to n-1, some at the same time, and returns the first
// error by number.
func each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	return eachOf(ctx, askers, n, do)
}

// eachOf is each with so many at the same time.
func eachOf(ctx context.Context, most, n int, do func(ctx context.Context, i int) error) error {
	errs := make([]error, n)
	room := make(chan struct{}, most)
	var wg sync.WaitGroup
	for i := range n {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			errs[i] = ctx.Err()
			continue
		}
		wg.Go(func() {
			defer func() { <-room }()
			errs[i] = do(ctx, i)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
