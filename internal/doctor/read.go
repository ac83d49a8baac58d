package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// ReadAddress looks an advertised address up.
func ReadAddress(ctx context.Context, advertise, listens string) Address {
	a := Address{Advertise: advertise, Host: hostOf(advertise), Listens: listens}
	if advertise == "" {
		return a
	}
	n := ReadName(ctx, a.Host)
	a.Found, a.Err = n.Found, n.Err
	return a
}

// hostOf is the host of a host or host:port.
func hostOf(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}

// ReadName looks a host up.
func ReadName(ctx context.Context, host string) Name {
	n := Name{Host: host}
	began := time.Now()
	var err error
	if n.Found, err = net.DefaultResolver.LookupNetIP(ctx, "ip", host); err != nil {
		n.Err = err.Error()
	}
	n.Took = time.Since(began)
	for i := range n.Found {
		n.Found[i] = n.Found[i].Unmap()
	}
	return n
}

// ReadCertificate reads the files of a certificate; host is who it has to be for,
// or empty.
func ReadCertificate(cert, key, host string) Certificate {
	c := Certificate{Cert: cert, Key: key, Host: host}
	if cert == "" && key == "" {
		return c
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		c.Err = err.Error()
		return c
	}
	leaf := pair.Leaf
	c.From, c.To, c.Names = leaf.NotBefore, leaf.NotAfter, leaf.DNSNames
	for _, ip := range leaf.IPAddresses {
		c.Names = append(c.Names, ip.String())
	}
	c.Self = leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature) == nil
	c.Fits = host == "" || leaf.VerifyHostname(host) == nil
	if info, err := os.Stat(key); err == nil {
		c.Open = info.Mode().Perm()&0o004 != 0
	}
	return c
}

// WhoListens names the program that listens on a port of this machine, as far
// as this user may know; empty otherwise.
func WhoListens(port int) string {
	process := listeningProcess(port)
	if process == "" {
		return ""
	}
	name, err := os.ReadFile(filepath.Join("/proc", process, "comm"))
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s, process %s", strings.TrimSpace(string(name)), process)
}

// Owns reports whether the process that holds the lock of a data directory also
// listens on a port of this machine.
func Owns(lock string, port int) bool {
	holder := lockHolder(lock)
	return holder > 0 && strconv.Itoa(holder) == listeningProcess(port)
}

// listeningProcess is the id of the process that listens on a port; empty if it
// is not known.
func listeningProcess(port int) string {
	inode := ""
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(name)
		if err == nil {
			inode = cmp.Or(inode, listener(string(text), port))
		}
	}
	if inode == "" {
		return ""
	}
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err != nil || to != "socket:["+inode+"]" {
			continue
		}
		return filepath.Base(filepath.Dir(filepath.Dir(link)))
	}
	return ""
}

// readHugePages is how transparent huge pages are set.
func readHugePages() string {
	text, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(text), "[")
	chosen, _, _ := strings.Cut(rest, "]")
	return chosen
}

// readMemory is the memory of the machine in bytes.
func readMemory() int64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	var kib int64
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, "MemTotal: %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	return 0
}

// ReadLimits reads what the system allows this process; group is the limit of
// its control group in bytes, or 0, and goText the text of GOMEMLIMIT.
func ReadLimits(group int64, goText string) Limits {
	l := Limits{Files: openFiles(), Group: group, Memory: readMemory(), HugePages: readHugePages(), GoText: goText, Processors: runtime.GOMAXPROCS(0)}
	if group > 0 && (l.Memory == 0 || group < l.Memory) {
		l.Memory = group
	}
	l.GoLimit = goBytes(goText)
	return l
}

// goBytes reads a size as GOMEMLIMIT has it; 0 if it is none.
func goBytes(text string) int64 {
	if text == "off" {
		return 1 // no limit at all: nothing to compare
	}
	var n int64
	var unit string
	if _, err := fmt.Sscanf(text+" ", "%d%s", &n, &unit); err != nil && n == 0 {
		return 0
	}
	for i, u := range []string{"B", "KiB", "MiB", "GiB", "TiB"} {
		if unit == u {
			return n << (10 * i)
		}
	}
	if unit == "" {
		return n
	}
	return 0
}

// Watch looks at the clock for a moment; Judge needs the peers beside it.
func Watch(ctx context.Context, moment time.Duration) Clock {
	began := time.Now()
	wall := began.Round(0)
	timer := time.NewTimer(moment)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	over := time.Since(began)
	return Clock{Unsynced: unsynced(), Jumped: time.Now().Round(0).Sub(wall) - over, Over: over}
}

// Loopback reports whether an address to listen on is this machine's own.
func Loopback(listens string) bool {
	addr, err := netip.ParseAddr(listens)
	return listens == "localhost" || err == nil && addr.IsLoopback()
}
