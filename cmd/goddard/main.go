// Command goddard is Apache RocketMQ in one program: started without
// arguments it is a name server and a broker; its subcommands run them apart,
// operate a cluster and look after a data directory.
//
// A subcommand is a file here: an options struct, the flags that fill it and a
// run function. What it does is written in the packages below internal/; only
// the words for a person at a terminal are here. A command that fails says why
// in one sentence on the standard error and exits with 1.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx))
}

// run executes the command line and returns the exit status.
func run(ctx context.Context) int {
	if err := newRoot().ExecuteContext(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "goddard: %v%s\n", err, hint(err))
		return 1
	}
	return 0
}

// newRoot is the command line.
func newRoot() *cobra.Command {
	root := newServer()
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w; see `%s --help`", err, c.CommandPath())
	})
	root.AddCommand(
		newNamesrv(),
		newBroker(),
		newAdmin(),
		newConfig(),
		newDoctor(),
		newExplain(),
		newStore(),
		newPub(),
		newSub(),
		newTail(),
		newBench(),
		newVersion(),
	)
	return root
}
