// Package notify owns what a server tells others of itself, and to whom: the
// events of data stores and of import and export jobs, in HealthLake's words, and
// the settings of their sinks.
// https://docs.aws.amazon.com/healthlake/latest/devguide/monitoring-eventbridge.html
//
// It leaves to others: that every event arrives (event), and what changes
// (datastore, bulk).
package notify

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/tarnhealth/tarn/bulk"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/event"
	"github.com/tarnhealth/tarn/kv"
)

// source is that of HealthLake's events, so that rules for them match.
const source = "aws.healthlake"

// A Teller makes events of changes. A nil one makes none.
type Teller struct {
	// Region and Account are those of data stores that were made without.
	Region, Account string

	outbox *event.Outbox
	base   string
}

// Tend delivers events until ctx ends.
func (t *Teller) Tend(ctx context.Context, _ *slog.Logger) {
	if t != nil {
		t.outbox.Run(ctx)
	}
}

// storeTypes are the detail-types of the statuses of data stores.
var storeTypes = map[datastore.Status]string{
	datastore.StatusCreating: "Data Store Creating",
	datastore.StatusActive:   "Data Store Active",
	datastore.StatusDeleting: "Data Store Deleting",
	datastore.StatusDeleted:  "Data Store Deleted",
	datastore.StatusFailed:   "Data Store Creation Failed",
}

// jobTypes are the ends of the detail-types of the states of jobs. HealthLake
// tells nothing of jobs that are cancelled.
var jobTypes = map[bulk.State]string{
	bulk.Submitted:           "Submitted",
	bulk.InProgress:          "In Progress",
	bulk.Completed:           "Completed",
	bulk.CompletedWithErrors: "Completed With Errors",
	bulk.Failed:              "Failed",
	bulk.CancelCompleted:     "Cancelled",
}

// storeDetail is the detail of a data store's events. Beyond HealthLake's members
// it has the status, and why a data store could not be made.
type storeDetail struct {
	ID       string           `json:"datastoreId"`
	Name     string           `json:"datastoreName,omitempty"`
	Release  string           `json:"datastoreTypeVersion"`
	Endpoint string           `json:"datastoreEndpoint"`
	Status   datastore.Status `json:"datastoreStatus"`
	Message  string           `json:"message,omitempty"`
}

// jobDetail is the detail of a job's events. Beyond HealthLake's members it has
// the name, status, end and message.
type jobDetail struct {
	Job       string      `json:"jobId"`
	Name      string      `json:"jobName,omitempty"`
	Status    bulk.State  `json:"jobStatus"`
	Submitted time.Time   `json:"submitTime"`
	Ended     *time.Time  `json:"endTime,omitempty"`
	Store     string      `json:"datastoreId"`
	Input     *jobsFolder `json:"inputDataConfig,omitempty"`
	Output    *jobsFolder `json:"outputDataConfig,omitempty"`
	Message   string      `json:"message,omitempty"`
}

type jobsFolder struct {
	URI string `json:"s3Uri"`
}

// Store tells of a data store that comes to another status, as
// datastore.Options.Changed.
func (t *Teller) Store(tx kv.Tx, r datastore.Record) error {
	return t.store(tx, r, "")
}

func (t *Teller) store(tx kv.Tx, r datastore.Record, message string) error {
	if t == nil {
		return nil
	}
	return t.put(tx, r, storeTypes[r.Status], storeDetail{
		ID: r.ID, Name: r.Name, Release: r.Release, Endpoint: t.base + "/datastore/" + r.ID + "/r4/", Status: r.Status, Message: message,
	})
}

// Job tells of a job that comes to another state, as bulk.Options.Changed. Of one
// that fills a data store it tells what that makes of the data store.
func (t *Teller) Job(tx kv.Tx, c bulk.Change) error {
	if t == nil {
		return nil
	}
	what := ""
	switch c.Action {
	case "import":
		what = "Import Job "
	case "export":
		what = "Export Job "
	default:
		return t.filled(tx, &c)
	}
	d := jobDetail{Job: c.ID, Name: c.Name, Status: c.State, Submitted: stamp(c.Submitted), Store: c.Store.ID, Message: c.Message}
	if !c.EndTime.IsZero() {
		end := stamp(c.EndTime)
		d.Ended = &end
	}
	if c.Input != "" {
		d.Input = &jobsFolder{c.Input}
	}
	if c.Output != "" {
		d.Output = &jobsFolder{c.Output}
	}
	return t.put(tx, c.Store, what+jobTypes[c.State], d)
}

func (t *Teller) filled(tx kv.Tx, c *bulk.Change) error {
	if !c.State.Ended() {
		return nil
	}
	if c.Store.Status = datastore.StatusActive; c.State != bulk.Completed {
		c.Store.Status = datastore.StatusFailed
	}
	return t.store(tx, c.Store, c.Message)
}

// stamp is a time as HealthLake's events have it, to the millisecond.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

func (t *Teller) put(tx kv.Tx, r datastore.Record, what string, detail any) error {
	text, err := json.Marshal(detail)
	if err != nil {
		return err
	}
	region, account := t.Region, t.Account
	if r.Control != nil && r.Control.Region != "" {
		region, account = r.Control.Region, r.Control.Account
	}
	return t.outbox.Put(tx, event.Event{
		DetailType: what, Source: source, Account: account, Region: region,
		Resources: []string{"arn:aws:healthlake:" + region + ":" + account + ":datastore/fhir/" + r.ID}, Detail: text,
	})
}
