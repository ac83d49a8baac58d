// Command ratios measures Java RocketMQ and Goddard in turn, on this machine,
// with the same load from `goddard bench`, and prints the ratios. It asserts
// nothing: figures belong into bench/, with the machine they came from.
//
//	go run ./internal/test/ratios [-rounds 2] [-time 10s] [-o bench/FILE.md]
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
	flag.Parse()
	kit, code, done := against.Enclosed()
	if done {
		os.Exit(code)
	}
	if err := run(kit, *rounds, *span, *file, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "ratios:", err)
		os.Exit(1)
	}
}

func run(kit *against.Kit, rounds int, span time.Duration, file, dir string) error {
	if kit.OriginalMissing != "" {
		return errors.New("RocketMQ: " + kit.OriginalMissing)
	}
	if kit.GoddardMissing != "" {
		return errors.New("goddard: " + kit.GoddardMissing)
	}
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "goddard-ratios-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	var java, ours []figures
	for i := range rounds {
		fmt.Fprintf(os.Stderr, "== round %d of %d: RocketMQ %s\n", i+1, rounds, against.OriginalVersion)
		f, err := measure(javaServer(kit, dir), kit.Goddard, span, 0)
		if err != nil {
			return fmt.Errorf("RocketMQ: %w", err)
		}
		java = append(java, f)
		fmt.Fprintf(os.Stderr, "== round %d of %d: Goddard\n", i+1, rounds)
		if f, err = measure(goddardServer(kit, dir), kit.Goddard, span, f.HalfRate); err != nil {
			return fmt.Errorf("goddard: %w", err)
		}
		ours = append(ours, f)
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
	return table(out, java, ours)
}
