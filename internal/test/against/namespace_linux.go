package against

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// dieWithParent makes the kernel kill the child when this process dies, so that
// an interrupted test run leaves no servers behind.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

const insideKey = "AGAINST_NAMESPACE"

// enterNamespace runs this program again, with the same arguments, in a network
// namespace that holds nothing but loopback. done says that it did and ended
// with that code; otherwise the caller goes on where it is.
func enterNamespace() (code int, done bool) {
	if os.Getenv(insideKey) != "" {
		if err := errors.Join(loopbackUp(), loopbackAddress()); err != nil {
			os.Stderr.WriteString("against: loopback in the new namespace: " + err.Error() + "\n")
			return 1, true
		}
		return 0, false
	}
	exe, err := os.Executable()
	if err != nil {
		return 0, false
	}
	cmd := exec.Command(exe, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), insideKey+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		// Root inside the namespace only, which is what loopback takes.
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	if err := cmd.Start(); err != nil {
		return 0, false // not allowed here: plain loopback will do
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), true
	} else if err != nil {
		return 1, true
	}
	return 0, true
}

// A Network is a network namespace that holds nothing but loopback. Servers in
// several of them can be there at the same time under one address.
type Network struct{ namespace *os.File }

// NewNetwork makes one, which is gone when it is closed and nothing runs in it.
func NewNetwork() (n *Network, err error) {
	err = apart(func() error { return unix.Unshare(unix.CLONE_NEWNET) }, func() error {
		if err := errors.Join(loopbackUp(), loopbackAddress()); err != nil {
			return err
		}
		file, err := os.Open(threadNetwork)
		n = &Network{file}
		return err
	})
	return n, err
}

// Do runs f in the network: what it starts lives in it, and what it connects
// itself is connected there. Goroutines that f begins are elsewhere.
func (n *Network) Do(f func() error) error {
	return apart(func() error { return unix.Setns(int(n.namespace.Fd()), unix.CLONE_NEWNET) }, f)
}

// Close lets go of it.
func (n *Network) Close() error { return n.namespace.Close() }

const threadNetwork = "/proc/thread-self/ns/net"

// apart runs f on a thread that enter has taken to another network namespace,
// and takes the thread back.
func apart(enter, f func() error) error {
	runtime.LockOSThread()
	here, err := os.Open(threadNetwork)
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer here.Close()
	if err = enter(); err == nil {
		err = f()
	}
	if back := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); back != nil {
		return errors.Join(err, back) // the thread ends with its goroutine, for it stays locked
	}
	runtime.UnlockOSThread()
	return err
}

// loopbackUp does what `ip link set lo up` does.
func loopbackUp() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	var req struct {
		name  [16]byte
		flags uint16
		_     [22]byte
	}
	copy(req.name[:], "lo")
	req.flags = syscall.IFF_UP | syscall.IFF_RUNNING
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&req))); errno != 0 {
		return errno
	}
	return nil
}

// loopbackAddress does what `ip link set lo address 02:00:00:00:00:01` does. Some
// clients make their message ids from a hardware address and fail without one.
func loopbackAddress() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	var req struct {
		name   [16]byte
		family uint16
		addr   [6]byte
		_      [16]byte
	}
	copy(req.name[:], "lo")
	req.family = syscall.ARPHRD_LOOPBACK
	req.addr = [6]byte{0x02, 0, 0, 0, 0, 0x01}
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFHWADDR, uintptr(unsafe.Pointer(&req))); errno != 0 {
		return errno
	}
	return nil
}
