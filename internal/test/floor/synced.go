//go:build linux

package main

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// syncedTopic is the one whose messages are answered when they are on the disk.
const syncedTopic = "bare-sync"

const (
	syncedFile = 64 << 20 // bytes that are written over and over
	syncedMost = 4 << 20  // bytes with one sync
)

// A sent is a message that waits for the disk.
type sent struct {
	conn   *rpc.Conn
	answer *wire.Command
	bytes  int
}

// synced writes what has come and has one sync for all of it, over and over,
// until the disk refuses. The file has no name and is as long as it gets.
func synced(dir string, waiting <-chan sent) error {
	f, err := os.CreateTemp(dir, "floor-sync-")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return err
	}
	if _, err := fill(f, syncedFile); err != nil {
		return err
	}
	buf := make([]byte, syncedMost)
	var at int64
	all := make([]sent, 0, cap(waiting))
	for s := range waiting {
		all = append(all[:0], s)
		bytes := s.bytes
		for len(waiting) > 0 && bytes < syncedMost {
			s := <-waiting
			all, bytes = append(all, s), bytes+s.bytes
		}
		bytes = min(bytes, syncedMost)
		if at+int64(bytes) > syncedFile {
			at = 0
		}
		if _, err := f.WriteAt(buf[:bytes], at); err != nil {
			return err
		}
		at += int64(bytes)
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return err
		}
		for _, s := range all {
			s.conn.Reply(s.answer)
		}
	}
	return nil
}
