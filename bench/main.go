// Command bench measures a Tarn server under load and the raw limits of the
// machine in the same run, so that a figure is a ratio and not a property of
// the machine that it was taken on.
//
// It builds the tarn command, starts it on an empty folder and a loopback
// port, and fills it with the built-in synthetic population or with files. The
// load comes from a lean HTTP client in this process, whose own CPU time is
// shown. The server's and the probe's are processes of their own; what the
// server used is read from the operating system and from its /metrics.
//
// Each scenario is a file: crud.go, read.go, search.go … It leaves to others:
// comparing two builds (bench/compare).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	scenarios []string
	length    time.Duration
	clients   int
	patients  int
	sizes     []int  // of growth
	folder    string // of growth
	resources int    // of volume
	starts    int    // how often a server is started
	data      string
	binary    string
	temp      string
	profile   string
	json      bool
	detail    bool
	// here runs everything in this process, for tests.
	here bool
}

// usualStarts is how often the start of a server is measured.
const usualStarts = 5

// Roles of bench's own processes.
const (
	roleProbe  = "probe"
	roleEvict  = "evict"
	roleLoad   = "load"
	roleExport = "export"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return
	case errors.Is(err, context.Canceled):
		err = errors.New("stopped; everything it started and wrote is gone")
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

// usageText is what --help shows before the flags.
const usageText = `Measure a Tarn server and, in the same run, what the machine can do at most.

Usage:
  go run ./bench [flags]

Examples:
  # everything but growth and volume, ten seconds for each timed part
  go run ./bench

  # some scenarios, with each kind of request of the mix by itself
  go run ./bench --scenario crud,search --seconds 5 --detail

  # Synthea files instead of the built-in population, one JSON object a line
  go run ./bench --data ./synthea/bundles --json > figures.ndjson

  # how cost grows with the data
  go run ./bench --scenario growth --sizes 1000,10000

  # the same in a folder that was filled before, in bulk
  go run ./bench --scenario growth --sizes 1000 --folder ./tarn-data

  # a million resources in and out, with the greatest memory
  go run ./bench --scenario volume --resources 1000000

  # where the time goes
  go run ./bench --scenario search --profile bench/profiles
  go tool pprof -top bench/profiles/search.cpu.pprof

Scenarios:
`

func command(ctx context.Context, args []string, out, progress io.Writer) error {
	var opt options
	var names, sizes, role string
	var seconds float64
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(progress)
	flags.StringVar(&names, "scenario", "", "comma-separated `names` (default: all but growth and volume)")
	flags.Float64Var(&seconds, "seconds", 10, "length of each timed part")
	flags.IntVar(&opt.clients, "clients", 0, "concurrent `clients` instead of each scenario's own number")
	flags.IntVar(&opt.patients, "patients", 200, "synthetic patients to load, some 310 resources each")
	flags.StringVar(&sizes, "sizes", "1000,10000,50000", "patients for growth; those that do not fit the disk are left out")
	flags.StringVar(&opt.folder, "folder", "", "data `folder` of tarn serve that growth measures behind the sizes; it is written to")
	flags.IntVar(&opt.resources, "resources", 1_000_000, "resources for volume")
	flags.StringVar(&opt.data, "data", "", "load the Synthea files (Bundles, NDJSON, gzip) below this `folder` instead of synthetic patients")
	flags.StringVar(&opt.binary, "binary", "", "measure this tarn `file` instead of building one; leaves out what runs without a server")
	flags.StringVar(&opt.temp, "temp", "", "`folder` for the data folders, removed at the end (default the system's)")
	flags.StringVar(&opt.profile, "profile", "", "write CPU, alloc, block and mutex profiles of the server to this `folder`")
	flags.BoolVar(&opt.json, "json", false, "print one JSON object a line")
	flags.BoolVar(&opt.detail, "detail", false, "show each kind of request of a mix")
	flags.StringVar(&role, "role", "", "used by bench itself")
	flags.Usage = func() { printUsage(flags) }
	if err := flags.Parse(args); err != nil {
		return err
	}
	opt.starts = usualStarts
	opt.length = time.Duration(seconds * float64(time.Second))
	if role != "" {
		return play(ctx, role, &opt, flags.Args(), out)
	}
	if err := opt.complete(names, sizes, flags.Args()); err != nil {
		return err
	}
	return run(ctx, opt, out, progress)
}

func printUsage(flags *flag.FlagSet) {
	fmt.Fprint(flags.Output(), usageText)
	for _, s := range scenarios {
		fmt.Fprintf(flags.Output(), "  %-11s %s\n", s.name, s.help)
	}
	fmt.Fprint(flags.Output(), "\nFlags:\n")
	flags.PrintDefaults()
}

// complete checks the command line and fills in what follows from it.
func (o *options) complete(names, sizes string, rest []string) (err error) {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q; see --help", rest[0])
	case o.length <= 0 || o.length > time.Hour:
		return errors.New("--seconds must be more than 0, and 3600 at most")
	case o.patients < 1:
		return errors.New("--patients must be 1 or more")
	case o.resources < 1:
		return errors.New("--resources must be 1 or more")
	case o.clients < 0:
		return errors.New("--clients must be 1 or more")
	}
	for text := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return fmt.Errorf("--sizes: %q is no number of patients", text)
		}
		o.sizes = append(o.sizes, n)
	}
	o.scenarios, err = choose(names)
	return err
}

