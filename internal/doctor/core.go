package doctor

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// A Verdict says how bad a finding is.
type Verdict string

// The verdicts.
const (
	Good Verdict = "ok"
	Poor Verdict = "warning"
	Bad  Verdict = "problem"
)

// A Finding is something that was looked at.
type Finding struct {
	Check   string  `json:"check"` // config, data, clock, limits, memory, address, tls, dns, ports, server
	Verdict Verdict `json:"verdict"`
	What    string  `json:"what"`
	Do      string  `json:"do,omitempty"` // a command, or a setting to change
}

// A Disk is where the data lies or will lie.
type Disk struct {
	Dir         string
	Exists      bool   // Dir itself; otherwise the facts are of the nearest directory above it
	Owner, User int    // user ids; -1 if the system has none
	Mode        uint32 // permission bits
	Free, Total uint64 // bytes
	Files       uint64 // that can still be made; meaningful if FilesTotal is not 0
	FilesTotal  uint64
	FileSystem  string // ext4, xfs, nfs, …; empty if not known
	Options     string // of the mount
}

const (
	lowSpace = 5 << 30 // bytes
	lowFiles = 10_000
)

// remote file systems lose the promise of a sync, or its speed.
var unfit = map[string]string{
	"nfs": "a network file system", "nfs4": "a network file system", "cifs": "a network file system", "smb3": "a network file system",
	"tmpfs": "memory, which a restart of the machine empties", "ramfs": "memory, which a restart of the machine empties",
	"overlay": "a container's own layer, which goes with the container", "9p": "a file system shared by a host", "virtiofs": "a file system shared by a host",
}

// Judge says what is the matter with a disk.
func (d Disk) Judge() []Finding {
	all := []Finding{d.space()}
	add := func(v Verdict, do, format string, args ...any) {
		all = append(all, Finding{"data", v, fmt.Sprintf(format, args...), do})
	}
	if d.FilesTotal > 0 && d.Files < lowFiles {
		add(Poor, "remove small files from that disk, or choose another with --data", "only %d more files can be made on the disk of %s (inodes)", d.Files, d.Dir)
	}
	if what, ok := unfit[d.FileSystem]; ok {
		add(Poor, "choose a local disk with --data; in a container, mount a volume there", "%s lies on %s: %s", d.Dir, d.FileSystem, what)
	} else if d.FileSystem != "" {
		add(Good, "", "%s lies on %s", d.Dir, d.FileSystem)
	}
	if d.Options != "" && !hasOption(d.Options, "noatime") && !hasOption(d.Options, "relatime") {
		add(Poor, "mount it with noatime", "each read of a file in %s writes its time to the disk", d.Dir)
	}
	if d.Exists && d.Owner >= 0 && d.User > 0 && d.Owner != d.User {
		add(Poor, fmt.Sprintf("chown -R %d %s", d.User, d.Dir), "%s belongs to user %d, and this is user %d; start the server always as the same user", d.Dir, d.Owner, d.User)
	}
	if d.Exists && d.Mode&0o022 != 0 {
		add(Poor, "chmod 750 "+d.Dir, "others may write to %s (mode %o)", d.Dir, d.Mode)
	}
	return all
}

func (d Disk) space() Finding {
	f := Finding{"data", Good, fmt.Sprintf("%.1f GiB are free for %s", float64(d.Free)/(1<<30), d.Dir), ""}
	if d.Free < lowSpace {
		f.Verdict, f.Do = Poor, "make room, choose another disk with --data, or keep messages for less long with --retention"
	}
	return f
}

func hasOption(options, name string) bool {
	for o := range strings.SplitSeq(options, ",") {
		if o == name {
			return true
		}
	}
	return false
}

// Limits are what the system allows this process.
type Limits struct {
	Files      uint64 // open at a time; 0 if not known
	Memory     int64  // bytes of the machine or of the control group, the smaller; 0 if not known
	Group      int64  // bytes of the control group; 0 if it has no limit
	GoLimit    int64  // GOMEMLIMIT in bytes; 0 if it is not set
	GoText     string // GOMEMLIMIT as it was said
	HugePages  string // always, madvise, never; empty if not known
	Swap       bool   // some is in use
	Processors int    // that this process may use
}

const (
	fewFiles     = 16384
	littleMemory = 256 << 20
)

