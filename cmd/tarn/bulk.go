package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// A bulkJob is an import or export job, as the control API describes it.
type bulkJob struct {
	JobID             string `json:"JobId"`
	JobName           string `json:",omitempty"`
	JobStatus         string
	Message           string  `json:",omitempty"`
	SubmitTime        float64 `json:",omitempty"`
	EndTime           float64 `json:",omitempty"`
	JobProgressReport *struct {
		TotalNumberOfScannedFiles, TotalNumberOfResourcesImported, TotalNumberOfResourcesWithCustomerError int64
		Throughput                                                                                         float64
	} `json:",omitempty"`
}

func (j *bulkJob) ended() bool {
	switch j.JobStatus {
	case "COMPLETED", "COMPLETED_WITH_ERRORS", "FAILED", "CANCEL_COMPLETED", "CANCEL_FAILED":
		return true
	}
	return false
}

// line describes a job in one line.
func (j *bulkJob) line() string {
	text := j.JobStatus
	if r := j.JobProgressReport; r != nil {
		text += fmt.Sprintf("  %d resources imported, %d refused, of %d files, %.1f MB/s", r.TotalNumberOfResourcesImported, r.TotalNumberOfResourcesWithCustomerError, r.TotalNumberOfScannedFiles, r.Throughput)
	}
	if j.Message != "" {
		text += "  " + j.Message
	}
	return text
}

// A bulkKind is import or export.
type bulkKind struct {
	controlFlags
	name string // "Import" or "Export"
	// input, output, level and job are flags.
	input, output, level, job string
	wait                      bool
}

func importCommand() *cobra.Command {
	k := &bulkKind{name: "Import"}
	cmd := &cobra.Command{
		Use:   "import --input PLACE --output PLACE",
		Short: "Let a server import NDJSON files, and list its import jobs",
		Long: `Let a server import files of NDJSON (*.ndjson, *.jsonl, also with .gz or .zst)
that it can reach: a folder, or one file, given as a path on the server's
machine, file:///folder or s3://bucket/folder. The operator must have allowed the
place (bulk.folders, bulk.buckets). Each resource is stored under its id. What
became of each line is written below --output.` + controlHelp + `

To send files from this machine, use tarn load.`,
		Example: `  tarn import --input /srv/input --output /srv/reports
  tarn import --input s3://clinic/ndjson --output s3://clinic/reports --level minimal --wait=false
  tarn import list`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			input, err := k.place("input", k.input)
			if err != nil {
				return failed(err)
			}
			output, err := k.place("output", k.output)
			if err != nil {
				return failed(err)
			}
			return failed(k.start(cmd, map[string]any{
				"InputDataConfig":     map[string]any{"S3Uri": input},
				"JobOutputDataConfig": map[string]any{"S3Configuration": map[string]any{"S3Uri": output}},
				"ValidationLevel":     k.level,
			}))
		},
	}
	cmd.Flags().StringVar(&k.input, "input", "", "where the files are (required)")
	cmd.Flags().StringVar(&k.level, "level", "strict", "how strictly resources are validated: strict, structure-only or minimal")
	return k.finish(cmd, "input", "output")
}