// choose reads --scenario.
func choose(list string) ([]string, error) {
	var all, usual []string
	for _, s := range scenarios {
		all = append(all, s.name)
		if s.name != "growth" && s.name != "volume" {
			usual = append(usual, s.name)
		}
	}
	if list == "" {
		return usual, nil
	}
	wanted := strings.Split(list, ",")
	for _, w := range wanted {
		if !slices.Contains(all, w) {
			return nil, fmt.Errorf("there is no scenario %q; choose from %s", w, strings.Join(all, ", "))
		}
	}
	return wanted, nil
}

func run(ctx context.Context, opt options, out, progress io.Writer) (err error) {
	b, err := start(ctx, opt, out, progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	for _, s := range scenarios {
		if !slices.Contains(opt.scenarios, s.name) {
			continue
		}
		if err := s.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// A scenario measures one thing and prints its rows.
type scenario struct {
	name, help string
	run        func(ctx context.Context, b *bench) error
}

// scenarios in the order they run: those that only read come before those that
// write, and those that need the server stopped come last.
var scenarios = []scenario{
	{"read", "reads by id, random over all data, warm and from disk", runRead},
	{"search", "a mix of 24 searches, 20 results and an exact total, 32 clients", runSearch},
	{"chain", "chains, _has, includes, sorts by date, counts; a row for each", runChain},
	{"everything", "$everything of random patients", runEverything},
	{"crud", "create, read, update, delete of nine types, 16 and 64 clients", runCrud},
	{"audit", "reads, searches, crud and a mix without authorization, with tokens, with the audit log", runAudit},
	{"encryption", "loading, reads, searches and crud with and without encryption at rest, with caches of several sizes", runEncryption},
	{"token", "access tokens by secret and by assertion, introspection, 16 clients", runToken},
	{"terminology", "$lookup, $validate-code, $subsumes and $expand, 32 clients", runTerminology},
	{"export", "the whole store to NDJSON files", runExport},
	{"start", "start of the process to the first answer; idle memory", runStart},
	{"bundle", "a transaction for each patient, 1 and 8 clients", runBundle},
	{"import", "NDJSON into an empty and into a full store", runImport},
	{"volume", "import and export of many resources, memory, start", runVolume},
	{"growth", "read, search, chain, crud and start at several sizes", runGrowth},
}

// clients is the number of clients that a scenario runs with: its own unless
// the command line says otherwise.
func (o *options) clientsOr(own ...int) []int {
	if o.clients > 0 {
		return []int{o.clients}
	}
	return own
}
