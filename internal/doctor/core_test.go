package doctor

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func TestEachFaultIsFoundAndHasACure(t *testing.T) {
	disk := Disk{Dir: "/data", Exists: true, Owner: 5, User: 5, Mode: 0o750, Free: 100 << 30, Files: 1 << 20, FilesTotal: 1 << 21, FileSystem: "ext4", Options: "rw,relatime"}
	withDisk := func(change func(*Disk)) []Finding { d := disk; change(&d); return d.Judge() }
	limits := Limits{Files: 65536, Memory: 8 << 30, HugePages: "madvise"}
	withLimits := func(change func(*Limits)) []Finding { l := limits; change(&l); return l.Judge() }
	cert := Certificate{Cert: "c", Key: "k", From: now.Add(-time.Hour), To: now.Add(90 * 24 * time.Hour), Names: []string{"mq.example.com"}, Host: "mq.example.com", Fits: true}
	withCert := func(change func(*Certificate)) []Finding { c := cert; change(&c); return c.Judge(now) }
	lo, far := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.0.0.5")

	for _, tt := range []struct {
		what    string
		found   []Finding
		verdict Verdict // the worst
		text    string
	}{
		{"a good disk", withDisk(func(*Disk) {}), Good, "100.0 GiB are free"},
		{"a full disk", withDisk(func(d *Disk) { d.Free = 1 << 30 }), Poor, "1.0 GiB are free"},
		{"no inodes", withDisk(func(d *Disk) { d.Files = 3 }), Poor, "only 3 more files"},
		{"no count of inodes", withDisk(func(d *Disk) { d.Files, d.FilesTotal = 0, 0 }), Good, "ext4"},
		{"a network file system", withDisk(func(d *Disk) { d.FileSystem = "nfs4" }), Poor, "a network file system"},
		{"a container's layer", withDisk(func(d *Disk) { d.FileSystem = "overlay" }), Poor, "goes with the container"},
		{"access times", withDisk(func(d *Disk) { d.Options = "rw,strictatime" }), Poor, "each read"},
		{"another owner", withDisk(func(d *Disk) { d.Owner = 0 }), Poor, "belongs to user 0"},
		{"open to others", withDisk(func(d *Disk) { d.Mode = 0o777 }), Poor, "others may write"},
		{"good limits", withLimits(func(*Limits) {}), Good, "65536 files"},
		{"few files", withLimits(func(l *Limits) { l.Files = 1024 }), Poor, "1024 files"},
		{"little memory", withLimits(func(l *Limits) { l.Memory = 64 << 20 }), Poor, "only 64 MiB"},
		{"a container", withLimits(func(l *Limits) { l.Group, l.Memory = 512<<20, 512<<20 }), Good, "nine tenths"},
		{"more than the container has", withLimits(func(l *Limits) { l.Group, l.GoLimit, l.GoText = 512<<20, 1<<30, "1GiB" }), Bad, "will be killed"},
		{"no size", withLimits(func(l *Limits) { l.GoText = "much" }), Bad, "GOMEMLIMIT=much is no size"},
		{"huge pages", withLimits(func(l *Limits) { l.HugePages = "always" }), Poor, "huge pages"},
		{"a good clock", Clock{Peers: []Peer{{"b", time.Second, time.Second}}}.Judge(), Good, "agrees"},
		{"a clock alone", Clock{}.Judge(), Good, "kept right"},
		{"a free clock", Clock{Unsynced: true}.Judge(), Poor, "nothing keeps"},
		{"a jumping clock", Clock{Jumped: -time.Second, Over: time.Second}.Judge(), Bad, "jumped by -1s"},
		{"clocks apart", Clock{Peers: []Peer{{"b", -time.Minute, time.Second}}}.Judge(), Bad, "-1m0s off"},
		{"a good address", Address{Advertise: "mq", Found: []netip.Addr{far}, Listens: "0.0.0.0"}.Judge(), Good, "10.0.0.5"},
		{"an unknown host", Address{Advertise: "mq", Err: "no such host", Listens: "0.0.0.0"}.Judge(), Bad, "not known here"},
		{"loopback for others", Address{Advertise: "localhost", Found: []netip.Addr{lo}, Listens: "0.0.0.0"}.Judge(), Bad, "every client's own machine"},
		{"loopback for itself", Address{Advertise: "localhost", Found: []netip.Addr{lo}, Listens: "127.0.0.1"}.Judge(), Good, "127.0.0.1"},
		{"listening elsewhere", Address{Advertise: "mq", Found: []netip.Addr{far}, Listens: "127.0.0.1"}.Judge(), Bad, "listens on 127.0.0.1 only"},
		{"a good certificate", withCert(func(*Certificate) {}), Good, "another 90 days"},
		{"an unreadable one", withCert(func(c *Certificate) { c.Err = "they do not match" }), Bad, "do not match"},
		{"an expired one", withCert(func(c *Certificate) { c.To = now }), Bad, "has expired"},
		{"one that expires", withCert(func(c *Certificate) { c.To = now.Add(49 * time.Hour) }), Poor, "expires in 2 days"},
		{"one to come", withCert(func(c *Certificate) { c.From = now.Add(time.Hour) }), Bad, "valid from"},
		{"an open key", withCert(func(c *Certificate) { c.Open = true }), Poor, "others may read"},
		{"for another name", withCert(func(c *Certificate) { c.Fits = false }), Bad, "clients are given mq.example.com"},
		{"a known name server", JudgeNames([]Name{{Host: "ns", Found: []netip.Addr{far}}}), Good, "ns is 10.0.0.5"},
		{"an unknown one", JudgeNames([]Name{{Host: "ns", Err: "no such host"}}), Bad, "no such host"},
		{"a slow look-up", JudgeNames([]Name{{Host: "ns", Took: 3 * time.Second}}), Poor, "took 3s"},
		{"at home", Exposure{Listens: "127.0.0.1"}.Judge(), Good, "this machine only"},
		{"open", Exposure{Listens: "0.0.0.0"}.Judge(), Poor, "asks nobody"},
		{"open as said", Exposure{Listens: "0.0.0.0", Insecure: true}.Judge(), Poor, "as was said"},
		{"readable", Exposure{Listens: "0.0.0.0", Asks: true}.Judge(), Poor, "without TLS"},
		{"closed", Exposure{Listens: "0.0.0.0", Asks: true, TLSOnly: true}.Judge(), Good, "by TLS"},
	} {
		worst, text := Good, ""
		for _, f := range tt.found {
			text += f.What + "\n"
			if f.Verdict == Bad || f.Verdict == Poor && worst == Good {
				worst = f.Verdict
			}
			if f.Verdict != Good && f.Do == "" {
				t.Errorf("%s: %q has no cure", tt.what, f.What)
			}
		}
		if worst != tt.verdict || !strings.Contains(text, tt.text) {
			t.Errorf("%s: got %s %q, want %s %q", tt.what, worst, text, tt.verdict, tt.text)
		}
	}
	if len(Address{}.Judge())+len(Certificate{}.Judge(now)) > 0 {
		t.Error("what is not set has findings")
	}
}

