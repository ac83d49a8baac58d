package against

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Versions of what the tests run against and with.
const (
	OriginalVersion = "5.5.0"
	JavaClient5     = "5.5.0"
	JavaClient4     = "4.9.8"

	javaGRPCClient = "5.2.0" // the others' versions are in their manifests, clients/grpc-*
)

// ErrMissing is wrapped by errors that say what this machine lacks.
var ErrMissing = errors.New("not available here")

// A Kit is what Prepare found or made: class paths and programs, all outside
// the repository. A part that could not be had is empty and its reason set.
type Kit struct {
	Java string // the java command

	Original, OriginalMissing       string // class path of name server, broker, mqadmin
	JavaClients, JavaClientsMissing map[string]string
	GoClient, GoClientMissing       string // the Go client's scenarios, a program
	Goddard, GoddardMissing         string // the goddard program
	GRPC                            map[string]Program

	// What PrepareBench makes beside the first and Goddard.
	GRPCLoad, GRPCLoadMissing string // a load generator for the gRPC protocol
	Floor, FloorMissing       string // measures the machine
	NATS, Kafka               Peer
}

// A Peer is another message system and a load generator that uses its own client.
type Peer struct {
	Server, Load Program
}

// A Program runs scenarios; what it takes after Args is its package's affair.
type Program struct {
	Command string
	Args    []string
	Env     []string // beside this process's
	Missing string   // why it could not be had; then the rest is empty
}

// Prepare resolves and builds everything. It needs the network the first time,
// and Maven and a JDK for the Java parts.
func Prepare() *Kit {
	k := &Kit{JavaClients: map[string]string{}, JavaClientsMissing: map[string]string{}, GRPC: map[string]Program{}}
	p := newPlaces()
	cache, clients := p.cache, p.clients
	k.prepareOriginal(p)
	for _, version := range []string{JavaClient5, JavaClient4} {
		var err error
		if k.Java == "" {
			err = errors.New(k.OriginalMissing)
		} else {
			k.JavaClients[version], err = javaClient(cache, filepath.Join(clients, "java"), version)
		}
		k.JavaClientsMissing[version] = reason(err)
	}
	var err error
	k.GoClient, err = goBuild(filepath.Join(p.built, "go-client"), filepath.Join(clients, "go"), ".")
	k.GoClientMissing = reason(err)
	k.prepareGRPC(cache, p.built, clients)
	k.prepareGoddard(p)
	return k
}

// places are where things come from and where they go.
type places struct{ root, cache, clients, built string }

func newPlaces() places {
	root, err := repository()
	if err != nil {
		panic("against: " + err.Error())
	}
	cache, err := cacheDir()
	if err != nil {
		panic("against: " + err.Error())
	}
	// Of several checkouts each has programs of its own.
	return places{root, cache, filepath.Join(root, "internal/test/clients"), filepath.Join(cache, "built-"+digest([]byte(root)))}
}

func reason(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}

func (k *Kit) prepareOriginal(p places) {
	java, err := findJava()
	if err == nil {
		k.Java = java
		k.Original, err = classPath(p.cache, filepath.Join(p.clients, "java/original"), OriginalVersion)
	}
	k.OriginalMissing = reason(err)
}

func (k *Kit) prepareGoddard(p places) {
	if k.Goddard = os.Getenv("AGAINST_GODDARD"); k.Goddard != "" {
		return
	}
	var err error
	k.Goddard, err = goBuild(filepath.Join(p.built, "goddard"), p.root, "./cmd/goddard")
	k.GoddardMissing = reason(err)
}

// repository finds the root of the repository from the working directory,
// which for a test is its package's.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "deps_test.go")); err == nil {
			return d, nil
		}
		if d == filepath.Dir(d) {
			return "", fmt.Errorf("%s is not inside the repository", dir)
		}
	}
}

func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(base, "goddard-test")
	return dir, os.MkdirAll(dir, 0o755)
}

// findJava insists on a whole JDK 11 or later and Maven.
func findJava() (string, error) {
	for _, tool := range []string{"java", "javac", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("%w: %s; install a JDK 11 or later and Maven to run against RocketMQ and its Java clients", ErrMissing, tool)
		}
	}
	out, err := exec.Command("javac", "-version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("javac -version: %w", err)
	}
	digits := regexp.MustCompile(`javac (\d+)`).FindSubmatch(out)
	if digits == nil {
		return "", fmt.Errorf("javac -version says %q", out)
	}
	if v, _ := strconv.Atoi(string(digits[1])); v < 11 {
		return "", fmt.Errorf("%w: JDK 11 or later, found %d", ErrMissing, v)
	}
	return exec.LookPath("java")
}

// classPath resolves what a pom.xml names into a folder of the cache and
// returns it as a class path.
func classPath(cache, project, version string) (string, error) {
	pom, err := os.ReadFile(filepath.Join(project, "pom.xml"))
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "lib-"+version+"-"+digest(pom))
	err = once(dir, func(into string) error {
		return run(project, "mvn", "-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies",
			"-Drocketmq.version="+version, "-DincludeScope=runtime", "-DoutputDirectory="+into)
	})
	return filepath.Join(dir, "*"), err
}

// javaClient compiles the scenarios for one version of the client.
func javaClient(cache, project, version string) (string, error) {
	libs, err := classPath(cache, project, version)
	if err != nil {
		return "", err
	}
	folders := []string{filepath.Join(project, "src")}
	if version != JavaClient4 {
		folders = append(folders, filepath.Join(project, "src5")) // what the old client has no classes for
	}
	return compile(cache, "classes-"+version, libs, folders...)
}

// compile compiles the Java sources below some folders and returns a class path
// with what they were compiled against.
func compile(cache, name, libs string, folders ...string) (string, error) {
	var sources []string
	var text []byte
	for _, folder := range folders {
		files, b, err := sourcesOf(folder, ".java")
		if err != nil {
			return "", err
		}
		sources, text = append(sources, files...), append(text, b...)
	}
	dir := filepath.Join(cache, name+"-"+digest(append(text, libs...)))
	err := once(dir, func(into string) error {
		args := []string{"--release", "11", "-nowarn", "-proc:none", "-cp", libs, "-d", into}
		return run(folders[0], "javac", append(args, sources...)...)
	})
	return dir + string(os.PathListSeparator) + libs, err
}

// sourcesOf returns the files below a folder with one of these endings, and
// their text.
func sourcesOf(folder string, endings ...string) (files []string, text []byte, err error) {
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !slices.Contains(endings, filepath.Ext(path)) {
			return err
		}
		b, err := os.ReadFile(path)
		files, text = append(files, path), append(text, b...)
		return err
	})
	return files, text, err
}

func goBuild(out, dir, pkg string) (string, error) {
	if runtime.GOOS == "windows" {
		out += ".exe"
	}
	return out, run(dir, "go", "build", "-o", out, pkg)
}

// once fills a directory unless it is there. It appears whole or not at all;
// of two runs that fill it at the same time the first has made it.
func once(dir string, fill func(into string) error) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	into, err := os.MkdirTemp(filepath.Dir(dir), "making-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(into)
	if err := fill(into); err != nil {
		return err
	}
	err = os.Rename(into, dir)
	if _, made := os.Stat(dir); made == nil {
		return nil
	}
	return err
}

// run reports a failing command with the end of its output.
func run(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // what make build makes
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	text := strings.TrimSpace(string(out))
	if len(text) > 2000 {
		text = text[len(text)-2000:]
	}
	return fmt.Errorf("%s in %s: %w\n%s", name, dir, err, text)
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:6])
}
