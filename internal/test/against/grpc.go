package against

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// GRPCClients are the names of the clients of the gRPC protocol.
func GRPCClients() []string {
	return []string{"grpc-java", "grpc-go", "grpc-python", "grpc-node", "grpc-rust", "grpc-cpp"}
}

// prepareGRPC builds or installs each client with its own tools.
func (k *Kit) prepareGRPC(cache, built, clients string) {
	for name, prepare := range map[string]func(folder string) (Program, error){
		"grpc-java": func(string) (Program, error) { return k.javaGRPC(cache, filepath.Join(clients, "java/grpc")) },
		"grpc-go": func(folder string) (Program, error) {
			out, err := goBuild(filepath.Join(built, "grpc-go"), folder, ".")
			return Program{Command: out}, err
		},
		"grpc-python": func(folder string) (Program, error) { return pythonGRPC(cache, folder) },
		"grpc-node":   func(folder string) (Program, error) { return nodeGRPC(cache, folder) },
		"grpc-rust":   func(folder string) (Program, error) { return rustGRPC(cache, folder) },
		"grpc-cpp":    func(folder string) (Program, error) { return cppGRPC(cache, folder) },
	} {
		p, err := prepare(filepath.Join(clients, name))
		if err != nil {
			p = Program{Missing: err.Error()}
		}
		k.GRPC[name] = p
	}
}

// tools reports the first of these commands that is not on the path.
func tools(install string, commands ...string) error {
	for _, c := range commands {
		if _, err := exec.LookPath(c); err != nil {
			return fmt.Errorf("%w: %s; %s", ErrMissing, c, install)
		}
	}
	return nil
}

// javaGRPC is compiled on top of the remoting scenarios, whose frame it uses.
func (k *Kit) javaGRPC(cache, project string) (Program, error) {
	if why := k.JavaClientsMissing[JavaClient5]; why != "" {
		return Program{}, errors.New(why)
	}
	libs, err := classPath(cache, project, javaGRPCClient)
	if err != nil {
		return Program{}, err
	}
	libs += string(os.PathListSeparator) + k.JavaClients[JavaClient5] // which has classes of the same names
	path, err := compile(cache, "classes-grpc-"+javaGRPCClient, libs, filepath.Join(project, "src"))
	args := append([]string{"-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}, javaFlags...)
	return Program{Command: k.Java, Args: append(args, "-cp", path, "scenarios.Endpoints")}, err
}

func pythonGRPC(cache, folder string) (Program, error) {
	python := "python3"
	if runtime.GOOS == "windows" {
		python = "python"
	}
	if err := tools("install Python 3.9 or later with its venv module", python); err != nil {
		return Program{}, err
	}
	dir, err := cached(cache, "python", filepath.Join(folder, "requirements.txt"))
	if err != nil {
		return Program{}, err
	}
	// A virtual environment holds its own path, so it is made where it stays.
	err = onceIn(dir, func() error {
		if err := run(folder, python, "-m", "venv", dir); err != nil {
			return err
		}
		return run(folder, filepath.Join(dir, "bin/python"), "-m", "pip", "install", "-q", "-r", "requirements.txt")
	})
	return Program{Command: filepath.Join(dir, "bin/python"), Args: []string{filepath.Join(folder, "scenarios.py")},
		Env: []string{"PYTHONDONTWRITEBYTECODE=1"}}, err
}

func nodeGRPC(cache, folder string) (Program, error) {
	if err := tools("install Node.js 18 or later with npm", "node", "npm"); err != nil {
		return Program{}, err
	}
	dir, err := cached(cache, "node", filepath.Join(folder, "package.json"))
	if err != nil {
		return Program{}, err
	}
	err = once(dir, func(into string) error {
		for _, name := range []string{"package.json", "package-lock.json"} {
			if err := copyFile(filepath.Join(folder, name), filepath.Join(into, name)); err != nil {
				return err
			}
		}
		return run(into, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	})
	return Program{Command: "node", Args: []string{filepath.Join(folder, "scenarios.js")},
		Env: []string{"NODE_PATH=" + filepath.Join(dir, "node_modules")}}, err
}

func rustGRPC(cache, folder string) (Program, error) {
	if err := tools("install Rust 1.85 or later with cargo", "cargo", "rustc"); err != nil {
		return Program{}, err
	}
	_, text, err := sourcesOf(folder, ".rs", ".toml")
	if err != nil {
		return Program{}, err
	}
	dir := filepath.Join(cache, "rust-"+digest(text))
	err = once(dir, func(into string) error {
		// Cargo writes its lock file beside the manifest. What was compiled
		// before is used again; only the program is kept apart.
		if err := os.CopyFS(into, os.DirFS(folder)); err != nil {
			return err
		}
		target := filepath.Join(cache, "rust-target")
		if err := run(into, "cargo", "build", "--quiet", "--target-dir", target); err != nil {
			return err
		}
		return copyFile(filepath.Join(target, "debug/scenarios"), filepath.Join(into, "scenarios"))
	})
	return Program{Command: filepath.Join(dir, "scenarios")}, err
}

// cppClient names where the C++ client is installed, which is in no registry:
// whoever has built it from its own repository has its headers and its library
// below there. Debian 12's gRPC, protobuf and Abseil are enough for that.
const cppClient = "ROCKETMQ_CPP_CLIENT"

func cppGRPC(cache, folder string) (Program, error) {
	prefix := os.Getenv(cppClient)
	if prefix == "" {
		return Program{}, fmt.Errorf("%w: the C++ client, built from its own repository, is to be named in %s", ErrMissing, cppClient)
	}
	libraries, err := filepath.Glob(filepath.Join(prefix, "lib*", "librocketmq.so"))
	if more, _ := filepath.Glob(filepath.Join(prefix, "lib", "*", "librocketmq.so")); err == nil {
		libraries = append(libraries, more...)
	}
	if err != nil || len(libraries) == 0 {
		return Program{}, fmt.Errorf("no librocketmq.so below %s of %s", prefix, cppClient)
	}
	if err := tools("install a C++ 17 compiler", "g++"); err != nil {
		return Program{}, err
	}
	_, text, err := sourcesOf(folder, ".cpp", ".hpp")
	if err != nil {
		return Program{}, err
	}
	lib := filepath.Dir(libraries[0])
	dir := filepath.Join(cache, "cpp-"+digest(append(text, lib...)))
	err = once(dir, func(into string) error {
		return run(folder, "g++", "-std=c++17", "-Wall", "-I", filepath.Join(prefix, "include"), "-o", filepath.Join(into, "scenarios"),
			"scenarios.cpp", "-L", lib, "-Wl,-rpath,"+lib, "-lrocketmq", "-pthread")
	})
	return Program{Command: filepath.Join(dir, "scenarios")}, err
}

// cached names a folder of the cache after the manifest that it is made from.
func cached(cache, name, manifest string) (string, error) {
	text, err := os.ReadFile(manifest)
	return filepath.Join(cache, name+"-"+digest(text)), err
}

// onceIn is once for what must be made where it stays: a mark says that it was
// made whole.
func onceIn(dir string, fill func() error) error {
	mark := dir + ".made"
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := fill(); err != nil {
		return err
	}
	return os.WriteFile(mark, nil, 0o644)
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o755)
}
