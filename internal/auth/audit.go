package auth

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/goddardmq/goddard/internal/mq"
)

// maxDenials is how many denied requests are noted per second; those beyond it
// are counted and noted as one line.
const maxDenials = 20

// An audit notes administrative and denied requests.
type audit struct {
	log  *slog.Logger
	file *os.File

	// mu guards the count of denials; nothing is called while it is held.
	mu struct {
		sync.Mutex
		second  int64
		noted   int
		dropped int
	}
}

// openAudit opens the file, if there is one.
func openAudit(o Options) (*audit, error) {
	a := &audit{log: o.Log}
	if o.AuditLog != "" {
		f, err := os.OpenFile(o.AuditLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, fmt.Errorf("the audit log cannot be opened: %w; correct audit-log", err)
		}
		a.file, a.log = f, slog.New(slog.NewJSONHandler(f, nil))
	}
	a.log = a.log.With("logger", "audit")
	return a, nil
}

func (a *audit) close() error {
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}

// denied notes that somebody was refused something.
func (a *audit) denied(by mq.Caller, what string, err error) {
	note, dropped := a.room(time.Now().Unix())
	if dropped > 0 {
		a.log.Warn("denied more requests than are noted", "count", dropped)
	}
	if note {
		a.log.Warn("denied", append(who(by), "request", what, "reason", shown(err.Error()))...)
	}
}

// maxShown is how much of what a client says is noted in one place, in bytes.
const maxShown = 255

// shown is the printable beginning of what a client says.
func shown(text string) string {
	more := ""
	if len(text) > maxShown {
		text, more = text[:maxShown], "…"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text) + more
}

// who is somebody for the log; the address is left out where there is none.
func who(by mq.Caller) []any {
	of := []any{"user", shown(by.User)}
	if by.Addr.IsValid() {
		of = append(of, "address", by.Addr.String())
	}
	return of
}

// room reports whether one more denial may be noted in this second, and how many
// were not in the last ones.
func (a *audit) room(second int64) (note bool, dropped int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.second != second {
		a.mu.second, a.mu.noted, dropped, a.mu.dropped = second, 0, a.mu.dropped, 0
	}
	if a.mu.noted == maxDenials {
		a.mu.dropped++
		return false, dropped
	}
	a.mu.noted++
	return true, dropped
}

// Did notes what an operator did, or tried to; err is nil if it went well.
func (a *Access) Did(by mq.Caller, what string, err error, resources ...string) {
	result := "ok"
	if err != nil {
		result = err.Error()
	}
	a.audit.log.Info("administered", append(who(by), "request", what, "resources", resources, "result", result)...)
}
