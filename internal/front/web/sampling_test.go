package web

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestContentionIsRecordedWhileSomebodyLooks(t *testing.T) {
	fraction := func() int { return runtime.SetMutexProfileFraction(-1) }
	before := fraction()
	synctest.Test(t, func(t *testing.T) {
		h := contending().during("mutex")
		look := func(query string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			h(w, httptest.NewRequest(http.MethodGet, "/debug/pprof/mutex"+query, nil))
			return w
		}
		if w := look(""); w.Code != 200 || fraction() != before {
			t.Errorf("what was recorded so far: %d, recorded 1 of %d", w.Code, fraction())
		}
		if w := look("?seconds=soon"); w.Code != 400 || fraction() != before {
			t.Errorf("for no time: %d, recorded 1 of %d", w.Code, fraction())
		}
		for _, query := range []string{"?seconds=2", "?seconds=4"} {
			go func() {
				if w := look(query); w.Code != 200 || w.Body.Len() == 0 {
					t.Errorf("%s: %d, %d bytes", query, w.Code, w.Body.Len())
				}
			}()
		}
		for _, want := range []int{mutexFraction, mutexFraction, before} {
			synctest.Wait()
			if got := fraction(); got != want {
				t.Errorf("1 of %d is recorded, want %d", got, want)
			}
			time.Sleep(3 * time.Second)
		}
	})
}

// blocked is how many waits are recorded below a function.
func blocked(function string) (sum int64) {
	records := make([]runtime.BlockProfileRecord, 10_000)
	n, _ := runtime.BlockProfile(records)
	for _, r := range records[:n] {
		frames := runtime.CallersFrames(r.Stack())
		for more := true; more; {
			var f runtime.Frame
			if f, more = frames.Next(); strings.Contains(f.Function, function) {
				sum += r.Count
				break
			}
		}
	}
	return sum
}

func TestWaitsAreRecordedWhileSomebodyLooks(t *testing.T) {
	seen := func() int64 { return blocked(t.Name()) }
	wait := func() {
		c := make(chan struct{})
		go func() {
			for began := time.Now(); time.Since(began) < 2*time.Millisecond; {
			}
			close(c)
		}()
		<-c
	}
	before := seen()
	wait()
	if seen() != before {
		t.Error("a wait was recorded, and nobody looked")
	}
	s := blocking()
	s.begin()
	defer s.end()
	// A wait that began after its end was due is none.
	for seen() == before {
		wait()
	}
}