// Judge says what is the matter with the limits.
func (l Limits) Judge() []Finding {
	var all []Finding
	add := func(check string, v Verdict, do, format string, args ...any) {
		all = append(all, Finding{check, v, fmt.Sprintf(format, args...), do})
	}
	if l.Files > 0 {
		v, do := Good, ""
		if l.Files < fewFiles {
			v, do = Poor, "each client takes one or two; raise the limit with `ulimit -n 65536` or LimitNOFILE= of systemd"
		}
		add("limits", v, do, "this user may have %d files and connections open", l.Files)
	}
	switch {
	case l.GoText != "" && l.GoLimit == 0:
		add("memory", Bad, "unset it, or write it like 900MiB", "GOMEMLIMIT=%s is no size; the program does not start with it", l.GoText)
	case l.Group > 0 && l.GoLimit > l.Group:
		add("memory", Bad, fmt.Sprintf("unset GOMEMLIMIT, or set it to at most %dMiB", l.Group/10*9>>20), "GOMEMLIMIT=%s is more than the container's %d MiB: it will be killed", l.GoText, l.Group>>20)
	case l.Memory > 0 && l.Memory < littleMemory:
		add("memory", Poor, "give it 256 MiB or more", "there are only %d MiB of memory", l.Memory>>20)
	case l.Group > 0 && l.GoLimit == 0:
		add("memory", Good, "", "the container has %d MiB of memory; the server keeps below nine tenths of it", l.Group>>20)
	case l.Memory > 0:
		add("memory", Good, "", "there are %d MiB of memory", l.Memory>>20)
	}
	if l.HugePages == "always" {
		add("memory", Poor, "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled", "transparent huge pages are always on: the server takes more memory than it uses, and halts while pages are joined")
	}
	return all
}

// A Clock is what was seen of the clock of this machine.
type Clock struct {
	Unsynced bool          // the kernel says that nothing keeps it right
	Jumped   time.Duration // how far it moved against the monotonic clock while it was looked at
	Over     time.Duration // how long that was
	Peers    []Peer
}

// A Peer is another machine's clock against this one's.
type Peer struct {
	Name  string
	Ahead time.Duration
	Exact time.Duration // how far Ahead may be wrong
}

// farOff is how far clocks may be apart: delayed messages and retention go by
// the broker's.
const farOff = 2 * time.Second

// Judge says what is the matter with the clock.
func (c Clock) Judge() []Finding {
	var all []Finding
	add := func(v Verdict, do, format string, args ...any) {
		all = append(all, Finding{"clock", v, fmt.Sprintf(format, args...), do})
	}
	if c.Unsynced {
		add(Poor, "run chrony, systemd-timesyncd or ntpd on the host", "nothing keeps this machine's clock right")
	}
	if c.Jumped.Abs() > 50*time.Millisecond {
		add(Bad, "let the time service slew the clock instead of stepping it", "the clock jumped by %v within %v", c.Jumped.Round(time.Millisecond), c.Over.Round(time.Millisecond))
	}
	for _, p := range c.Peers {
		if p.Ahead.Abs() > farOff+p.Exact {
			add(Bad, "set both clocks by the same time service", "the clock of %s is %v off this machine's: delayed messages and retention go by it", p.Name, p.Ahead.Round(time.Second))
			continue
		}
		add(Good, "", "the clock of %s agrees with this machine's", p.Name)
	}
	if len(all) == 0 {
		add(Good, "", "the clock is kept right and did not jump")
	}
	return all
}

// An Address is what clients are given.
type Address struct {
	Advertise string       // host or host:port; empty if it is left to the server
	Host      string       // of it
	Found     []netip.Addr // that the host stands for
	Err       string       // why it stands for none
	Listens   string       // where the server listens
}

// Judge says what is the matter with the advertised address.
func (a Address) Judge() []Finding {
	if a.Advertise == "" {
		return nil
	}
	find := func(v Verdict, what, do string) []Finding { return []Finding{{"address", v, what, do}} }
	if a.Err != "" {
		return find(Bad, fmt.Sprintf("advertise is %s, which is not known here: %s", a.Advertise, a.Err), "correct advertise (brokerIP1), or the DNS of this machine")
	}
	local := true
	for _, addr := range a.Found {
		local = local && addr.IsLoopback()
	}
	listens, err := netip.ParseAddr(a.Listens)
	if local && (err != nil || !listens.IsLoopback()) {
		return find(Bad, fmt.Sprintf("advertise is %s, which means every client's own machine, while the server listens on %s for others", a.Advertise, a.Listens),
			"set advertise (brokerIP1) to an address that clients reach, or leave it out: each client is then given the address it dialled")
	}
	if !local && err == nil && listens.IsLoopback() {
		return find(Bad, fmt.Sprintf("advertise is %s, but the server listens on %s only", a.Advertise, a.Listens), "--listen 0.0.0.0")
	}
	return find(Good, fmt.Sprintf("clients are given %s (%s)", a.Advertise, addresses(a.Found)), "")
}

