package node

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goddardmq/goddard/internal/wire"
)

// maxConfigFile bounds a configuration file, in bytes.
const maxConfigFile = 1 << 20

// A Source names what Load reads, weakest first: defaults, File, Env, Flags.
type Source struct {
	// Role decides what listenPort means: the name server's port under
	// RoleNamesrv, otherwise the broker's.
	Role Role
	// File is a file of Java properties; empty for none.
	File string
	// Env holds "KEY=value" strings, as os.Environ does. GODDARD_* is read, and
	// under RoleBroker NAMESRV_ADDR; elsewhere that is meant for clients.
	Env []string
	// Flags maps names of settings to what the command line says.
	Flags map[string]string
	// Settings maps names of settings to what a Go program says.
	Settings map[string]string
}

// A Warning is something in the configuration that has no effect.
type Warning struct {
	Where string // "broker.conf:12", "environment"
	Key   string
	Text  string // what is the matter and what to do
}

// String is a line for the operator.
func (w Warning) String() string { return w.Where + ": " + w.Key + ": " + w.Text }

// A SettingError is a value that cannot be used.
type SettingError struct {
	Where string
	Key   string
	Value string
	Err   error // what is allowed
}

// Error says where the value stands and what is allowed.
func (e *SettingError) Error() string {
	return fmt.Sprintf("%s: %s = %q: %v", e.Where, e.Key, e.Value, e.Err)
}

// Unwrap is what is allowed.
func (e *SettingError) Unwrap() error { return e.Err }

// Load puts a configuration together. Every bad value is reported, joined into
// one error; the warnings are good even then.
func Load(src Source) (Config, []Warning, error) {
	l := loader{config: Config{Role: src.Role}, table: newTable(src.Role), origins: map[string]string{}}
	if src.File != "" {
		if err := l.file(src.File); err != nil {
			return l.config, nil, err
		}
	}
	l.environment(src.Env)
	for _, key := range slices.Sorted(maps.Keys(src.Flags)) {
		l.apply("command line", "--"+key, key, src.Flags[key])
	}
	for _, key := range slices.Sorted(maps.Keys(src.Settings)) {
		l.apply("Settings", key, key, src.Settings[key])
	}
	l.checkLogPath()
	l.config.Origins = l.origins
	return l.config, l.warnings, errors.Join(l.errs...)
}

// checkLogPath warns if the log is wanted in a directory of its own, and
// refuses to leave one behind that holds messages.
func (l *loader) checkLogPath() {
	data := l.config.WithDefaults().Data
	ours := filepath.Join(data, "commitlog")
	if l.logPath.Value == "" || filepath.Clean(l.logPath.Value) == ours || sameDirectory(l.logPath.Value, ours) {
		return
	}
	if holdsSegments(l.logPath.Value) {
		l.logPath.Err = fmt.Errorf("that directory holds a log, which would not be used: move it to %s, or make that a link to it", ours)
		l.errs = append(l.errs, &l.logPath)
	} else {
		l.warnings = append(l.warnings, Warning{l.logPath.Where, l.logPath.Key,
			"has no effect: the log lies in " + ours + "; make that a link if it shall be elsewhere"})
	}
}

// sameDirectory reports whether two paths lead to the same place.
func sameDirectory(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// holdsSegments reports whether a directory has files of a log, which are named
// by the twenty digits of their first position.
func holdsSegments(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		return len(e.Name()) == 20 && strings.Trim(e.Name(), "0123456789") == ""
	})
}

// A loader collects what the sources say.
type loader struct {
	config   Config
	table    table
	origins  map[string]string // by the setting's name
	warnings []Warning
	errs     []error
	logPath  SettingError // where the file wants the log
}

