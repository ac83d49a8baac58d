// Command ratios measures Java RocketMQ and Goddard in turn, on this machine,
// with the same load from `goddard bench`, and prints the ratios. It asserts
// nothing: figures belong into bench/, with the machine they came from.
//
//	go run ./internal/test/ratios [-rounds 2] [-time 10s] [-only grpc] [-o bench/FILE.md]
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/goddardmq/goddard/internal/test/against"
)

func main() {
	rounds := flag.Int("rounds", 2, "how often to measure each server; the median counts")
	span := flag.Duration("time", 10*time.Second, "how long each load is measured")
	file := flag.String("o", "", "write the table to this file as well")
	keep := flag.String("dir", "", "where the servers keep their data (default a temporary directory)")
	only := flag.String("only", "", "measure one protocol only: remoting or grpc")
	flag.Parse()
	kit, code, done := against.Enclosed()
	if done {
		os.Exit(code)
	}
	if err := run(kit, *rounds, *span, *only, *file, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "ratios:", err)
		os.Exit(1)
	}
}

func run(kit *against.Kit, rounds int, span time.Duration, only, file, dir string) error {
	for what, missing := range map[string]string{"RocketMQ": kit.OriginalMissing, "goddard": kit.GoddardMissing, "the gRPC load": kit.GRPCLoadMissing} {
		if missing != "" {
			return errors.New(what + ": " + missing)
		}
	}
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "goddard-ratios-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	out := io.Writer(os.Stdout)
	if file != "" {
		f, err := os.Create(file)
		if err != nil {
			return err
		}
		defer f.Close()
		out = io.MultiWriter(out, f)
	}
	title(out, rounds)
	if only != "grpc" {
		java, ours, err := inTurn(rounds, javaServer(kit, dir), goddardServer(kit, dir), func(s *server, first *figures) (figures, error) {
			return measure(s, kit.Goddard, span, first.HalfRate)
		})
		if err != nil {
			return err
		}
		if err := table(out, rows, java, ours); err != nil {
			return err
		}
	}
	if only == "remoting" {
		return nil
	}
	java, ours, err := inTurn(rounds, javaProxy(kit, dir), goddardServer(kit, dir), func(s *server, first *grpcFigures) (grpcFigures, error) {
		return measureGRPC(s, kit.GRPCLoad, span, first.HalfRate)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nThe gRPC protocol over plaintext, RocketMQ with its proxy in local mode (one process with the broker).\n\n")
	return table(out, grpcRows, java, ours)
}

// inTurn measures two servers one after the other, as often as there are
// rounds. The second gets what the first of its round has reached.
func inTurn[F any](rounds int, java, ours *server, measure func(s *server, first *F) (F, error)) (javas, all []F, err error) {
	for i := range rounds {
		var first F
		for _, s := range []*server{java, ours} {
			fmt.Fprintf(os.Stderr, "== round %d of %d: %s\n", i+1, rounds, s.name)
			f, err := measure(s, &first)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", s.name, err)
			}
			if s == java {
				first, javas = f, append(javas, f)
			} else {
				all = append(all, f)
			}
		}
	}
	return javas, all, nil
}