func exportCommand() *cobra.Command {
	k := &bulkKind{name: "Export"}
	cmd := &cobra.Command{
		Use:   "export --output PLACE",
		Short: "Let a server export a data store as NDJSON files, and list its export jobs",
		Long: `Let a server write all resources of a data store, as of one moment, to files of
NDJSON: in a folder on the server's machine, file:///folder or s3://bucket/folder.
The operator must have allowed the place (bulk.folders, bulk.buckets).` + controlHelp,
		Example: `  tarn export --output /srv/exports
  tarn export --datastore clinic --output s3://clinic/exports --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			output, err := k.place("output", k.output)
			if err != nil {
				return failed(err)
			}
			return failed(k.start(cmd, map[string]any{
				"OutputDataConfig": map[string]any{"S3Configuration": map[string]any{"S3Uri": output}},
			}))
		},
	}
	return k.finish(cmd, "output")
}

// finish adds the flags and commands that both kinds have.
func (k *bulkKind) finish(cmd *cobra.Command, required ...string) *cobra.Command {
	k.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&k.output, "output", "", "where the job's folder is made (required)")
	flags.StringVar(&k.job, "name", "", "name of the job")
	flags.BoolVar(&k.wait, "wait", true, "wait until the job has ended")
	for _, name := range required {
		_ = cmd.MarkFlagRequired(name)
	}
	cmd.AddCommand(&cobra.Command{
		Use: "list", Short: "List the jobs of a data store, the oldest first", Args: cobra.NoArgs,
		Example: "  tarn " + strings.ToLower(k.name) + " list --datastore default",
		RunE:    func(cmd *cobra.Command, _ []string) error { return failed(k.list(cmd)) },
	})
	cmd.AddCommand(&cobra.Command{
		Use: "cancel JOB", Short: "Cancel a job that waits or runs", Args: cobra.ExactArgs(1),
		Example: "  tarn " + strings.ToLower(k.name) + " cancel 01M3ZJ8V5T6H7W9QK2XNB4RDYC --datastore default",
		RunE:    func(cmd *cobra.Command, args []string) error { return failed(k.cancel(cmd, args[0])) },
	})
	return cmd
}

// cancel ends a job. One that runs ends a moment later.
func (k *bulkKind) cancel(cmd *cobra.Command, id string) error {
	var cancelled bulkJob
	if err := k.call(cmd.Context(), "CancelFHIR"+k.name+"Job", map[string]string{"DatastoreId": k.store, "JobId": id}, &cancelled); err != nil {
		return err
	}
	return k.print(cmd.OutOrStdout(), &cancelled)
}

// place is the value of a flag as a URL: a path is one of the server's machine.
// One that is not whole is below the working folder where that is this machine.
func (k *bulkKind) place(flag, text string) (string, error) {
	if strings.Contains(text, "://") {
		return text, nil
	}
	if !filepath.IsAbs(text) {
		at, err := url.Parse(k.at)
		if err != nil {
			return "", fmt.Errorf("--server: %w", err)
		}
		if ip := net.ParseIP(at.Hostname()); at.Hostname() != "localhost" && !ip.IsLoopback() {
			return "", fmt.Errorf("--%s %s: give the whole path on the server's machine, such as /srv/files, or s3://bucket/folder", flag, text)
		}
		if text, err = filepath.Abs(text); err != nil {
			return "", err
		}
	}
	return "file://" + filepath.ToSlash(text), nil
}

// start begins a job, and waits for it where that is asked.
func (k *bulkKind) start(cmd *cobra.Command, in map[string]any) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	in["DatastoreId"] = k.store
	if k.job != "" {
		in["JobName"] = k.job
	}
	var begun bulkJob
	if err := k.call(ctx, "StartFHIR"+k.name+"Job", in, &begun); err != nil {
		return err
	}
	if !k.wait {
		return k.print(cmd.OutOrStdout(), &begun)
	}
	if !k.json {
		fmt.Fprintf(cmd.OutOrStdout(), "job %s begun\n", begun.JobID)
	}
	done, err := k.await(ctx, begun.JobID)
	if err != nil {
		return err
	}
	if err := k.print(cmd.OutOrStdout(), done); err != nil {
		return err
	}
	if done.JobStatus != "COMPLETED" {
		return fmt.Errorf("the job ended %s", done.JobStatus)
	}
	return nil
}

func (k *bulkKind) print(w io.Writer, j *bulkJob) error {
	if k.json {
		return json.NewEncoder(w).Encode(j)
	}
	_, err := fmt.Fprintf(w, "job %s: %s\n", j.JobID, j.line())
	return err
}

// await asks until the job has ended, first often, then less.
func (k *bulkKind) await(ctx context.Context, id string) (*bulkJob, error) {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		var described map[string]json.RawMessage
		if err := k.call(ctx, "DescribeFHIR"+k.name+"Job", map[string]string{"DatastoreId": k.store, "JobId": id}, &described); err != nil {
			return nil, err
		}
		j := &bulkJob{}
		if err := json.Unmarshal(described[k.name+"JobProperties"], j); err != nil {
			return nil, err
		}
		if j.ended() {
			return j, nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, errors.New("not waited for any longer; the job goes on at the server, until tarn " + strings.ToLower(k.name) + " cancel " + id)
		}
	}
}

// list prints the jobs of the data store.
func (k *bulkKind) list(cmd *cobra.Command) error {
	var all []bulkJob
	for token := ""; ; {
		in := map[string]string{"DatastoreId": k.store}
		if token != "" {
			in["NextToken"] = token
		}
		var listed map[string]json.RawMessage
		if err := k.call(cmd.Context(), "ListFHIR"+k.name+"Jobs", in, &listed); err != nil {
			return err
		}
		var page []bulkJob
		if err := json.Unmarshal(listed[k.name+"JobPropertiesList"], &page); err != nil {
			return err
		}
		if all = append(all, page...); listed["NextToken"] == nil {
			break
		}
		if err := json.Unmarshal(listed["NextToken"], &token); err != nil {
			return err
		}
	}
	if k.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(all)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "JOB\tNAME\tSUBMITTED\tSTATUS")
	for i := range all {
		j := &all[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", j.JobID, j.JobName, time.Unix(int64(j.SubmitTime), 0).UTC().Format(time.DateTime), j.line())
	}
	return w.Flush()
}