func (l *loader) file(name string) error {
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("the configuration file %s does not exist; correct -c or leave it out", name)
	}
	if err != nil {
		return fmt.Errorf("the configuration file cannot be read: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfigFile+1))
	if err != nil {
		return fmt.Errorf("the configuration file cannot be read: %w", err)
	}
	if len(text) > maxConfigFile {
		return fmt.Errorf("%s is longer than %d bytes, which is not a configuration file", name, maxConfigFile)
	}
	decode := wire.DecodeProperties
	if strings.HasPrefix(strings.TrimSpace(string(text)), "{") { // rmq-proxy.json
		decode = jsonProperties
	}
	props, err := decode(text)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	said := map[string]wire.Property{} // by the setting's name
	for _, p := range props {
		where := fmt.Sprintf("%s:%d", name, p.Line)
		l.apply(where, p.Key, p.Key, strings.TrimSpace(p.Value))
		s, _, ok := l.table.find(p.Key)
		if !ok || strings.TrimSpace(p.Value) == "" {
			continue
		}
		if before, twice := said[s.Name]; twice && l.differs(s, before) {
			l.warnings = append(l.warnings, Warning{where, p.Key,
				fmt.Sprintf("this setting is given twice; it overrides %s = %s of line %d", before.Key, before.Value, before.Line)})
		}
		said[s.Name] = p
	}
	return nil
}

// differs reports whether p asks for another value of s than is set.
func (l *loader) differs(s Setting, p wire.Property) bool {
	_, java, _ := l.table.find(p.Key)
	c := l.config
	if err := s.set(&c, strings.TrimSpace(p.Value), java); err != nil {
		return false // reported already
	}
	return s.get(c) != s.get(l.config)
}

func (l *loader) environment(env []string) {
	for _, entry := range slices.Sorted(slices.Values(env)) {
		variable, value, _ := strings.Cut(entry, "=")
		name, ours := strings.CutPrefix(variable, "GODDARD_")
		switch {
		case ours && value != "":
			l.apply("environment", variable, strings.ToLower(strings.ReplaceAll(name, "_", "-")), value)
		case variable == "NAMESRV_ADDR" && l.config.Role == RoleBroker && value != "" && !slices.ContainsFunc(env, isNamesrvVariable):
			l.apply("environment", variable, "namesrv", value)
		}
	}
	l.tracing(env)
}

// tracing reads what OpenTelemetry says in the environment about where spans
// go. The exporter reads the rest by itself.
func (l *loader) tracing(env []string) {
	said := map[string]string{}
	for _, entry := range env {
		if variable, value, _ := strings.Cut(entry, "="); value != "" {
			said[variable] = value
		}
	}
	if strings.EqualFold(said["OTEL_SDK_DISABLED"], "true") || said["OTEL_TRACES_EXPORTER"] == "none" {
		return
	}
	first := func(setting string, variables ...string) {
		if said["GODDARD_"+strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))] != "" {
			return
		}
		for _, variable := range variables {
			if value := said[variable]; value != "" {
				if setting == "trace-endpoint" {
					value = collector(value, variable == "OTEL_EXPORTER_OTLP_ENDPOINT", said)
				}
				l.apply("environment", variable, setting, value)
				return
			}
		}
	}
	first("trace-endpoint", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
	first("trace-protocol", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
}

func isNamesrvVariable(entry string) bool { return strings.HasPrefix(entry, "GODDARD_NAMESRV=") }

// collector is an endpoint of OpenTelemetry's as a URL: gRPC's may lack the
// scheme, and what stands for all signals has a place for each below it.
func collector(value string, all bool, said map[string]string) string {
	if !strings.Contains(value, "://") {
		scheme := "https://"
		if strings.EqualFold(cmp.Or(said["OTEL_EXPORTER_OTLP_TRACES_INSECURE"], said["OTEL_EXPORTER_OTLP_INSECURE"]), "true") {
			scheme = "http://"
		}
		value = scheme + value
	}
	if u, err := url.Parse(value); err == nil && all && strings.Trim(u.Path, "/") != "" {
		value = u.JoinPath("v1/traces").String()
	}
	return value
}

// apply sets one key. said is the key as the operator wrote it.
func (l *loader) apply(where, said, key, value string) {
	if key == "storePathCommitLog" {
		l.logPath = SettingError{Where: where, Key: said, Value: value}
		return
	}
	s, java, ok := l.table.find(key)
	if !ok {
		l.passOver(where, said, key, value)
		return
	}
	if value == "" {
		return // as Java does with an empty property of a bean
	}
	if err := s.set(&l.config, value, java); err != nil {
		l.errs = append(l.errs, &SettingError{Where: where, Key: said, Value: s.mask(value), Err: err})
	}
	l.origins[s.Name] = where
}

// passOver deals with a key that is no setting of ours.
func (l *loader) passOver(where, said, key, value string) {
	if key == "brokerRole" && value == "SYNC_MASTER" {
		l.warnings = append(l.warnings, Warning{where, said, "there is no second copy to wait for: this release runs single masters only; a message is as safe as this machine's disk (flush)"})
		return
	}
	if k, ok := findIgnored(key); ok {
		switch {
		case k.harmless(value):
		case k.effect == refused:
			l.errs = append(l.errs, &SettingError{Where: where, Key: said, Value: maskKey(key, value), Err: errors.New(k.reason)})
		case k.effect == warned:
			l.warnings = append(l.warnings, Warning{where, said, "has no effect: " + k.reason})
		}
		return
	}
	text := "no such setting; see docs/CONFIG.md"
	if near := l.table.nearest(key); near != "" {
		text = "no such setting; did you mean " + near + "?"
	}
	l.warnings = append(l.warnings, Warning{where, said, text})
}

// A table finds settings by any name.
type table struct {
	byName map[string]Setting
	byJava map[string]Setting
}

func newTable(role Role) table {
	t := table{map[string]Setting{}, map[string]Setting{}}
	for _, s := range Settings() {
		t.byName[s.Name] = s
		if s.Java != "" {
			t.byJava[s.Java] = s
		}
	}
	if role == RoleNamesrv { // one port, which RocketMQ calls by the same key
		t.byName["listen-port"] = t.byName["namesrv-port"]
		t.byJava["listenPort"] = t.byName["namesrv-port"]
	}
	return t
}

// find looks a key up; java says that it is RocketMQ's name.
func (t table) find(key string) (s Setting, java, ok bool) {
	if s, ok = t.byName[key]; ok {
		return s, false, true
	}
	s, ok = t.byJava[key]
	return s, ok, ok
}

// nearest is the known key that key may be a slip of, empty if none is near.
func (t table) nearest(key string) string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(t.byName)), maps.Keys(t.byJava))
	slices.Sort(names)
	best, at := "", len(key)/3+1
	for _, known := range names {
		if d := distance(strings.ToLower(key), strings.ToLower(known)); d < at {
			best, at = known, d
		}
	}
	return best
}

// distance is the number of single-character edits between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