func addresses(all []netip.Addr) string {
	var text []string
	for _, a := range all {
		text = append(text, a.String())
	}
	return strings.Join(text, ", ")
}

// A Certificate is what the files of tls-cert and tls-key hold.
type Certificate struct {
	Cert, Key string // the files; both empty if none are set
	Err       string // why they cannot be used
	From, To  time.Time
	Names     []string // hosts and addresses it is for
	Open      bool     // others than its owner may read the key
	Self      bool     // it is its own issuer
	// Host is the advertised host; Fits says whether the certificate is for it.
	Host string
	Fits bool
}

// soon is when an expiry is worth a word.
const soon = 30 * 24 * time.Hour

// Judge says what is the matter with the certificate.
func (c Certificate) Judge(now time.Time) []Finding {
	if c.Cert == "" && c.Key == "" {
		return nil
	}
	var all []Finding
	add := func(v Verdict, do, format string, args ...any) {
		all = append(all, Finding{"tls", v, fmt.Sprintf(format, args...), do})
	}
	switch left := c.To.Sub(now); {
	case c.Err != "":
		add(Bad, "correct tls-cert and tls-key", "the certificate %s and key %s cannot be used: %s", c.Cert, c.Key, c.Err)
		return all
	case left <= 0:
		add(Bad, "renew it; the server reads the file again by itself", "the certificate %s has expired at %s", c.Cert, c.To.UTC().Format(time.DateTime))
	case now.Before(c.From):
		add(Bad, "wait, or check this machine's clock", "the certificate %s is valid from %s on", c.Cert, c.From.UTC().Format(time.DateTime))
	case left < soon:
		add(Poor, "renew it; the server reads the file again by itself", "the certificate %s expires in %d days", c.Cert, int(left.Hours()/24))
	default:
		add(Good, "", "the certificate %s is valid for another %d days, for %s", c.Cert, int(left.Hours()/24), strings.Join(c.Names, ", "))
	}
	if c.Open {
		add(Poor, "chmod 600 "+c.Key, "others may read the private key %s", c.Key)
	}
	if c.Host != "" && !c.Fits {
		add(Bad, "get a certificate for that name, or advertise one that it has", "clients are given %s, and the certificate is for %s", c.Host, strings.Join(c.Names, ", "))
	}
	return all
}

// A Name is a name server's host.
type Name struct {
	Host  string
	Found []netip.Addr
	Err   string
	Took  time.Duration
}

// slow is how long a look-up may take.
const slow = time.Second

// JudgeNames says what is the matter with the hosts of name servers.
func JudgeNames(names []Name) []Finding {
	var all []Finding
	for _, n := range names {
		f := Finding{"dns", Good, fmt.Sprintf("the name server's host %s is %s", n.Host, addresses(n.Found)), ""}
		switch {
		case n.Err != "":
			f = Finding{"dns", Bad, fmt.Sprintf("the name server's host %s is not known: %s", n.Host, n.Err), "correct namesrv, or the DNS of this machine"}
		case n.Took > slow:
			f = Finding{"dns", Poor, fmt.Sprintf("looking up the name server's host %s took %v", n.Host, n.Took.Round(time.Millisecond)), "look at the DNS servers in /etc/resolv.conf"}
		}
		all = append(all, f)
	}
	return all
}

// Exposure is who can reach the server and what asks them who they are.
type Exposure struct {
	Listens  string
	Insecure bool // it was said that this is meant
	Asks     bool // users have to name themselves
	TLSOnly  bool
}

// Judge says whether the server is open to more people than was meant.
func (e Exposure) Judge() []Finding {
	addr, err := netip.ParseAddr(e.Listens)
	if e.Listens == "localhost" || err == nil && addr.IsLoopback() {
		return []Finding{{"config", Good, "the server listens on " + e.Listens + ", for programs on this machine only", "--listen 0.0.0.0 lets others in"}}
	}
	switch {
	case !e.Asks && e.Insecure:
		return []Finding{{"config", Poor, "the server listens on " + e.Listens + " and asks nobody who they are, as was said", "let only those in that may do everything"}}
	case !e.Asks:
		return []Finding{{"config", Poor, "the server listens on " + e.Listens + " and asks nobody who they are", "let a firewall or network policy choose who reaches it"}}
	case !e.TLSOnly:
		return []Finding{{"config", Poor, "the server listens on " + e.Listens + " without TLS: what is sent can be read on the way", "set tls-cert, tls-key and tls-only"}}
	}
	return []Finding{{"config", Good, "the server listens on " + e.Listens + ", by TLS, for those who name themselves", ""}}
}
