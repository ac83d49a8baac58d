package grpc

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

func TestAStreamThatItsClientDoesNotReadIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{}
		ended := make(chan struct{})
		begun := time.Now()
		err := s.within(quickWrite+1, func() error { <-ended; return io.ErrClosedPipe })
		if !errors.Is(err, errStalled) || time.Since(begun) != writeTimeout {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
		close(ended) // as the end of the call does
		s.work.Wait()
		slow := func() error { time.Sleep(writeTimeout - time.Second); return io.ErrClosedPipe }
		if err := s.within(quickWrite+1, slow); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("a slow one: %v", err)
		}
	})
}
