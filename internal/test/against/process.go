package against

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// A process is a child whose output is kept, up to a limit.
type process struct {
	cmd   *exec.Cmd
	out   tailBuffer
	ended chan struct{} // closed when the child is gone
	err   error         // of Wait; valid once ended is closed
}

func (p *process) start() error {
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	dieWithParent(p.cmd)
	p.ended = make(chan struct{})
	if err := p.cmd.Start(); err != nil {
		close(p.ended)
		return err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return nil
}

func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

// terminate asks the child to end and fails if it does not exit 0 (143 for a
// Java program, which has no other way) in time.
func (p *process) terminate(limit time.Duration) (time.Duration, error) {
	from := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	select {
	case <-p.ended:
	case <-time.After(limit):
		p.kill()
		return 0, fmt.Errorf("still there %v after SIGTERM", limit)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 && code != 143 {
		return 0, fmt.Errorf("exit code %d after SIGTERM", code)
	}
	return time.Since(from), nil
}

func (p *process) tail() string { return p.out.String() }

// A tailBuffer keeps the last part of what is written to it.
type tailBuffer struct {
	mu struct {
		sync.Mutex // guards the bytes
		buf        bytes.Buffer
	}
}

const tailKept = 16 << 10

// Write never fails.
func (b *tailBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.buf.Write(p)
	if b.mu.buf.Len() > 2*tailKept {
		b.mu.buf.Next(b.mu.buf.Len() - tailKept)
	}
	return len(p), nil
}

// String returns what is kept.
func (b *tailBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.buf.String()
}

// writeFile writes a file that a server is started with.
func writeFile(path, text string) error { return os.WriteFile(path, []byte(text), 0o644) }

// StartChild starts a program that is to die with this one.
func StartChild(cmd *exec.Cmd) error {
	dieWithParent(cmd)
	return cmd.Start()
}