func TestTheListenerOfAPortIsFoundInTheKernelsTable(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2694 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 31337 1
   1: 0100007F:2A9F 0100007F:8AE6 01 00000000:00000000 00:00000000 00000000  1000        0 555 1
`
	if got := listener(table, 9876); got != "31337" {
		t.Errorf("9876: got %q", got)
	}
	if got := listener(table, 10911); got != "" {
		t.Errorf("a connection was taken for a listener: %q", got)
	}
}

func TestTheMountOfADirectoryIsTheDeepestOne(t *testing.T) {
	const mounts = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 8:2 / /var rw,noatime shared:2 - xfs /dev/sdb1 rw
31 22 0:5 / /var/lib\040x rw - nfs4 h:/x rw
`
	for dir, want := range map[string]string{"/": "ext4 rw,relatime", "/var/lib/goddard": "xfs rw,noatime", "/variable": "ext4 rw,relatime", "/var/lib x/y": "nfs4 rw"} {
		kind, options := mountOf(mounts, dir)
		if kind+" "+options != want {
			t.Errorf("%s: got %s %s, want %s", dir, kind, options, want)
		}
	}
}

func TestAnUptimeSaysWhatABrokersClockShows(t *testing.T) {
	boot := now.Add(-24 * time.Hour)
	got, ok := ClockOf(map[string]string{"bootTimestamp": "1769774400000", "runtime": "[ 1 days, 1 hours, 0 minutes, 3 seconds ]"})
	if want := boot.Add(25*time.Hour + 3*time.Second); !ok || !got.Equal(want) {
		t.Errorf("got %v, %v, want %v", got, ok, want)
	}
	for _, wrong := range []map[string]string{{}, {"bootTimestamp": "x", "runtime": "[ 1 days, 1 hours, 0 minutes, 3 seconds ]"}, {"bootTimestamp": "1", "runtime": "long"}} {
		if _, ok := ClockOf(wrong); ok {
			t.Errorf("%v was understood", wrong)
		}
	}
}
