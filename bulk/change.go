package bulk

import (
	"encoding/json"
	"strings"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/job"
	"github.com/tarnhealth/tarn/kv"
)

// A Change is a job that has come to another state.
type Change struct {
	// Action is as in Event.
	Action string
	// Store is the job's data store; of one that is gone, or not made yet, its ID
	// alone.
	Store datastore.Record
	// Status has the state that the job has come to: Submitted, InProgress, or
	// one that is final.
	Status
	// Name is the caller's; Input and Output are URLs of places. Each may be "".
	Name, Input, Output string
}

// changed tells of a job whose state is another one. That a job waits again, or
// goes on, is nothing new.
func (s *Service) changed(tx kv.Tx, before job.State, j *job.Job) error {
	began := before == job.Queued && j.State == job.Running && j.Attempts == 1
	if s.opt.Changed == nil || before != "" && !began && !j.State.Ended() {
		return nil
	}
	c, err := s.changeOf(j)
	if err != nil {
		return err
	}
	if before == "" {
		c.State = Submitted
	}
	return s.opt.Changed(tx, c)
}

func (s *Service) changeOf(j *job.Job) (c Change, err error) {
	id, _, _ := strings.Cut(j.Scope, " ")
	c = Change{Action: j.Kind, Store: datastore.Record{ID: id}}
	if store, err := s.store(id, j.Scope); err == nil {
		c.Store = store.Record()
	}
	switch j.Kind {
	case kindImport:
		var status ImportStatus
		status, err = s.importStatus(j)
		c.Status, c.Name, c.Input, c.Output = status.Status, status.Name, status.Input, status.Folder
	case kindExport:
		var status ExportStatus
		status, err = s.exportStatus(j)
		c.Status, c.Name, c.Output = status.Status, status.Name, status.Folder
	case kindFill:
		var in Fill
		var at fillState
		err = json.Unmarshal(j.Input, &in)
		if err == nil && j.Checkpoint != nil {
			err = json.Unmarshal(j.Checkpoint, &at)
		}
		c.Action = in.action()
		c.Status = Status{ID: j.ID, State: stateOf(j, false), Message: at.Message, Submitted: j.Created, EndTime: j.Ended}
	}
	return c, err
}
