// Command compare runs scenarios of bench with two builds of tarn side by
// side, A B A B …, and prints how B differs from A with the spread of the
// rounds, so that a regression is seen before it lands. What else goes on on
// the machine hits both alike.
//
// It owns the order of the runs and the arithmetic. It leaves to others: the
// load and the figures (bench, always of the working tree, so that both
// builds are measured the same way).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
)

// options are the command line.
type options struct {
	a, b     string
	rounds   int
	scenario string
	// passed on to bench.
	passed []string
}

const usageText = `Compare two builds of tarn, A B A B …

A and B are commits (built in a temporary folder) or files (tarn binaries);
"." is the working tree.

Usage:
  go run ./bench/compare [flags]

Examples:
  # the working tree against the commit before
  go run ./bench/compare --a HEAD --b . --scenario crud,read

  # two binaries, longer
  go run ./bench/compare --a ./tarn-old --b ./tarn-new --scenario search --seconds 10 --rounds 9

Above 1 is more of it: more requests a second are better, more CPU, memory and
waiting are worse. "ratio" is the throughput to the raw limit of the same run,
which a busy machine disturbs less. A row is marked where five rounds or more
all agree.

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "compare:", err)
	os.Exit(1)
}

func command(ctx context.Context, args []string, out, progress io.Writer) error {
	opt, err := parse(args, progress)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "tarn-compare-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	bench := filepath.Join(temp, "bench")
	if err := build(ctx, ".", "./bench", bench); err != nil {
		return err
	}
	var binaries [2]string
	for i, what := range []string{opt.a, opt.b} {
		fmt.Fprintf(progress, "compare: %s is %s\n", side(i), what)
		if binaries[i], err = binary(ctx, what, filepath.Join(temp, side(i))); err != nil {
			return err
		}
	}
	c := newComparison()
	for round := range opt.rounds {
		for i, file := range binaries {
			fmt.Fprintf(progress, "compare: round %d of %d, %s\n", round+1, opt.rounds, side(i))
			rows, err := measure(ctx, bench, file, opt, progress)
			if err != nil {
				return err
			}
			c.add(i, rows)
		}
	}
	c.print(out)
	return nil
}

// side names a build.
func side(i int) string { return string(rune('A' + i)) }

func parse(args []string, progress io.Writer) (options, error) {
	var opt options
	var seconds float64
	var clients, patients int
	var data string
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(progress)
	flags.StringVar(&opt.a, "a", "HEAD", "first `build`: a commit or a file")
	flags.StringVar(&opt.b, "b", ".", "second `build`")
	flags.IntVar(&opt.rounds, "rounds", 5, "how often each is run")
	flags.StringVar(&opt.scenario, "scenario", "crud,read,search,bundle", "comma-separated `names`; see bench --help")
	flags.Float64Var(&seconds, "seconds", 3, "length of each timed part")
	flags.IntVar(&clients, "clients", 0, "concurrent `clients` instead of each scenario's own number")
	flags.IntVar(&patients, "patients", 50, "synthetic patients to load")
	flags.StringVar(&data, "data", "", "load the Synthea files below this `folder` instead")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usageText)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return opt, err
	}
	switch {
	case flags.NArg() > 0:
		return opt, fmt.Errorf("unexpected argument %q; see --help", flags.Arg(0))
	case opt.rounds < 1:
		return opt, errors.New("--rounds must be 1 or more")
	}
	opt.passed = []string{"--json", "--scenario", opt.scenario, "--seconds", strconv.FormatFloat(seconds, 'g', -1, 64),
		"--patients", strconv.Itoa(patients), "--clients", strconv.Itoa(clients)}
	if data != "" {
		opt.passed = append(opt.passed, "--data", data)
	}
	return opt, nil
}
