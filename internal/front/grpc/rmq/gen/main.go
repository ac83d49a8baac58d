// Command gen makes the Go code of rocketmq.proto. It needs on the path:
//
//   - protoc, or a python3 with the pip package grpcio-tools, which brings one;
//   - protoc-gen-go: go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
//   - protoc-gen-go-grpc: go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
package main

import (
	"bytes"
	"fmt"
	"go/format"
	"log"
	"os"
	"os/exec"
	"path/filepath"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	dir, err := os.MkdirTemp("", "rmq")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	compiler := []string{"protoc"}
	if _, err := exec.LookPath("protoc"); err != nil {
		compiler = []string{"python3", "-m", "grpc_tools.protoc"}
	}
	compiler = append(compiler, "-I.", "--go_out="+dir, "--go_opt=paths=source_relative",
		"--go-grpc_out="+dir, "--go-grpc_opt=paths=source_relative", "rocketmq.proto")
	cmd := exec.Command(compiler[0], compiler[1:]...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", compiler[0], err)
	}
	for _, name := range []string{"rocketmq.pb.go", "rocketmq_grpc.pb.go"} {
		code, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if name == "rocketmq.pb.go" {
			if code, err = ownRegistry(code); err != nil {
				return err
			}
		}
		if code, err = format.Source(code); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile("zz_"+name, code, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// ownRegistry makes the code register with this package's registry.
func ownRegistry(code []byte) ([]byte, error) {
	for _, change := range [][2]string{
		{"protoimpl.TypeBuilder{\n", "protoimpl.TypeBuilder{\n\t\tTypeRegistry: registry.types,\n"},
		{"protoimpl.DescBuilder{\n", "protoimpl.DescBuilder{\n\t\t\tFileRegistry:  registry.files,\n"},
	} {
		if bytes.Count(code, []byte(change[0])) != 1 {
			return nil, fmt.Errorf("the generated code has not exactly one %q", change[0])
		}
		code = bytes.Replace(code, []byte(change[0]), []byte(change[1]), 1)
	}
	return code, nil
}
